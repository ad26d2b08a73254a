//! Git repositories on this machine, made by the program `git`, each with its own idea of who commits.

use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};

use super::harness::files;

/// A repository.
pub(crate) struct Repository {
    directory: Utf8PathBuf,
}

impl Repository {
    /// A new one, with the branch `main`.
    pub(crate) fn new(directory: Utf8PathBuf) -> Self {
        std::fs::create_dir_all(&directory).unwrap();
        let repository = Self { directory };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository
    }

    /// As Cargo names it.
    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.directory)
    }

    /// Where it is.
    pub(crate) fn directory(&self) -> &Utf8Path {
        &self.directory
    }

    /// Commits these files, with those that are there, and answers the commit.
    pub(crate) fn commit(&self, files: &[(&str, &str)]) -> String {
        for (path, text) in files {
            files::write(&self.directory.join(path), text);
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "more"]);
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// Adds another repository as a submodule, not committed yet.
    pub(crate) fn add_submodule(&self, of: &Self, path: &str) {
        self.git(&[
            "-c",
            "protocol.file.allow=always",
            "submodule",
            "--quiet",
            "add",
            &of.url(),
            path,
        ]);
    }

    /// Runs git, which must succeed, and gives what it printed.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .env("HOME", &self.directory)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_NAME"), "Ada")))
            .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_EMAIL"), "ada@example.org")))
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }
}
