//! Runs each property check on its corpus and on random bytes, the same in every run. `KARAT_CASES` sets the number of cases (`just
//! properties` runs a million of each check), `KARAT_FROM` the first case.

use std::{fs, path::Path};

use karat_properties::TARGETS;

/// Random cases of each check in a plain `cargo test`, a build without optimization.
const CASES: u64 = 20_000;

fn run(name: &str) {
    let (_, check) = TARGETS.iter().find(|(target, _)| *target == name).unwrap();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let mut files: Vec<_> = fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{}", corpus.display());
    for file in files {
        check(&fs::read(file).unwrap());
    }
    let number = |name, default| std::env::var(name).map_or(default, |number| number.parse().unwrap());
    let (cases, from) = (number("KARAT_CASES", CASES), number("KARAT_FROM", 0));
    let mut bytes = [0; 512];
    for seed in from..from + cases {
        let mut random = fastrand::Rng::with_seed(seed);
        // Lengths vary: short inputs run out of bytes and end in zeros.
        let length = random.usize(..bytes.len());
        random.fill(&mut bytes[..length]);
        check(&bytes[..length]);
    }
}

macro_rules! tests {
    ($($name:ident: $target:literal,)*) => {
        $(
            #[test]
            fn $name() {
                run($target);
            }
        )*

        #[test]
        fn every_check_is_run() {
            let run = [$($target),*];
            assert!(TARGETS.iter().all(|(target, _)| run.contains(target)));
        }
    };
}

tests! {
    malformed_json_is_mended_without_loss_or_invention: "lenient_json",
    valid_json_is_read_as_serde_json_reads_it: "valid_json",
    a_value_keeps_its_meaning_in_its_type_or_is_refused: "coerce",
    no_input_becomes_an_answer_with_markers: "forge_chat",
    no_input_becomes_an_answer_with_elements: "forge_xml",
    no_input_becomes_an_answer_with_labels: "forge_terse",
    no_input_becomes_an_answer_as_json: "forge_json",
    values_written_with_markers_are_read_back: "round_trip_chat",
    values_written_with_elements_are_read_back: "round_trip_xml",
    values_written_as_json_are_read_back: "round_trip_json",
    a_state_is_loaded_whole_or_not_at_all: "state",
    reasoning_is_removed_at_the_beginning_and_nothing_else: "reasoning",
    a_value_ends_where_the_model_ended_it: "value_ends",
    a_servers_body_is_read_or_a_typed_error: "body",
    the_events_of_a_stream_do_not_depend_on_its_pieces: "stream",
}
