//! What the kernel opens besides a program to execute it: the interpreter that a script or a binary names.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use object::Endianness;
use object::elf::FileHeader64;
use object::read::ReadCache;
use object::read::elf::{FileHeader as _, ProgramHeader as _};

/// As much of a script as the kernel looks at.
const SCRIPT_HEAD: u64 = 256;

/// What a file is to the kernel that executes it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// A script for the interpreter at this path.
    Script(Utf8PathBuf),
    /// A binary, and the dynamic linker that it names.
    Binary(Option<Utf8PathBuf>),
    /// It cannot be executed, or only in a format that was registered with the kernel.
    Unknown,
}

impl Program {
    /// The one at `path`, which has no links.
    pub(super) fn at(path: &Utf8Path) -> Self {
        let is_executable = path
            .metadata()
            .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0);
        let file = is_executable.then(|| File::open(path).ok()).flatten();
        file.and_then(Self::read).unwrap_or(Self::Unknown)
    }

    fn read(mut file: File) -> Option<Self> {
        let mut head = Vec::new();
        file.by_ref().take(SCRIPT_HEAD).read_to_end(&mut head).ok()?;
        if let Some(rest) = head.strip_prefix(b"#!") {
            let line = std::str::from_utf8(rest.split(|byte| *byte == b'\n').next()?).ok()?;
            let interpreter = line.split_ascii_whitespace().next()?;
            return Some(Self::Script(interpreter.into()));
        }
        let data = &ReadCache::new(file);
        let header = FileHeader64::<Endianness>::parse(data).ok()?;
        let endian = header.endian().ok()?;
        let segments = header.program_headers(endian, data).ok()?;
        let linker = segments
            .iter()
            .find_map(|segment| segment.interpreter(endian, data).ok().flatten());
        let linker = linker.and_then(|path| std::str::from_utf8(path).ok());
        Some(Self::Binary(linker.map(Utf8PathBuf::from)))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn interpreters_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("program");
        let program = |content: &[u8]| {
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            Program::at(&path)
        };
        assert_eq!(program(b"#! /bin/sh -e\nexit"), Program::Script("/bin/sh".into()));
        for noise in [&b"#!"[..], b"#!\n", b"", b"\x7fELF", b"exit 0\n"] {
            assert_eq!(program(noise), Program::Unknown, "{noise:?}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(Program::at(&path), Program::Unknown);
        let own = std::env::current_exe().unwrap();
        let own = Program::at(Utf8Path::from_path(&own).unwrap());
        assert!(matches!(own, Program::Binary(_)), "{own:?}");
    }
}
