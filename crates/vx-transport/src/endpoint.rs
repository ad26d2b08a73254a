//! Where a service listens: a loopback port or a Unix socket. Parsing refuses everything else; nothing is opened here.

use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use camino::Utf8PathBuf;

/// The prefix of a Unix socket's endpoint.
const UNIX_SCHEME: &str = "unix:";

/// The longest path in bytes: `sun_path` without its terminating zero.
pub(crate) const UNIX_PATH_LIMIT: usize = if cfg!(any(target_os = "linux", target_os = "android")) {
    107
} else {
    103
};

/// Where a service listens.
///
/// Written `127.0.0.1:PORT`, `[::1]:PORT`, `localhost:PORT` (the same as the first) or `unix:/absolute/path.sock`. What
/// [`Display`] writes parses to an equal endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// A loopback address and a port.
    Tcp(SocketAddr),
    /// The absolute path of a socket.
    Unix(Utf8PathBuf),
}

impl Endpoint {
    /// Any free port of `127.0.0.1`: only for [`Listener::bind`](crate::Listener::bind), so it cannot be parsed.
    pub fn free_port() -> Self {
        Self::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }
}

impl Display for Endpoint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX_SCHEME}{path}"),
        }
    }
}

/// A text that names no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an endpoint: {kind}")]
pub struct EndpointError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub kind: EndpointErrorKind,
}

/// Why a text names no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointErrorKind {
    /// It has none of the known forms.
    #[error("expected `127.0.0.1:PORT`, `[::1]:PORT`, `localhost:PORT` or `unix:/ABSOLUTE/PATH`")]
    Form,
    /// The host is another machine, or an address that other machines reach.
    #[error("`{host}` is not a loopback address")]
    NotLoopback {
        /// The host.
        host: String,
    },
    /// There is no port.
    #[error("the port is missing")]
    PortMissing,
    /// The port is not a number from 1 to 65535.
    #[error("the port `{port}` is not a number from 1 to 65535")]
    PortOutOfRange {
        /// The port.
        port: String,
    },
    /// The path is relative.
    #[error("the socket path is relative")]
    PathRelative,
    /// The path names a directory.
    #[error("the socket path has no file name")]
    PathWithoutName,
    /// The path holds a zero byte.
    #[error("the socket path contains a NUL byte")]
    PathWithZero,
    /// The path does not fit into the kernel's socket address.
    #[error("the socket path is {length} bytes long, but the system allows only {limit}")]
    PathTooLong {
        /// Its bytes.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// This system has no Unix sockets.
    #[error("Unix sockets are not supported on this system")]
    UnixUnsupported,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        parse(text, cfg!(unix)).map_err(|kind| EndpointError {
            text: text.to_owned(),
            kind,
        })
    }
}

fn parse(text: &str, has_unix_sockets: bool) -> Result<Endpoint, EndpointErrorKind> {
    match text.strip_prefix(UNIX_SCHEME) {
        Some(_) if !has_unix_sockets => Err(EndpointErrorKind::UnixUnsupported),
        Some(path) => {
            let path = Utf8PathBuf::from(path);
            check_socket_path(&path)?;
            Ok(Endpoint::Unix(path))
        }
        None => parse_tcp(text).map(Endpoint::Tcp),
    }
}

/// Whether a socket can be at `path`.
pub(crate) fn check_socket_path(path: &camino::Utf8Path) -> Result<(), EndpointErrorKind> {
    let text = path.as_str();
    if !text.starts_with('/') {
        return Err(EndpointErrorKind::PathRelative);
    }
    if text.ends_with('/') || path.file_name().is_none() {
        return Err(EndpointErrorKind::PathWithoutName);
    }
    if text.contains('\0') {
        return Err(EndpointErrorKind::PathWithZero);
    }
    if text.len() > UNIX_PATH_LIMIT {
        return Err(EndpointErrorKind::PathTooLong {
            length: text.len(),
            limit: UNIX_PATH_LIMIT,
        });
    }
    Ok(())
}

fn parse_tcp(text: &str) -> Result<SocketAddr, EndpointErrorKind> {
    let (host, port) = split_port(text)?;
    Ok(SocketAddr::new(
        host,
        parse_port(port.ok_or(EndpointErrorKind::PortMissing)?)?,
    ))
}

/// The host, and the text after its colon if there is one.
fn split_port(text: &str) -> Result<(IpAddr, Option<&str>), EndpointErrorKind> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(EndpointErrorKind::Form)?;
        let address: Ipv6Addr = host.parse().map_err(|_error| EndpointErrorKind::Form)?;
        let port = match rest.strip_prefix(':') {
            None if !rest.is_empty() => return Err(EndpointErrorKind::Form),
            port => port,
        };
        return Ok((loopback(address.into(), host)?, port));
    }
    let (host, port) = text
        .split_once(':')
        .map_or((text, None), |(host, port)| (host, Some(port)));
    if host.is_empty() || port.is_some_and(|port| port.contains(':')) {
        return Err(EndpointErrorKind::Form);
    }
    if host.eq_ignore_ascii_case("localhost") {
        return Ok((Ipv4Addr::LOCALHOST.into(), port));
    }
    match host.parse::<Ipv4Addr>() {
        Ok(address) => Ok((loopback(address.into(), host)?, port)),
        Err(_) if is_host_name(host) => Err(not_loopback(host)),
        Err(_) => Err(EndpointErrorKind::Form),
    }
}

fn loopback(address: IpAddr, host: &str) -> Result<IpAddr, EndpointErrorKind> {
    if address.is_loopback() {
        Ok(address)
    } else {
        Err(not_loopback(host))
    }
}

fn not_loopback(host: &str) -> EndpointErrorKind {
    EndpointErrorKind::NotLoopback { host: host.to_owned() }
}

fn is_host_name(host: &str) -> bool {
    host.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
}

fn parse_port(port: &str) -> Result<u16, EndpointErrorKind> {
    if port.is_empty() {
        return Err(EndpointErrorKind::PortMissing);
    }
    let number = if port.bytes().all(|byte| byte.is_ascii_digit()) {
        port.parse().unwrap_or(0)
    } else {
        0
    };
    if number == 0 {
        return Err(EndpointErrorKind::PortOutOfRange { port: port.to_owned() });
    }
    Ok(number)
}

#[cfg(test)]
mod tests;
