//! The execution service: runs one action per connection; the connection's end is the action's cancellation.

use std::ffi::{OsStr, OsString};

use facet::Facet;
use vx_model::{Digest, OutputFile, OutputTree, RootedPath, os_text};
use vx_path::Was;

use crate::WireError;

/// An environment variable of a process. Both texts are escaped where they are not UTF-8: see `vx_model::os_text`.
#[derive(Facet, Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl EnvVar {
    /// As the operating system gives it.
    pub fn escaped(name: &OsStr, value: &OsStr) -> Self {
        Self {
            name: os_text::escape(name),
            value: os_text::escape(value),
        }
    }

    /// As the operating system takes it.
    pub fn unescaped(&self) -> (OsString, OsString) {
        os_text::variable(&self.name, &self.value)
    }
}

/// A file that an action needs in its exec root.
#[derive(Facet, Debug, Clone, PartialEq, Eq)]
pub struct InputFile {
    /// Relative to the exec root.
    pub path: String,
    /// Content, in the store.
    pub digest: Digest,
    /// Whether it may be executed.
    pub is_executable: bool,
}

/// A tree that an action leaves.
#[derive(Facet, Debug, Clone, PartialEq, Eq)]
pub struct TreePath {
    /// Absolute. Created before the start and taken in after a success. It is not observed, and stays for the caller to
    /// move or remove.
    pub path: String,
    /// What the result calls it.
    pub name: RootedPath,
}

/// What keeps a process from the rest of the machine: namespaces of its own, in which all file systems are read-only.
/// Paths are absolute; those that do not exist are left out.
#[derive(Facet, Debug, Clone, PartialEq, Eq, Default)]
pub struct Containment {
    /// What it may change besides its output directories, its trees and its temporary directory, which is also its
    /// `/tmp`.
    pub writable: Vec<String>,
    /// What it may not change, although it lies below one of `writable`.
    pub read_only: Vec<String>,
    /// What it may change for itself: the changes are forgotten. Where the kernel cannot, it is read-only.
    pub scratch: Vec<String>,
    /// Directories that it finds empty, and files that it finds empty.
    pub hidden: Vec<String>,
    /// Directories that it finds although they lie below a directory that it gets for itself, such as `/tmp`.
    pub kept: Vec<String>,
    /// Directories that it finds, read-only, at other paths: the workspace first. None if it reaches the network.
    pub view: Vec<Mount>,
    /// Whether it reaches the network, and the sockets of services.
    pub network: bool,
}

/// A directory that a process finds at another path. `writable` and `read_only` name it by that one.
#[derive(Facet, Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where it is, absolute.
    pub from: String,
    /// Where the process finds it: an absolute path below `/run`, which does not exist outside. The directory two levels
    /// below `/` on the way there holds nothing else.
    pub at: String,
}

/// A process to run. Made from an action and nothing else: the engine's `localize` is the one place that makes it.
#[derive(Facet, Debug, Clone, PartialEq, Eq)]
pub struct ExecuteRequest {
    /// Absolute; must not exist. execd creates it and removes it after the action.
    pub exec_root: String,
    /// Program (absolute, or relative to the exec root with a leading `./`) and its arguments.
    pub arguments: Vec<String>,
    /// The whole environment; nothing is inherited. execd adds the jobserver's variables and `TMPDIR`.
    pub environment: Vec<EnvVar>,
    /// Absolute.
    pub working_directory: String,
    /// Linked into the exec root before the start.
    pub inputs: Vec<InputFile>,
    /// Directories to create before the start: absolute, in the exec root or in one of the trees.
    pub directories: Vec<String>,
    /// Directories below the exec root, created before the start. After a success, each of their regular files (not
    /// those of subdirectories) is taken in as an output file.
    pub output_directories: Vec<String>,
    /// Files below the exec root whose content is returned after a success. They are not output files.
    pub inline_files: Vec<String>,
    /// Directories that are taken in as trees after a success.
    pub output_trees: Vec<TreePath>,
    /// Whether standard error is rustc's JSON, whose artifact notices make an [`ExecuteEvent::Output`] at once.
    pub rustc_json: bool,
    /// Whether to observe what the process and its children open, look for, list and execute.
    pub observe: bool,
    /// How it is contained; `None` if it is not.
    pub containment: Option<Containment>,
}

/// What a run has besides its request. None of it can change the result.
#[derive(Facet, Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    /// For messages and process listings: `rustc serde v1.0.228`.
    pub label: String,
    /// Larger runs first when there are more actions than jobs: the estimated length of the critical path from here.
    pub priority: u64,
    /// What it may take, if it is contained.
    pub limits: Limits,
}

/// What a contained process tree may take. Without a limit, it may take most of what the machine has.
#[derive(Facet, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Memory, in bytes.
    pub memory: Option<u64>,
    /// What it writes to its output and temporary directories, in bytes.
    pub disk: Option<u64>,
}

/// A file that was returned and not stored.
#[derive(Facet, Debug, Clone, PartialEq, Eq)]
pub struct InlineFile {
    /// Below the exec root, as in the request.
    pub path: String,
    /// Content.
    pub content: Vec<u8>,
}

/// How a path was used.
#[derive(Facet, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum AccessKind {
    /// Opened for reading, or executed.
    Read,
    /// Looked at (stat, access, a failed open): whether something is there, its kind, and what stat reports.
    Probe,
    /// Its entries were listed.
    List,
    /// Passed on the way to something else: a symbolic link that was followed or read, a directory that was entered or
    /// that a `..` left. Its kind and its target decided where the way led.
    Pass,
    /// Executed. The path is that of the program itself, with symbolic links resolved; of a script, its interpreter's.
    Execute,
    /// Looked for in the directories above a [`Mount`], and in none of those above the directory itself, which is
    /// [`Access::climbed_from`]. The path is in the first of these.
    Search,
    /// Written, renamed or removed before any other use. If the path has no other use, what was there before did not
    /// matter: a file was created or written anew.
    Write,
}

/// One observed use of a path; the first use of each path and kind.
#[derive(Facet, Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Access {
    /// Absolute, without `.`, `..` and symbolic links, except for a link that was itself used.
    pub path: String,
    /// How it was used.
    pub kind: AccessKind,
    /// What was there at the first use of any kind.
    pub was: Was,
    /// If every use went through a `..`: the directory that the first of them left. Such a path was named relative to
    /// that directory, all others may have been named by themselves.
    pub climbed_from: Option<String>,
}

/// What was seen of a process tree.
#[derive(Facet, Debug, Clone, PartialEq, Eq)]
#[repr(u8)]
pub enum Observation {
    /// It was not asked for.
    NotAsked,
    /// Everything that was used, sorted.
    Complete(Vec<Access>),
    /// Why: the kernel refused, or something escaped.
    Incomplete(String),
}

/// How a process ended.
#[derive(Facet, Debug, Clone, PartialEq, Eq)]
pub struct ExecuteResult {
    /// The exit code; `None` if a signal ended it.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Output files that exist, sorted by path (after a success only).
    pub files: Vec<OutputFile>,
    /// Inline files that exist (after a success only).
    pub inline: Vec<InlineFile>,
    /// Output trees (after a success only).
    pub trees: Vec<OutputTree>,
    /// Standard output as a blob (after a success only; `None` if it is empty).
    pub stdout: Option<Digest>,
    /// Standard error as a blob, rustc's artifact notices left out (after a success only; `None` if it is empty).
    pub stderr: Option<Digest>,
    /// Milliseconds from start to end, waiting for a job excluded.
    pub duration_ms: u64,
    /// What was seen.
    pub observation: Observation,
    /// Whether an observed process tried to reach the network.
    pub network: bool,
    /// Whether an observed process talked to another process of this machine.
    pub services: bool,
    /// Whether an observed process used something that it finds elsewhere than its [`Mount`]s say: what lies beside
    /// them, or they themselves where they are.
    pub left_view: bool,
}

/// What happens to an action, in order: `Started`, any number of `Stdout`/`Stderr`/`Output`, then one `Finished` or `Failed`.
#[derive(Facet, Debug, Clone, PartialEq, Eq)]
#[repr(u8)]
pub enum ExecuteEvent {
    /// A job was free and the process runs.
    Started {
        /// Its process id.
        pid: u32,
        /// Nanoseconds since the Unix epoch, taken from the clock of the file system that holds the exec root, before
        /// the process started.
        stamp_ns: u64,
    },
    /// A whole line of standard output, without its line feed; one of more than 4 MiB comes in pieces.
    Stdout(Vec<u8>),
    /// A whole line of standard error, without its line feed; one of more than 4 MiB comes in pieces. rustc's artifact
    /// notices are left out.
    Stderr(Vec<u8>),
    /// rustc has announced this file and it is in the store.
    Output(OutputFile),
    /// The process has ended.
    Finished(ExecuteResult),
    /// The process could not be run, or its outputs could not be taken in.
    Failed(WireError),
    /// Inputs are missing from the store; nothing was run.
    MissingInputs(Vec<Digest>),
}

/// How busy execd is.
#[derive(Facet, Debug, Clone, PartialEq, Eq, Default)]
pub struct ExecStatus {
    /// Process id of execd.
    pub pid: u32,
    /// Jobs of the machine's budget.
    pub jobs: u32,
    /// Actions running.
    pub running: u32,
    /// Actions waiting for a job.
    pub waiting: u32,
    /// Compilers and build scripts started since execd started.
    pub started: u64,
    /// Why actions cannot be contained on this machine; `None` if they can.
    pub uncontained: Option<String>,
}

/// Runs processes.
#[rapace::service]
pub trait Exec {
    /// How busy execd is.
    async fn status(&self) -> crate::Reply<ExecStatus>;
    /// Runs one action. Its connection is its own: when the connection ends, the whole process tree is killed.
    async fn execute(&self, request: ExecuteRequest, dispatch: Dispatch) -> rapace::Streaming<ExecuteEvent>;
}
