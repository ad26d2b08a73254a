//! Toolchain files.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &str| vx_toolchain::fuzzing::toolchain_file(data));
