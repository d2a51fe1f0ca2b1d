//! Scores as text: read as C's `strtod` reads them, written as Redis 7.2 writes them.
//!
//! A number is written in its shortest form that reads back as the same number. (Redis's own search for it misses the
//! shortest in one case of a thousand and writes a digit more.)

use std::io::Write;

use base::{I64_TEXT_MAX, format_i64};

/// Below 10^15, and so below 2^53, every whole number is a double.
const FEW_DIGITS: usize = 15;

/// The number of a text of digits that are few, as most scores are.
fn few_digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > FEW_DIGITS {
        return None;
    }
    text.iter().try_fold(0, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then_some(value * 10 + u64::from(digit))
    })
}

/// A score as `ZADD` takes it: all of the text is one number, which is not out of range.
pub(crate) fn parse(text: &[u8]) -> Option<f64> {
    if let Some(whole) = few_digits(text) {
        return Some(whole as f64);
    }
    let read = strtod(text)?;
    (read.len == text.len() && !read.is_out_of_range && !text[0].is_ascii_whitespace()).then_some(read.value)
}

/// A bound as `ZRANGEBYSCORE` takes it: a C string, where space may come first, nothing is zero, and what is out of
/// range is infinite or zero.
pub(crate) fn parse_bound(text: &[u8]) -> Option<f64> {
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    strtod(text).filter(|read| read.len == text.len()).map(|read| read.value)
}

/// What `SORT` goes by: as a bound, but not out of range.
pub(crate) fn parse_weight(text: &[u8]) -> Option<f64> {
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    strtod(text).filter(|read| read.len == text.len() && !read.is_out_of_range).map(|read| read.value)
}

/// A number at the front of a text.
struct Read {
    value: f64,
    /// Bytes that it takes, space before it included.
    len: usize,
    /// Too large or too small to be said.
    is_out_of_range: bool,
}

/// `None` if there is no number, or one that is called so and is none.
fn strtod(text: &[u8]) -> Option<Read> {
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0x0B;
    let start = text.iter().take_while(|byte| is_space(byte)).count();
    let signed = &text[start..];
    let digits = signed.strip_prefix(b"-").or_else(|| signed.strip_prefix(b"+")).unwrap_or(signed);
    let sign = if signed.first() == Some(&b'-') { -1.0 } else { 1.0 };
    let (value, len, is_out_of_range) = infinity(digits)
        .map(|len| (f64::INFINITY, len, false))
        .or_else(|| hexadecimal(digits))
        .or_else(|| decimal(digits))?;
    Some(Read { value: sign * value, len: text.len() - digits.len() + len, is_out_of_range })
}

fn infinity(text: &[u8]) -> Option<usize> {
    let starts = |word: &&[u8]| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    [b"infinity".as_slice(), b"inf"].into_iter().find(starts).map(<[u8]>::len)
}

/// Length of the digits with at most one point, if there is a digit.
fn digits_len(text: &[u8], is_digit: impl Fn(&u8) -> bool) -> Option<usize> {
    let run = |text: &[u8]| text.iter().take_while(|byte| is_digit(byte)).count();
    let whole = run(text);
    let fraction = match text.get(whole) {
        Some(b'.') => run(&text[whole + 1..]),
        _ => 0,
    };
    let point = usize::from(text.get(whole) == Some(&b'.'));
    (whole + fraction > 0).then_some(whole + point + fraction)
}

/// Length of an exponent behind one of the two markers: its digits may not be missing.
fn exponent_len(text: &[u8], marker: u8) -> usize {
    let Some((first, rest)) = text.split_first() else { return 0 };
    let sign = usize::from(matches!(rest.first(), Some(b'+' | b'-')));
    let digits = rest[sign..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    if first.to_ascii_lowercase() != marker || digits == 0 { 0 } else { 1 + sign + digits }
}

fn decimal(text: &[u8]) -> Option<(f64, usize, bool)> {
    let digits = digits_len(text, u8::is_ascii_digit)?;
    let len = digits + exponent_len(&text[digits..], b'e');
    let value: f64 = std::str::from_utf8(&text[..len]).ok()?.parse().ok()?;
    let is_zero = text[..digits].iter().all(|byte| matches!(byte, b'0' | b'.'));
    Some((value, len, value.is_infinite() || value == 0.0 && !is_zero))
}

fn hexadecimal(text: &[u8]) -> Option<(f64, usize, bool)> {
    let [b'0', b'x' | b'X', rest @ ..] = text else { return None };
    let digits = digits_len(rest, u8::is_ascii_hexdigit)?;
    let exponent = exponent_len(&rest[digits..], b'p');
    let said = std::str::from_utf8(rest.get(digits + 1..digits + exponent).unwrap_or_default()).ok()?;
    // Far beyond any exponent, and far from the end of numbers that it is added to.
    let said = match said.parse::<i64>() {
        Ok(said) => said.clamp(-1 << 40, 1 << 40),
        Err(_) if said.is_empty() => 0,
        Err(_) if said.starts_with('-') => -1 << 40,
        Err(_) => 1 << 40,
    };
    let (mut mantissa, mut power, mut is_fraction) = (0u64, said, false);
    for &byte in &rest[..digits] {
        let Some(digit) = char::from(byte).to_digit(16) else {
            is_fraction = true;
            continue;
        };
        if mantissa >> 59 == 0 {
            mantissa = mantissa << 4 | u64::from(digit);
            power -= if is_fraction { 4 } else { 0 };
        } else {
            // No more room: what is lost only tells on which side of a middle the number lies.
            mantissa |= u64::from(digit != 0);
            power += if is_fraction { 0 } else { 4 };
        }
    }
    let value = scale(mantissa, power);
    Some((value, 2 + digits + exponent, value.is_infinite() || value == 0.0 && mantissa != 0))
}

/// The number nearest to `mantissa * 2^power`, ties to even.
fn scale(mantissa: u64, power: i64) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    let top = power + i64::from(mantissa.ilog2());
    if top > 1023 {
        return f64::INFINITY;
    }
    // The place of the last bit that is kept; below -1074 no number has bits.
    let last = (top - 52).max(-1074);
    let drop = last - power;
    let kept = match drop {
        ..=0 => mantissa << -drop,
        1..=63 => {
            let (kept, half) = (mantissa >> drop, 1 << (drop - 1));
            let rest = mantissa & ((half << 1) - 1);
            kept + u64::from(rest > half || rest == half && kept & 1 == 1)
        }
        64 => u64::from(mantissa > 1 << 63),
        _ => 0,
    };
    // Both factors are powers of two, and `kept` has at most 53 bits: exact, or infinite.
    let (front, back) = (last / 2, last - last / 2);
    kept as f64 * 2f64.powi(front as i32) * 2f64.powi(back as i32)
}

/// The text of a score: of whole numbers below 2^62 all digits, of others [`shortest`].
pub(crate) fn text(score: f64) -> Text {
    const LIMIT: f64 = (i64::MAX / 2) as f64;
    let whole = score as i64;
    if (-LIMIT..=LIMIT).contains(&score)
        && whole as f64 == score
        && !(score == 0.0 && score.is_sign_negative())
    {
        let mut text = Text::default();
        text.push(format_i64(whole, &mut [0; I64_TEXT_MAX]));
        return text;
    }
    shortest(score)
}

/// The shortest digits of a number, written with an exponent where they would be far from the point.
pub(crate) fn shortest(value: f64) -> Text {
    let mut text = Text::default();
    if value.is_sign_negative() {
        text.push(b"-");
    }
    if value.is_infinite() {
        text.push(b"inf");
        return text;
    }
    let mut scientific = Text::default();
    // The longest text has 17 digits, a point and `e-308`: it fits.
    let _ = write!(&mut scientific, "{:e}", value.abs());
    let (digits, exponent) = scientific.split_exponent();
    let len = digits.len;
    // What the last digit is multiplied with is ten to this power.
    let power = exponent - (len as i32 - 1);
    if power >= 0 && exponent < len as i32 + 7 {
        text.push(&digits);
        text.zeros(power);
    } else if power < 0 && (power > -7 || exponent.abs() < 4) {
        if exponent < 0 {
            text.push(b"0.");
            text.zeros(-exponent - 1);
            text.push(&digits);
        } else {
            let (whole, fraction) = digits.split_at(exponent as usize + 1);
            text.push(whole);
            text.push(b".");
            text.push(fraction);
        }
    } else {
        let (first, rest) = digits.split_at(1);
        text.push(first);
        if !rest.is_empty() {
            text.push(b".");
            text.push(rest);
        }
        text.push(if exponent < 0 { b"e-" } else { b"e+" });
        text.push(format_i64(i64::from(exponent.abs()), &mut [0; I64_TEXT_MAX]));
    }
    text
}

const TEXT_MAX: usize = 40;

/// The text of a number.
#[derive(Clone, Copy)]
pub(crate) struct Text {
    bytes: [u8; TEXT_MAX],
    len: usize,
}

impl Default for Text {
    fn default() -> Text {
        Text { bytes: [0; TEXT_MAX], len: 0 }
    }
}

impl std::ops::Deref for Text {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Write for &mut Text {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Text {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    fn zeros(&mut self, count: i32) {
        (0..count).for_each(|_| self.push(b"0"));
    }

    /// The digits and the exponent of a text such as `1.25e-7`.
    fn split_exponent(&self) -> (Text, i32) {
        let (mut digits, mut exponent) = (Text::default(), 0);
        let mut parts = self.split(|&byte| byte == b'e');
        if let Some(mantissa) = parts.next() {
            mantissa.split(|&byte| byte == b'.').for_each(|part| digits.push(part));
        }
        if let Some(power) = parts.next().and_then(base::parse_i64) {
            exponent = power as i32;
        }
        (digits, exponent)
    }
}

#[cfg(test)]
mod tests {
    use base::Random;

    use super::*;

    #[test]
    fn scores_are_written_as_redis_writes_them() {
        for (score, expect) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (3.0, "3"),
            (-17.0, "-17"),
            (0.1, "0.1"),
            (-2.5e-3, "-0.0025"),
            (3.14358, "3.14358"),
            (1e15, "1000000000000000"),
            (1e17, "100000000000000000"),
            (4e18, "4000000000000000000"),
            (5e18, "5e+18"),
            (1e25, "1e+25"),
            (-1.5e300, "-1.5e+300"),
            (123_456_789_012_345_680_000.0, "123456789012345680000"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (1.25e-7, "1.25e-7"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (12_345.678_901_234_567, "1.2345678901234567e+4"),
            (1_234.567_890_123_456_7, "1234.5678901234567"),
            (0.000_123_456_789_012_345_67, "1.2345678901234567e-4"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(String::from_utf8_lossy(&text(score)), expect);
        }
        assert_eq!(&*shortest(1e8), b"1e+8");
        assert_eq!(&*shortest(12e7), b"120000000");
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut random = Random::new(1);
        for _ in 0..50_000 {
            let score = f64::from_bits(random.next_u64());
            if !score.is_nan() {
                assert_eq!(parse(&text(score)), Some(score), "{score:e}");
            }
        }
    }

    #[test]
    fn scores_are_whole_and_within_range() {
        for (text, expect) in [
            ("1", 1.0),
            ("-0", 0.0),
            ("+.5", 0.5),
            ("5.", 5.0),
            ("1e3", 1000.0),
            ("inf", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("0x10", 16.0),
            ("0x.8p1", 1.0),
            ("-0X1P-1074", -5e-324),
            ("0x1.fffffffffffff8p0", 2.0),
            ("0x1.00000000000008p0", 1.0),
            ("0x1.000000000000080000000000000001p0", 1.0 + f64::EPSILON),
            ("0x0p99999999999999999999", 0.0),
            ("1e-310", 1e-310),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(expect), "{text}");
        }
        for text in [
            "",
            " 1",
            "1 ",
            "nan",
            "-nan",
            "1e",
            "0x",
            "0x.",
            ".",
            "e5",
            "1e400",
            "-1e400",
            "1e-400",
            "0x1p1024",
            "0x1p-1076",
            "0x1p99999999999999999999",
            "1\0",
            "infx",
            "1_0",
            "--1",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn bounds_are_c_strings() {
        for (text, expect) in
            [("", 0.0), ("\0x", 0.0), (" \t1", 1.0), ("2\0x", 2.0), ("1e400", f64::INFINITY), ("1e-400", 0.0)]
        {
            assert_eq!(parse_bound(text.as_bytes()), Some(expect), "{text:?}");
        }
        for text in ["nan", "1 ", "a", " ", "(", "0x"] {
            assert_eq!(parse_weight(text.as_bytes()), None, "{text:?}");
            assert_eq!(parse_bound(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(
            [b"".as_slice(), b" 2\0x", b"inf"].map(parse_weight),
            [Some(0.0), Some(2.0), Some(f64::INFINITY)]
        );
        assert_eq!([b"1e400".as_slice(), b"1e-400"].map(parse_weight), [None, None]);
    }
}
