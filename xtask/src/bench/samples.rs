//! Times, and the order in which they are taken.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use anyhow::Result;

use super::builders::Builder;

/// A builder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    /// Cargo.
    Cargo,
    /// The vx that a change is compared with.
    Before,
    /// The vx that is measured.
    Vx,
}

impl Display for Who {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cargo => "cargo",
            Self::Before => "before",
            Self::Vx => "vx",
        })
    }
}

/// Times of all builders for the same thing, in seconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Samples(BTreeMap<Who, Vec<f64>>);

impl Samples {
    pub(super) fn push(&mut self, who: Who, time: Duration) {
        self.0.entry(who).or_default().push(time.as_secs_f64());
    }

    /// The times of `who` are those that were taken for something else.
    pub(super) fn copy(&mut self, who: Who, other: &Self) {
        self.0.extend(other.0.get(&who).map(|times| (who, times.clone())));
    }

    /// None if nothing was measured.
    pub(super) fn median(&self, who: Who) -> Option<f64> {
        let mut sorted = self.0.get(&who)?.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        Some(match sorted.len() {
            odd if odd % 2 == 1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        })
    }

    /// Takes a time of each builder; another one begins in each round.
    pub(super) fn take_turns(
        &mut self,
        round: usize,
        builders: &[Builder],
        time: impl Fn(&Builder) -> Result<Duration>,
    ) -> Result<()> {
        for number in turns(round, builders.len()) {
            let builder = &builders[number];
            self.push(builder.who, time(builder)?);
        }
        Ok(())
    }
}

/// The order of so many builders in a round.
fn turns(round: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |number| (number + round) % count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        let mut samples = Samples::default();
        assert_eq!(samples.median(Who::Vx), None);
        for millis in [4000, 1000, 2000] {
            samples.push(Who::Vx, Duration::from_millis(millis));
        }
        assert_eq!(samples.median(Who::Vx), Some(2.0));
        samples.push(Who::Vx, Duration::from_secs(9));
        assert_eq!(samples.median(Who::Vx), Some(3.0));
        assert_eq!(samples.median(Who::Cargo), None);
    }

    #[test]
    fn each_builder_begins_in_turn() {
        let order = |round, count| turns(round, count).collect::<Vec<_>>();
        assert_eq!([order(0, 2), order(1, 2), order(2, 2)], [[0, 1], [1, 0], [0, 1]]);
        assert_eq!(
            [order(0, 3), order(1, 3), order(2, 3)],
            [[0, 1, 2], [1, 2, 0], [2, 0, 1]]
        );
    }

    #[test]
    fn times_of_one_builder_are_copied() {
        let (mut from, mut to) = (Samples::default(), Samples::default());
        from.push(Who::Cargo, Duration::from_secs(1));
        from.push(Who::Vx, Duration::from_secs(2));
        to.copy(Who::Cargo, &from);
        assert_eq!((to.median(Who::Cargo), to.median(Who::Vx)), (Some(1.0), None));
    }
}
