//! Decompression in bounded memory, whatever an archive demands.

use std::io::{self, BufReader, Read};

use flate2::bufread::GzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};

/// The largest dictionary of an xz archive, which is held in memory. Published ones use up to 128 MiB.
const XZ_MEMORY: u64 = 136 * 1024 * 1024;
/// The same for zstd, as a power of two.
const ZSTD_WINDOW: u32 = 26;
/// What is read at once.
const BUFFER: usize = 256 * 1024;

/// How an archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// zstd.
    Zst,
    /// xz.
    Xz,
    /// gzip.
    Gz,
}

impl Format {
    /// The tar file in `archive`.
    pub(super) fn decoder<'a>(self, archive: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
        let archive = BufReader::with_capacity(BUFFER, archive);
        Ok(match self {
            Self::Gz => Box::new(GzDecoder::new(archive)),
            Self::Xz => {
                let stream = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)?;
                Box::new(XzDecoder::new_stream(archive, stream))
            }
            Self::Zst => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(archive)?;
                decoder.window_log_max(ZSTD_WINDOW)?;
                Box::new(decoder)
            }
        })
    }
}
