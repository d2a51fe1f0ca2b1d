//! `BITFIELD`, `BITFIELD_RO`: numbers of any width at any bit of a string.
//!
//! The steps are read twice, to be checked and to be done, so that none is put down in between.

use base::{Args, I64_TEXT_MAX, parse_i64};
use resp::Reply;

use super::bitmap::checked_offset;
use super::bits::{FIELD_BITS_MAX, Field};
use super::options::{integer, is_word};
use super::{Applied, Operation, Parsed, STRING_LEN_MAX};
use crate::edit::EntryMut;
use crate::value::Encoding;
use crate::{Event, NewValue, RequestError, Store};

/// What becomes of a number that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overflow {
    /// Its low bits count.
    Wrap,
    /// The nearest that fits is taken.
    Saturate,
    /// Nothing is done.
    Fail,
}

impl Overflow {
    fn parse<'a>(word: &[u8]) -> Result<Overflow, RequestError<'a>> {
        if is_word(word, "WRAP") {
            Ok(Overflow::Wrap)
        } else if is_word(word, "SAT") {
            Ok(Overflow::Saturate)
        } else if is_word(word, "FAIL") {
            Ok(Overflow::Fail)
        } else {
            Err(RequestError::OverflowType)
        }
    }
}

/// The type of a number: `i8`, `u63`. Invariant: 1 to 64 bits, 63 if it is unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Width {
    is_signed: bool,
    bits: u32,
}

impl Width {
    fn parse(argument: &[u8]) -> Option<Width> {
        let (sign, digits) = argument.split_first()?;
        let (is_signed, most) = match sign {
            b'i' => (true, FIELD_BITS_MAX),
            b'u' => (false, FIELD_BITS_MAX - 1),
            _ => return None,
        };
        // Redis takes it for a C string.
        let digits = digits.split(|&byte| byte == 0).next()?;
        let bits = u32::try_from(parse_i64(digits)?).ok()?;
        (1..=most).contains(&bits).then_some(Width { is_signed, bits })
    }

    /// The number that bits stand for. Those above the width do not count.
    fn number_of(self, bits: u64) -> i64 {
        let unused = FIELD_BITS_MAX - self.bits;
        if self.is_signed {
            (bits << unused).cast_signed() >> unused
        } else {
            (bits << unused >> unused).cast_signed()
        }
    }

    /// `value` and `by`, or what `overflow` makes of them if the sum does not fit; `None` if that is nothing.
    fn sum(self, value: i64, by: i64, overflow: Overflow) -> Option<i64> {
        let limit =
            if self.is_signed { self.signed_limit(value, by) } else { self.unsigned_limit(value, by) };
        match (limit, overflow) {
            (None, _) => Some(value.wrapping_add(by)),
            (Some(_), Overflow::Wrap) => Some(self.number_of(value.wrapping_add(by).cast_unsigned())),
            (Some(limit), Overflow::Saturate) => Some(limit),
            (Some(_), Overflow::Fail) => None,
        }
    }

    /// The limit that a sum oversteps. As in Redis, a value so far below the least that its distance to the greatest
    /// leaves 64 bits counts as too great.
    fn signed_limit(self, value: i64, by: i64) -> Option<i64> {
        let most = i64::MAX >> (FIELD_BITS_MAX - self.bits);
        let least = -most - 1;
        let is_narrow = self.bits < FIELD_BITS_MAX;
        let (above, below) = (most.wrapping_sub(value), least.wrapping_sub(value));
        if value > most || (by > above && (is_narrow || (value >= 0 && by > 0))) {
            Some(most)
        } else if value < least || (by < below && (is_narrow || (value < 0 && by < 0))) {
            Some(least)
        } else {
            None
        }
    }

    /// The same. A negative value is one of 64 bits without a sign, so it is too great.
    fn unsigned_limit(self, value: i64, by: i64) -> Option<i64> {
        let most = i64::MAX >> (FIELD_BITS_MAX - 1 - self.bits);
        if !(0..=most).contains(&value) || by > most - value {
            Some(most)
        } else {
            (by < -value).then_some(0)
        }
    }
}

/// What is done to one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Get,
    Set(i64),
    Add(i64),
}

/// One number and what is done to it.
#[derive(Clone, Copy, Debug)]
struct Step {
    width: Width,
    field: Field,
    action: Action,
    overflow: Overflow,
}

impl Step {
    /// How long the string must be; `None` if this only reads.
    fn len_needed<'a>(self) -> Result<Option<usize>, RequestError<'a>> {
        if self.action == Action::Get {
            return Ok(None);
        }
        match self.field.bytes() {
            Some(bytes) if bytes.end <= STRING_LEN_MAX => Ok(Some(bytes.end)),
            _ => Err(RequestError::BitOffset),
        }
    }

    fn read(self, text: &[u8]) -> i64 {
        self.width.number_of(self.field.read(text))
    }

    /// What to answer and what to write.
    fn outcome(self, before: i64) -> Option<(i64, i64)> {
        Some(match self.action {
            Action::Get => (before, before),
            Action::Set(value) => (before, self.width.sum(value, 0, self.overflow)?),
            Action::Add(by) => {
                let sum = self.width.sum(before, by, self.overflow)?;
                (sum, sum)
            }
        })
    }

    /// Does it to a string that is long enough; if it writes, whether that makes a difference.
    fn apply(self, entry: &mut EntryMut<'_>, reply: &mut Reply<'_>) -> Option<bool> {
        let mut buffer = [0; I64_TEXT_MAX];
        let text = entry.text(&mut buffer).unwrap_or_default();
        let before = self.read(text);
        let Some((answer, after)) = self.outcome(before) else {
            reply.null();
            return None;
        };
        reply.int(answer);
        let differs = before != self.width.number_of(after.cast_unsigned());
        if let Some(bytes) = self.field.bytes()
            && differs
        {
            let patch = self.field.written(text, after.cast_unsigned());
            entry.set_range(bytes.start, &patch[..bytes.len()]);
        }
        (self.action != Action::Get).then_some(differs)
    }
}

/// The steps that arguments say, one after the other. None comes after an error.
#[derive(Clone, Copy)]
struct Steps<'a> {
    args: Args<'a>,
    at: usize,
    overflow: Overflow,
}

impl<'a> Steps<'a> {
    fn new(args: Args<'a>) -> Steps<'a> {
        Steps { args, at: 0, overflow: Overflow::Wrap }
    }

    fn read(&mut self, word: &'a [u8]) -> Result<Option<Step>, RequestError<'a>> {
        let follow = self.args.len() - self.at - 1;
        let part = |at: usize| self.args.at(self.at + at);
        if is_word(word, "OVERFLOW") && follow >= 1 {
            self.overflow = Overflow::parse(part(1))?;
            self.at += 2;
            return Ok(None);
        }
        let is_get = is_word(word, "GET") && follow >= 2;
        let is_set = is_word(word, "SET") && follow >= 3;
        let is_add = is_word(word, "INCRBY") && follow >= 3;
        if !(is_get || is_set || is_add) {
            return Err(RequestError::Syntax);
        }
        let width = Width::parse(part(1)).ok_or(RequestError::BitFieldType)?;
        let field = Field { start: start_of(part(2), width)?, bits: width.bits };
        let action = if is_get {
            Action::Get
        } else if is_set {
            Action::Set(integer(part(3))?)
        } else {
            Action::Add(integer(part(3))?)
        };
        self.at += if is_get { 3 } else { 4 };
        Ok(Some(Step { width, field, action, overflow: self.overflow }))
    }
}

/// A bit, or behind `#` how many numbers of this width are before it.
fn start_of<'a>(argument: &[u8], width: Width) -> Result<u64, RequestError<'a>> {
    let (digits, unit) = match argument.split_first() {
        Some((b'#', digits)) => (digits, i64::from(width.bits)),
        _ => (argument, 1),
    };
    // Redis does not look whether the product leaves 64 bits and takes what is left of it.
    let offset = parse_i64(digits).and_then(|offset| offset.checked_mul(unit));
    checked_offset(offset.ok_or(RequestError::BitOffset)?)
}

impl<'a> Iterator for Steps<'a> {
    type Item = Result<Step, RequestError<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(word) = self.args.get(self.at) {
            match self.read(word) {
                Ok(None) => {}
                Ok(Some(step)) => return Some(Ok(step)),
                Err(error) => {
                    self.at = self.args.len();
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

/// `BITFIELD`, `BITFIELD_RO`.
pub(crate) struct BitField<'a> {
    key: &'a [u8],
    /// Without errors: they were looked for.
    steps: Steps<'a>,
    count: usize,
    /// How long the string will be at least; `None` if every step only reads.
    len: Option<usize>,
}

impl<'a> BitField<'a> {
    /// `BITFIELD`.
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, BitField<'a>> {
        let mut parsed = BitField { key: args.at(1), steps: Steps::new(args.tail(2)), count: 0, len: None };
        for step in parsed.steps {
            parsed.len = parsed.len.max(step?.len_needed()?);
            parsed.count += 1;
        }
        Ok(parsed)
    }

    /// `BITFIELD_RO`.
    pub(crate) fn read_only(args: Args<'a>) -> Parsed<'a, BitField<'a>> {
        let parsed = BitField::parse(args)?;
        if parsed.len.is_some() { Err(RequestError::BitFieldReadOnly) } else { Ok(parsed) }
    }

    fn apply_reads(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let mut buffer = [0; I64_TEXT_MAX];
        let text = match store.find(self.key) {
            Some(entry) => entry.text(&mut buffer).ok_or(RequestError::WrongType)?,
            None => b"",
        };
        reply.array(self.count);
        self.steps.flatten().for_each(|step| reply.int(step.read(text)));
        Ok(())
    }
}

impl<'a> Operation<'a> for BitField<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let Some(len) = self.len else { return self.apply_reads(store, reply) };
        let mut entry = match store.find_mut(self.key) {
            Some(entry) => entry,
            None => store.insert(self.key, NewValue::Raw(b""), None).ok_or(RequestError::CrossSlot)?,
        };
        let before = entry.value().text_len().ok_or(RequestError::WrongType)?;
        // Room for every step, be it that it fails; and whatever was written to as bits stays `raw`.
        if before < len {
            entry.set_range(len, b"");
        } else if entry.encoding() != Encoding::Raw {
            entry.make_raw();
        }
        reply.array(self.count);
        let mut is_changed = false;
        for step in self.steps.flatten() {
            is_changed |= step.apply(&mut entry, reply).is_some_and(|differs| differs || before < len);
        }
        if is_changed {
            store.tell(Event::SetBit, self.key);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(width: &str, (value, by): (i64, i64), expect: [Option<i64>; 3]) {
        let width = Width::parse(width.as_bytes()).unwrap();
        let ways = [Overflow::Wrap, Overflow::Saturate, Overflow::Fail];
        assert_eq!(ways.map(|overflow| width.sum(value, by, overflow)), expect);
    }

    /// What wraps to `wrapped` and stops at `limit`.
    fn over(wrapped: i64, limit: i64) -> [Option<i64>; 3] {
        [Some(wrapped), Some(limit), None]
    }

    #[test]
    fn sums_that_fit_are_sums() {
        for (width, value, by, sum) in [
            ("u2", 1, 2, 3),
            ("u63", 0, i64::MAX, i64::MAX),
            ("u63", i64::MAX, -i64::MAX, 0),
            ("i64", i64::MIN, i64::MAX, -1),
            ("i64", i64::MAX, i64::MIN, -1),
            ("i64", -1, i64::MIN + 1, i64::MIN),
            ("i1", 0, -1, -1),
            ("i8", -128, 255, 127),
        ] {
            check(width, (value, by), [Some(sum); 3]);
        }
    }

    #[test]
    fn sums_that_do_not_fit_wrap_or_stop_or_fail() {
        check("u2", (3, 1), over(0, 3));
        check("u8", (0, -1), over(255, 0));
        check("u8", (200, i64::MAX), over(199, 255));
        check("u8", (5, i64::MIN), over(5, 0));
        check("u63", (i64::MAX, 1), over(0, i64::MAX));
        check("u63", (0, i64::MIN), over(0, 0));
        check("i8", (127, 1), over(-128, 127));
        check("i8", (-128, -1), over(127, -128));
        check("i1", (0, 1), over(-1, 0));
        check("i63", (i64::MAX >> 1, 1), over(i64::MIN >> 1, i64::MAX >> 1));
        check("i64", (i64::MAX, 1), over(i64::MIN, i64::MAX));
        check("i64", (i64::MIN, -1), over(i64::MAX, i64::MIN));
    }

    #[test]
    fn values_that_do_not_fit_are_treated_alike() {
        check("u8", (256, 0), over(0, 255));
        check("u8", (-1, 0), over(255, 255));
        check("u63", (i64::MIN, 0), over(0, i64::MAX));
        check("i8", (200, 0), over(-56, 127));
        check("i8", (-200, 0), over(56, -128));
        // Redis's own arithmetic runs over here.
        check("i8", (i64::MIN, 0), over(0, 127));
        check("i8", (i64::MIN + 128, 0), over(-128, -128));
    }

    #[test]
    fn every_small_sum_is_that_of_plain_arithmetic() {
        for bits in 1..=5_u32 {
            for width in [Width { is_signed: true, bits }, Width { is_signed: false, bits }] {
                let span = 1_i64 << bits;
                let least = if width.is_signed { -span / 2 } else { 0 };
                let most = least + span - 1;
                for value in least..=most {
                    for by in -70..=70 {
                        let sum = value + by;
                        let wrapped = (sum - least).rem_euclid(span) + least;
                        assert_eq!(width.sum(value, by, Overflow::Wrap), Some(wrapped));
                        assert_eq!(width.sum(value, by, Overflow::Saturate), Some(sum.clamp(least, most)));
                        let fits = (least..=most).contains(&sum).then_some(sum);
                        assert_eq!(width.sum(value, by, Overflow::Fail), fits);
                    }
                }
            }
        }
    }

    #[test]
    fn widths_are_read_as_redis_reads_them() {
        for good in ["i1", "i64", "u1", "u63", "i8\0x"] {
            assert!(Width::parse(good.as_bytes()).is_some(), "{good}");
        }
        for bad in
            ["", "i", "u", "i0", "u0", "i65", "u64", "I8", "8", "i-8", "i+8", "i 8", "i08", "i4294967297"]
        {
            assert_eq!(Width::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn places_are_bits_or_numbers_of_the_width() {
        let width = Width { is_signed: false, bits: 7 };
        for (text, expect) in [
            ("0", Some(0)),
            ("#0", Some(0)),
            ("#3", Some(21)),
            ("4294967295", Some(4_294_967_295)),
            ("4294967296", None),
            ("#613566757", None),
            ("#9223372036854775807", None),
            ("-1", None),
            ("#-1", None),
            ("#", None),
            ("", None),
            ("##1", None),
        ] {
            assert_eq!(start_of(text.as_bytes(), width).ok(), expect, "{text}");
        }
    }
}
