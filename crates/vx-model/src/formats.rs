//! Every format that vx stores or sends, with its version. Formats that others define (Cargo's messages, REAPI, channel
//! manifests) are not here.
//!
//! A version is raised whenever something different is written, recorded or keyed; `docs/formats.md` has the rules.
//! Data of another version is a miss, never read in part. Each constant has a line of history per version.

/// The encoding of an action: everything that is keyed before it runs, and so the weak key.
///
/// - 1: labeled texts, assembled for each kind of unit (`vx-key-1`).
/// - 2: one value, [`crate::Action`], encoded as REAPI's; all variables that Cargo sets are part of it; homes are named
///   by role.
/// - 3: what a contained action may change and cannot see is part of it;
///   the user's variables are no part of it, except for those that compilers and linkers are known to read.
/// - 4: whether it finds the workspace at the same path in every checkout, and what it may change for itself, is part of
///   it.
pub const ACTION: u32 = 4;

/// The recorded inputs of a run: [`crate::InputSet`].
///
/// - 1: as first released.
/// - 2: paths below the user's home are named by role; files beside the workspace by their package.
/// - 3: paths without symbolic links, each link by itself; permission bits and lengths of what is used; what lies beside
///   the workspace is named relative to it; the environment as a whole.
pub const INPUT_SET: u32 = 3;

/// How the strong key of a result is computed from answers to recorded inputs.
///
/// - 1: labels for people were hashed.
/// - 2: inputs in their own encoding; answers name paths by role.
/// - 3: `.git` counts where a directory is listed; the environment is answered by a digest for each variable.
/// - 4: what is found above the workspace is named relative to it.
pub const STRONG_KEY: u32 = 4;

/// The content of a stored result: [`crate::ActionResult`].
///
/// - 1: paths relative to the exec root, or absolute; dep-info among the outputs.
/// - 2: every path is below a root; dep-info is not kept.
pub const ACTION_RESULT: u32 = 2;

/// A stored plan of a build.
///
/// - 6: as first recorded here.
/// - 7: variables that rustc reports are distinguished from those that are always keyed.
/// - 8: the user's settings for the workspace are an input.
pub const PLAN: u32 = 8;

/// The daemon's records about builds, besides their results; losing them costs explanations and a good schedule.
///
/// - 1: tables of bare values.
/// - 2: every record has its format and the time of writing.
/// - 3: of a program it is noted whether it can read the environment, not which names it holds.
/// - 4: what an action was granted is noted for its unit.
pub const RECORDS: u32 = 4;

/// The messages between the processes of vx.
///
/// - 5: as first recorded here.
/// - 6: requests to the executor are made from actions.
/// - 7: processes are contained; observed uses say what was there, and how it was reached, and what was executed;
///   variables that are not UTF-8.
/// - 8: contained processes find directories at other paths; links to blobs are released; debug information can be left
///   out of a search.
/// - 9: contained actions have limits.
pub const PROTOCOL: u32 = 9;

/// The files of a store below `$VX_HOME/cas`. A store with another layout is cleared.
///
/// - 1: `blobs/XX/…` with `.x` for executables, modification time fixed; `index.redb` with sealed values.
pub const STORE: u32 = 1;

/// What identifies a toolchain: the digest of its version and files.
///
/// - 1: as first released.
pub const TOOLCHAIN_IDENTITY: u32 = 1;

/// What is remembered about a toolchain by the stamps of its files (`known/` beside the downloads).
///
/// - 1: as first released.
pub const TOOLCHAIN_FACTS: u32 = 1;

/// The unpacked components of a toolchain (`toolchains/` beside the downloads).
///
/// - 1: as first released.
pub const UNPACKED_TOOLCHAIN: u32 = 1;
