//! Floating point with a mantissa of 64 bits, as `INCRBYFLOAT` and `HINCRBYFLOAT` count in.
//!
//! Redis adds in C's `long double`, which on x86-64 is the 80-bit format: 0.1 + 0.2 gives 0.3 there and does not
//! in `f64`. Clients see the difference, and replicas must agree on every digit whatever they run on; so the
//! format is done in integers here, bit for bit: text to nearest value (ties to even), sum rounded once, and
//! the text of `%.17Lf` without its trailing zeros.
//!
//! Invariants of a finite value: mantissa and exponent give its size as `mantissa * 2^exponent`; the top bit of
//! the mantissa is set unless the exponent is the smallest there is; zero has the smallest exponent.

use std::cmp::Ordering;

/// The smallest exponent: that of subnormal numbers.
const EXPONENT_MIN: i32 = -16445;
/// The largest exponent of a finite number.
const EXPONENT_MAX: i32 = 16320;
/// Texts of this length or longer are no numbers to Redis.
const TEXT_MAX: usize = 5 * 1024;

/// A number of the 80-bit extended format; never a NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extended {
    negative: bool,
    size: Size,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Finite { mantissa: u64, exponent: i32 },
    Infinite,
}

const ZERO: Size = Size::Finite { mantissa: 0, exponent: EXPONENT_MIN };

impl Extended {
    /// Nothing.
    pub(crate) const ZERO: Extended = Extended { negative: false, size: ZERO };
    /// The largest finite number.
    pub(crate) const MAX: Extended =
        Extended { negative: false, size: Size::Finite { mantissa: u64::MAX, exponent: EXPONENT_MAX } };

    /// Reads what C's `strtold` reads, as a whole: decimal or hexadecimal digits, an exponent, `inf`. Refuses
    /// what Redis refuses: white space, NaN, and numbers too large or too small to be said.
    pub(crate) fn parse(text: &[u8]) -> Option<Extended> {
        if text.len() >= TEXT_MAX {
            return None;
        }
        let (negative, rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let size = match rest {
            [b'0', b'x' | b'X', digits @ ..] => parse_hexadecimal(digits)?,
            _ if rest.eq_ignore_ascii_case(b"inf") || rest.eq_ignore_ascii_case(b"infinity") => {
                Size::Infinite
            }
            _ => parse_decimal(rest)?,
        };
        Some(Extended { negative, size })
    }

    /// The same number.
    pub(crate) fn of_double(value: f64) -> Extended {
        let bits = value.to_bits();
        let (fraction, power) = (bits & ((1 << 52) - 1), (bits >> 52 & 0x7FF) as i32);
        let size = match power {
            0x7FF => Size::Infinite,
            0 => round(fraction.into(), -1074, false),
            _ => round((fraction | 1 << 52).into(), power - 1075, false),
        };
        Extended { negative: value.is_sign_negative(), size }
    }

    /// The nearest number of the common size; infinite if it is beyond all of those.
    pub(crate) fn to_f64(self) -> f64 {
        let size = match self.size {
            Size::Infinite => f64::INFINITY,
            Size::Finite { mantissa, exponent } => mantissa as f64 * 2f64.powi(exponent),
        };
        if self.negative { -size } else { size }
    }

    /// Whether this is a number at all: not infinite.
    pub(crate) fn is_finite(self) -> bool {
        self.size != Size::Infinite
    }

    /// The sum, rounded once; `None` for infinity minus infinity, which is not a number.
    pub(crate) fn plus(self, other: Extended) -> Option<Extended> {
        let (
            Size::Finite { mantissa: a, exponent: a_exponent },
            Size::Finite { mantissa: b, exponent: b_exponent },
        ) = (self.size, other.size)
        else {
            return match (self.is_finite(), other.is_finite()) {
                (false, false) => (self.negative == other.negative).then_some(self),
                (true, _) => Some(other),
                (_, true) => Some(self),
            };
        };
        // The larger exponent leads; it has 62 bits of room below, so what the other loses is only "something".
        let ((high, high_exponent, high_negative), (low, low_exponent, low_negative)) =
            if a_exponent >= b_exponent {
                ((a, a_exponent, self.negative), (b, b_exponent, other.negative))
            } else {
                ((b, b_exponent, other.negative), (a, a_exponent, self.negative))
            };
        let high = i128::from(high) << 62;
        let low = shift_right_sticky(u128::from(low) << 62, high_exponent.abs_diff(low_exponent)) as i128;
        let sum = if high_negative { -high } else { high } + if low_negative { -low } else { low };
        let negative = if sum == 0 { self.negative && other.negative } else { sum < 0 };
        Some(Extended { negative, size: round(sum.unsigned_abs(), high_exponent - 62, false) })
    }

    /// The number on the other side of zero.
    pub(crate) fn negated(self) -> Extended {
        Extended { negative: !self.negative, ..self }
    }

    /// Which of two numbers is the greater one; both zeros are the same.
    pub(crate) fn order(self, other: Extended) -> Ordering {
        // With the top bit of the mantissa set where the exponent allows it, sizes compare by exponent first.
        let key = |size: Size| match size {
            Size::Finite { mantissa, exponent } => (exponent, mantissa),
            Size::Infinite => (i32::MAX, 0),
        };
        let by_size = key(self.size).cmp(&key(other.size));
        match (self.negative, other.negative) {
            _ if self.size == ZERO && other.size == ZERO => Ordering::Equal,
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => by_size,
            (true, true) => by_size.reverse(),
        }
    }

    /// The text Redis stores and answers: 17 decimals, less the zeros at the end. An infinite number, which is
    /// never stored, reads `inf`.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        let Size::Finite { mantissa, exponent } = self.size else {
            out.extend_from_slice(if self.negative { b"-inf" } else { b"inf" });
            return;
        };
        let start = out.len();
        if self.negative {
            out.push(b'-');
        }
        if exponent >= 0 {
            Big::from(mantissa).shifted_left(exponent.unsigned_abs()).write_decimal(out);
        } else {
            write_small(mantissa, exponent.unsigned_abs(), out);
        }
        if out[start..] == *b"-0" {
            out.remove(start);
        }
    }

    /// [`Extended::write`] into a buffer of its own.
    pub(crate) fn text(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(24);
        self.write(&mut out);
        out
    }
}

/// Ten to the number of decimals.
const DECIMALS: u32 = 17;
const SCALE: u128 = 10u128.pow(DECIMALS);

/// `mantissa / 2^shift` with [`DECIMALS`] decimals, ties to even.
fn write_small(mantissa: u64, shift: u32, out: &mut Vec<u8>) {
    // 64 bits times 57 bits stay below 128.
    let scaled = round_half_even(shift_right_sticky_keeping(u128::from(mantissa) * SCALE, shift));
    out.extend_from_slice((scaled / SCALE).to_string().as_bytes());
    let fraction = format!(".{:017}", scaled % SCALE);
    let fraction = fraction.trim_end_matches('0');
    if fraction != "." {
        out.extend_from_slice(fraction.as_bytes());
    }
}

/// A value cut off at some bit: what stands before the cut, the bit behind it, and whether more follows.
struct Cut {
    kept: u128,
    half: bool,
    more: bool,
}

fn shift_right_sticky_keeping(value: u128, shift: u32) -> Cut {
    match shift {
        0 => Cut { kept: value, half: false, more: false },
        1..=127 => Cut {
            kept: value >> shift,
            half: value >> (shift - 1) & 1 == 1,
            more: value & ((1 << (shift - 1)) - 1) != 0,
        },
        128 => Cut { kept: 0, half: value >> 127 == 1, more: value << 1 != 0 },
        _ => Cut { kept: 0, half: false, more: value != 0 },
    }
}

fn round_half_even(cut: Cut) -> u128 {
    cut.kept + u128::from(cut.half && (cut.more || cut.kept & 1 == 1))
}

/// Shifts right; whatever is lost sets the lowest bit.
fn shift_right_sticky(value: u128, shift: u32) -> u128 {
    let cut = shift_right_sticky_keeping(value, shift);
    cut.kept | u128::from(cut.half || cut.more)
}

/// The nearest number to `value * 2^exponent`, and a little more if `sticky`, ties to even.
fn round(value: u128, exponent: i32, sticky: bool) -> Size {
    if value == 0 {
        return ZERO;
    }
    let bits = 128 - value.leading_zeros() as i32;
    let target = (exponent + bits - 64).max(EXPONENT_MIN);
    let shift = target - exponent;
    if shift <= 0 {
        // Fewer bits than the mantissa has: exact, so nothing may have been lost before.
        debug_assert!(!sticky, "a value that lost bits has more than the mantissa holds");
        return finite((value << shift.unsigned_abs()) as u64, target);
    }
    let mut cut = shift_right_sticky_keeping(value, shift.unsigned_abs());
    cut.more |= sticky;
    let rounded = round_half_even(cut);
    if rounded >> 64 != 0 {
        finite((rounded >> 1) as u64, target + 1)
    } else {
        finite(rounded as u64, target)
    }
}

fn finite(mantissa: u64, exponent: i32) -> Size {
    match (mantissa, exponent) {
        (0, _) => ZERO,
        (_, ..=EXPONENT_MAX) => Size::Finite { mantissa, exponent },
        _ => Size::Infinite,
    }
}

/// A number read from text must not have left the range; zero is within it only if it was meant.
fn in_range(size: Size, is_zero: bool) -> Option<Size> {
    match size {
        Size::Infinite => None,
        Size::Finite { mantissa: 0, .. } if !is_zero => None,
        finite => Some(finite),
    }
}

/// Digits with at most one point, as digit values; the number of them behind the point; and what follows.
struct Digits<'a> {
    before: &'a [u8],
    behind: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Digits<'a> {
    fn split(text: &'a [u8], is_digit: impl Fn(&u8) -> bool) -> Option<Digits<'a>> {
        let run = |text: &'a [u8]| text.split_at(text.iter().take_while(|&byte| is_digit(byte)).count());
        let (before, rest) = run(text);
        let (behind, rest) = match rest {
            [b'.', rest @ ..] => run(rest),
            _ => (&rest[..0], rest),
        };
        (!before.is_empty() || !behind.is_empty()).then_some(Digits { before, behind, rest })
    }

    fn all(&self) -> impl Iterator<Item = u8> + '_ {
        self.before.iter().chain(self.behind).copied()
    }
}

/// The exponent behind `marker`, zero if nothing is left. Beyond a million it stays a million.
fn parse_exponent(rest: &[u8], marker: u8) -> Option<i64> {
    let [first, rest @ ..] = rest else { return Some(0) };
    if !first.eq_ignore_ascii_case(&marker) {
        return None;
    }
    let (sign, digits) = match rest {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        _ => (1, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value =
        digits.iter().fold(0i64, |value, digit| (value * 10 + i64::from(digit - b'0')).min(1_000_000));
    Some(sign * value)
}

fn parse_hexadecimal(text: &[u8]) -> Option<Size> {
    let digits = Digits::split(text, u8::is_ascii_hexdigit)?;
    let mut exponent = parse_exponent(digits.rest, b'p')? - 4 * digits.behind.len() as i64;
    let (mut value, mut sticky) = (0u128, false);
    for digit in digits.all() {
        let digit = (digit as char).to_digit(16).unwrap_or(0);
        if value >> 120 == 0 {
            value = value << 4 | u128::from(digit);
        } else {
            sticky |= digit != 0;
            exponent += 4;
        }
    }
    let exponent = exponent.clamp(-100_000, 100_000) as i32;
    in_range(round(value, exponent, sticky), value == 0)
}

fn parse_decimal(text: &[u8]) -> Option<Size> {
    let digits = Digits::split(text, u8::is_ascii_digit)?;
    let exponent = parse_exponent(digits.rest, b'e')? - digits.behind.len() as i64;
    if digits.all().all(|digit| digit == b'0') {
        return Some(ZERO);
    }
    // Texts are below 5120 bytes, so beyond these no digits can bring the number back into range.
    if !(-12_000..=12_000).contains(&exponent) {
        return None;
    }
    let size = nearly(&digits, exponent as i32).unwrap_or_else(|| exactly(&digits, exponent as i32));
    in_range(size, false)
}

/// The nearest number to `digits * 10^exponent` in 128 bits, if their error cannot change it: almost always, and
/// at a cost that does not grow with the exponent.
fn nearly(digits: &Digits<'_>, exponent: i32) -> Option<Size> {
    // Ten to the 38th is below 2^127.
    const DIGITS_MAX: usize = 38;
    // Two roundings for each of at most 28 products, of which a square doubles what was there: below 2^17 units of
    // the last place, and the digits left out weigh less.
    const ERROR: u128 = 1 << 20;
    let significant = || digits.all().skip_while(|&digit| digit == b'0');
    let value =
        significant().take(DIGITS_MAX).fold(0u128, |value, digit| value * 10 + u128::from(digit - b'0'));
    let left_out = significant().skip(DIGITS_MAX).count() as i32;
    let tens = exponent + left_out;
    let product = Float::from(value).times(Float::power_of_five(tens));
    // Below 2^128 - 2^20 and above 2^127, so neither bound leaves the 128 bits.
    let low = round(product.mantissa.checked_sub(ERROR)?, product.exponent + tens, true);
    let high = round(product.mantissa.checked_add(ERROR)?, product.exponent + tens, true);
    (low == high).then_some(low)
}

/// The same for any digits, however close to the middle between two numbers.
fn exactly(digits: &Digits<'_>, exponent: i32) -> Size {
    let mut value = Big::default();
    let (mut chunk, mut scale) = (0u64, 1u64);
    for digit in digits.all() {
        chunk = chunk * 10 + u64::from(digit - b'0');
        scale *= 10;
        if scale == CHUNK {
            value.multiply_add(CHUNK, chunk);
            (chunk, scale) = (0, 1);
        }
    }
    value.multiply_add(scale, chunk);
    let tens = exponent.unsigned_abs();
    if exponent >= 0 {
        value.multiply_power_of_five(tens);
        return value.round(exponent, false);
    }
    // Enough bits that the quotient has more than the mantissa and its rounding need; 5^n < 2^(2.33 n).
    let room = tens * 7 / 3 + 2 + 130u32.saturating_sub(value.bits());
    let mut value = value.shifted_left(room);
    let sticky = value.divide_power_of_five(tens);
    value.round(exponent - room as i32, sticky)
}

/// About `mantissa * 2^exponent`. Invariant: the top bit of the mantissa is set.
#[derive(Clone, Copy)]
struct Float {
    mantissa: u128,
    exponent: i32,
}

impl From<u128> for Float {
    /// `value` is not zero.
    fn from(value: u128) -> Float {
        let shift = value.leading_zeros();
        Float { mantissa: value << shift, exponent: -(shift as i32) }
    }
}

impl Float {
    /// 0.2, rounded.
    const FIFTH: Float = Float { mantissa: u128::MAX / 5 * 4 + 1, exponent: -130 };

    fn power_of_five(power: i32) -> Float {
        let (mut square, mut rest) = (Float::from(5), power.unsigned_abs());
        if power < 0 {
            square = Float::FIFTH;
        }
        let mut product = Float::from(1);
        while rest > 0 {
            if rest & 1 == 1 {
                product = product.times(square);
            }
            rest >>= 1;
            if rest > 0 {
                square = square.times(square);
            }
        }
        product
    }

    /// The product, at most two units of the last place too small.
    fn times(self, other: Float) -> Float {
        let low = |value: u128| value & u128::from(u64::MAX);
        let high = |value: u128| value >> 64;
        let (a, b, c, d) =
            (high(self.mantissa), low(self.mantissa), high(other.mantissa), low(other.mantissa));
        let (outer, inner) = (a * d, b * c);
        let middle = high(b * d) + low(outer) + low(inner);
        let high = a * c + high(outer) + high(inner) + high(middle);
        let exponent = self.exponent + other.exponent + 128;
        // The product of two numbers with their top bit set has one of its two top bits set.
        match high >> 127 {
            0 => Float { mantissa: high << 1 | (middle >> 63 & 1), exponent: exponent - 1 },
            _ => Float { mantissa: high, exponent },
        }
    }
}

/// Ten and five to powers that fit 32 bits, so that products and quotients fit 64.
const CHUNK: u64 = 1_000_000_000;
const FIVES: u64 = 1_220_703_125;
const FIVES_POWER: u32 = 13;

/// A natural number of any size, 32 bits a limb, the lowest first, without zeros on top.
#[derive(Clone, Debug, Default)]
struct Big(Vec<u32>);

impl From<u64> for Big {
    fn from(value: u64) -> Big {
        let mut big = Big(vec![value as u32, (value >> 32) as u32]);
        big.trim();
        big
    }
}

impl Big {
    fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    fn bits(&self) -> u32 {
        self.0.last().map_or(0, |top| self.0.len() as u32 * 32 - top.leading_zeros())
    }

    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    /// `self * factor + addend`; both below 2^32.
    fn multiply_add(&mut self, factor: u64, addend: u64) {
        let mut carry = addend;
        for limb in &mut self.0 {
            carry += u64::from(*limb) * factor;
            *limb = carry as u32;
            carry >>= 32;
        }
        if carry != 0 {
            self.0.push(carry as u32);
        }
    }

    /// Divides by a number below 2^32 and returns the remainder.
    fn divide(&mut self, divisor: u64) -> u64 {
        let mut remainder = 0;
        for limb in self.0.iter_mut().rev() {
            let value = remainder << 32 | u64::from(*limb);
            *limb = (value / divisor) as u32;
            remainder = value % divisor;
        }
        self.trim();
        remainder
    }

    fn multiply_power_of_five(&mut self, power: u32) {
        for _ in 0..power / FIVES_POWER {
            self.multiply_add(FIVES, 0);
        }
        self.multiply_add(5u64.pow(power % FIVES_POWER), 0);
    }

    /// Divides by a power of five and tells whether anything was left over.
    fn divide_power_of_five(&mut self, power: u32) -> bool {
        let mut inexact = false;
        for _ in 0..power / FIVES_POWER {
            inexact |= self.divide(FIVES) != 0;
        }
        inexact | (self.divide(5u64.pow(power % FIVES_POWER)) != 0)
    }

    fn shifted_left(&self, shift: u32) -> Big {
        let mut limbs = vec![0; shift as usize / 32];
        let bits = shift % 32;
        let mut carry = 0u64;
        for &limb in &self.0 {
            carry |= u64::from(limb) << bits;
            limbs.push(carry as u32);
            carry >>= 32;
        }
        limbs.push(carry as u32);
        let mut big = Big(limbs);
        big.trim();
        big
    }

    /// The nearest [`Size`] to `self * 2^exponent`, and a little more if `sticky`.
    fn round(&self, exponent: i32, sticky: bool) -> Size {
        // The top four limbs hold at least 97 bits: more than a mantissa and its rounding bit.
        let skipped = self.0.len().saturating_sub(4);
        let (low, top) = self.0.split_at(skipped);
        let value = top.iter().rev().fold(0u128, |value, &limb| value << 32 | u128::from(limb));
        let sticky = sticky || low.iter().any(|&limb| limb != 0);
        round(value, exponent + 32 * skipped as i32, sticky)
    }

    fn write_decimal(mut self, out: &mut Vec<u8>) {
        let mut chunks = Vec::new();
        while !self.is_zero() {
            chunks.push(self.divide(CHUNK));
        }
        let Some(first) = chunks.pop() else {
            out.push(b'0');
            return;
        };
        out.extend_from_slice(first.to_string().as_bytes());
        chunks.iter().rev().for_each(|chunk| out.extend_from_slice(format!("{chunk:09}").as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn parse(text: &str) -> Extended {
        Extended::parse(text.as_bytes()).expect("a number")
    }

    #[track_caller]
    fn check_sum(a: &str, b: &str, expect: &str) {
        let sum = parse(a).plus(parse(b)).expect("a number");
        assert_eq!(String::from_utf8_lossy(&sum.text()), expect, "{a} + {b}");
    }

    /// Results of redis-server 7.0 on x86-64.
    #[test]
    fn sums_have_the_digits_redis_gives() {
        check_sum("0.1", "0.2", "0.3");
        check_sum("10.50", "0.1", "10.6");
        check_sum("5.0e3", "2.0e2", "5200");
        check_sum("1", "-1", "0");
        check_sum("-0.0", "-0.0", "0");
        check_sum("3", "1.000000000000000005", "4.00000000000000001");
        check_sum("1e20", "1", "100000000000000000000");
        check_sum("1e20", "8", "100000000000000000008");
        check_sum("-1e-18", "0", "0");
        check_sum("0x1p3", "0x.8", "8.5");
        check_sum("9223372036854775807", "0.25", "9223372036854775807");
        check_sum("18446744073709551615", "1", "18446744073709551616");
        check_sum("18446744073709551616", "1", "18446744073709551616");
        check_sum("18446744073709551616", "3", "18446744073709551620");
        check_sum("1e-4950", "0", "0");
        check_sum("1.5", "-3", "-1.5");
    }

    #[test]
    fn only_what_strtold_reads_as_a_whole_is_a_number() {
        for text in [
            "1.",
            ".5",
            "+1",
            "1e5",
            "1E+5",
            "1e-5",
            "0x1",
            "0X1P-3",
            "inf",
            "-INFINITY",
            "1e4932",
            "1e-4950",
        ] {
            assert!(Extended::parse(text.as_bytes()).is_some(), "{text:?}");
        }
        let refused = [
            "",
            ".",
            "+",
            "-",
            " 1",
            "1 ",
            "1e",
            "1e+",
            "0x",
            "0x.",
            "0x1p",
            "nan",
            "-nan",
            "nan(1)",
            "infin",
            "1e4933",
            "1e-5000",
            "1e99999999999999999999",
            "1\0",
            "1,5",
            "--1",
            "0x1p99999",
            "1_0",
        ];
        for text in refused {
            assert!(Extended::parse(text.as_bytes()).is_none(), "{text:?}");
        }
        assert!(Extended::parse(&b"1".repeat(TEXT_MAX)).is_none());
    }

    #[test]
    fn the_edges_of_the_range_are_exact() {
        let max = parse("1.18973149535723176502e4932");
        assert_eq!(max.size, Size::Finite { mantissa: u64::MAX, exponent: EXPONENT_MAX });
        assert_eq!(max.plus(max).map(Extended::is_finite), Some(false));
        let tiny = parse("3.6451995318824746025e-4951");
        assert_eq!(tiny.size, Size::Finite { mantissa: 1, exponent: EXPONENT_MIN });
        let normal = parse("3.3621031431120935063e-4932");
        assert_eq!(normal.size, Size::Finite { mantissa: 1 << 63, exponent: EXPONENT_MIN });
        let text = max.text();
        assert_eq!(text.len(), 4933);
        assert!(text.starts_with(b"118973149535723176502126385303097020516906332"));
        assert!(!text.contains(&b'.'));
        let down = Extended { negative: true, ..max };
        assert_eq!(max.plus(down).map(|zero| zero.text()), Some(b"0".to_vec()));
    }

    #[test]
    fn infinity_minus_infinity_is_no_number() {
        assert_eq!(parse("inf").plus(parse("-inf")), None);
        assert_eq!(parse("inf").plus(parse("-1")), Some(parse("inf")));
        assert_eq!(parse("1").plus(parse("-inf")), Some(parse("-inf")));
    }

    #[test]
    fn whole_numbers_survive_the_round_trip() {
        let mut random = base::Random::new(3);
        for _ in 0..20_000 {
            let number = (random.next_u64() >> random.below(64)) as i64;
            let text = number.to_string();
            assert_eq!(String::from_utf8_lossy(&parse(&text).text()), text);
        }
    }

    #[test]
    fn the_quick_way_gives_what_the_exact_way_gives() {
        let mut random = base::Random::new(5);
        let mut quick = 0;
        for round in 0..1_500 {
            let digits: String =
                (0..=random.below(60)).map(|_| (b'0' + random.below(10) as u8) as char).collect();
            let range = if round % 2 == 0 { 20 } else { 4990 };
            let exponent = random.below(2 * range) as i32 - range as i32;
            let text = format!("{digits}1");
            let digits = Digits::split(text.as_bytes(), u8::is_ascii_digit).expect("digits");
            if let Some(size) = nearly(&digits, exponent) {
                assert_eq!(size, exactly(&digits, exponent), "{text}e{exponent}");
                quick += 1;
            }
        }
        assert!(quick > 1_450, "{quick}");
    }

    #[test]
    fn the_middle_between_two_numbers_goes_to_the_even_one() {
        // 2^64 + 1 and 2^64 + 3 lie in the middle; a digit far behind decides.
        let far = "0".repeat(60);
        for (text, expect) in [
            ("18446744073709551617", "18446744073709551616"),
            ("18446744073709551619", "18446744073709551620"),
            (&format!("18446744073709551617.{far}1"), "18446744073709551618"),
        ] {
            assert_eq!(String::from_utf8_lossy(&parse(text).text()), expect, "{text}");
        }
    }
}
