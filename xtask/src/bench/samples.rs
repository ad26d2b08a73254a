//! Times, and what is said of them.

use std::time::Duration;

use anyhow::Result;

/// Times of one builder, in seconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Samples(Vec<f64>);

/// Times of both builders for the same thing.
#[derive(Debug, Default)]
pub(super) struct Pair {
    pub(super) cargo: Samples,
    pub(super) vx: Samples,
}

impl Samples {
    pub(super) fn push(&mut self, time: Duration) {
        self.0.push(time.as_secs_f64());
    }

    /// Not a number where nothing was measured.
    pub(super) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        }
    }
}

impl Pair {
    /// Takes a time of each; who begins depends on the round.
    pub(super) fn alternate(
        &mut self,
        round: usize,
        cargo: impl FnOnce() -> Result<Duration>,
        vx: impl FnOnce() -> Result<Duration>,
    ) -> Result<()> {
        if round.is_multiple_of(2) {
            self.cargo.push(cargo()?);
            self.vx.push(vx()?);
        } else {
            self.vx.push(vx()?);
            self.cargo.push(cargo()?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        let mut samples = Samples::default();
        assert!(samples.median().is_nan());
        for millis in [4000, 1000, 2000] {
            samples.push(Duration::from_millis(millis));
        }
        assert_eq!(samples.median(), 2.0);
        samples.push(Duration::from_secs(9));
        assert_eq!(samples.median(), 3.0);
    }
}
