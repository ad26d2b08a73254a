//! What a process prints: read from its pipe, split into lines, and kept as a whole.
//!
//! Memory is bounded: a long line is sent in pieces, and long output moves to a file.

use std::io;
use std::os::fd::OwnedFd;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::io::Errno;
use tempfile::TempPath;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufWriter};
use tokio::net::unix::pipe::Receiver;
use tokio_util::sync::CancellationToken;
use vx_model::Digest;
use vx_proto::{ErrorKind, Ingested, WireError};

use crate::executor::Store;

/// A longer line is sent in pieces of this size.
pub(crate) const MAX_LINE: usize = 4 << 20;

/// The most that is kept in memory, and sent to the store in one message.
const IN_MEMORY: usize = 256 << 10;

const CHUNK: usize = 64 << 10;

/// A line, or a piece of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Without the line feed.
    pub(crate) bytes: Vec<u8>,
    /// Whether a line feed followed.
    pub(crate) is_ended: bool,
}

/// What receives lines as they are printed.
pub(crate) trait LineSink: Send {
    /// Receives a line; returns whether to keep it.
    fn line(&mut self, line: &Line) -> impl Future<Output = bool> + Send;
}

/// Reads a pipe to its end or, when `ended` fires, what is in it then: a process that still holds its other end could
/// not be killed, and may hold it forever.
pub(crate) async fn capture(
    pipe: OwnedFd,
    spool: Spool,
    mut sink: impl LineSink,
    ended: &CancellationToken,
) -> io::Result<Spool> {
    let mut reader = Reader {
        lines: Lines::default(),
        spool,
        sink: &mut sink,
    };
    let mut pipe = Receiver::from_owned_fd(pipe)?;
    let mut chunk = vec![0; CHUNK];
    loop {
        tokio::select! {
            biased;
            read = pipe.read(&mut chunk) => match read? {
                0 => break,
                length => reader.feed(&chunk[..length]).await?,
            },
            () = ended.cancelled() => {
                reader.drain(&pipe.into_nonblocking_fd()?, &mut chunk).await?;
                break;
            }
        }
    }
    reader.finish().await
}

struct Reader<'a, S> {
    lines: Lines,
    spool: Spool,
    sink: &'a mut S,
}

impl<S: LineSink> Reader<'_, S> {
    async fn feed(&mut self, mut chunk: &[u8]) -> io::Result<()> {
        while let Some(line) = self.lines.next(&mut chunk) {
            self.take(line).await?;
        }
        Ok(())
    }

    async fn take(&mut self, mut line: Line) -> io::Result<()> {
        if self.sink.line(&line).await {
            if line.is_ended {
                line.bytes.push(b'\n');
            }
            self.spool.write(&line.bytes).await?;
        }
        Ok(())
    }

    /// Reads what is in the pipe, but no more than it can hold, in case somebody goes on writing.
    async fn drain(&mut self, pipe: &OwnedFd, chunk: &mut [u8]) -> io::Result<()> {
        let mut left = rustix::pipe::fcntl_getpipe_size(pipe)?;
        while left > 0 {
            let length = left.min(chunk.len());
            match rustix::io::read(pipe, &mut chunk[..length]) {
                Ok(0) | Err(Errno::AGAIN) => break,
                Ok(length) => {
                    left -= length;
                    self.feed(&chunk[..length]).await?;
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn finish(mut self) -> io::Result<Spool> {
        if let Some(line) = std::mem::take(&mut self.lines).rest() {
            self.take(line).await?;
        }
        Ok(self.spool)
    }
}

/// Splits a stream of bytes into lines.
#[derive(Debug, Default)]
struct Lines {
    pending: Vec<u8>,
}

impl Lines {
    /// The next line that `chunk` completes; removes from `chunk` what it used.
    fn next(&mut self, chunk: &mut &[u8]) -> Option<Line> {
        let room = chunk.len().min(MAX_LINE - self.pending.len());
        let feed = chunk[..room].iter().position(|byte| *byte == b'\n');
        let taken = feed.unwrap_or(room);
        self.pending.extend_from_slice(&chunk[..taken]);
        *chunk = &chunk[taken + usize::from(feed.is_some())..];
        let is_ended = feed.is_some();
        (is_ended || self.pending.len() == MAX_LINE).then(|| Line {
            bytes: std::mem::take(&mut self.pending),
            is_ended,
        })
    }

    /// What came after the last line feed.
    fn rest(self) -> Option<Line> {
        (!self.pending.is_empty()).then_some(Line {
            bytes: self.pending,
            is_ended: false,
        })
    }
}

/// Bytes kept in memory, or in a file if there are many.
#[derive(Debug)]
pub(crate) struct Spool {
    directory: Utf8PathBuf,
    memory: Vec<u8>,
    file: Option<(BufWriter<File>, TempPath)>,
}

/// What was kept.
#[derive(Debug)]
pub(crate) enum Spooled {
    /// Few bytes.
    Memory(Vec<u8>),
    /// In a file, which is removed when this is dropped.
    File(TempPath),
}

impl Spooled {
    /// Puts it into the store; `None` if nothing was printed.
    pub(crate) async fn store_in(self, store: &Store) -> Result<Option<Digest>, WireError> {
        match self {
            Self::Memory(bytes) if bytes.is_empty() => Ok(None),
            Self::Memory(bytes) => store.put_blob(bytes).await.map(Some),
            Self::File(path) => match store.ingest_one(&path.to_string_lossy(), true).await? {
                Ingested::File { digest, .. } => Ok(Some(digest)),
                Ingested::Tree { .. } | Ingested::Absent => {
                    let message = format!("`{}` was removed while it was in use", path.display());
                    Err(WireError::new(ErrorKind::Machine, message))
                }
            },
        }
    }
}

impl Spool {
    /// Nothing yet; a file would be created in `directory`.
    pub(crate) fn new(directory: &Utf8Path) -> Self {
        Self {
            directory: directory.to_owned(),
            memory: Vec::new(),
            file: None,
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.file {
            None if self.memory.len() + bytes.len() <= IN_MEMORY => self.memory.extend_from_slice(bytes),
            None => {
                let (file, path) = tempfile::Builder::new()
                    .prefix("output-")
                    .tempfile_in(&self.directory)?
                    .into_parts();
                // Every write to the file itself is a task of its own.
                let mut file = BufWriter::with_capacity(IN_MEMORY, File::from_std(file));
                file.write_all(&std::mem::take(&mut self.memory)).await?;
                file.write_all(bytes).await?;
                self.file = Some((file, path));
            }
            Some((file, _)) => file.write_all(bytes).await?,
        }
        Ok(())
    }

    /// Everything that was written.
    pub(crate) async fn finish(self) -> io::Result<Spooled> {
        match self.file {
            None => Ok(Spooled::Memory(self.memory)),
            Some((mut file, path)) => {
                file.flush().await?;
                Ok(Spooled::File(path))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[derive(Default)]
    struct Collect {
        lines: Vec<Line>,
        drop_prefix: Option<u8>,
    }

    impl LineSink for &mut Collect {
        async fn line(&mut self, line: &Line) -> bool {
            self.lines.push(line.clone());
            self.drop_prefix.is_none() || line.bytes.first().copied() != self.drop_prefix
        }
    }

    fn line(text: &str, is_ended: bool) -> Line {
        Line {
            bytes: text.into(),
            is_ended,
        }
    }

    async fn captured(sink: &mut Collect, content: Vec<u8>) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let (reader, writer) = io::pipe().unwrap();
        let writing = std::thread::spawn(move || { writer }.write_all(&content).unwrap());
        let spool = Spool::new(dir.path().try_into().unwrap());
        let never = CancellationToken::new();
        let spool = capture(reader.into(), spool, sink, &never).await.unwrap();
        writing.join().unwrap();
        match spool.finish().await.unwrap() {
            Spooled::Memory(bytes) => bytes,
            Spooled::File(path) => std::fs::read(path).unwrap(),
        }
    }

    #[tokio::test]
    async fn lines_are_told_and_bytes_are_kept() {
        for content in ["", "\n", "one\n", "one\ntwo", "one\n\ntwo\r\n"] {
            let mut sink = Collect::default();
            assert_eq!(captured(&mut sink, content.into()).await, content.as_bytes());
            let lines: Vec<Line> = content
                .split_inclusive('\n')
                .map(|text| line(text.strip_suffix('\n').unwrap_or(text), text.ends_with('\n')))
                .collect();
            assert_eq!(sink.lines, lines);
        }
    }

    #[tokio::test]
    async fn what_the_sink_keeps_out_is_not_kept() {
        let mut sink = Collect {
            drop_prefix: Some(b'-'),
            ..Collect::default()
        };
        assert_eq!(captured(&mut sink, "a\n-b\nc".into()).await, b"a\nc");
        assert_eq!(sink.lines.len(), 3);
    }

    #[tokio::test]
    async fn much_output_goes_through_a_file() {
        let content = b"a line of nineteen\n".repeat(100_000);
        let mut sink = Collect::default();
        assert!(captured(&mut sink, content.clone()).await == content);
        assert_eq!(sink.lines.len(), 100_000);
    }

    #[tokio::test]
    async fn a_line_without_end_comes_in_pieces() {
        let content = vec![b'x'; 2 * MAX_LINE + 1];
        let mut sink = Collect::default();
        assert!(captured(&mut sink, content.clone()).await == content);
        let lengths: Vec<usize> = sink.lines.iter().map(|line| line.bytes.len()).collect();
        assert_eq!(lengths, [MAX_LINE, MAX_LINE, 1]);
    }

    #[tokio::test]
    async fn a_pipe_that_nobody_closes_is_read_until_the_end_of_the_action() {
        let dir = tempfile::tempdir().unwrap();
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"said before").unwrap();
        let ended = CancellationToken::new();
        ended.cancel();
        let mut sink = Collect::default();
        let spool = Spool::new(dir.path().try_into().unwrap());
        let spool = capture(reader.into(), spool, &mut sink, &ended).await.unwrap();
        assert_eq!(sink.lines, [line("said before", false)]);
        assert!(matches!(spool.finish().await.unwrap(), Spooled::Memory(bytes) if bytes == b"said before"));
        drop(writer);
    }
}
