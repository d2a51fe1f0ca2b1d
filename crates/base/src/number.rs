//! Decimal text of 64-bit integers, strict both ways: one number has one text.

/// Longest text of an `i64`.
pub const I64_TEXT_MAX: usize = 20;

/// Reads a whole decimal number as Redis does: optional `-`, no `+`, no leading zero, no space, no overflow.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    if digits[0] == b'0' {
        return (digits.len() == 1 && !negative).then_some(0);
    }
    let mut value: u64 = 0;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // Nineteen digits stay below 10^19 < 2^64.
        value = value * 10 + u64::from(digit);
    }
    if negative {
        (value <= 1 << 63).then(|| (value as i64).wrapping_neg())
    } else {
        i64::try_from(value).ok()
    }
}

/// The texts of the numbers below a hundred, two digits each.
static PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut number = 0;
    while number < pairs.len() {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

/// Writes `value` into `buffer` and returns the text.
#[inline]
pub fn format_i64(value: i64, buffer: &mut [u8; I64_TEXT_MAX]) -> &[u8] {
    let mut rest = value.unsigned_abs();
    let mut at = I64_TEXT_MAX;
    // A division costs more than all else: two digits with each.
    while rest >= 100 {
        at -= 2;
        buffer[at..at + 2].copy_from_slice(&PAIRS[(rest % 100) as usize]);
        rest /= 100;
    }
    at -= 1;
    buffer[at] = b'0' + (rest % 10) as u8;
    if rest >= 10 {
        at -= 1;
        buffer[at] = b'0' + (rest / 10) as u8;
    }
    if value < 0 {
        at -= 1;
        buffer[at] = b'-';
    }
    &buffer[at..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_the_round_trip() {
        let near = |power: u32| [-1, 0, 1].map(|by| 10i64.pow(power) + by);
        let some = [0, 1, -1, 9, 10, -10, 1234567890, i64::MAX, i64::MIN];
        for value in (0..19).flat_map(near).chain(0..1000).chain(some) {
            let mut buffer = [0; I64_TEXT_MAX];
            let text = format_i64(value, &mut buffer);
            assert_eq!(text, value.to_string().as_bytes());
            assert_eq!(parse_i64(text), Some(value));
        }
    }

    #[test]
    fn anything_but_the_one_text_is_refused() {
        for text in [
            "",
            "-",
            "+1",
            "01",
            "-0",
            " 1",
            "1 ",
            "1a",
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999",
        ] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text:?}");
        }
    }
}
