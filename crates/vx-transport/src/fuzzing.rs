//! What must hold for any bytes from a stranger: one function for each parser. Fuzzers and property tests call them;
//! they are not part of the interface.

use futures::FutureExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::guard::Guard;
use crate::{Credentials, Endpoint, Token, handshake};

/// Bytes that a frame may have here.
const LIMIT: usize = 256;
/// Nothing waits here, so it does not matter.
const STALL: std::time::Duration = std::time::Duration::from_secs(1);

/// A parsed endpoint is printed as one that means the same.
pub fn endpoint(text: &str) {
    if let Ok(endpoint) = text.parse::<Endpoint>() {
        assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
    }
}

/// Nobody gets in without the token.
pub fn handshake(bytes: &[u8]) {
    let own = Credentials {
        token: Token::of_bytes([7; 32]),
        build_version: "1.0.0".to_owned(),
        protocol: 1,
    };
    let mut stream = tokio::io::join(bytes, tokio::io::sink());
    let ended = handshake::as_server(&mut stream, &own, "127.0.0.1:1", || Some(())).now_or_never();
    assert!(ended.expect("everything is there to be read").is_err());
    let mut stream = tokio::io::join(bytes, tokio::io::sink());
    let ended = handshake::as_client(&mut stream, &own, "127.0.0.1:1").now_or_never();
    assert!(ended.expect("everything is there to be read").is_err());
}

/// A reader sees a prefix of the input in which no frame is over the limit.
pub fn frames(bytes: &[u8]) {
    let passed = read(&mut Guard::new(bytes, LIMIT, STALL));
    assert!(bytes.starts_with(&passed));
    let mut rest = &passed[..];
    while let Some((header, content)) = rest.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*header) as usize;
        assert!(length <= LIMIT, "a frame of {length} bytes");
        rest = content.get(length..).unwrap_or_default();
    }
}

fn read(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut passed = Vec::new();
    let mut piece = [0; 100];
    while let Some(Ok(length @ 1..)) = stream.read(&mut piece).now_or_never() {
        passed.extend_from_slice(&piece[..length]);
    }
    passed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn endpoints(text in "(\\[?[0-9a-z:.%\\]]{0,20}|unix:/?[a-z/. ]{0,120}|.{0,40})(:[0-9]{0,6})?") {
            super::endpoint(&text);
        }

        #[test]
        fn noise_instead_of_a_handshake(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), greets: bool) {
            if greets {
                bytes.splice(0..0, *b"vx hello");
            }
            super::handshake(&bytes);
        }

        #[test]
        fn noise_instead_of_frames(frames in proptest::collection::vec((0u32..300, 0usize..300), 0..8)) {
            let frame = |(length, sent): (u32, usize)| [&length.to_le_bytes()[..], &vec![1; sent]].concat();
            super::frames(&frames.into_iter().flat_map(frame).collect::<Vec<_>>());
        }
    }
}
