//! The outputs of build scripts in and beside `OUT_DIR`: written to a directory with a fresh name, then named by
//! content.
//!
//! Programs and tests know the path of their package's `OUT_DIR`, and may write there. So a directory is used again only
//! if nothing in it was touched.
//!
//! One that shows where the checkout is cannot serve another. But often nobody reads it: then it is *absent* in the other
//! checkout. Its path is one that nothing else has, so whatever would use it is not found in the store, and what has to
//! run needs it first.
//!
//! A script may write the path of its output directory into the files there. Such a directory keeps its first name. Any
//! other is named by its content, so that equal outputs have equal paths.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use camino::Utf8PathBuf;
use parking_lot::Mutex;
use vx_home::VxHome;
use vx_model::{Digest, DigestHasher, Key, Root, RootedPath};
use vx_proto::{Content, ErrorKind, IngestRequest, Ingested, MaterializeRequest, Placement, WireError};

use crate::engine::actions::{Again, Flights, Stop};
use crate::engine::doors::{BlobStore, Doors};
use crate::engine::inputs::{Stamp, now_ns};

/// The output directories of a home.
#[derive(Debug)]
pub(crate) struct OutDirs {
    home: VxHome,
    blobs: Arc<dyn BlobStore>,
    flights: Flights,
    /// Directories that were found complete, by name, with their stamps at that time.
    known: Mutex<HashMap<String, Digest>>,
    /// Those that may not be absent, by workspace and unit.
    needed: Mutex<HashSet<(String, String)>>,
}

/// The directory of a running script.
#[derive(Debug, Clone)]
pub(super) struct RunningOutDir {
    /// Absolute.
    pub(super) path: Utf8PathBuf,
    name: String,
}

impl OutDirs {
    /// The output directories of `home`.
    pub(crate) fn new(home: VxHome, doors: &Doors) -> Self {
        Self {
            home,
            blobs: doors.blobs.clone(),
            flights: Flights::default(),
            known: Mutex::default(),
            needed: Mutex::default(),
        }
    }

    /// A path that nothing else has or will ever have.
    pub(super) fn fresh(&self) -> RunningOutDir {
        let name = format!("run-{}", hex::encode(rand::random::<[u8; 16]>()));
        RunningOutDir {
            path: self.home.out().join(&name),
            name,
        }
    }

    /// The directory of an absent one: that of the result with key `strong` in `workspace`. Below `$VX_HOME`.
    pub(super) fn absent(&self, strong: Key, workspace: &str) -> RootedPath {
        let name = Digest::of(format!("{}\n{workspace}", strong.hex()).as_bytes()).hex();
        RootedPath::new(Root::VxHome, format!("out/absent-{name}"))
    }

    /// The output directory of `unit` in `workspace` may not be absent from now on.
    pub(crate) fn need(&self, workspace: &str, unit: &str) {
        self.needed.lock().insert((workspace.to_owned(), unit.to_owned()));
    }

    /// Whether that is so.
    pub(super) fn is_needed(&self, workspace: &str, unit: &str) -> bool {
        self.needed.lock().contains(&(workspace.to_owned(), unit.to_owned()))
    }

    /// Gives its final name to the directory of a script that has ended and has written `tree`, and returns that name.
    pub(super) async fn name(&self, running: &RunningOutDir, tree: Digest) -> Result<String, Stop> {
        let counts = self.blobs.texts_in_tree(tree, vec![running.name.clone()], true).await?;
        let holds_own_path = counts
            .ok_or(Stop::Again(Again::MissingBlob))?
            .iter()
            .any(|count| *count > 0);
        let name = match holds_own_path {
            true => running.name.clone(),
            false => self.rename(running, tree).await?,
        };
        self.remember(&name);
        Ok(name)
    }

    /// Makes sure that the output directory with this name exists and holds `tree`.
    pub(super) async fn ensure(&self, name: &str, tree: Digest) -> Result<(), Stop> {
        let flight = Digest::of(name.as_bytes()).hash;
        let _flight = self.flights.enter(Key { hash: flight }).await;
        let path = self.home.out().join(name);
        if self.is_untouched(name) {
            return Ok(());
        }
        if !path.exists() || !self.holds(path.as_str(), tree).await? {
            remove(path.as_str());
            let request = MaterializeRequest {
                path: path.into_string(),
                content: Content::Tree { root: tree },
                placement: Placement::Copy,
            };
            if !self.blobs.materialize(vec![request]).await?.is_empty() {
                return Err(Stop::Again(Again::MissingBlob));
            }
        }
        self.remember(name);
        Ok(())
    }

    async fn rename(&self, running: &RunningOutDir, tree: Digest) -> Result<String, Stop> {
        let name = tree.hex();
        let to = self.home.out().join(&name);
        let is_taken = to.exists();
        if is_taken && (self.is_untouched(&name) || self.holds(to.as_str(), tree).await?) {
            remove(running.path.as_str());
            return Ok(name);
        }
        if is_taken {
            remove(to.as_str());
        }
        if let Err(error) = std::fs::rename(&running.path, &to)
            && !to.exists()
        {
            let message = format!(
                "failed to rename the output directory of a build script, `{}`",
                running.path
            );
            return Err(WireError::new(ErrorKind::Machine, message).caused_by(&error).into());
        }
        Ok(name)
    }

    /// Whether nothing in a directory was touched since it was found complete.
    fn is_untouched(&self, name: &str) -> bool {
        let known = self.known.lock().get(name).copied();
        known.is_some_and(|known| known == self.stamp(name))
    }

    fn remember(&self, name: &str) {
        let stamp = self.stamp(name);
        self.known.lock().insert(name.to_owned(), stamp);
    }

    /// What `stat` reports about everything in a directory.
    fn stamp(&self, name: &str) -> Digest {
        let mut hasher = DigestHasher::default();
        let entries = || walkdir::WalkDir::new(self.home.out().join(name)).sort_by_file_name();
        tokio::task::block_in_place(|| {
            for entry in entries() {
                let line =
                    entry.and_then(|entry| Ok(format!("{:?} {:?}\n", entry.path(), Stamp::of(&entry.metadata()?))));
                // What cannot be read is not the same twice.
                hasher.update(line.unwrap_or_else(|error| format!("{error} {}", now_ns())).as_bytes());
            }
        });
        hasher.finish()
    }

    async fn holds(&self, path: &str, tree: Digest) -> Result<bool, Stop> {
        let request = IngestRequest {
            path: path.to_owned(),
            consume: false,
        };
        let found = self.blobs.ingest(vec![request]).await?;
        Ok(found == [Ingested::Tree { root: tree }])
    }
}

/// Removes a directory that is no longer named anywhere. Failures do no harm.
fn remove(path: &str) {
    if let Err(error) = std::fs::remove_dir_all(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path, %error, "failed to remove an output directory");
    }
}
