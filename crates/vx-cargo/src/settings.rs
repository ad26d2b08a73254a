//! `Settings`: what decides a unit's command line beside its target, features and dependencies. Data only.

use serde::{Deserialize, Serialize};

/// Profile, flags and lints of a unit, as Cargo computes them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {}
