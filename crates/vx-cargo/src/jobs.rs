//! `Jobs`: the number of parallel processes, as in `--jobs` and `build.jobs`.

use std::num::NonZeroU32;
use std::str::FromStr;

/// A number of parallel jobs, as Cargo reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jobs {
    /// `default`: as many as this machine has processors.
    Default,
    /// So many.
    Exactly(NonZeroU32),
    /// `-N`: N fewer than this machine has processors.
    Fewer(NonZeroU32),
}

impl Jobs {
    /// The number on a machine with this many processors.
    pub fn number(self, processors: u32) -> u32 {
        match self {
            Self::Default => processors,
            Self::Exactly(number) => number.get(),
            Self::Fewer(number) => processors.saturating_sub(number.get()).max(1),
        }
    }
}

impl FromStr for Jobs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "default" {
            return Ok(Self::Default);
        }
        let (digits, make): (_, fn(NonZeroU32) -> Self) = match text.strip_prefix('-') {
            Some(digits) => (digits, Self::Fewer),
            None => (text, Self::Exactly),
        };
        let refusal = || "it must be a number other than 0, or `default`".to_owned();
        digits.parse().map(make).map_err(|_| refusal())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_read_as_by_cargo() {
        let number = |text: &str| text.parse::<Jobs>().map(|jobs| jobs.number(4)).ok();
        assert_eq!(number("default"), Some(4));
        assert_eq!(number("3"), Some(3));
        assert_eq!([number("-1"), number("-9")], [Some(3), Some(1)]);
        for text in ["0", "-0", "", "-", "--1", "many"] {
            assert_eq!(number(text), None, "{text:?}");
        }
    }
}
