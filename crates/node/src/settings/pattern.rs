//! The glob match of `CONFIG GET`: `*`, `?`, `[a-z]`, `[^a]` and `\x`, in any case.
//!
//! Iterative: one `*` is remembered, so the work is at most length of pattern times length of name. The names are
//! ours and short, so a stranger's pattern buys no long turn.

/// Whether `name` matches `pattern`, both taken in lower case.
pub(super) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut pos) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while pos < name.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at + 1, pos));
            at += 1;
            continue;
        }
        match match_one(&pattern[at..], name[pos]) {
            Some(used) => {
                at += used;
                pos += 1;
            }
            None => match star {
                // Let the last `*` swallow one byte more and try again behind it.
                Some((after, from)) => {
                    at = after;
                    pos = from + 1;
                    star = Some((after, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

/// Whether the pattern has anything but plain bytes. Hidden settings answer to plain names only.
pub(super) fn is_plain(pattern: &[u8]) -> bool {
    !pattern.iter().any(|byte| b"*?[".contains(byte))
}

/// Bytes of `pattern` used up if its first element matches `byte`.
fn match_one(pattern: &[u8], byte: u8) -> Option<usize> {
    let same = |a: u8| a.eq_ignore_ascii_case(&byte);
    match *pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'\\', escaped, ..] => same(escaped).then_some(2),
        [b'[', ref class @ ..] => match_class(class, byte).map(|used| used + 1),
        [plain, ..] => same(plain).then_some(1),
    }
}

/// `class` begins behind the `[`. An unclosed class reaches to the end of the pattern, as in Redis.
fn match_class(class: &[u8], byte: u8) -> Option<usize> {
    let byte = byte.to_ascii_lowercase();
    let negated = class.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut found = false;
    loop {
        match class[at.min(class.len())..] {
            [] => break,
            [b']', ..] => {
                at += 1;
                break;
            }
            [b'\\', escaped, ..] => {
                found |= escaped.eq_ignore_ascii_case(&byte);
                at += 2;
            }
            [low, b'-', high, ..] => {
                let (low, high) = (low.to_ascii_lowercase(), high.to_ascii_lowercase());
                found |= (low.min(high)..=low.max(high)).contains(&byte);
                at += 3;
            }
            [plain, ..] => {
                found |= plain.eq_ignore_ascii_case(&byte);
                at += 1;
            }
        }
    }
    (found != negated).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, name: &str, expect: bool) {
        assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expect, "{pattern} on {name}");
    }

    #[test]
    fn patterns_match_as_in_redis() {
        check("*", "", true);
        check("**", "port", true);
        check("port", "port", true);
        check("PoRt", "port", true);
        check("p?rt", "port", true);
        check("p*t", "port", true);
        check("p*x", "port", false);
        check("*-max-*-value", "hash-max-listpack-value", true);
        check("[a-p]ort", "port", true);
        check("[p-a]ort", "port", true);
        check("[^p]ort", "port", false);
        check("[", "x", false);
        check("[p", "p", true);
        check("\\*", "port", false);
        check("\\port", "port", true);
        check("", "port", false);
        check("portx", "port", false);
    }
}
