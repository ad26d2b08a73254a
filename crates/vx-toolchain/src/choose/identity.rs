//! The identity of a toolchain: a digest of every file that decides what it produces, independent of its path.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::num::NonZero;
use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use vx_download::Checksum;
use vx_model::{Digest, formats};
use walkdir::WalkDir;

use super::ToolchainError;

/// A file is identified by its metadata only if it was at least this old when read: a younger one can change again with
/// the same modification time.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// Files of a toolchain by their role: `rustc`, `cargo`, or the path below the sysroot.
pub(super) type Files = BTreeMap<String, Utf8PathBuf>;

/// Where the files of a toolchain lie.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Layout {
    pub(super) files: Files,
    /// While these have the entries that they have, there are no other files.
    pub(super) directories: Vec<Utf8PathBuf>,
}

/// What is known about a file without reading it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    size: u64,
    /// Nanoseconds since 1970.
    modified: u128,
    /// Zero if files have no such number.
    inode: u64,
}

/// The files that decide what the toolchain produces.
///
/// These are the compiler and cargo, the compiler's own libraries, and all of `lib/rustlib/TARGET` (the standard
/// library, linkers, code generation backends). Documentation and other tools are left out. Of the standard library's
/// sources only their presence counts (`sources`), because it changes paths in rustc's diagnostics.
pub(super) fn layout(rustc: &Utf8Path, cargo: &Utf8Path, sysroot: &Utf8Path) -> Result<Layout, ToolchainError> {
    let mut layout = Layout::default();
    layout.files.insert("rustc".to_owned(), rustc.to_owned());
    layout.files.insert("cargo".to_owned(), cargo.to_owned());
    layout.directories.push(sysroot.to_owned());
    // A distribution's sysroot is `/usr`, full of unrelated files; hence the filter.
    for directory in ["lib", "lib64"] {
        layout.add_tree(sysroot, directory, 1, is_compiler_library)?;
    }
    for target in layout.targets(sysroot)? {
        layout.add_tree(sysroot, &format!("lib/rustlib/{target}"), usize::MAX, |_| true)?;
    }
    Ok(layout)
}

/// Whether the standard library's sources are installed.
pub(super) fn has_sources(sysroot: &Utf8Path) -> bool {
    sources(sysroot).is_dir()
}

/// Where the standard library's sources are, if they are installed.
pub(super) fn sources(sysroot: &Utf8Path) -> Utf8PathBuf {
    sysroot.join("lib/rustlib/src/rust/library")
}

/// Dynamic libraries that rustc loads: `librustc_driver-*.so`, `libLLVM*`, and the standard library where they use it.
fn is_compiler_library(name: &str) -> bool {
    let is_dynamic = [".so", ".dylib", ".dll"].iter().any(|suffix| name.contains(suffix));
    let name = name.strip_prefix("lib").unwrap_or(name);
    is_dynamic
        && ["rustc_driver", "LLVM", "std-", "test-"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

impl Layout {
    /// The targets that the toolchain has a part for.
    fn targets(&mut self, sysroot: &Utf8Path) -> Result<Vec<String>, ToolchainError> {
        let path = sysroot.join("lib/rustlib");
        let list = |directories: &mut Vec<Utf8PathBuf>| -> io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in path.read_dir_utf8()? {
                let entry = entry?;
                if entry.path().join("lib").is_dir() {
                    names.push(entry.file_name().to_owned());
                } else if entry.path().is_dir() {
                    directories.push(entry.path().to_owned());
                }
            }
            Ok(names)
        };
        let targets = list(&mut self.directories).map_err(|source| ToolchainError::Io {
            path: path.clone(),
            source,
        })?;
        self.directories.push(path);
        Ok(targets)
    }

    fn add_tree(
        &mut self,
        sysroot: &Utf8Path,
        directory: &str,
        depth: usize,
        is_part: impl Fn(&str) -> bool,
    ) -> Result<(), ToolchainError> {
        let root = sysroot.join(directory);
        if !root.is_dir() {
            return Ok(());
        }
        let io_error = |source| ToolchainError::Io {
            path: root.clone(),
            source,
        };
        for entry in WalkDir::new(&root).max_depth(depth).follow_links(true) {
            let entry = match entry {
                Ok(entry) => entry,
                // A dangling link in `/usr/lib` is not part of a compiler; in a target's own tree rustc would report it.
                Err(error) if error.path().is_some_and(|path| path.is_symlink()) => continue,
                Err(error) => return Err(io_error(error.into())),
            };
            let Some(path) = Utf8Path::from_path(entry.path()) else {
                continue;
            };
            if entry.file_type().is_dir() && entry.depth() < depth {
                self.directories.push(path.to_owned());
            }
            if entry.file_type().is_file() && path.file_name().is_some_and(&is_part) {
                let label = path.strip_prefix(sysroot).unwrap_or(path);
                self.files.insert(label.to_string(), path.to_owned());
            }
        }
        Ok(())
    }
}

impl Stamp {
    pub(super) fn of(path: &Utf8Path) -> Result<Self, ToolchainError> {
        let read = || {
            let metadata = path.metadata()?;
            let modified = metadata.modified()?.duration_since(SystemTime::UNIX_EPOCH);
            Ok(Self {
                size: metadata.len(),
                modified: modified.unwrap_or_default().as_nanos(),
                inode: inode(&metadata),
            })
        };
        read().map_err(|source| ToolchainError::Io {
            path: path.to_owned(),
            source,
        })
    }

    /// Whether a change after `now` certainly changes the stamp.
    pub(super) fn is_settled(&self, now: SystemTime) -> bool {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.modified + SETTLED_AFTER.as_nanos() < now.as_nanos()
    }
}

cfg_if::cfg_if! {
    if #[cfg(unix)] {
        fn inode(metadata: &std::fs::Metadata) -> u64 {
            std::os::unix::fs::MetadataExt::ino(metadata)
        }
    } else {
        fn inode(_: &std::fs::Metadata) -> u64 {
            0
        }
    }
}

/// The identity from a version text and the checksums of files by label.
pub(super) fn identity<'a>(
    verbose_version: &str,
    has_sources: bool,
    files: impl IntoIterator<Item = (&'a str, &'a Checksum)>,
) -> Digest {
    let mut encoded = Vec::new();
    let mut field = |bytes: &[u8]| {
        encoded.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        encoded.extend_from_slice(bytes);
    };
    field(format!("vx-toolchain-{}", formats::TOOLCHAIN_IDENTITY).as_bytes());
    field(verbose_version.as_bytes());
    field(&[u8::from(has_sources)]);
    for (label, checksum) in files {
        field(label.as_bytes());
        field(&checksum.0);
    }
    Digest::of(&encoded)
}

/// Checksums of files, a file per thread at a time, the largest first.
pub(super) fn hash(mut files: Vec<(String, Utf8PathBuf)>) -> Result<BTreeMap<String, Checksum>, ToolchainError> {
    files.sort_by_key(|(_, path)| path.metadata().map_or(0, |metadata| metadata.len()));
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(8);
    let waiting = Mutex::new(files);
    let next = || waiting.lock().pop();
    let work = || {
        let mut done = Vec::new();
        while let Some((label, path)) = next() {
            done.push((label, hash_file(&path)?));
        }
        Ok(done)
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut checksums = BTreeMap::new();
        for worker in workers {
            checksums.extend(worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(checksums)
    })
}

fn hash_file(path: &Utf8Path) -> Result<Checksum, ToolchainError> {
    let read = || Ok(Checksum::of_reader(File::open(path)?)?.0);
    read().map_err(|source| ToolchainError::Io {
        path: path.to_owned(),
        source,
    })
}
