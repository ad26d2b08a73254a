//! What a stranger says to a service, and what a stranger in the place of a service answers.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vx_transport::fuzzing::handshake(data));
