//! The download cache against a server that misbehaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

const CONTENT: &[u8] = b"what the lock file promises";

/// Answers each request with the next of `answers`, the last one for ever.
struct Server {
    url: Url,
    requests: Arc<AtomicUsize>,
}

impl Server {
    async fn start(answers: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/file", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = requests.clone();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let number = counter.fetch_add(1, Ordering::SeqCst);
                let answer = answers[number.min(answers.len() - 1)].clone();
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    let _ = socket.read(&mut request).await;
                    let _ = socket.write_all(&answer).await;
                });
            }
        });
        Self { url, requests }
    }
}

fn ok(content: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        content.len()
    );
    [head.as_bytes(), content].concat()
}

fn status(line: &str) -> Vec<u8> {
    format!("HTTP/1.1 {line}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").into_bytes()
}

fn cut() -> Vec<u8> {
    let mut answer = ok(CONTENT);
    answer.truncate(answer.len() - 5);
    answer
}

fn cache(dir: &tempfile::TempDir) -> DownloadCache {
    let mut cache = DownloadCache::new(Utf8Path::from_path(dir.path()).unwrap(), false);
    cache.back_off = Duration::from_millis(1);
    cache
}

async fn fetch(cache: &DownloadCache, server: &Server) -> Result<Utf8PathBuf, DownloadError> {
    cache.fetch(Checksum::of(CONTENT), &server.url, 1000).await
}

#[tokio::test(flavor = "multi_thread")]
async fn passing_failures_are_tried_again() {
    let answers = vec![
        status("429 Too Many Requests"),
        status("503 Service Unavailable"),
        cut(),
        ok(CONTENT),
    ];
    let server = Server::start(answers).await;
    let dir = tempfile::tempdir().unwrap();
    let path = fetch(&cache(&dir), &server).await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), CONTENT);
    assert_eq!(server.requests.load(Ordering::SeqCst), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_content_is_refused_with_both_checksums_and_not_kept() {
    let server = Server::start(vec![ok(b"something else")]).await;
    let dir = tempfile::tempdir().unwrap();
    let cache = cache(&dir);
    let error = fetch(&cache, &server).await.unwrap_err().to_string();
    assert!(error.contains(&Checksum::of(CONTENT).to_string()), "{error}");
    assert!(error.contains(&Checksum::of(b"something else").to_string()), "{error}");
    assert_eq!(cache.find(Checksum::of(CONTENT)).unwrap(), None);
    assert_eq!(server.requests.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_that_want_one_file_make_one_request() {
    let server = Arc::new(Server::start(vec![ok(CONTENT)]).await);
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let fetches = (0..50).map(|_| {
        let (server, dir) = (server.clone(), dir.clone());
        // A cache of its own each, as in processes of their own.
        tokio::spawn(async move { fetch(&cache(&dir), &server).await.unwrap() })
    });
    for fetched in futures::future::join_all(fetches).await {
        assert_eq!(std::fs::read(fetched.unwrap()).unwrap(), CONTENT);
    }
    assert_eq!(server.requests.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_fetched_again() {
    let server = Server::start(vec![ok(CONTENT)]).await;
    let dir = tempfile::tempdir().unwrap();
    let cache = cache(&dir);
    let path = fetch(&cache, &server).await.unwrap();
    std::fs::write(&path, b"damaged").unwrap();
    assert_eq!(std::fs::read(fetch(&cache, &server).await.unwrap()).unwrap(), CONTENT);
    assert_eq!(server.requests.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused() {
    let server = Server::start(vec![ok(&[0; 2000])]).await;
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(
        fetch(&cache(&dir), &server).await,
        Err(DownloadError::TooLarge { limit: 1000, .. })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn offline_asks_nobody() {
    let server = Server::start(vec![ok(CONTENT)]).await;
    let dir = tempfile::tempdir().unwrap();
    let cache = DownloadCache::new(Utf8Path::from_path(dir.path()).unwrap(), true);
    assert!(matches!(
        fetch(&cache, &server).await,
        Err(DownloadError::Offline { .. })
    ));
    assert_eq!(server.requests.load(Ordering::SeqCst), 0);
}

#[test]
fn only_what_has_the_checksum_is_adopted() {
    let dir = tempfile::tempdir().unwrap();
    let file = Utf8Path::from_path(dir.path()).unwrap().join("file");
    std::fs::write(&file, CONTENT).unwrap();
    let cache = cache(&dir);
    assert_eq!(cache.adopt(Checksum::of(b"other"), &file).unwrap(), None);
    let adopted = cache.adopt(Checksum::of(CONTENT), &file).unwrap();
    assert_eq!(adopted, cache.find(Checksum::of(CONTENT)).unwrap());
    assert!(adopted.is_some());
}
