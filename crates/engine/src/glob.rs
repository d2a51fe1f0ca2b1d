//! Patterns of `KEYS`, `SCAN`, `PSUBSCRIBE`: `*`, `?`, `[a-z]`, `[^a]` and `\` as Redis reads them.
//!
//! Iterative: every element but `*` takes exactly one byte, so falling back to the latest `*` finds a match
//! whenever there is one, and no pattern can recurse. A pattern and a text that would take more than
//! 2^24 comparisons do not match; no honest pair comes near it, and a stranger cannot stop a worker.
//!
//! Two habits of Redis are kept because clients can see them: an empty text matches only the empty pattern,
//! and a class that is never closed ends where the pattern ends.

/// Comparisons one match may take: some tens of milliseconds.
const STEPS_MAX: u32 = 1 << 24;

/// Whether letters of different case are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// `a` is not `A`: keys, fields, channels.
    Exact,
    /// `a` is `A`: names of settings.
    Ignore,
}

/// Whether `text` as a whole fits `pattern`, byte by byte.
#[inline]
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    pattern == b"*" && !text.is_empty() || matches_with(pattern, text, Case::Exact)
}

/// The same with a choice of case.
pub fn matches_with(pattern: &[u8], text: &[u8], case: Case) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut at, mut pos) = (0, 0);
    // Where to go on after a mismatch: just behind the latest star, one byte further in the text.
    let mut star: Option<(usize, usize)> = None;
    for _ in 0..STEPS_MAX {
        if pos == text.len() {
            return pattern[at..].iter().all(|&byte| byte == b'*');
        }
        if pattern.get(at) == Some(&b'*') {
            at += 1;
            if at == pattern.len() {
                return true;
            }
            star = Some((at, pos));
            continue;
        }
        if let Some(next) = element(&pattern[at..], text[pos], case) {
            at += next;
            pos += 1;
            continue;
        }
        match &mut star {
            None => return false,
            Some((resume_at, resume_pos)) => {
                *resume_pos += 1;
                (at, pos) = (*resume_at, *resume_pos);
            }
        }
    }
    false
}

/// Whether the pattern's first element, not a star, takes `byte`: the element's length if so.
#[inline]
fn element(pattern: &[u8], byte: u8, case: Case) -> Option<usize> {
    match *pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', ..] => class(pattern, byte, case),
        [b'\\', literal, ..] => same(literal, byte, case).then_some(2),
        [literal, ..] => same(literal, byte, case).then_some(1),
    }
}

/// A class, its bracket first.
fn class(pattern: &[u8], byte: u8, case: Case) -> Option<usize> {
    let mut at = 1;
    let negated = pattern.get(at) == Some(&b'^');
    at += usize::from(negated);
    let mut found = false;
    loop {
        match pattern[at..] {
            // Never closed: what follows is the end of the pattern.
            [] => break,
            [b'\\', literal, ..] => {
                // Redis compares an escaped member without folding its case.
                found |= literal == byte;
                at += 2;
            }
            [b']', ..] => {
                at += 1;
                break;
            }
            [from, b'-', to, ..] => {
                found |= within(from, to, byte, case);
                at += 3;
            }
            [literal, ..] => {
                found |= same(literal, byte, case);
                at += 1;
            }
        }
    }
    (found != negated).then_some(at)
}

#[inline]
fn same(a: u8, b: u8, case: Case) -> bool {
    match case {
        Case::Exact => a == b,
        Case::Ignore => a.eq_ignore_ascii_case(&b),
    }
}

/// A range may be written either way round.
fn within(from: u8, to: u8, byte: u8, case: Case) -> bool {
    let (low, high) = (from.min(to), from.max(to));
    match case {
        Case::Exact => (low..=high).contains(&byte),
        Case::Ignore => {
            (low.to_ascii_lowercase()..=high.to_ascii_lowercase()).contains(&byte.to_ascii_lowercase())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, text: &str, expect: bool) {
        assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expect, "{pattern:?} against {text:?}");
    }

    #[test]
    fn elements_take_what_redis_lets_them_take() {
        check("", "", true);
        check("", "a", false);
        check("*", "anything", true);
        check("h?llo", "hello", true);
        check("h?llo", "hllo", false);
        check("h*llo", "heeeello", true);
        check("h*llo", "hllo", true);
        check("h[ae]llo", "hallo", true);
        check("h[ae]llo", "hillo", false);
        check("h[^e]llo", "hallo", true);
        check("h[^e]llo", "hello", false);
        check("h[a-b]llo", "hbllo", true);
        check("h[b-a]llo", "hallo", true);
        check("h[a-b]llo", "hcllo", false);
        check("a/b*", "a/b/c", true);
        check("h\\*llo", "h*llo", true);
        check("h\\*llo", "hello", false);
        check("a\\", "a\\", true);
        check("*a*b*c", "xxaxxbxxc", true);
        check("*a*b*c", "xxaxxcxxb", false);
        check("a**", "a", true);
        check("a**b", "axxb", true);
        check("?*", "a", true);
        check("?*?", "a", false);
    }

    #[test]
    fn odd_classes_are_read_as_redis_reads_them() {
        check("[]]", "]", false);
        check("[\\]]", "]", true);
        check("[a-]", "-", false);
        check("[a-", "-", true);
        check("[a-", "a", true);
        check("a[", "ab", false);
        check("a[^", "ab", true);
        check("a[bc", "ab", true);
        check("[\\", "\\", true);
        check("[^\\a]", "b", true);
    }

    #[test]
    fn an_empty_text_matches_only_the_empty_pattern() {
        check("*", "", false);
        check("**", "", false);
    }

    #[test]
    fn case_can_be_ignored() {
        assert!(matches_with(b"MAX*[A-Z]", b"maxmemory", Case::Ignore));
        assert!(!matches_with(b"MAX*", b"maxmemory", Case::Exact));
    }

    #[test]
    fn a_pattern_made_to_blow_up_ends() {
        let pattern = b"*a".repeat(5000);
        let text = [b"a".repeat(4000), b"b".to_vec()].concat();
        assert!(!matches(&pattern, &text));
        let long = b"a".repeat(1 << 20);
        let mut pattern = b"*".to_vec();
        pattern.extend(b"a".repeat(1 << 16));
        pattern.push(b'b');
        assert!(!matches(&pattern, &long));
    }

    /// The plain recursive definition, for short inputs.
    fn slow(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => (0..=text.len()).any(|skip| slow(rest, &text[skip..])),
            (_, []) => false,
            (_, [byte, rest @ ..]) => {
                element(pattern, *byte, Case::Exact).is_some_and(|next| slow(&pattern[next..], rest))
            }
        }
    }

    #[test]
    fn backtracking_to_the_latest_star_finds_what_recursion_finds() {
        let mut random = base::Random::new(7);
        let mut draw = |alphabet: &[u8], len: u64| -> Vec<u8> {
            (0..random.below(len)).map(|_| alphabet[random.below(alphabet.len() as u64) as usize]).collect()
        };
        for _ in 0..20_000 {
            let (pattern, text) = (draw(b"ab*?*[]^\\-", 8), draw(b"ab]-", 7));
            if !text.is_empty() {
                assert_eq!(matches(&pattern, &text), slow(&pattern, &text), "{pattern:?} {text:?}");
            }
        }
    }
}
