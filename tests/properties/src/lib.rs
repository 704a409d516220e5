//! What must hold of every text that karat reads. Each check takes raw bytes, makes its texts of them, and panics where
//! something does not hold, so that tests feed it with random bytes and a fuzzer with bytes that reach new code.
//!
//! karat is used through its public API alone.

pub mod body;
pub mod chunks;
pub mod coerce;
mod digits;
pub mod ends;
pub mod explain;
pub mod forging;
pub mod hostile;
pub mod lenient;
pub mod reasoning;
pub mod round_trip;
pub mod state;
pub mod streaming;
pub mod valid;
mod whole;
pub mod written;

/// A check and its name, which is that of its fuzz target and of its folder in `fuzz/corpus`.
pub type Target = (&'static str, fn(&[u8]));

/// All checks.
pub const TARGETS: &[Target] = &[
    ("lenient_json", lenient::check),
    ("valid_json", valid::check),
    ("coerce", coerce::check),
    ("forge_chat", forging::chat),
    ("forge_xml", forging::xml),
    ("forge_terse", forging::terse),
    ("forge_json", forging::json),
    ("round_trip_chat", round_trip::chat),
    ("round_trip_xml", round_trip::xml),
    ("round_trip_json", round_trip::json),
    ("state", state::check),
    ("reasoning", reasoning::check),
    ("ends", ends::check),
    ("body", body::check),
    ("stream", streaming::check),
];
