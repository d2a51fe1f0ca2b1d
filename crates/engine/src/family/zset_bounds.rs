//! Ranges of a sorted set: by place, by score, by name.

use base::Args;

use super::Parsed;
use super::list::range as range_of_places;
use super::options::integer;
use crate::{RequestError, ZSetRef, double};

/// What a range goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Rank,
    Score,
    Lex,
}

/// A range, as the two arguments say that bound it.
#[derive(Clone, Copy)]
pub(super) enum Range<'a> {
    /// Places, both included; negative ones count from the end.
    Ranks {
        start: i64,
        stop: i64,
    },
    Scores {
        min: ScoreBound,
        max: ScoreBound,
    },
    Names {
        min: Name<'a>,
        max: Name<'a>,
    },
}

/// One end of a range of scores.
#[derive(Clone, Copy)]
pub(super) struct ScoreBound {
    score: f64,
    excluded: bool,
}

impl ScoreBound {
    fn parse(text: &[u8]) -> Option<ScoreBound> {
        let (excluded, text) = match text {
            [b'(', rest @ ..] => (true, rest),
            _ => (false, text),
        };
        Some(ScoreBound { score: double::parse_bound(text)?, excluded })
    }
}

/// One end of a range of names.
#[derive(Clone, Copy)]
pub(super) enum Name<'a> {
    /// `-`
    Lowest,
    /// `+`
    Highest,
    Included(&'a [u8]),
    Excluded(&'a [u8]),
}

impl<'a> Name<'a> {
    fn parse(text: &'a [u8]) -> Option<Name<'a>> {
        match text {
            // A C string: behind a zero byte anything may stand.
            [b'-'] | [b'-', 0, ..] => Some(Name::Lowest),
            [b'+'] | [b'+', 0, ..] => Some(Name::Highest),
            [b'[', name @ ..] => Some(Name::Included(name)),
            [b'(', name @ ..] => Some(Name::Excluded(name)),
            _ => None,
        }
    }

    /// Whether a member comes before a range that starts here.
    fn is_after(self, member: &[u8]) -> bool {
        match self {
            Name::Lowest => false,
            Name::Highest => true,
            Name::Included(name) => member < name,
            Name::Excluded(name) => member <= name,
        }
    }

    /// Whether a member comes behind a range that ends here.
    fn is_before(self, member: &[u8]) -> bool {
        match self {
            Name::Lowest => true,
            Name::Highest => false,
            Name::Included(name) => member > name,
            Name::Excluded(name) => member >= name,
        }
    }
}

impl<'a> Range<'a> {
    /// Reads the lower and the upper bound.
    pub(super) fn parse(by: By, min: &'a [u8], max: &'a [u8]) -> Parsed<'a, Range<'a>> {
        match by {
            By::Rank => Ok(Range::Ranks { start: integer(min)?, stop: integer(max)? }),
            By::Score => {
                let bound = |text| ScoreBound::parse(text).ok_or(RequestError::NotScoreRange);
                Ok(Range::Scores { min: bound(min)?, max: bound(max)? })
            }
            By::Lex => {
                let bound = |text| Name::parse(text).ok_or(RequestError::NotLexRange);
                Ok(Range::Names { min: bound(min)?, max: bound(max)? })
            }
        }
    }

    /// The arguments 2 and 3: what most commands have there.
    pub(super) fn of(args: Args<'a>, by: By) -> Parsed<'a, Range<'a>> {
        Range::parse(by, args.at(2), args.at(3))
    }

    /// The first place within the range and the one behind the last, counted from the lowest score. `from_highest` says
    /// from which end places of the range itself count, and from which a range of names is looked for.
    pub(super) fn places(&self, zset: ZSetRef<'_>, from_highest: bool) -> (usize, usize) {
        let (start, end) = match *self {
            Range::Ranks { start, stop } => {
                let (start, len) = range_of_places(start, stop, zset.len());
                let end = start + len;
                if from_highest { (zset.len() - end, zset.len() - start) } else { (start, end) }
            }
            Range::Scores { min, max } => (
                zset.count_before(|score, _| score < min.score || min.excluded && score == min.score),
                zset.count_before(|score, _| score < max.score || !max.excluded && score == max.score),
            ),
            Range::Names { min, max } => names(zset, min, max, from_highest),
        };
        (start, end.max(start))
    }
}

/// The places of a range of names. Where scores differ members are not in order of their names, and Redis promises
/// nothing; here it is then what Redis's small form gives, at any size, so that replicas agree whatever their forms are:
/// the first run of members within the range.
fn names(zset: ZSetRef<'_>, min: Name<'_>, max: Name<'_>, from_highest: bool) -> (usize, usize) {
    let len = zset.len();
    let (Some((first, lowest)), Some((last, highest))) = (zset.at(0), zset.at(len.saturating_sub(1))) else {
        return (0, 0);
    };
    if lowest == highest {
        return (
            zset.count_before(|_, member| min.is_after(member)),
            zset.count_before(|_, member| !max.is_before(member)),
        );
    }
    let is_empty = match (min, max) {
        (Name::Highest, _) | (_, Name::Lowest) => true,
        (Name::Lowest, _) | (_, Name::Highest) => false,
        (Name::Included(min), Name::Included(max)) => min > max,
        (Name::Included(min) | Name::Excluded(min), Name::Included(max) | Name::Excluded(max)) => min >= max,
    };
    if is_empty || min.is_after(last) || max.is_before(first) {
        return (0, 0);
    }
    if from_highest {
        let behind = zset.iter().rev().take_while(|(member, _)| max.is_before(member)).count();
        let run = zset.range(0, len - behind).rev().take_while(|(member, _)| !min.is_after(member)).count();
        (len - behind - run, len - behind)
    } else {
        let before = zset.iter().take_while(|(member, _)| min.is_after(member)).count();
        let run = zset.range(before, len).take_while(|(member, _)| !max.is_before(member)).count();
        (before, before + run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(by: By, text: &[u8], expect: RequestError<'static>) {
        assert_eq!(Range::parse(by, text, text).err(), Some(expect), "{}", text.escape_ascii());
    }

    #[test]
    fn bounds_are_read_as_redis_reads_them() {
        for text in [b"(1".as_slice(), b"", b"(", b" 1", b"-inf", b"(+inf", b"1\0x"] {
            assert!(Range::parse(By::Score, text, text).is_ok(), "{}", text.escape_ascii());
        }
        for text in [b"nan".as_slice(), b"((1", b"1 ", b"[1"] {
            refused(By::Score, text, RequestError::NotScoreRange);
        }
        for text in [b"-".as_slice(), b"+", b"[", b"(", b"[a", b"-\0x", b"+\0"] {
            assert!(Range::parse(By::Lex, text, text).is_ok(), "{}", text.escape_ascii());
        }
        for text in [b"".as_slice(), b"a", b"-x", b"++", b" [a"] {
            refused(By::Lex, text, RequestError::NotLexRange);
        }
        refused(By::Rank, b"1.5", RequestError::NotInteger);
    }
}
