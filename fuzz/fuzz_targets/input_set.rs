//! Input sets, as they lie in the database.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vx_model::fuzzing::input_set(data));
