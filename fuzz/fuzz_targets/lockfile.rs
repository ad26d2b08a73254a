//! Lock files.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &str| vx_packages::fuzzing::lockfile(data));
