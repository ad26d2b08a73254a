//! What is an endpoint, and what every other text is refused for.

use proptest::prelude::*;

use super::*;

fn refused(text: &str) -> EndpointErrorKind {
    text.parse::<Endpoint>().unwrap_err().kind
}

#[test]
fn the_documented_forms_are_understood() {
    let shown = |text: &str| text.parse::<Endpoint>().unwrap().to_string();
    assert_eq!(shown("127.0.0.1:80"), "127.0.0.1:80");
    assert_eq!(shown("127.1.2.3:80"), "127.1.2.3:80");
    assert_eq!(shown("[::1]:65535"), "[::1]:65535");
    assert_eq!(shown("localhost:1"), "127.0.0.1:1");
    assert_eq!(shown("LocalHost:1"), "127.0.0.1:1");
    if cfg!(unix) {
        assert_eq!(shown("unix:/run/vx/daemon.sock"), "unix:/run/vx/daemon.sock");
    }
}

#[test]
fn every_refusal_has_its_own_reason() {
    use EndpointErrorKind::*;
    let host = |host: &str| NotLoopback { host: host.to_owned() };
    let port = |port: &str| PortOutOfRange { port: port.to_owned() };
    for (text, kind) in [
        ("", Form),
        (":80", Form),
        ("::1:80", Form),
        ("[::1:80", Form),
        ("[::1]80", Form),
        ("127.0.0.1:80:90", Form),
        ("http://127.0.0.1:80", Form),
        ("127.0.0.1 :80", Form),
        ("0.0.0.0:80", host("0.0.0.0")),
        ("[::]:80", host("::")),
        ("10.0.0.1:80", host("10.0.0.1")),
        // A host name, even one that begins like an address: who it is, others decide.
        ("127.0.0.1.example.test:80", host("127.0.0.1.example.test")),
        ("localhost.example.test:80", host("localhost.example.test")),
        ("127.0.0.1", PortMissing),
        ("localhost:", PortMissing),
        ("[::1]", PortMissing),
        ("127.0.0.1:0", port("0")),
        ("127.0.0.1:65536", port("65536")),
        ("127.0.0.1:-1", port("-1")),
        ("127.0.0.1:+1", port("+1")),
        ("127.0.0.1:http", port("http")),
    ] {
        assert_eq!(refused(text), kind, "{text}");
    }
}

#[cfg(unix)]
#[test]
fn paths_of_sockets_are_checked() {
    use EndpointErrorKind::*;
    for (text, kind) in [
        ("unix:", PathRelative),
        ("unix:daemon.sock", PathRelative),
        ("unix:./daemon.sock", PathRelative),
        ("unix:/", PathWithoutName),
        ("unix:/run/", PathWithoutName),
        ("unix:/run/..", PathWithoutName),
        ("unix:/run/a\0b", PathWithZero),
    ] {
        assert_eq!(refused(text), kind, "{text:?}");
    }
    let longest = format!("unix:/{}", "x".repeat(UNIX_PATH_LIMIT - 1));
    assert!(longest.parse::<Endpoint>().is_ok());
    assert_eq!(
        refused(&format!("{longest}x")),
        PathTooLong {
            length: UNIX_PATH_LIMIT + 1,
            limit: UNIX_PATH_LIMIT
        }
    );
}

#[test]
fn a_system_without_unix_sockets_says_so() {
    assert_eq!(
        parse("unix:/run/vx.sock", false),
        Err(EndpointErrorKind::UnixUnsupported)
    );
    assert!(parse("127.0.0.1:80", false).is_ok());
}

#[test]
fn errors_show_the_text() {
    let error = "0.0.0.0:80".parse::<Endpoint>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "`0.0.0.0:80` is not an endpoint: `0.0.0.0` is not a loopback address"
    );
}

fn endpoints() -> impl Strategy<Value = Endpoint> {
    let port = 1..=u16::MAX;
    let v4 = (any::<[u8; 3]>(), port.clone())
        .prop_map(|([a, b, c], port)| Endpoint::Tcp(SocketAddr::from((Ipv4Addr::new(127, a, b, c), port))));
    let v6 = port.prop_map(|port| Endpoint::Tcp(SocketAddr::from((Ipv6Addr::LOCALHOST, port))));
    let unix = "(/[a-z0-9._ é-]{1,8}){1,4}/[a-z]{1,8}".prop_map(|path| Endpoint::Unix(path.into()));
    if cfg!(unix) {
        prop_oneof![v4, v6, unix].boxed()
    } else {
        prop_oneof![v4, v6].boxed()
    }
}

proptest! {
    #[test]
    fn what_is_shown_parses_to_the_same(endpoint in endpoints()) {
        prop_assert_eq!(endpoint.to_string().parse::<Endpoint>(), Ok(endpoint));
    }

    #[test]
    fn whatever_parses_is_shown_as_itself_and_reached_by_nobody_else(text in "\\PC*") {
        if let Ok(endpoint) = text.parse::<Endpoint>() {
            if let Endpoint::Tcp(address) = &endpoint {
                prop_assert!(address.ip().is_loopback() && address.port() != 0);
            }
            prop_assert_eq!(endpoint.to_string().parse::<Endpoint>(), Ok(endpoint));
        }
    }

    #[test]
    fn texts_like_endpoints_do_not_panic(
        text in "(unix:|\\[|localhost|127\\.0\\.0\\.1|::1|\\]|:|/|[0-9]{1,6}|[a-z]|\\PC){0,8}"
    ) {
        let _ = text.parse::<Endpoint>();
    }
}
