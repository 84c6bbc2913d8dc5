#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| gouvtech_catalogue::fuzzing::proof::bundle(data));
