//! The download cache against a server that misbehaves.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

const CONTENT: &[u8] = b"what the lock file promises";

/// Answers each request with the next of `answers`, the last one for ever.
struct Server {
    url: Url,
    requests: Arc<AtomicUsize>,
    /// The value of each request's `Range`.
    ranges: Arc<Mutex<Vec<Option<String>>>>,
}

impl Server {
    async fn start(answers: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/file", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = requests.clone();
        let ranges = Arc::new(Mutex::new(Vec::new()));
        let seen = ranges.clone();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let number = counter.fetch_add(1, Ordering::SeqCst);
                let answer = answers[number.min(answers.len() - 1)].clone();
                let seen = seen.clone();
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    let length = socket.read(&mut request).await.unwrap_or(0);
                    let request = String::from_utf8_lossy(&request[..length]).to_lowercase();
                    let range = request.lines().find_map(|line| line.strip_prefix("range: "));
                    seen.lock().unwrap().push(range.map(str::to_owned));
                    let _ = socket.write_all(&answer).await;
                });
            }
        });
        Self { url, requests, ranges }
    }

    fn ranges(&self) -> Vec<Option<String>> {
        self.ranges.lock().unwrap().clone()
    }
}

fn ok(content: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        content.len()
    );
    [head.as_bytes(), content].concat()
}

/// The bytes of `content` from `first` on, as the answer to a range.
fn rest(content: &[u8], first: usize) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\nconnection: close\r\ncontent-length: {}\r\n\
         content-range: bytes {first}-{}/{}\r\n\r\n",
        content.len() - first,
        content.len() - 1,
        content.len()
    );
    [head.as_bytes(), &content[first..]].concat()
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
    DownloadCache::new(Utf8Path::from_path(dir.path()).unwrap(), false).with_back_off(Duration::from_millis(1))
}

/// Leaves what an interrupted transfer would have left.
fn leave_partial(cache: &DownloadCache, content: &[u8]) -> Utf8PathBuf {
    let path = cache.path(Checksum::of(CONTENT)).with_extension("partial");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, content).unwrap();
    path
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

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_transfer_is_continued_where_it_broke() {
    let there = CONTENT.len() - 5;
    let server = Server::start(vec![cut(), rest(CONTENT, there)]).await;
    let dir = tempfile::tempdir().unwrap();
    let path = fetch(&cache(&dir), &server).await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), CONTENT);
    assert_eq!(server.ranges(), [None, Some(format!("bytes={there}-"))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_left_is_continued() {
    let server = Server::start(vec![rest(CONTENT, 4)]).await;
    let dir = tempfile::tempdir().unwrap();
    let cache = cache(&dir);
    let partial = leave_partial(&cache, &CONTENT[..4]);
    let path = fetch(&cache, &server).await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), CONTENT);
    assert_eq!(server.ranges(), [Some("bytes=4-".to_owned())]);
    assert!(!partial.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_had_finished_is_not_asked_for_again() {
    let server = Server::start(vec![status("500 Internal Server Error")]).await;
    let dir = tempfile::tempdir().unwrap();
    let cache = cache(&dir);
    leave_partial(&cache, CONTENT);
    assert_eq!(std::fs::read(fetch(&cache, &server).await.unwrap()).unwrap(), CONTENT);
    assert_eq!(server.ranges(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_ranges_begins_anew() {
    let server = Server::start(vec![cut(), ok(CONTENT)]).await;
    let dir = tempfile::tempdir().unwrap();
    let path = fetch(&cache(&dir), &server).await.unwrap();
    assert_eq!(std::fs::read(path).unwrap(), CONTENT);
    assert_eq!(server.ranges().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_beginning_is_thrown_away() {
    let dir = tempfile::tempdir().unwrap();
    // As long as the server takes it for ours, longer than the file, and answered with another range.
    for (there, answer) in [
        (&b"junk"[..], rest(CONTENT, 4)),
        (&[0; 100][..], status("416 Range Not Satisfiable")),
        (&b"junk"[..], rest(CONTENT, 7)),
    ] {
        let server = Server::start(vec![answer, ok(CONTENT)]).await;
        let cache = cache(&dir);
        leave_partial(&cache, there);
        let path = fetch(&cache, &server).await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), CONTENT);
        assert_eq!(server.ranges(), [Some(format!("bytes={}-", there.len())), None]);
        std::fs::remove_file(path).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_us_to_wait_is_obeyed() {
    let busy = b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let server = Server::start(vec![busy.to_vec(), ok(CONTENT)]).await;
    let dir = tempfile::tempdir().unwrap();
    let started = Instant::now();
    fetch(&cache(&dir), &server).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_recovers_is_given_up() {
    let server = Server::start(vec![status("503 Service Unavailable")]).await;
    let dir = tempfile::tempdir().unwrap();
    let error = fetch(&cache(&dir), &server).await.unwrap_err();
    assert!(error.to_string().contains("503"), "{error}");
    assert_eq!(server.requests.load(Ordering::SeqCst), TRIES as usize);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_asked_for_once() {
    let server = Server::start(vec![status("404 Not Found")]).await;
    let dir = tempfile::tempdir().unwrap();
    let error = fetch(&cache(&dir), &server).await.unwrap_err();
    assert!(matches!(error, DownloadError::Status { status, .. } if status == 404));
    assert_eq!(server.requests.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_counts_what_was_there_before() {
    let server = Server::start(vec![rest(CONTENT, 4)]).await;
    let dir = tempfile::tempdir().unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = told.clone();
    let cache = cache(&dir).with_progress(Arc::new(move |progress| {
        listener.lock().unwrap().push((progress.done, progress.total));
    }));
    leave_partial(&cache, &CONTENT[..4]);
    fetch(&cache, &server).await.unwrap();
    let size = CONTENT.len() as u64;
    assert_eq!(*told.lock().unwrap(), [(4, Some(size)), (size, Some(size))]);
}

#[test]
fn a_transfer_is_named_after_its_file() {
    let file = |url| {
        let (url, done, total) = (&Url::parse(url).unwrap(), 0, None);
        Transferred { url, done, total }.file()
    };
    assert_eq!(file("http://localhost/dist/rustc-1.95.0.tar.xz"), "rustc-1.95.0.tar.xz");
    assert_eq!(
        file("http://localhost/api/serde/1.0.228/download"),
        "serde-1.0.228.crate"
    );
    assert_eq!(file("http://localhost"), "");
}
