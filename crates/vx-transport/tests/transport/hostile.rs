//! What strangers send, and what those send who have the token and are broken: closed or refused within a bound, without
//! effect on others.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{Raw, SUM, Service, Setup, assert_works, frame, hello, over_both, request};

/// Short enough to be waited for.
const BOUND: Duration = Duration::from_millis(100);

async fn assert_closed(mut raw: Raw) {
    assert!(raw.take_all().await.is_empty());
}

fn impatient(mut setup: Setup) -> Setup {
    setup.limits.handshake = BOUND;
    setup.limits.stall = BOUND;
    setup
}

async fn greeted(setup: &Setup, service: &Service) -> Raw {
    Raw::greeted(&service.endpoint, setup).await
}

over_both! {
    async fn silence_is_closed(setup) {
        let setup = impatient(setup);
        let service = setup.serve();
        assert_closed(Raw::connect(&service.endpoint).await).await;
    }

    async fn text_of_another_protocol_is_closed_at_once(setup) {
        let service = setup.serve();
        let bystander = setup.client(&service).await;
        let mut raw = Raw::connect(&service.endpoint).await;
        raw.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        assert_closed(raw).await;
        assert_works(&bystander).await;
    }

    async fn a_byte_now_and_then_does_not_prolong_the_handshake(setup) {
        let setup = impatient(setup);
        let service = setup.serve();
        let mut raw = Raw::connect(&service.endpoint).await;
        // The beginning of a good hello: nothing but time speaks against it.
        let hello = hello(1, setup.credentials.protocol, &"x".repeat(255));
        let mut rest = hello.iter();
        while !raw.is_closed_within(BOUND / 20).await {
            let next = rest.next().expect("it was listened to to the end");
            raw.try_send(&[*next]).await;
        }
    }

    async fn half_a_frame_is_closed(setup) {
        let mut setup = setup;
        setup.limits.stall = BOUND;
        let service = setup.serve();
        for half in [&100u32.to_le_bytes()[..2], &frame(&[0; 100])[..50]] {
            let mut raw = greeted(&setup, &service).await;
            raw.send(half).await;
            assert_closed(raw).await;
        }
    }

    async fn a_frame_that_breaks_off_is_closed(setup) {
        let service = setup.serve();
        let bystander = setup.client(&service).await;
        for cut in [2, 30, 80] {
            let mut raw = greeted(&setup, &service).await;
            raw.send(&request(1, SUM, &[0; 100])[..cut]).await;
            raw.finish().await;
            assert_closed(raw).await;
        }
        assert_works(&bystander).await;
    }

    async fn a_frame_without_a_descriptor_is_closed(setup) {
        let service = setup.serve();
        for length in [0, 1, 63] {
            let mut raw = greeted(&setup, &service).await;
            raw.send(&frame(&vec![0; length])).await;
            assert_closed(raw).await;
        }
    }

    async fn a_length_over_the_limit_is_closed_before_memory_is_taken(setup) {
        let service = setup.serve();
        let bystander = setup.client(&service).await;
        let before = peak_of_virtual_memory();
        for _ in 0..4 {
            let mut raw = greeted(&setup, &service).await;
            raw.send(&u32::MAX.to_le_bytes()).await;
            raw.try_send(&[0; 64]).await;
            assert_closed(raw).await;
        }
        // Each would have been four gibibytes.
        assert!(peak_of_virtual_memory() - before < 3 << 30);
        assert_works(&bystander).await;
    }

    async fn arguments_that_cannot_be_read_are_an_error_of_one_call(setup) {
        let service = setup.serve();
        let mut raw = greeted(&setup, &service).await;
        // No length at all; one of 2^64 - 1 elements; one that never ends.
        let endless = [0xff; 32];
        let most = [&[0xff; 9][..], &[0x01]].concat();
        for (channel, arguments) in (1..).zip([&b""[..], &most, &endless]) {
            raw.send(&request(channel, SUM, arguments)).await;
            let answer = raw.take_frame().await;
            let flags = u32::from_le_bytes(answer[32..36].try_into().unwrap());
            assert!(flags & 0b1_0000 != 0, "no error: {answer:?}");
        }
        // [1, 2, 3]
        raw.send(&request(9, SUM, &[3, 1, 2, 3])).await;
        let answer = raw.take_frame().await;
        assert_eq!(answer[64..], [6]);
    }

    async fn a_method_that_does_not_exist_is_an_error_of_one_call(setup) {
        let service = setup.serve();
        let mut raw = greeted(&setup, &service).await;
        raw.send(&request(1, SUM ^ 1, &[])).await;
        raw.take_frame().await;
        raw.send(&request(2, SUM, &[1, 5])).await;
        assert_eq!(raw.take_frame().await[64..], [5]);
    }

    async fn noise_is_closed_or_refused(setup) {
        let service = setup.serve();
        let bystander = setup.client(&service).await;
        let mut seed: u64 = 1;
        for _ in 0..20 {
            let noise: Vec<u8> = (0..200)
                .map(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (seed >> 33) as u8
                })
                .collect();
            let mut raw = greeted(&setup, &service).await;
            raw.try_send(&frame(&noise)).await;
            raw.try_send(&noise).await;
            raw.finish().await;
            raw.take_all().await;
        }
        assert_works(&bystander).await;
    }
}

/// In bytes.
fn peak_of_virtual_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

/// What is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// On one thread, so that what its tasks log is heard.
#[tokio::test]
async fn each_refusal_is_logged_once() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let setup = Setup::tcp();
    let service = setup.serve();
    let refused = vx_transport::Session::connect(&service.endpoint, &setup.foreign(), &setup.limits).await;
    assert!(refused.is_err());
    let mut raw = Raw::connect(&service.endpoint).await;
    raw.send(b"GET / HTTP/1.1\r\n\r\n").await;
    assert_closed(raw).await;
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[1].contains("is not vx"), "{text}");
}
