//! A project in a directory of its own, planned by vx and built by the real cargo, with every compiler that cargo started
//! on record.

pub(crate) mod build;
pub(crate) mod compare;
pub(crate) mod project;
pub(crate) mod record;
