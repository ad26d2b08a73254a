//! The secret of one `VX_HOME`: a file that only its owner can read.

use std::fmt::{self, Debug, Formatter};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Write as _};

use camino::{Utf8Path, Utf8PathBuf};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Bytes of a token, and of a proof made with it.
pub(crate) const SIZE: usize = 32;

/// The secret that the processes of one `VX_HOME` share. It is never sent.
#[derive(Clone)]
pub struct Token([u8; SIZE]);

/// A token could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The token does not exist: no service of this home has run yet.
    #[error("the token `{path}` does not exist")]
    Absent {
        /// Where it would be.
        path: Utf8PathBuf,
    },
    /// The disk failed or refused.
    #[error("cannot read or create the token `{path}`")]
    Io {
        /// Where it is.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Users other than its owner may use it, so it proves nothing.
    #[error("the token `{path}` is accessible to other users (owner {owner}, mode {mode:o})")]
    Exposed {
        /// Where it is.
        path: Utf8PathBuf,
        /// User id of its owner.
        owner: u32,
        /// Its permissions.
        mode: u32,
    },
    /// It has not the size of a token.
    #[error("the token `{path}` is not {SIZE} bytes long")]
    Malformed {
        /// Where it is.
        path: Utf8PathBuf,
    },
    /// The system gives no random bytes.
    #[error("cannot get random bytes from the system")]
    Random(#[source] getrandom::Error),
}

impl Token {
    /// Reads the token from the file at `path`.
    pub fn load(path: &Utf8Path) -> Result<Self, TokenError> {
        let failed = |source: io::Error| match source.kind() {
            ErrorKind::NotFound => TokenError::Absent { path: path.to_owned() },
            _ => TokenError::Io {
                path: path.to_owned(),
                source,
            },
        };
        let file = File::open(path).map_err(failed)?;
        check_private(path, &file.metadata().map_err(failed)?)?;
        let mut bytes = Vec::new();
        file.take(SIZE as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
        let bytes = bytes
            .try_into()
            .map_err(|_bytes| TokenError::Malformed { path: path.to_owned() })?;
        Ok(Self(bytes))
    }

    /// Reads the token from the file at `path`; if it is missing, creates it, and its directory with mode 0700. All
    /// processes that do this at once get the same token.
    pub fn load_or_create(path: &Utf8Path) -> Result<Self, TokenError> {
        match Self::load(path) {
            Err(TokenError::Absent { .. }) => {}
            loaded => return loaded,
        }
        let token = Self::random()?;
        match token.publish(path) {
            Ok(()) => Ok(token),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Self::load(path),
            Err(source) => Err(TokenError::Io {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// For fuzzing, with a token that nobody else knows.
    pub(crate) fn of_bytes(bytes: [u8; SIZE]) -> Self {
        Self(bytes)
    }

    fn random() -> Result<Self, TokenError> {
        let mut bytes = [0; SIZE];
        getrandom::fill(&mut bytes).map_err(TokenError::Random)?;
        Ok(Self(bytes))
    }

    /// The file appears whole or not at all, and never replaces another.
    fn publish(&self, path: &Utf8Path) -> io::Result<()> {
        let directory = path.parent().unwrap_or(Utf8Path::new("."));
        create_private_directory(directory)?;
        // Such files have mode 0600 from the start.
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        file.write_all(&self.0)?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path)?;
        Ok(())
    }

    /// A code over the parts, which are separated by their lengths.
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; SIZE] {
        self.hash(parts).finalize().into_bytes().into()
    }

    /// Whether `code` is the one over the parts, in constant time.
    pub(crate) fn verify(&self, parts: &[&[u8]], code: &[u8; SIZE]) -> bool {
        self.hash(parts).verify_slice(code).is_ok()
    }

    fn hash(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut hash = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        for part in parts {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash
    }
}

impl Debug for Token {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

cfg_if::cfg_if! {
    if #[cfg(unix)] {
        use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};

        fn check_private(path: &Utf8Path, metadata: &fs::Metadata) -> Result<(), TokenError> {
            let mode = metadata.mode() & 0o7777;
            if metadata.uid() == rustix::process::geteuid().as_raw() && mode & 0o077 == 0 {
                return Ok(());
            }
            Err(TokenError::Exposed { path: path.to_owned(), owner: metadata.uid(), mode })
        }

        /// Creates the directory if it is missing, for its owner alone; its parents follow the umask.
        pub(crate) fn create_private_directory(directory: &Utf8Path) -> io::Result<()> {
            if let Some(parent) = directory.parent() {
                fs::create_dir_all(parent)?;
            }
            match fs::DirBuilder::new().mode(0o700).create(directory) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
                created => created,
            }
        }
    } else {
        fn check_private(_path: &Utf8Path, _metadata: &fs::Metadata) -> Result<(), TokenError> {
            Ok(())
        }

        pub(crate) fn create_private_directory(directory: &Utf8Path) -> io::Result<()> {
            fs::create_dir_all(directory)
        }
    }
}

#[cfg(test)]
mod tests;
