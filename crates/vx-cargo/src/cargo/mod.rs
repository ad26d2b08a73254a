//! The toolchain's own Cargo, used for planning: how it is run, and its output.

pub(crate) mod config;
pub(crate) mod metadata;
pub(crate) mod refusal;
pub(crate) mod source_replacement;
pub(crate) mod tools;
pub(crate) mod unit_graph;
