//! The server itself: a thread that answers, the counts, and how it is to misbehave.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::{Shelf, answer};

/// How requests for a path are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misbehaviour {
    /// With the last byte changed.
    WrongContent,
    /// With this many bytes, then the connection breaks; so often, then well.
    Cut {
        /// Bytes.
        after: u64,
        /// Answers.
        times: u32,
    },
    /// With this many bytes, and then nothing more, for as long as somebody waits; once, then well.
    Stall {
        /// Bytes.
        after: u64,
    },
    /// Byte by byte, each a packet of its own.
    Trickle,
    /// With this status, so often, then well.
    Refuse {
        /// The status: 429, 503.
        status: u16,
        /// Answers.
        times: u32,
    },
    /// Completely, whatever range is requested.
    NoRanges,
    /// With the way to another path, where it really is.
    Redirect,
}

/// A server on a loopback port of its own. It stops when it is dropped.
#[derive(Debug)]
pub struct DistServer {
    address: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) shelf: Shelf,
    seen: Mutex<Seen>,
    stalled: Condvar,
}

#[derive(Debug, Default)]
struct Seen {
    requests: BTreeMap<String, u32>,
    misbehaviours: Vec<(String, Misbehaviour)>,
    stalled: u32,
}

impl DistServer {
    /// Serves what is on `shelf`.
    pub fn start(shelf: Shelf) -> Self {
        let state = Arc::new(State {
            shelf,
            seen: Mutex::default(),
            stalled: Condvar::new(),
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = state.clone();
        // A runtime of its own: the test may block its own, or have none.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, served) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            address,
            state,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// What `VX_DIST_SERVER` is set to.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, requests for paths that hold `part` are answered so.
    pub fn misbehave(&self, part: &str, how: Misbehaviour) {
        self.state.seen().misbehaviours.push((part.to_owned(), how));
    }

    /// How often each path was asked for.
    pub fn requests(&self) -> BTreeMap<String, u32> {
        self.state.seen().requests.clone()
    }

    /// Waits until an answer has stalled.
    pub fn wait_for_stall(&self) {
        let seen = self.state.seen();
        let waited = self.state.stalled.wait_while(seen, |seen| seen.stalled == 0);
        waited.unwrap_or_else(PoisonError::into_inner).stalled = 0;
    }
}

impl Drop for DistServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl State {
    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request, and says how it is to be answered.
    pub(crate) fn count(&self, path: &str) -> Option<Misbehaviour> {
        let mut seen = self.seen();
        *seen.requests.entry(path.to_owned()).or_default() += 1;
        let position = seen.misbehaviours.iter().position(|(part, _)| path.contains(part))?;
        let (_, how) = &mut seen.misbehaviours[position];
        let now = how.clone();
        let is_over = match how {
            Misbehaviour::Cut { times, .. } | Misbehaviour::Refuse { times, .. } => {
                *times -= 1;
                *times == 0
            }
            Misbehaviour::Stall { .. } => true,
            _ => false,
        };
        if is_over {
            seen.misbehaviours.remove(position);
        }
        Some(now)
    }

    pub(crate) fn has_stalled(&self) {
        self.seen().stalled += 1;
        self.stalled.notify_all();
    }
}

async fn serve(listener: std::net::TcpListener, state: Arc<State>) {
    let listener = TcpListener::from_std(listener).unwrap();
    while let Ok((socket, _)) = listener.accept().await {
        // Or a packet of one byte waits for the next.
        let _ = socket.set_nodelay(true);
        let state = state.clone();
        tokio::spawn(async move {
            let answer = service_fn(|request| {
                let answer = answer::answer(state.clone(), &request);
                std::future::ready(Ok::<_, Infallible>(answer))
            });
            // A client that goes away is none of our business.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(socket), answer)
                .await;
        });
    }
}
