//! What an action can use without having it in its digest. Whatever it uses becomes a recorded input, so the process
//! and the answers to inputs get their values from here alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use vx_model::{Action, Roots, Template};

/// The roots, and the variables that an action may read besides those of its command.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surroundings {
    /// The directories of the roots.
    pub(crate) roots: Roots,
    /// Variables by name.
    pub(crate) environment: Arc<BTreeMap<String, Template>>,
}

impl Surroundings {
    /// The value of a variable for `action`: its command takes precedence.
    pub(crate) fn variable<'a>(&'a self, action: &'a Action, name: &str) -> Option<&'a Template> {
        let own = action.command.environment.get(name);
        own.or_else(|| self.environment.get(name))
    }

    /// The variables that `action` finds here: all but those of its command.
    pub(crate) fn found_by<'a>(&'a self, action: &'a Action) -> impl Iterator<Item = (&'a String, &'a Template)> {
        let all = self.environment.iter().filter(|_| action.access.environment);
        all.filter(|(name, _)| !action.command.environment.contains_key(*name))
    }
}
