//! `LCS`: the longest common subsequence of two strings.
//!
//! The table of lengths needs only its last row; the way back needs one bit a cell, which of the two neighbours is
//! longer. So the memory is an eighth of a byte a cell, and the limit is one of time.

use base::{Args, I64_TEXT_MAX};
use resp::Reply;

use super::options::{integer, is_word};
use super::{Applied, Operation, Parsed};
use crate::{Entry, RequestError, Store};

/// Most cells of one comparison: some seconds, and 128 MiB for the way back.
const CELLS_MAX: usize = 1 << 30;
/// Longest second string: its row of lengths takes four bytes a byte.
const ROW_MAX: usize = 1 << 25;

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// The subsequence itself.
    Text,
    /// Its length.
    Len,
    /// Where its pieces stand in both strings.
    Ranges { len_min: u64, with_len: bool },
}

/// `LCS`. The options stay text: Redis looks at the keys first.
pub(crate) struct Lcs<'a> {
    a: &'a [u8],
    b: &'a [u8],
    options: Args<'a>,
}

impl<'a> Lcs<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, Lcs<'a>> {
        Ok(Lcs { a: args.at(1), b: args.at(2), options: args.tail(3) })
    }

    fn answer(&self) -> Result<Answer, RequestError<'a>> {
        let (mut len, mut ranges, mut with_len, mut len_min) = (false, false, false, 0);
        let mut at = 0;
        while let Some(word) = self.options.get(at) {
            at += 1;
            if is_word(word, "IDX") {
                ranges = true;
            } else if is_word(word, "LEN") {
                len = true;
            } else if is_word(word, "WITHMATCHLEN") {
                with_len = true;
            } else if is_word(word, "MINMATCHLEN") {
                let text = self.options.get(at).ok_or(RequestError::Syntax)?;
                len_min = u64::try_from(integer(text)?).unwrap_or(0);
                at += 1;
            } else {
                return Err(RequestError::Syntax);
            }
        }
        match (len, ranges) {
            (true, true) => Err(RequestError::LcsLenWithIdx),
            (true, false) => Ok(Answer::Len),
            (false, true) => Ok(Answer::Ranges { len_min, with_len }),
            (false, false) => Ok(Answer::Text),
        }
    }
}

impl<'a> Operation<'a> for Lcs<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        // Both are looked for before one is refused.
        let (a, b) = (copy_text(store.find(self.a)), copy_text(store.find(self.b)));
        let (a, b) = (a?, b?);
        let answer = self.answer()?;
        let cells = a.len().checked_mul(b.len());
        if cells.is_none_or(|cells| cells > CELLS_MAX || (cells > 0 && b.len() > ROW_MAX)) {
            return Err(RequestError::LcsTooLarge);
        }
        let mut way = Way::new(if answer == Answer::Len { (0, 0) } else { (a.len(), b.len()) });
        let len = compare(&a, &b, &mut way);
        match answer {
            Answer::Len => reply.len_int(len),
            Answer::Text => {
                let mut text: Vec<u8> = way.matches(&a, &b).map(|(at, _)| a[at]).collect();
                text.reverse();
                reply.bulk(&text);
            }
            Answer::Ranges { len_min, with_len } => {
                let ranges = ranges(way.matches(&a, &b));
                let shown = || ranges.iter().filter(|range| range.len as u64 >= len_min);
                reply.map(2);
                reply.bulk(b"matches");
                reply.array(shown().count());
                shown().for_each(|range| range.write(with_len, reply));
                reply.bulk(b"len");
                reply.len_int(len);
            }
        }
        Ok(())
    }
}

/// The text of a string, which an absent key has none of. Copied, because two keys are looked at.
fn copy_text<'e>(entry: Option<&Entry>) -> Result<Vec<u8>, RequestError<'e>> {
    let Some(entry) = entry else { return Ok(Vec::new()) };
    let mut buffer = [0; I64_TEXT_MAX];
    entry.text(&mut buffer).map(<[u8]>::to_vec).ok_or(RequestError::LcsNotString)
}

/// For each pair of positions, whether the way back goes up (one byte less of `a`) rather than left.
struct Way {
    up: Vec<u64>,
    columns: usize,
}

impl Way {
    fn new((rows, columns): (usize, usize)) -> Way {
        Way { up: vec![0; (rows * columns).div_ceil(64)], columns }
    }

    fn goes_up(&self, row: usize, column: usize) -> bool {
        let cell = row * self.columns + column;
        self.up.get(cell / 64).is_some_and(|word| word >> (cell % 64) & 1 == 1)
    }

    fn set_up(&mut self, row: usize, column: usize) {
        let cell = row * self.columns + column;
        if let Some(word) = self.up.get_mut(cell / 64) {
            *word |= 1 << (cell % 64);
        }
    }

    /// The pairs of equal bytes on the way back, last first.
    fn matches<'w>(&'w self, a: &'w [u8], b: &'w [u8]) -> impl Iterator<Item = (usize, usize)> + 'w {
        let (mut i, mut j) = (a.len(), b.len());
        std::iter::from_fn(move || {
            while i > 0 && j > 0 {
                if a[i - 1] == b[j - 1] {
                    (i, j) = (i - 1, j - 1);
                    return Some((i, j));
                }
                if self.goes_up(i - 1, j - 1) { i -= 1 } else { j -= 1 }
            }
            None
        })
    }
}

/// The length of the longest common subsequence; notes the way back if `way` has room.
fn compare(a: &[u8], b: &[u8], way: &mut Way) -> usize {
    if a.is_empty() || b.is_empty() {
        return 0;
    }
    // Entry `j`: the length for what was seen of `a` and the first `j` bytes of `b`.
    let mut row = vec![0u32; b.len() + 1];
    for (i, byte) in a.iter().enumerate() {
        let (mut diagonal, mut left) = (0, 0);
        for (j, other) in b.iter().enumerate() {
            let above = row[j + 1];
            let here = if byte == other {
                diagonal + 1
            } else if above > left {
                way.set_up(i, j);
                above
            } else {
                left
            };
            row[j + 1] = here;
            (diagonal, left) = (above, here);
        }
    }
    row.last().map_or(0, |&len| len as usize)
}

/// A run that stands in both strings.
struct Range {
    a: usize,
    b: usize,
    len: usize,
}

impl Range {
    fn write(&self, with_len: bool, reply: &mut Reply<'_>) {
        reply.array(if with_len { 3 } else { 2 });
        for start in [self.a, self.b] {
            reply.array(2);
            reply.len_int(start);
            reply.len_int(start + self.len - 1);
        }
        if with_len {
            reply.len_int(self.len);
        }
    }
}

/// Joins neighbouring pairs to runs, last run first.
fn ranges(matches: impl Iterator<Item = (usize, usize)>) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    for (a, b) in matches {
        match ranges.last_mut() {
            Some(last) if last.a == a + 1 && last.b == b + 1 => {
                *last = Range { a, b, len: last.len + 1 };
            }
            _ => ranges.push(Range { a, b, len: 1 }),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(a: &str, b: &str, expect: &str) {
        let (a, b) = (a.as_bytes(), b.as_bytes());
        let mut way = Way::new((a.len(), b.len()));
        let len = compare(a, b, &mut way);
        let mut text: Vec<u8> = way.matches(a, b).map(|(at, _)| a[at]).collect();
        text.reverse();
        assert_eq!(String::from_utf8_lossy(&text), expect);
        assert_eq!(len, expect.len());
        assert_eq!(compare(a, b, &mut Way::new((0, 0))), expect.len());
    }

    #[test]
    fn the_longest_common_subsequence_is_found() {
        check("ohmytext", "mynewtext", "mytext");
        check("", "abc", "");
        check("abc", "", "");
        check("abc", "xyz", "");
        check("aaaa", "aa", "aa");
    }
}
