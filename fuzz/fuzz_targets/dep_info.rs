//! What rustc writes down about its inputs.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &str| vx_cargo::fuzzing::dep_info(data));
