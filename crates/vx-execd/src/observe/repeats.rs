//! Uses that were recorded before. Programs look for the same paths again and again, and to find out where a path leads
//! takes longer than all the rest.

use std::collections::HashMap;

use vx_path::{LastLink, Resolved};

use super::known::Repeat;

impl Repeat {
    /// What it does with a link at the end.
    pub(super) fn last(self) -> LastLink {
        match self {
            Self::Read | Self::Look | Self::Enter => LastLink::Follow,
            Self::ReadAtLink | Self::LookAtLink | Self::ReadLink => LastLink::Keep,
        }
    }
}

/// Where the paths of a process tree led to.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    /// By the absolute paths that processes name.
    places: HashMap<Repeat, HashMap<String, Resolved>>,
}

impl Repeats {
    /// Where `text` led to at such a use.
    pub(super) fn get(&self, repeat: Repeat, text: &str) -> Option<&Resolved> {
        self.places.get(&repeat)?.get(text)
    }

    /// `text` led to `place`, and that was recorded.
    pub(super) fn add(&mut self, repeat: Repeat, text: String, place: Resolved) {
        self.places.entry(repeat).or_default().insert(text, place);
    }
}
