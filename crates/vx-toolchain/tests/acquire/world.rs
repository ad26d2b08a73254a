//! What these tests share: a small made-up release, a server that has it, and a download cache.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use vx_dist_server::{Archive, Channel, DistServer, Format, Shelf};
use vx_download::DownloadCache;
use vx_toolchain::{AcquireError, Acquired, ToolchainSpec, ToolchainStore};

pub(crate) const RELEASE: &str = "1.1.1";
pub(crate) const HOST: &str = "x86_64-unknown-linux-gnu";

/// A toolchain of which the programs are real enough to be asked.
pub(crate) const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/toolchain");

/// A server, a download cache, and what was told.
pub(crate) struct World {
    pub(crate) server: DistServer,
    directory: tempfile::TempDir,
    told: Mutex<Vec<String>>,
}

impl World {
    /// A server with the usual release as `1.1.1` and `stable`.
    pub(crate) fn new() -> Self {
        Self::with_shelf(shelf(&release()))
    }

    pub(crate) fn with_shelf(shelf: Shelf) -> Self {
        Self {
            server: DistServer::start(shelf),
            directory: tempfile::tempdir().unwrap(),
            told: Mutex::default(),
        }
    }

    /// The same cache, before another server.
    pub(crate) fn with_server(self, server: DistServer) -> Self {
        Self { server, ..self }
    }

    pub(crate) fn path(&self, name: &str) -> Utf8PathBuf {
        let root = self.directory.path().canonicalize().unwrap();
        Utf8PathBuf::from_path_buf(root).unwrap().join(name)
    }

    pub(crate) fn downloads(&self) -> Utf8PathBuf {
        self.path("downloads")
    }

    pub(crate) fn store(&self) -> ToolchainStore {
        self.store_at(&self.server.url(), false)
    }

    pub(crate) fn offline_store(&self) -> ToolchainStore {
        self.store_at(&self.server.url(), true)
    }

    pub(crate) fn store_at(&self, url: &str, offline: bool) -> ToolchainStore {
        let downloads = DownloadCache::new(self.downloads(), offline).with_back_off(Duration::from_millis(1));
        ToolchainStore::new(downloads, vx_toolchain::DistServer::new(url))
    }

    pub(crate) async fn acquire(&self, spec: &ToolchainSpec) -> Result<Acquired, AcquireError> {
        self.acquire_from(&self.store(), spec).await
    }

    pub(crate) async fn acquire_from(
        &self,
        store: &ToolchainStore,
        spec: &ToolchainSpec,
    ) -> Result<Acquired, AcquireError> {
        store.acquire(spec, &|verb, text| self.tell(verb, text)).await
    }

    pub(crate) fn tell(&self, verb: &str, text: String) {
        self.told.lock().unwrap().push(format!("{verb} {text}"));
    }

    pub(crate) fn told(&self) -> Vec<String> {
        let mut told = self.told.lock().unwrap().clone();
        told.sort();
        told
    }

    /// The toolchains that can be seen.
    pub(crate) fn toolchains(&self) -> Vec<String> {
        let Ok(entries) = self.downloads().join("toolchains").read_dir_utf8() else {
            return Vec::new();
        };
        let names = entries.map(|entry| entry.unwrap().file_name().to_owned());
        names.filter(|name| !name.starts_with('.')).collect()
    }

    /// How often anything was asked for.
    pub(crate) fn requests(&self) -> u32 {
        self.server.requests().values().sum()
    }
}

/// The release that the tests acquire, in three forms.
pub(crate) fn release() -> Channel {
    let program = |name: &str| fs::read(format!("{MODEL}/bin/{name}")).unwrap();
    let rustc = archive("rustc", "rustc")
        .with("bin/rustc", &program("rustc"), true)
        .with("release", b"1.1.1\n", false);
    let cargo = archive("cargo", "cargo").with("bin/cargo", &program("cargo"), true);
    let library = format!("lib/rustlib/{HOST}/lib/libstd.rlib");
    let std = archive("rust-std", &format!("rust-std-{HOST}")).with(&library, b"made up\n", false);
    let sources = Archive::new("rust-src-1.1.1", "rust-src").with("lib/rustlib/src/rust/library/lib.rs", b"//", false);
    Channel::new("1.1.1 (0123456 2026-04-14)", &official())
        .with("rustc", HOST, Format::Gz, rustc.pack(Format::Gz))
        .with("cargo", HOST, Format::Gz, cargo.pack(Format::Gz))
        .with("cargo", HOST, Format::Xz, cargo.pack(Format::Xz))
        .with("rust-std", HOST, Format::Zst, std.pack(Format::Zst))
        .with("rust-src", "*", Format::Xz, sources.pack(Format::Xz))
}

/// A component about to be filled.
pub(crate) fn archive(package: &str, part: &str) -> Archive {
    Archive::new(&format!("{package}-{RELEASE}-{HOST}"), part)
}

/// What the addresses in real manifests begin with.
pub(crate) fn official() -> String {
    vx_toolchain::DistServer::official().to_string()
}

pub(crate) fn shelf(channel: &Channel) -> Shelf {
    let mut shelf = Shelf::default();
    channel.put_on(&mut shelf, &[RELEASE, "stable"]);
    shelf
}

/// The plainest spec.
pub(crate) fn spec(channel: &str) -> ToolchainSpec {
    ToolchainSpec {
        channel: channel.to_owned(),
        host: HOST.to_owned(),
        profile: None,
        components: Vec::new(),
        targets: Vec::new(),
    }
}

/// Every file below `directory`, with its content.
pub(crate) fn files(directory: &Utf8Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in walkdir::WalkDir::new(directory).sort_by_file_name() {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            let path = entry.path().strip_prefix(directory).unwrap();
            let path = path.to_str().unwrap().to_owned();
            found.insert(path, fs::read(entry.path()).unwrap());
        }
    }
    found
}

/// An error with all its causes.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
