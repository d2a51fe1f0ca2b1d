//! Which shares of the requests `INFO latencystats` tells the times of: `latency-tracking-info-percentiles`.

use super::error::Invalid;

/// Percentages from 0 to 100. Made by parsing, so that none is anything else.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Percentiles(Vec<f64>);

impl Percentiles {
    /// Most of them; Redis has no limit, and nobody needs more.
    const MOST: usize = 32;

    /// Those that are named, with spaces between.
    pub(super) fn parse(text: &str) -> Result<Percentiles, Invalid> {
        let numbers: Result<Vec<f64>, _> = text.split_ascii_whitespace().map(str::parse).collect();
        let numbers = numbers.map_err(|_| Invalid::PercentileNumber)?;
        if numbers.len() > Percentiles::MOST {
            return Err(Invalid::Refused("32 percentiles are the most"));
        }
        match numbers.iter().all(|percent| (0.0..=100.0).contains(percent)) {
            true => Ok(Percentiles(numbers)),
            false => Err(Invalid::PercentileRange),
        }
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = f64> {
        self.0.iter().copied()
    }

    /// As they are shown, and read again.
    pub(super) fn text(&self) -> String {
        self.0.iter().map(f64::to_string).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_read_and_shown_as_redis_shows_them() {
        let shown = |text| Percentiles::parse(text).map(|percentiles| percentiles.text());
        for (text, expect) in [("50 99 99.9", "50 99 99.9"), ("", ""), ("99.9999 1e1", "99.9999 10")] {
            assert_eq!(shown(text), Ok(expect.to_owned()));
        }
        assert_eq!(shown("50 x"), Err(Invalid::PercentileNumber));
        for text in ["101", "-1", "nan", "inf"] {
            assert_eq!(shown(text), Err(Invalid::PercentileRange), "{text}");
        }
        assert!(shown(&"1 ".repeat(33)).is_err());
    }
}
