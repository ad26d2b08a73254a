//! What strangers can do to the services of a home: nothing. Over TCP, and in profile `uds` over Unix sockets.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;

use camino::Utf8Path;
use harness::TestEnv;

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

fn connect(endpoint: &str) -> Box<dyn Stream> {
    match endpoint.strip_prefix("unix:") {
        Some(path) => Box::new(UnixStream::connect(path).unwrap()),
        None => Box::new(TcpStream::connect(endpoint).unwrap()),
    }
}

/// Says something, and listens until the connection is closed.
fn talk(endpoint: &str, text: &[u8]) -> Vec<u8> {
    let mut stream = connect(endpoint);
    let mut heard = Vec::new();
    // A connection that is reset has ended too.
    let _ = stream.write_all(text);
    let _ = stream.read_to_end(&mut heard);
    heard
}

/// Endpoints of the daemon, the store and the executor.
fn services(env: &TestEnv) -> Vec<String> {
    let status = env.status();
    let services = status["daemon"]["services"].as_array().unwrap();
    let endpoint = |service: &serde_json::Value| service["endpoint"].as_str().unwrap().to_owned();
    services.iter().map(endpoint).collect()
}

fn assert_builds(env: &TestEnv, word: &str) {
    env.write("src/main.rs", &format!("fn main() {{ println!(\"{word}\"); }}\n"));
    assert_eq!(env.build(&[]).ran, 1);
    assert_eq!(env.run_program("debug/hello"), format!("{word}\n"));
}

#[test]
fn who_does_not_speak_like_vx_is_not_answered() {
    let env = TestEnv::with_fixture("hello");
    env.build(&[]);
    let services = services(&env);
    assert_eq!(services.len(), 3);
    for endpoint in &services {
        for text in [
            &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            &[0xff; 4096],
        ] {
            assert!(talk(endpoint, text).is_empty(), "{endpoint}");
        }
    }
    assert_builds(&env, "unimpressed");
    // The same processes as before.
    assert_eq!(self::services(&env), services);
}

#[test]
fn silent_connections_delay_no_build() {
    let env = TestEnv::with_fixture("hello");
    env.build(&[]);
    // More than any service lets in.
    let silent: Vec<_> = services(&env)
        .iter()
        .flat_map(|endpoint| (0..300).map(|_| connect(endpoint)).collect::<Vec<_>>())
        .collect();
    assert_builds(&env, "undelayed");
    drop(silent);
    assert_builds(&env, "unharmed");
}

#[test]
fn who_has_another_token_learns_whose_service_it_is() {
    let env = TestEnv::with_fixture("hello");
    env.build(&[]);
    let token = env.home().join("run/token");
    let good = fs::read(&token).unwrap();
    fs::write(&token, [7; 32]).unwrap();
    for command in ["build", "status"] {
        let refused = env.vx([command]).run();
        assert!(!refused.status.success(), "{refused}");
        assert!(refused.stderr.contains("belongs to another VX_HOME"), "{refused}");
    }
    fs::write(&token, good).unwrap();
    assert_builds(&env, "known");
}

#[test]
fn a_token_that_others_can_read_is_refused() {
    let env = TestEnv::with_fixture("hello");
    env.build(&[]);
    let token = env.home().join("run/token");
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    let refused = env.vx(["build"]).run();
    assert!(!refused.status.success(), "{refused}");
    assert!(refused.stderr.contains(token.as_str()), "{refused}");
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    assert_builds(&env, "private");
}

#[test]
fn secrets_and_sockets_are_for_their_owner_alone() {
    let env = TestEnv::with_fixture("hello");
    env.build(&[]);
    let mode = |path: &Utf8Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
    let run = env.home().join("run");
    assert_eq!(mode(&run), 0o700);
    assert_eq!(mode(&run.join("token")), 0o600);
    for socket in services(&env)
        .iter()
        .filter_map(|endpoint| endpoint.strip_prefix("unix:"))
    {
        let socket = Utf8Path::new(socket);
        assert_eq!(mode(socket), 0o600);
        assert_eq!(mode(socket.parent().unwrap()), 0o700);
    }
}
