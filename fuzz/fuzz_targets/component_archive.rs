//! Components of a toolchain.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vx_toolchain::fuzzing::component_archive(data).expect("the disk has room"));
