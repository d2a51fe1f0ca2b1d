//! The texts of sizes and durations: `64mb`, `1s`. Pure functions, strict as Redis is where Redis has the form.

use std::time::Duration;

/// Why a size was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SizeError {
    /// No number, a sign, a fraction or an unknown unit.
    Malformed,
    /// A number that 64 bits do not hold; Redis says "out of range" then.
    TooLarge,
}

/// Unit letters of a size, as in Redis: `k` is 1000, `kb` is 1024.
const SIZE_UNITS: &[(&str, u64)] = &[
    ("", 1),
    ("b", 1),
    ("k", 1000),
    ("kb", 1 << 10),
    ("m", 1000 * 1000),
    ("mb", 1 << 20),
    ("g", 1000 * 1000 * 1000),
    ("gb", 1 << 30),
];

const DURATION_UNITS: &[(&str, u64)] = &[
    ("us", 1),
    ("ms", 1000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
];

/// Reads a size such as `512`, `64mb`, `1GB`.
pub(super) fn parse_size(text: &str) -> Result<u64, SizeError> {
    let (digits, unit) = split_unit(text).ok_or(SizeError::Malformed)?;
    let unit = unit_of(SIZE_UNITS, unit).ok_or(SizeError::Malformed)?;
    let number: u64 = digits.parse().map_err(|_| SizeError::TooLarge)?;
    number.checked_mul(unit).ok_or(SizeError::TooLarge)
}

/// Writes a size with the largest unit that divides it: `67108864` is `64mb`.
pub(super) fn format_size(bytes: u64) -> String {
    for (unit, factor) in [("gb", 1 << 30), ("mb", 1 << 20), ("kb", 1 << 10)] {
        if bytes >= factor && bytes.is_multiple_of(factor) {
            return format!("{}{unit}", bytes / factor);
        }
    }
    bytes.to_string()
}

/// Reads a duration with its unit, such as `250ms`, `1s`, `10m`. A bare number counts in `bare_unit`.
pub(super) fn parse_duration(text: &str, bare_unit: Duration) -> Option<Duration> {
    let (digits, unit) = split_unit(text)?;
    let number: u64 = digits.parse().ok()?;
    if unit.is_empty() {
        return bare_unit.checked_mul(u32::try_from(number).ok()?);
    }
    let micros = number.checked_mul(unit_of(DURATION_UNITS, unit)?)?;
    Some(Duration::from_micros(micros))
}

/// Writes a duration with the largest unit that divides it: a thousand milliseconds are `1s`.
pub(super) fn format_duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    if micros == 0 {
        return "0s".to_owned();
    }
    let fits = |&&(_, factor): &&(&str, u64)| micros.is_multiple_of(u128::from(factor));
    match DURATION_UNITS.iter().rev().find(fits) {
        Some(&(unit, factor)) => format!("{}{unit}", micros / u128::from(factor)),
        None => format!("{micros}us"),
    }
}

/// Cuts `64mb` into `64` and `mb`; `None` if it does not begin with a digit.
fn split_unit(text: &str) -> Option<(&str, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    (digits > 0).then(|| text.split_at(digits))
}

fn unit_of(units: &[(&str, u64)], word: &str) -> Option<u64> {
    units.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|&(_, factor)| factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_redis_reads_them() {
        for (text, bytes) in
            [("0", 0), ("1b", 1), ("100k", 100_000), ("100kb", 102_400), ("1M", 1_000_000), ("1gB", 1 << 30)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "mb", "-1", "+1", "1.5mb", "5x", " 1", "1 mb", "1 "] {
            assert_eq!(parse_size(text), Err(SizeError::Malformed), "{text:?}");
        }
        for text in ["99999999999999999999", "99999999999gb"] {
            assert_eq!(parse_size(text), Err(SizeError::TooLarge), "{text}");
        }
    }

    #[test]
    fn a_formatted_size_reads_back() {
        for bytes in [0, 1, 1000, 1023, 1024, 1 << 20, (1 << 20) + 1, 1 << 30, u64::MAX] {
            assert_eq!(parse_size(&format_size(bytes)), Ok(bytes));
        }
        assert_eq!(format_size(64 << 20), "64mb");
    }

    #[test]
    fn durations_read_with_units_and_read_back() {
        let second = Duration::from_secs(1);
        for (text, millis) in [("1s", 1000), ("250ms", 250), ("2m", 120_000), ("1h", 3_600_000), ("7", 7000)]
        {
            let duration = parse_duration(text, second).unwrap();
            assert_eq!(duration, Duration::from_millis(millis), "{text}");
            assert_eq!(parse_duration(&format_duration(duration), second), Some(duration));
        }
        for text in ["", "s", "-1s", "1.5s", "1 s", "1w", "99999999999999999999s"] {
            assert_eq!(parse_duration(text, second), None, "{text:?}");
        }
        assert_eq!(format_duration(Duration::from_millis(1500)), "1500ms");
        assert_eq!(format_duration(Duration::ZERO), "0s");
    }
}
