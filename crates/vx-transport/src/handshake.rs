//! What two peers exchange before rapace sees a byte: who they are, and proof that both know the token.
//!
//! ```text
//! client                                    server
//!   hello: magic, nonce, protocol, build  ──►
//!                                         ◄──  hello: magic, nonce, protocol, build
//!                                         ◄──  proof: MAC(token, "server", both hellos, address)
//!   proof: MAC(token, "client", …)        ──►
//!                                         ◄──  verdict: one byte
//! ```
//!
//! The server proves first, so a stranger on its port learns nothing from a client. The roles in the proofs make
//! reflected proofs worthless, the nonces replayed ones, and the address those relayed to another port.
//!
//! These bytes never change: from them a peer with another protocol learns, with proof, which version answers.
//! Everything else depends on [`Credentials::protocol`].

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::{Credentials, token};

/// Opens both hellos.
const MAGIC: [u8; 8] = *b"vx hello";

const NONCE: usize = 32;

/// The longest build version in bytes.
const BUILD_LIMIT: usize = u8::MAX as usize;

/// What the other side has proved to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) build_version: String,
    pub(crate) protocol: u32,
}

/// Why there is no peer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    /// The other side does not speak vx's handshake.
    #[error("the peer is not vx")]
    NotVx,
    /// The other side does not know the token.
    #[error("the peer does not know the token of this VX_HOME")]
    Foreign,
    /// The other side knows the token but speaks another protocol.
    #[error("the peer is vx {} with protocol {}", .0.build_version, .0.protocol)]
    OtherProtocol(Peer),
    /// The server has reached its limit of connections.
    #[error("too many connections")]
    Busy,
    /// The connection ended or broke.
    #[error("the connection broke during the handshake")]
    Io(#[from] io::Error),
    /// The system gives no random bytes.
    #[error("cannot get random bytes from the system")]
    Random(#[source] getrandom::Error),
}

/// What the server says last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Welcome = 0,
    Busy = 1,
}

/// Greets a server. `address` is where the client believes it is connected.
pub(crate) async fn as_client<S>(stream: &mut S, own: &Credentials, address: &str) -> Result<Peer, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let hello = encode_hello(own)?;
    stream.write_all(&hello).await?;
    stream.flush().await?;
    let (peer, answer) = read_hello(stream).await?;
    let transcript = Transcript {
        own,
        client: &hello,
        server: &answer,
        address,
    };
    transcript.check(Role::Server, &read_proof(stream).await?)?;
    stream.write_all(&transcript.prove(Role::Client)).await?;
    stream.flush().await?;
    if peer.protocol != own.protocol {
        return Err(HandshakeError::OtherProtocol(peer));
    }
    match stream.read_u8().await? {
        verdict if verdict == Verdict::Welcome as u8 => Ok(peer),
        verdict if verdict == Verdict::Busy as u8 => Err(HandshakeError::Busy),
        _ => Err(HandshakeError::NotVx),
    }
}

/// Greets a client. `address` is where the server listens; `admit` gives a permit for a connection if one is free.
pub(crate) async fn as_server<S, P>(
    stream: &mut S,
    own: &Credentials,
    address: &str,
    admit: impl FnOnce() -> Option<P>,
) -> Result<(Peer, P), HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (peer, client_hello) = read_hello(stream).await?;
    let hello = encode_hello(own)?;
    let transcript = Transcript {
        own,
        client: &client_hello,
        server: &hello,
        address,
    };
    stream.write_all(&hello).await?;
    stream.write_all(&transcript.prove(Role::Server)).await?;
    stream.flush().await?;
    transcript.check(Role::Client, &read_proof(stream).await?)?;
    if peer.protocol != own.protocol {
        return Err(HandshakeError::OtherProtocol(peer));
    }
    let admitted = admit();
    let verdict = if admitted.is_some() {
        Verdict::Welcome
    } else {
        Verdict::Busy
    };
    stream.write_u8(verdict as u8).await?;
    stream.flush().await?;
    admitted.map(|permit| (peer, permit)).ok_or(HandshakeError::Busy)
}

/// Who makes a proof.
#[derive(Debug, Clone, Copy)]
enum Role {
    Client,
    Server,
}

/// All that both sides have said.
struct Transcript<'a> {
    own: &'a Credentials,
    client: &'a [u8],
    server: &'a [u8],
    address: &'a str,
}

impl Transcript<'_> {
    fn prove(&self, role: Role) -> [u8; token::SIZE] {
        self.own.token.mac(&self.parts(role))
    }

    fn check(&self, role: Role, proof: &[u8; token::SIZE]) -> Result<(), HandshakeError> {
        match self.own.token.verify(&self.parts(role), proof) {
            true => Ok(()),
            false => Err(HandshakeError::Foreign),
        }
    }

    fn parts(&self, role: Role) -> [&[u8]; 4] {
        let role: &[u8] = match role {
            Role::Client => b"client",
            Role::Server => b"server",
        };
        [role, self.client, self.server, self.address.as_bytes()]
    }
}

fn encode_hello(own: &Credentials) -> Result<Vec<u8>, HandshakeError> {
    let mut nonce = [0; NONCE];
    getrandom::fill(&mut nonce).map_err(HandshakeError::Random)?;
    let build: Vec<u8> = own.build_version.chars().take(BUILD_LIMIT).map(printable).collect();
    let mut hello = Vec::from(MAGIC);
    hello.extend(nonce);
    hello.extend(own.protocol.to_le_bytes());
    hello.push(build.len() as u8);
    hello.extend(build);
    Ok(hello)
}

/// Reads a hello; the second part is its bytes.
async fn read_hello<S: AsyncRead + Unpin>(stream: &mut S) -> Result<(Peer, Vec<u8>), HandshakeError> {
    // The magic alone first: a stranger may never send a whole hello.
    let mut magic = [0; MAGIC.len()];
    stream.read_exact(&mut magic).await?;
    if magic != MAGIC {
        return Err(HandshakeError::NotVx);
    }
    let mut nonce = [0; NONCE];
    stream.read_exact(&mut nonce).await?;
    let protocol = stream.read_u32_le().await?;
    let length = stream.read_u8().await?;
    let mut build = vec![0; usize::from(length)];
    stream.read_exact(&mut build).await?;

    let hello = [&magic[..], &nonce, &protocol.to_le_bytes(), &[length], &build].concat();
    let build_version = build
        .iter()
        .map(|&byte| char::from(printable(char::from(byte))))
        .collect();
    Ok((
        Peer {
            build_version,
            protocol,
        },
        hello,
    ))
}

async fn read_proof<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<[u8; token::SIZE]> {
    let mut proof = [0; token::SIZE];
    stream.read_exact(&mut proof).await?;
    Ok(proof)
}

/// Versions are shown on terminals and in logs, and must not contain control characters.
fn printable(character: char) -> u8 {
    let byte = u8::try_from(character).unwrap_or(b'?');
    if matches!(byte, b' '..=b'~') { byte } else { b'?' }
}
