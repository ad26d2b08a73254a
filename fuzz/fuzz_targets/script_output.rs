//! What build scripts print.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vx_cargo::fuzzing::script_output(data));
