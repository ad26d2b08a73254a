//! What build scripts write, `OUT_DIR` and beside it: made in a directory with a name of its own, then named by content.
//!
//! A script may write the path of its output directory into the files there. Such a directory keeps the name that it was
//! made under, for ever; any other is named by its content, so that equal outputs have equal paths.

use std::io;

use memchr::memmem;
use vx_home::VxHome;
use vx_model::{Digest, Key, RootedPath};
use vx_proto::{Content, ErrorKind, IngestRequest, Ingested, MaterializeRequest, Placement, WireError};

use crate::engine::Engine;
use crate::engine::progress::Stop;

/// The directory of a build script while it runs.
pub(super) struct Placed {
    home: VxHome,
    name: String,
}

impl Placed {
    /// A name that nothing else has or will have.
    pub(super) fn new(home: &VxHome) -> Self {
        let random: [u8; 16] = rand::random();
        let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            home: home.clone(),
            name: format!("run-{digits}"),
        }
    }

    /// Its absolute path.
    pub(super) fn path(&self) -> String {
        self.home.out().join(&self.name).into_string()
    }

    /// Makes directories below it, for the script to find.
    pub(super) fn make<'a>(&self, directories: impl Iterator<Item = &'a RootedPath>) -> Result<(), WireError> {
        for directory in directories {
            let path = self.home.out().join(&self.name).join(&directory.path);
            std::fs::create_dir_all(&path).map_err(|error| failed(self, "cannot make", &error))?;
        }
        Ok(())
    }
}

/// Which paths a script's output holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Embedded {
    /// The path of the output directory is in a file there.
    pub(super) own_path: bool,
    /// A path that may derive from the place of the workspace is in a file or in what the script printed.
    pub(super) workspace: bool,
}

impl Embedded {
    /// Looks through the output directory and what was printed. Paths that begin with one of `known` are the same for
    /// every workspace. Any other path below the first directory of the workspace's path counts as derived from it:
    /// `/home/u/lib` may well be `CARGO_MANIFEST_DIR/../lib`.
    pub(super) fn search(placed: &Placed, stdout: &[u8], workspace: &str, known: &[&str]) -> Result<Self, WireError> {
        let finder = Finder::new(placed, workspace, known);
        let mut embedded = Self::default();
        for line in stdout.split(|byte| *byte == b'\n') {
            // What is to be watched below the workspace is kept as a place, and is found again wherever the workspace lies.
            let watched = [&b"cargo:rerun-if-changed="[..], b"cargo::rerun-if-changed="]
                .iter()
                .find_map(|directive| line.strip_prefix(*directive)?.strip_prefix(workspace.as_bytes()));
            if !watched.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/")) {
                finder.search(line, &mut Self::default(), &mut embedded.workspace);
            }
        }
        let mut own = Self::default();
        for entry in walkdir::WalkDir::new(placed.path()) {
            let entry = entry.map_err(|error| unreadable(placed, &error.into()))?;
            let content = if entry.file_type().is_file() {
                std::fs::read(entry.path()).map_err(|error| unreadable(placed, &error))?
            } else if entry.file_type().is_symlink() {
                let target = std::fs::read_link(entry.path()).map_err(|error| unreadable(placed, &error))?;
                target.into_os_string().into_encoded_bytes()
            } else {
                continue;
            };
            finder.search(&content, &mut own, &mut embedded.workspace);
        }
        embedded.own_path = own.own_path;
        Ok(embedded)
    }
}

struct Finder<'a> {
    name: memmem::Finder<'a>,
    prefix: memmem::Finder<'a>,
    known: Vec<&'a [u8]>,
}

impl<'a> Finder<'a> {
    fn new(placed: &'a Placed, workspace: &'a str, known: &[&'a str]) -> Self {
        let first = workspace
            .match_indices('/')
            .nth(1)
            .map_or(workspace.len(), |(end, _)| end);
        Self {
            name: memmem::Finder::new(placed.name.as_bytes()),
            prefix: memmem::Finder::new(&workspace.as_bytes()[..first]),
            known: known.iter().map(|path| path.as_bytes()).collect(),
        }
    }

    fn search(&self, content: &[u8], own: &mut Embedded, workspace: &mut bool) {
        own.own_path |= self.name.find(content).is_some();
        let is_known = |at: usize| self.known.iter().any(|known| content[at..].starts_with(known));
        *workspace |= self.prefix.find_iter(content).any(|at| !is_known(at));
    }
}

fn unreadable(placed: &Placed, error: &io::Error) -> WireError {
    failed(placed, "cannot read", error)
}

fn failed(placed: &Placed, what: &str, error: &io::Error) -> WireError {
    let mut wire = WireError::from_error(ErrorKind::Machine, error);
    wire.causes.insert(0, std::mem::take(&mut wire.message));
    wire.message = format!("{what} the output directory of a build script, {}", placed.path());
    wire
}

impl Engine {
    /// Gives an output directory its lasting name and answers it.
    pub(super) fn name_out_dir(&self, placed: Placed, tree: Digest, keeps_path: bool) -> Result<String, WireError> {
        let name = if keeps_path { placed.name.clone() } else { tree.hex() };
        if !keeps_path {
            let from = placed.path();
            let to = self.config.home.out().join(&name);
            // Where the name is taken, the same content lies there already.
            if to.exists() {
                remove(&from);
            } else if let Err(error) = std::fs::rename(&from, &to)
                && !to.exists()
            {
                return Err(unreadable(&placed, &error));
            }
        }
        self.known_out_dirs().insert(name.clone());
        Ok(name)
    }

    /// Makes sure that the output directory of this name is there and holds `tree`.
    pub(super) async fn ensure_out_dir(&self, name: &str, tree: Digest) -> Result<(), Stop> {
        let _flight = self
            .flights
            .enter(Key {
                hash: Digest::of(name.as_bytes()).hash,
            })
            .await;
        let path = self.config.home.out().join(name);
        if path.exists() && (self.known_out_dirs().contains(name) || self.holds(path.as_str(), tree).await?) {
            self.known_out_dirs().insert(name.to_owned());
            return Ok(());
        }
        remove(path.as_str());
        let request = MaterializeRequest {
            path: path.into_string(),
            content: Content::Tree { root: tree },
            placement: Placement::Copy,
        };
        if !self.store.materialize(vec![request]).await?.is_empty() {
            return Err(Stop::Hole);
        }
        self.known_out_dirs().insert(name.to_owned());
        Ok(())
    }

    async fn holds(&self, path: &str, tree: Digest) -> Result<bool, Stop> {
        let request = IngestRequest {
            path: path.to_owned(),
            consume: false,
        };
        let found = self.store.ingest(vec![request]).await?;
        Ok(found == [Ingested::Tree { root: tree }])
    }
}

/// Removes a directory that nothing names any more; what cannot be removed does no harm.
fn remove(path: &str) {
    if let Err(error) = std::fs::remove_dir_all(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path, %error, "cannot remove an output directory");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(content: &str, stdout: &str) -> Embedded {
        let dir = tempfile::tempdir().unwrap();
        let placed = Placed::new(&VxHome::new(dir.path().to_str().unwrap()));
        std::fs::create_dir_all(placed.path()).unwrap();
        let content = content.replace("OUT", &placed.path());
        std::fs::write(format!("{}/file", placed.path()), content).unwrap();
        Embedded::search(&placed, stdout.as_bytes(), "/sources/u/work", &["/sources/u/.vx"]).unwrap()
    }

    #[test]
    fn nothing_is_found_in_what_holds_no_path() {
        assert_eq!(search("const A: u32 = 1;", "cargo::rustc-cfg=x"), Embedded::default());
    }

    #[test]
    fn the_own_path_is_found_in_files_and_is_no_path_of_the_workspace() {
        let found = search("include!(\"OUT/x\")", "");
        assert_eq!(
            found,
            Embedded {
                own_path: true,
                workspace: false
            }
        );
    }

    #[test]
    fn paths_beside_the_workspace_count_as_derived_from_it() {
        assert!(search("", "cargo::rustc-link-search=/sources/u/lib").workspace);
        assert!(search("/sources/u/work/x", "").workspace);
        assert!(!search("", "cargo::rustc-link-search=/sources/u/.vx/out/x").workspace);
        assert!(!search("", "cargo::rustc-link-search=/usr/lib").workspace);
        assert!(!search("", "cargo:rerun-if-changed=/sources/u/work/x\n").workspace);
        assert!(search("", "cargo:rerun-if-changed=/sources/u/workshop/x\n").workspace);
        assert!(search("", "cargo::rerun-if-changed=/sources/u/work\n/sources/u/work").workspace);
    }
}
