//! A store in a directory of its own, and short ways to use it.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use tempfile::TempDir;
use vx_casd::{Store, StoreError};
use vx_model::{ActionResult, Digest, Input, InputSet, Key, KeyBuilder, OutputFile, Root, RootedPath};
use vx_proto::{Content, IngestRequest, Ingested, MaterializeRequest, Placement};

/// A directory with a store in `cas` and room for anything else.
pub(crate) struct Fixture {
    dir: TempDir,
    store: Option<Store>,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let mut fixture = Self { dir, store: None };
        fixture.reopen();
        fixture
    }

    pub(crate) fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.dir.path()).unwrap().join(name)
    }

    pub(crate) fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    pub(crate) fn close(&mut self) {
        self.store = None;
    }

    pub(crate) fn reopen(&mut self) {
        self.close();
        self.store = Some(Store::open(&self.path("cas")).unwrap());
    }

    /// Writes a file, and its parents.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Utf8PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn ingest(&self, path: &Utf8Path, consume: bool) -> Result<Ingested, StoreError> {
        self.store().ingest(&IngestRequest {
            path: path.to_string(),
            consume,
        })
    }

    /// Takes in a file and leaves it where it is.
    pub(crate) fn ingest_file(&self, path: &Utf8Path) -> Digest {
        match self.ingest(path, false).unwrap() {
            Ingested::File { digest, .. } => digest,
            other => panic!("{path} is {other:?}"),
        }
    }

    /// Takes in a directory and leaves it where it is.
    pub(crate) fn ingest_tree(&self, path: &Utf8Path) -> Digest {
        match self.ingest(path, false).unwrap() {
            Ingested::Tree { root } => root,
            other => panic!("{path} is {other:?}"),
        }
    }

    /// Lays one thing down and answers what is missing for it.
    pub(crate) fn lay(&self, path: &Utf8Path, content: Content, placement: Placement) -> Vec<Digest> {
        let request = MaterializeRequest {
            path: path.to_string(),
            content,
            placement,
        };
        self.store().materialize(&[request]).unwrap()
    }

    /// The file of a blob in the store.
    pub(crate) fn blob(&self, digest: &Digest, executable: bool) -> Utf8PathBuf {
        let hex = digest.hex();
        let suffix = if executable { ".x" } else { "" };
        self.path("cas/blobs")
            .join(&hex[..2])
            .join(format!("{}{suffix}", &hex[2..]))
    }

    /// Every file in the store below `blobs`.
    pub(crate) fn blob_files(&self) -> Vec<Utf8PathBuf> {
        files_below(&self.path("cas/blobs"))
    }
}

fn files_below(dir: &Utf8Path) -> Vec<Utf8PathBuf> {
    let mut files = Vec::new();
    for entry in dir.read_dir_utf8().unwrap() {
        let path = entry.unwrap().into_path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

pub(crate) fn file(digest: Digest) -> Content {
    Content::File {
        digest,
        is_executable: false,
    }
}

pub(crate) fn program(digest: Digest) -> Content {
    Content::File {
        digest,
        is_executable: true,
    }
}

pub(crate) fn key(name: &str) -> Key {
    KeyBuilder::new("test").part("name", name).key()
}

pub(crate) fn inputs(name: &str) -> InputSet {
    InputSet::new(vec![Input::Env(name.to_owned())])
}

/// A result with one output file.
pub(crate) fn result_of(digest: Digest) -> ActionResult {
    ActionResult {
        files: vec![OutputFile {
            path: RootedPath::new(Root::Exec, "out"),
            digest,
            is_executable: false,
        }],
        ..ActionResult::default()
    }
}
