#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| karat_properties::value_ends::check(bytes));
