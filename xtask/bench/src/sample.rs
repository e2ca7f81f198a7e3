//! Samples of one measure.

use std::time::Duration;

/// Measurements, sorted. Never empty.
#[derive(Debug, Clone)]
pub struct Sample(Vec<f64>);

impl Sample {
    /// Sorts the values. Fails, naming `what`, if there are none or if one is not finite.
    pub fn new(what: &str, mut values: Vec<f64>) -> anyhow::Result<Self> {
        anyhow::ensure!(!values.is_empty(), "{what}: nothing was measured");
        anyhow::ensure!(values.iter().all(|value| value.is_finite()), "{what}: not every measurement is a number");
        values.sort_by(f64::total_cmp);
        Ok(Self(values))
    }

    /// Makes a sample of milliseconds.
    pub fn of_durations(what: &str, durations: &[Duration]) -> anyhow::Result<Self> {
        Self::new(what, durations.iter().map(|duration| duration.as_secs_f64() * 1e3).collect())
    }

    /// Returns a percentile by nearest rank: the smallest value that at least `percent` of the values do not exceed.
    pub fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent).div_ceil(100);
        self.0[rank.saturating_sub(1).min(self.0.len() - 1)]
    }

    pub fn median(&self) -> f64 {
        self.percentile(50)
    }

    #[expect(clippy::cast_precision_loss, reason = "no sample has 2^52 values")]
    pub fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }

    pub fn max(&self) -> f64 {
        self.percentile(100)
    }

    /// Returns the number of values below `limit`.
    pub fn below(&self, limit: f64) -> usize {
        self.0.partition_point(|value| *value < limit)
    }
}

#[cfg(test)]
mod tests;
