//! Directories, as they lie in the store.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vx_model::fuzzing::directory(data));
