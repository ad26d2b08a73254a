//! Manifests of channels.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vx_toolchain::fuzzing::channel_manifest(data));
