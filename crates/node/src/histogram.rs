//! How many requests took how long, to within a hundredth.
//!
//! The buckets are those of Redis: 128 of one width, then 128 for each doubling, so that what `LATENCY HISTOGRAM` and
//! `INFO latencystats` tell has the same bounds. One that took a second or longer is in the last.

/// Buckets for each doubling, as a power of two.
const STEP_BITS: u32 = 7;

/// Nanoseconds of the longest time that is told from longer ones: about a second.
const NANOS_MAX: u64 = (1 << 30) - 1;

/// How many times `LATENCY HISTOGRAM` doubles its bound.
const DOUBLINGS: u32 = 21;

/// How many requests took how long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Histogram {
    /// As many as were needed so far.
    counts: Vec<u64>,
    total: u64,
}

/// The bucket of a time.
fn bucket_of(nanos: u64) -> usize {
    let nanos = nanos.min(NANOS_MAX);
    let scale = (63 - (nanos | 1).leading_zeros()).saturating_sub(STEP_BITS);
    ((scale << STEP_BITS) as usize) + (nanos >> scale) as usize
}

/// The longest time of a bucket, in nanoseconds.
fn longest_of(bucket: usize) -> u64 {
    let scale = (bucket >> STEP_BITS).saturating_sub(1);
    let step = (bucket - (scale << STEP_BITS)) as u64;
    ((step + 1) << scale) - 1
}

/// The longest time, in nanoseconds, of the n-th of the buckets that double.
fn bound(doubling: u32) -> u64 {
    (1032 << doubling) - 1
}

impl Histogram {
    /// So many requests took so long.
    pub(crate) fn note(&mut self, nanos: u64, count: u64) {
        let bucket = bucket_of(nanos);
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        if let Some(held) = self.counts.get_mut(bucket) {
            *held += count;
            self.total += count;
        }
    }

    pub(crate) fn add(&mut self, other: &Histogram) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.total += other.total;
    }

    /// How many requests there are in all.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The nanoseconds in which so many percent of the requests were done.
    pub(crate) fn percentile(&self, percent: f64) -> u64 {
        let wanted = (percent.clamp(0.0, 100.0) / 100.0 * self.total as f64).round().max(1.0) as u64;
        let mut sum = 0;
        let bucket = self.counts.iter().position(|count| {
            sum += count;
            sum >= wanted
        });
        bucket.map_or(0, longest_of)
    }

    /// Bounds in microseconds, each twice the last, and how many requests took no longer; those that add something.
    pub(crate) fn steps(&self) -> Vec<(u64, u64)> {
        let (mut steps, mut sum, mut from) = (Vec::new(), 0, 0);
        for doubling in 0..DOUBLINGS {
            let until = (bucket_of(bound(doubling)) + 1).min(self.counts.len());
            let count: u64 = self.counts.get(from..until).unwrap_or_default().iter().sum();
            from = until;
            sum += count;
            if count > 0 {
                steps.push((bound(doubling) / 1000, sum));
            }
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_up_to_bounds_that_double() {
        let mut histogram = Histogram::default();
        [0, 1_000, 2_000, 3_000, 33_000, 34_000, 1_000_000_000, u64::MAX]
            .into_iter()
            .for_each(|nanos| histogram.note(nanos, 1));
        assert_eq!(histogram.steps(), [(1, 2), (2, 3), (4, 4), (33, 5), (66, 6), (1_082_130, 8)]);
        let mut other = Histogram::default();
        other.note(2_000, 3);
        other.add(&histogram);
        assert_eq!((other.steps()[1], other.total()), ((2, 6), 11));
    }

    #[test]
    fn a_bucket_is_at_most_a_hundredth_wide_and_follows_the_one_before() {
        assert_eq!((longest_of(0), bucket_of(0)), (0, 0));
        for bucket in 0..bucket_of(NANOS_MAX) {
            let (longest, next) = (longest_of(bucket), longest_of(bucket + 1));
            assert_eq!((bucket_of(longest), bucket_of(longest + 1)), (bucket, bucket + 1));
            assert!(next - longest <= 1 + longest / 128, "{bucket}: {longest} {next}");
        }
        for doubling in 0..DOUBLINGS - 1 {
            assert_eq!(
                longest_of(bucket_of(bound(doubling))),
                bound(doubling),
                "Redis's bounds are bounds here"
            );
        }
    }

    #[test]
    fn percentiles_are_the_bounds_of_what_was_counted() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(50.0), 0);
        histogram.note(8_000, 1);
        assert_eq!([0.0, 50.0, 100.0].map(|percent| histogram.percentile(percent)), [8_031; 3]);
        histogram.note(100_000, 98);
        histogram.note(5_000_000, 1);
        let near = |percent, nanos: u64| {
            let found = histogram.percentile(percent);
            assert!((nanos..=nanos + nanos / 100).contains(&found), "{percent}: {found}");
        };
        near(1.0, 8_000);
        near(50.0, 100_000);
        near(99.0, 100_000);
        near(99.9, 5_000_000);
        assert_eq!(histogram.percentile(200.0), histogram.percentile(100.0));
    }
}
