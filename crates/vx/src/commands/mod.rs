//! The subcommands, one file each: arguments in, an exit code or an error out.

pub(crate) mod build;
pub(crate) mod cargo;
pub(crate) mod clean;
pub(crate) mod doc;
pub(crate) mod explain;
pub(crate) mod fetch;
pub(crate) mod kill;
mod nextest;
pub(crate) mod run;
pub(crate) mod status;
pub(crate) mod test;
pub(crate) mod toolchain;
