//! What an action finds around it and does not have in its digest. Whatever it uses of it becomes a recorded input; so
//! the process is given, and the inputs are asked for, from this one value.

use std::collections::BTreeMap;

use vx_model::{Action, Roots, Template};

/// Where the roots are, and the variables that an action may ask for beside those of its command.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surroundings {
    /// Where the roots are.
    pub(crate) roots: Roots,
    /// By name.
    pub(crate) environment: BTreeMap<String, Template>,
}

impl Surroundings {
    /// What `action` is told of a variable: its command comes first.
    pub(crate) fn variable<'a>(&'a self, action: &'a Action, name: &str) -> Option<&'a Template> {
        let own = action.command.environment.get(name);
        own.or_else(|| self.environment.get(name))
    }
}
