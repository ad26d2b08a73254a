//! The toolchain's own Cargo, asked while planning: its answers, and how it is run.

pub(crate) mod config;
pub(crate) mod metadata;
pub(crate) mod refusal;
pub(crate) mod source_replacement;
pub(crate) mod tools;
pub(crate) mod unit_graph;
