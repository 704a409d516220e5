//! Property checks: rules that hold for every text that karat reads.
//!
//! Each check takes raw bytes, makes its texts from them, and panics if a rule is broken: tests feed it random bytes, a fuzzer bytes
//! that reach new code. The checks use karat's public API alone.

pub mod body;
pub mod chunks;
pub mod coerce;
mod digits;

pub mod explain;
pub mod forging;
pub mod handwritten;
pub mod hostile;
pub mod lenient;
pub mod reasoning;
pub mod round_trip;
pub mod state;
pub mod streaming;
pub mod valid;
pub mod value_ends;
mod whole;

/// Name and function of a check; its fuzz target and its folder in `fuzz/corpus` have the same name.
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
    ("value_ends", value_ends::check),
    ("body", body::check),
    ("stream", streaming::check),
];
