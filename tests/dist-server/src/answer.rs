//! One request answered, well or badly.

use std::io::SeekFrom;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::channel::{Channel, Sender};
use hyper::header::{CONTENT_LENGTH, CONTENT_RANGE, LOCATION, RANGE, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use crate::server::State;
use crate::{Content, Misbehaviour};

/// What is sent at once.
const CHUNK: usize = 64 * 1024;

/// Where redirections lead.
const MOVED: &str = "moved/";

type Body = Channel<Bytes, std::io::Error>;

/// Answers a request; the body follows by itself.
pub(crate) fn answer<T>(state: Arc<State>, request: &Request<T>) -> Response<Body> {
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let how = state.count(&path);
    let (how, path) = match path.strip_prefix(MOVED) {
        // The way has led here.
        Some(path) => (how.filter(|how| *how != Misbehaviour::Redirect), path),
        None => (how, path.as_str()),
    };
    let Some(content) = state.shelf.get(path).cloned() else {
        return empty(StatusCode::NOT_FOUND);
    };
    let size = content.size();
    let range = request.headers().get(RANGE).and_then(|range| range.to_str().ok());
    let first = range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    let first = first.filter(|_| how != Some(Misbehaviour::NoRanges));
    match &how {
        Some(Misbehaviour::Refuse { status, .. }) => {
            let status = StatusCode::from_u16(*status).expect("a test names a status");
            let mut refusal = empty(status);
            refusal.headers_mut().insert(RETRY_AFTER, 0.into());
            return refusal;
        }
        Some(Misbehaviour::Redirect) => {
            let mut redirection = empty(StatusCode::TEMPORARY_REDIRECT);
            let there = format!("/{MOVED}{path}").parse().expect("a path is a value");
            redirection.headers_mut().insert(LOCATION, there);
            return redirection;
        }
        _ if first.is_some_and(|first| first >= size) => return empty(StatusCode::RANGE_NOT_SATISFIABLE),
        _ => {}
    }
    let (sender, body) = Channel::new(1);
    let mut response = Response::new(body);
    let begin = first.unwrap_or(0);
    response.headers_mut().insert(CONTENT_LENGTH, (size - begin).into());
    if first.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let range = format!("bytes {begin}-{}/{size}", size - 1);
        response
            .headers_mut()
            .insert(CONTENT_RANGE, range.parse().expect("a range is a value"));
    }
    tokio::spawn(async move {
        // A client may stop reading at any time.
        let _ = send(&state, &content, begin, how, sender).await;
    });
    response
}

fn empty(status: StatusCode) -> Response<Body> {
    let (_, body) = Channel::new(1);
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_LENGTH, 0.into());
    response
}

/// Sends a file from byte `begin` on.
async fn send(
    state: &State,
    content: &Content,
    begin: u64,
    how: Option<Misbehaviour>,
    mut sender: Sender<Bytes, std::io::Error>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let size = content.size();
    let end = match how {
        Some(Misbehaviour::Cut { after, .. } | Misbehaviour::Stall { after }) => size.min(begin + after),
        _ => size,
    };
    let step = if how == Some(Misbehaviour::Trickle) { 1 } else { CHUNK };
    let mut position = begin;
    while position < end {
        let length = step.min((end - position) as usize);
        let mut chunk = read(content, position, length).await?;
        position += length as u64;
        if position == size && how == Some(Misbehaviour::WrongContent) {
            *chunk.last_mut().expect("it is not empty") ^= 1;
        }
        sender.send_data(chunk.into()).await?;
    }
    match how {
        Some(Misbehaviour::Cut { .. }) => sender.abort(std::io::Error::other("cut on demand")),
        Some(Misbehaviour::Stall { .. }) => {
            state.has_stalled();
            // Held until the client is gone, or the server.
            std::future::pending::<()>().await;
        }
        _ => {}
    }
    Ok(())
}

async fn read(content: &Content, position: u64, length: usize) -> std::io::Result<Vec<u8>> {
    match content {
        Content::Bytes(bytes) => {
            let position = position as usize;
            Ok(bytes[position..position + length].to_vec())
        }
        Content::File(path) => {
            let mut file = tokio::fs::File::open(path).await?;
            file.seek(SeekFrom::Start(position)).await?;
            let mut chunk = vec![0; length];
            file.read_exact(&mut chunk).await?;
            Ok(chunk)
        }
    }
}
