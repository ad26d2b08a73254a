//! Packages of a registry.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vx_packages::fuzzing::package_archive(data).expect("the disk has room"));
