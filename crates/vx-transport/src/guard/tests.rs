//! Frames within the limits pass unchanged, however they are cut; all others end the stream.

use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;

const LIMIT: usize = 1000;
const STALL: Duration = Duration::from_secs(30);

fn frame(content: &[u8]) -> Vec<u8> {
    let mut frame = (content.len() as u32).to_le_bytes().to_vec();
    frame.extend(content);
    frame
}

fn guarded() -> (DuplexStream, Guard<DuplexStream>) {
    let (peer, own) = duplex(64);
    (peer, Guard::new(own, LIMIT, STALL))
}

/// What a reader gets from `pieces`, and how it ends.
async fn read(pieces: Vec<Vec<u8>>) -> (Vec<u8>, io::Result<()>) {
    let (mut peer, mut guard) = guarded();
    let writing = tokio::spawn(async move {
        for piece in pieces {
            // The reader may have given up.
            if peer.write_all(&piece).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
    });
    let mut read = Vec::new();
    let ended = guard.read_to_end(&mut read).await;
    drop(guard);
    writing.await.unwrap();
    (read, ended.map(drop))
}

fn cut(bytes: &[u8], lengths: &[usize]) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at((*length).min(rest.len()));
        pieces.push(piece.to_vec());
        rest = after;
    }
    pieces
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(work)
}

proptest! {
    #[test]
    fn frames_within_the_limit_pass_unchanged(
        contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..=LIMIT), 0..6),
        lengths in prop::collection::vec(1usize..200, 1..8),
    ) {
        let bytes: Vec<u8> = contents.iter().flat_map(|content| frame(content)).collect();
        let (read, ended) = block_on(read(cut(&bytes, &lengths)));
        prop_assert!(ended.is_ok());
        prop_assert_eq!(read, bytes);
    }

    #[test]
    fn a_length_over_the_limit_is_never_seen_whole(
        before in prop::collection::vec(any::<u8>(), 0..100),
        length in LIMIT as u32 + 1..,
        lengths in prop::collection::vec(1usize..200, 1..8),
    ) {
        let good = frame(&before);
        let bytes = [&good[..], &length.to_le_bytes(), b"the beginning of much"].concat();
        let (read, ended) = block_on(read(cut(&bytes, &lengths)));
        prop_assert_eq!(ended.unwrap_err().kind(), ErrorKind::InvalidData);
        prop_assert!(read.len() < good.len() + HEADER);
        prop_assert!(bytes.starts_with(&read));
    }

    #[test]
    fn whatever_comes_is_passed_on_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let (read, _) = block_on(read(cut(&bytes, &[7])));
        prop_assert!(bytes.starts_with(&read));
    }
}

#[tokio::test]
async fn what_the_peer_would_refuse_is_not_sent() {
    let (mut peer, mut guard) = guarded();
    let error = guard.write_all(&frame(&[0; LIMIT + 1])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    // The stream is as it was.
    let good = frame(b"good");
    guard.write_all(&good).await.unwrap();
    let mut read = vec![0; good.len()];
    peer.read_exact(&mut read).await.unwrap();
    assert_eq!(read, good);
}

#[tokio::test(start_paused = true)]
async fn between_frames_a_peer_may_be_silent_for_ever() {
    let (mut peer, mut guard) = guarded();
    let good = frame(b"good");
    for _ in 0..2 {
        let mut read = vec![0; good.len()];
        let reading = guard.read_exact(&mut read);
        let writing = async {
            tokio::time::sleep(100 * STALL).await;
            peer.write_all(&good).await.unwrap();
        };
        let (outcome, ()) = tokio::join!(reading, writing);
        outcome.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn within_a_frame_a_peer_may_pause_and_not_stop() {
    let (mut peer, mut guard) = guarded();
    let good = frame(b"good");
    let mut read = vec![0; good.len()];
    let slowly = async {
        for byte in &good {
            tokio::time::sleep(STALL / 2).await;
            peer.write_all(&[*byte]).await.unwrap();
        }
    };
    let (outcome, ()) = tokio::join!(guard.read_exact(&mut read), slowly);
    outcome.unwrap();

    for half in [&good[..2], &good[..6]] {
        let (mut peer, mut guard) = guarded();
        peer.write_all(half).await.unwrap();
        let started = Instant::now();
        let error = guard.read_exact(&mut read).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(started.elapsed() >= STALL && started.elapsed() < 2 * STALL);
    }
}
