//! Endpoints, as users write them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &str| vx_transport::fuzzing::endpoint(data));
