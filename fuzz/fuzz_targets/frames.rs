//! What a peer sends once it is known.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vx_transport::fuzzing::frames(data));
