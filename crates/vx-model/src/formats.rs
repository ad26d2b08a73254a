//! Every format that vx stores or sends, with its version. Not here: formats that others define (Cargo's messages, REAPI,
//! channel manifests).
//!
//! A version is raised when anything else is written, recorded or keyed than before; `docs/formats.md` says when which.
//! What was written in another version is a miss, never read by half. Each constant has a line of history per version.

/// What an action is: the encoding of everything that is keyed before it runs, and so the weak key.
///
/// - 1: labelled texts, assembled for each kind of unit (`vx-key-1`).
/// - 2: one value, [`crate::Action`], encoded as REAPI's; all variables that Cargo sets are part of it; homes are named
///   by role.
pub const ACTION: u32 = 2;

/// What is recorded of the inputs that a run turned out to have: [`crate::InputSet`].
///
/// - 1: as first released.
/// - 2: paths below the user's home are named by role; files beside the workspace by the package that they belong to.
pub const INPUT_SET: u32 = 2;

/// How answers to recorded inputs make the strong key of a result.
///
/// - 1: labels for people were hashed.
/// - 2: inputs in their own encoding; answers name paths by role.
pub const STRONG_KEY: u32 = 2;

/// What a stored result holds: [`crate::ActionResult`].
///
/// - 1: paths relative to the exec root, or absolute; dep-info among the outputs.
/// - 2: every path is below a root; what rustc says that it read is not kept.
pub const ACTION_RESULT: u32 = 2;

/// A stored plan of a build.
///
/// - 6: as first recorded here.
/// - 7: variables that rustc reports are told from those that are always keyed.
pub const PLAN: u32 = 7;

/// What the daemon notes about builds beside their results; losing it costs explanations and a good order.
///
/// - 1: tables of bare values.
/// - 2: every record tells its format and when it was written.
pub const RECORDS: u32 = 2;

/// What the processes of vx say to one another.
///
/// - 5: as first recorded here.
/// - 6: requests to the executor are made from actions.
pub const PROTOCOL: u32 = 6;

/// The files of a store below `$VX_HOME/cas`. A store of another layout is cleared.
///
/// - 1: `blobs/XX/…` with `.x` for executables, modification time fixed; `index.redb` with sealed values.
pub const STORE: u32 = 1;

/// What identifies a toolchain: the digest over its version and files.
///
/// - 1: as first released.
pub const TOOLCHAIN_IDENTITY: u32 = 1;

/// What is remembered of a toolchain by the stamps of its files (`known/` beside the downloads).
///
/// - 1: as first released.
pub const TOOLCHAIN_FACTS: u32 = 1;

/// What components of a toolchain are unpacked to (`toolchains/` beside the downloads).
///
/// - 1: as first released.
pub const UNPACKED_TOOLCHAIN: u32 = 1;
