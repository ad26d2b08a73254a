//! A connected socket of either kind, and the means to end it at once.

use std::io;
use std::net::{Shutdown, SocketAddr};

use socket2::{SockRef, Socket};
use tokio::io::{AsyncRead, AsyncWrite, BufStream};
use tokio::net::TcpStream;

/// What bytes travel over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + Sync + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + Sync + 'static> Stream for S {}

/// A connected socket. Buffered: rapace writes a frame in three pieces and reads it in as many.
pub(crate) struct Link {
    pub(crate) stream: BufStream<Box<dyn Stream>>,
    pub(crate) closer: Closer,
}

impl Link {
    pub(crate) fn tcp(stream: TcpStream) -> io::Result<Self> {
        // Otherwise the kernel delays a small frame until the peer has acknowledged the previous one.
        stream.set_nodelay(true)?;
        let closer = Closer::of(&SockRef::from(&stream))?;
        Ok(Self::new(stream, closer))
    }

    pub(crate) async fn connect_tcp(address: SocketAddr) -> io::Result<Self> {
        Self::tcp(TcpStream::connect(address).await?)
    }

    fn new(stream: impl Stream, closer: Closer) -> Self {
        Self {
            stream: BufStream::new(Box::new(stream)),
            closer,
        }
    }
}

/// Ends a connection at once for both sides, even if the stream is still in use.
#[derive(Debug)]
pub(crate) struct Closer(Socket);

impl Closer {
    fn of(socket: &SockRef<'_>) -> io::Result<Self> {
        socket.try_clone().map(Self)
    }

    pub(crate) fn close(&self) {
        // It fails only if the peer has already ended the connection.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

cfg_if::cfg_if! {
    if #[cfg(unix)] {
        use tokio::net::UnixStream;

        impl Link {
            pub(crate) fn unix(stream: UnixStream) -> io::Result<Self> {
                let closer = Closer::of(&SockRef::from(&stream))?;
                Ok(Self::new(stream, closer))
            }
        }

        /// The user at the other end, if it is not the user of this process.
        pub(crate) fn other_user(stream: &UnixStream) -> io::Result<Option<u32>> {
            let peer = stream.peer_cred()?.uid();
            Ok((peer != rustix::process::geteuid().as_raw()).then_some(peer))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn small_frames_do_not_wait_for_acknowledgements_on_either_side() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Link::connect_tcp(listener.local_addr().unwrap()).await.unwrap();
        let server = Link::tcp(listener.accept().await.unwrap().0).unwrap();
        for link in [client, server] {
            assert!(link.closer.0.tcp_nodelay().unwrap());
        }
    }
}
