//! The installed toolchain, packed into the archives that it was installed from: once per machine, since it takes a while.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};

use crate::{Archive, Channel, Content, Format};

/// Changes whenever the same toolchain is packed to something else.
const FORMAT: &str = "vx-packed-toolchain-3";

/// What is packed, and how. The compiler in xz would take longer than all that is tested with it.
const COMPONENTS: [(&str, Format); 3] = [("rustc", Format::Gz), ("cargo", Format::Xz), ("rust-std", Format::Xz)];

/// The toolchain that the tests run with.
#[derive(Debug, Clone)]
pub struct Installed {
    /// `1.95.0`.
    pub release: String,
    /// `x86_64-unknown-linux-gnu`.
    pub host: String,
    /// Where it is.
    pub sysroot: Utf8PathBuf,
    /// `1.95.0 (59807616e 2026-04-14)`.
    version: String,
    /// Where its archives are.
    packed: Utf8PathBuf,
}

impl Installed {
    /// Packs the toolchain of the `rustc` on `PATH`, unless it has been packed in `directory` before.
    pub fn pack(directory: &Utf8Path) -> Self {
        let verbose = rustc(&["-vV"]);
        let line = |name: &str| {
            let value = verbose.lines().find_map(|line| line.strip_prefix(name));
            value.expect("rustc says so").trim().to_owned()
        };
        let key = crate::sha256(format!("{FORMAT}\n{verbose}").as_bytes());
        let installed = Self {
            release: line("release:"),
            host: line("host:"),
            sysroot: rustc(&["--print", "sysroot"]).trim().into(),
            version: line("rustc "),
            packed: directory.join(&key[..16]),
        };
        installed.pack_once();
        installed
    }

    /// A channel that holds it.
    pub fn channel(&self, addresses: &str) -> Channel {
        let channel = Channel::new(&self.version, addresses);
        COMPONENTS.into_iter().fold(channel, |channel, (package, format)| {
            let archive = Content::File(self.archive(package, format));
            channel.with(package, &self.host, format, archive)
        })
    }

    fn archive(&self, package: &str, format: Format) -> Utf8PathBuf {
        self.packed.join(format!("{package}.{}", format.extension()))
    }

    fn pack_once(&self) {
        let parent = self.packed.parent().expect("it is in a directory");
        fs::create_dir_all(parent).unwrap();
        let lock = File::create(parent.join(".lock")).unwrap();
        lock.lock().unwrap();
        if self.packed.is_dir() {
            return;
        }
        let partial = tempfile::Builder::new().prefix(".partial-").tempdir_in(parent).unwrap();
        let directory = Utf8Path::from_path(partial.path()).expect("it is in UTF-8");
        for (package, format) in COMPONENTS {
            let path = directory.join(format!("{package}.{}", format.extension()));
            let file = BufWriter::new(File::create(path).unwrap());
            self.component(package).write(format, file).unwrap().flush().unwrap();
        }
        fs::rename(directory, &self.packed).unwrap();
    }

    /// The files that rustup's list of the component names.
    fn component(&self, package: &str) -> Archive {
        let part = match package {
            "rust-std" => format!("rust-std-{}", self.host),
            package => package.to_owned(),
        };
        let top = format!("{package}-{}-{}", self.release, self.host);
        let mut archive = Archive::new(&top, &part);
        let list = self
            .sysroot
            .join(format!("lib/rustlib/manifest-{package}-{}", self.host));
        let list = fs::read_to_string(&list).unwrap_or_else(|error| panic!("not installed by rustup? {list}: {error}"));
        for line in list.lines() {
            match line.split_once(':') {
                Some(("file", path)) => archive.add_file(path.into(), &self.sysroot.join(path)),
                Some(("dir", path)) => self.add_directory(&mut archive, path.into()),
                _ => panic!("neither a file nor a directory: {line}"),
            }
        }
        archive
    }

    fn add_directory(&self, archive: &mut Archive, path: &Utf8Path) {
        for entry in self.sysroot.join(path).read_dir_utf8().unwrap() {
            let entry = entry.unwrap();
            let below = path.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                self.add_directory(archive, &below);
            } else {
                archive.add_file(&below, entry.path());
            }
        }
    }
}

fn rustc(arguments: &[&str]) -> String {
    let output = Command::new("rustc")
        .args(arguments)
        .output()
        .expect("rustc can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("rustc answers in UTF-8")
}
