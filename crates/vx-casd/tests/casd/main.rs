//! The store from outside: as a library, across kills and damage, and as a service.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod damage;
mod database;
mod files;
mod fixture;
mod kill;
mod results;
mod service;
mod trees;
