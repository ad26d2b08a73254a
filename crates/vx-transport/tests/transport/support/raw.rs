//! A peer that speaks in bytes. The handshake is written down here a second time, as its documentation says it, so that
//! the format cannot change unseen.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use vx_transport::Endpoint;

use super::Setup;

trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket for S {}

/// One end of a connection.
pub(crate) struct Raw {
    socket: Box<dyn Socket>,
    address: String,
}

/// A setup where a service should be and is not.
pub(crate) enum RawListener {
    Tcp(TcpListener),
    Unix(UnixListener, Endpoint),
}

/// A hello: magic, nonce, protocol, length and text of the build.
pub(crate) fn hello(nonce: u8, protocol: u32, build: &str) -> Vec<u8> {
    let mut hello = b"vx hello".to_vec();
    hello.extend([nonce; 32]);
    hello.extend(protocol.to_le_bytes());
    hello.push(build.len() as u8);
    hello.extend(build.as_bytes());
    hello
}

/// HMAC-SHA-256 over role, both hellos and the address, each after its length in eight bytes.
pub(crate) fn proof(secret: &[u8], role: &str, client: &[u8], server: &[u8], address: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    for part in [role.as_bytes(), client, server, address.as_bytes()] {
        mac.update(&(part.len() as u64).to_le_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

/// A frame: its length, then its content.
pub(crate) fn frame(content: &[u8]) -> Vec<u8> {
    let mut frame = (content.len() as u32).to_le_bytes().to_vec();
    frame.extend(content);
    frame
}

/// A request: rapace's descriptor of 64 bytes, then the arguments.
pub(crate) fn request(channel: u32, method: u32, arguments: &[u8]) -> Vec<u8> {
    const INLINE: u32 = u32::MAX;
    const DATA_AND_END: u32 = 0b101;
    let mut content = u64::from(channel).to_le_bytes().to_vec();
    for field in [channel, method, INLINE, 0, 0, arguments.len() as u32, DATA_AND_END, 0] {
        content.extend(field.to_le_bytes());
    }
    content.extend(u64::MAX.to_le_bytes());
    content.extend([0; 16]);
    content.extend(arguments);
    frame(&content)
}

impl Raw {
    pub(crate) async fn connect(endpoint: &Endpoint) -> Self {
        match endpoint {
            Endpoint::Tcp(address) => Self::over(TcpStream::connect(address).await.unwrap(), endpoint),
            Endpoint::Unix(path) => Self::over(UnixStream::connect(path).await.unwrap(), endpoint),
        }
    }

    fn over(socket: impl Socket + 'static, endpoint: &Endpoint) -> Self {
        let address = match endpoint {
            Endpoint::Tcp(address) => address.to_string(),
            Endpoint::Unix(_) => "unix".to_owned(),
        };
        Self {
            socket: Box::new(socket),
            address,
        }
    }

    /// A connection whose handshake is done as a client that belongs there does it.
    pub(crate) async fn greeted(endpoint: &Endpoint, setup: &Setup) -> Self {
        let mut raw = Self::connect(endpoint).await;
        let question = hello(1, setup.credentials.protocol, "raw");
        raw.send(&question).await;
        let answer = raw.take_hello().await;
        let expected = proof(&setup.secret(), "server", &question, &answer, &raw.address);
        assert_eq!(raw.take(32).await, expected);
        raw.send(&proof(&setup.secret(), "client", &question, &answer, &raw.address))
            .await;
        assert_eq!(raw.take(1).await, [0]);
        raw
    }

    /// Greets a client as a service of this home does.
    pub(crate) async fn greet(&mut self, setup: &Setup) {
        let question = self.take_hello().await;
        let answer = hello(2, setup.credentials.protocol, "raw");
        self.send(&answer).await;
        self.send(&proof(&setup.secret(), "server", &question, &answer, &self.address))
            .await;
        let expected = proof(&setup.secret(), "client", &question, &answer, &self.address);
        assert_eq!(self.take(32).await, expected);
        self.send(&[0]).await;
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }

    /// Sends as far as the other side takes it.
    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.socket.write_all(bytes).await.is_ok()
    }

    /// Says that nothing more will come.
    pub(crate) async fn finish(&mut self) {
        self.socket.shutdown().await.unwrap();
    }

    pub(crate) async fn take(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.socket.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    pub(crate) async fn take_hello(&mut self) -> Vec<u8> {
        let mut hello = self.take(45).await;
        let build = self.take(usize::from(hello[44])).await;
        hello.extend(build);
        hello
    }

    /// The content of the next frame.
    pub(crate) async fn take_frame(&mut self) -> Vec<u8> {
        let length = self.take(4).await;
        let length = u32::from_le_bytes(length.try_into().unwrap());
        self.take(length as usize).await
    }

    /// Whether the other side ends the connection before `limit` is over, without having said anything.
    pub(crate) async fn is_closed_within(&mut self, limit: std::time::Duration) -> bool {
        let mut byte = [0];
        match tokio::time::timeout(limit, self.socket.read(&mut byte)).await {
            Ok(read) => matches!(read, Ok(0) | Err(_)),
            Err(_elapsed) => false,
        }
    }

    /// Everything until the other side ends the connection.
    pub(crate) async fn take_all(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A reset is an end too.
        let _ = self.socket.read_to_end(&mut bytes).await;
        bytes
    }
}

impl RawListener {
    pub(crate) async fn bind(endpoint: &Endpoint) -> Self {
        match endpoint {
            Endpoint::Tcp(address) => Self::Tcp(TcpListener::bind(address).await.unwrap()),
            Endpoint::Unix(path) => Self::Unix(UnixListener::bind(path).unwrap(), endpoint.clone()),
        }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        match self {
            Self::Tcp(listener) => Endpoint::Tcp(listener.local_addr().unwrap()),
            Self::Unix(_, endpoint) => endpoint.clone(),
        }
    }

    pub(crate) async fn accept(&self) -> Raw {
        match self {
            Self::Tcp(listener) => Raw::over(listener.accept().await.unwrap().0, &self.endpoint()),
            Self::Unix(listener, endpoint) => Raw::over(listener.accept().await.unwrap().0, endpoint),
        }
    }
}
