//! A project in a directory of its own, planned by vx and built by the real cargo, with every compiler that cargo started
//! on record.

pub mod build;
pub mod compare;
pub mod project;
pub mod record;
