//! The words of a line as they stand in it, quotes and all: for what a line editor does with a line that is not whole
//! yet. What the words mean is [`resp::split_line`]'s to say; the rules are the same.

use resp::split_line;

/// One word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word<'a> {
    /// Where it starts in the line.
    pub(crate) start: usize,
    /// As it stands there.
    pub(crate) text: &'a str,
    /// The quote that is open at its end.
    pub(crate) open: Option<char>,
}

impl Word<'_> {
    pub(crate) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    pub(crate) fn is_quoted(&self) -> bool {
        self.text.contains(['"', '\''])
    }

    /// What it means, a missing quote at its end given.
    pub(crate) fn meaning(&self) -> Vec<u8> {
        let mut text = self.text.to_owned();
        // A backslash that stands before nothing yet.
        if self.open.is_some() && text.ends_with('\\') {
            text.pop();
        }
        text.extend(self.open);
        split_line(text.as_bytes()).ok().and_then(|words| words.into_iter().next()).unwrap_or_default()
    }
}

/// All words of a line.
pub(crate) fn words(line: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut chars = line.char_indices().peekable();
    while let Some(&(start, c)) = chars.peek() {
        if c.is_ascii_whitespace() {
            chars.next();
            continue;
        }
        let (mut end, mut open) = (start, None);
        while let Some(&(at, c)) = chars.peek() {
            if open.is_none() && c.is_ascii_whitespace() {
                break;
            }
            chars.next();
            end = at + c.len_utf8();
            match open {
                None if c == '"' || c == '\'' => open = Some(c),
                Some(quote) if c == quote => open = None,
                Some(quote) if c == '\\' => {
                    let escapes = |&(_, next): &(usize, char)| quote == '"' || next == '\'';
                    if let Some((at, next)) = chars.next_if(escapes) {
                        end = at + next.len_utf8();
                    }
                }
                _ => {}
            }
        }
        words.push(Word { start, text: &line[start..end], open });
    }
    words
}

/// Where the command of a line starts: behind the number of its repetitions, if there is one. None once the line goes on
/// with something for the shell.
pub(crate) fn command_at(line: &str) -> Option<usize> {
    let words = words(line);
    if words.iter().any(|word| word.text.starts_with('|')) {
        return None;
    }
    match words.first() {
        Some(first) if first.text.parse::<u64>().is_ok() && first.end() < line.len() => Some(first.end()),
        _ => Some(0),
    }
}

/// The lines of a text; an end of line in quotes is of the word there.
pub(crate) fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let (mut start, mut at) = (0, 0);
    for word in words(text) {
        // Between two words.
        if let Some(end) = text[at..word.start].rfind('\n') {
            lines.push(&text[start..at + end]);
            start = at + end + 1;
        }
        at = word.end();
    }
    lines.push(&text[start..]);
    lines
}

/// A word that means these bytes: as they are, or in quotes if they need them or it is wanted.
pub(crate) fn quoted(bytes: &[u8], is_wanted: bool) -> String {
    let is_plain = |&byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
    let text = std::str::from_utf8(bytes).ok();
    if let Some(text) = text
        && !is_wanted
        && !text.is_empty()
        && text.bytes().all(|byte| is_plain(&byte) || byte >= 0x80)
        && !text.chars().any(char::is_control)
        && !text.starts_with(['|', '>'])
    {
        return text.to_owned();
    }
    let mut word = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => word.extend(['\\', c]),
                '\n' => word.push_str("\\n"),
                '\r' => word.push_str("\\r"),
                '\t' => word.push_str("\\t"),
                c if c.is_control() => {
                    c.encode_utf8(&mut [0; 4])
                        .bytes()
                        .for_each(|byte| word.push_str(&format!("\\x{byte:02x}")));
                }
                c => word.push(c),
            }
        }
        chunk.invalid().iter().for_each(|byte| word.push_str(&format!("\\x{byte:02x}")));
    }
    word.push('"');
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expect: &[(usize, &str, Option<char>)]) {
        let found: Vec<_> = words(line).iter().map(|word| (word.start, word.text, word.open)).collect();
        assert_eq!(found, expect, "{line}");
    }

    #[test]
    fn words_are_found_where_they_stand() {
        check("", &[]);
        check("  get  k ", &[(2, "get", None), (7, "k", None)]);
        check("set \"a b\" 'c d'", &[(0, "set", None), (4, "\"a b\"", None), (10, "'c d'", None)]);
        check("get \"a b", &[(0, "get", None), (4, "\"a b", Some('"'))]);
        check("get \"a\\\" b", &[(0, "get", None), (4, "\"a\\\" b", Some('"'))]);
        check("get 'a\\' b", &[(0, "get", None), (4, "'a\\' b", Some('\''))]);
        check("get 'a\\", &[(0, "get", None), (4, "'a\\", Some('\''))]);
        check("grün \u{3000}x", &[(0, "grün", None), (6, "\u{3000}x", None)]);
    }

    #[test]
    fn a_command_starts_behind_its_repetitions() {
        assert_eq!(command_at("get k"), Some(0));
        assert_eq!(command_at("5"), Some(0));
        assert_eq!(command_at(" 5 incr n"), Some(2));
        assert_eq!(command_at("5 "), Some(1));
        assert_eq!(command_at("get k | wc"), None);
        assert_eq!(command_at("set k '|'"), Some(0));
    }

    #[test]
    fn lines_end_between_words_only() {
        let check = |text: &str, expect: &[&str]| {
            let lines: Vec<_> = lines(text).into_iter().map(str::trim).collect();
            assert_eq!(lines, expect, "{text}");
        };
        check("get k", &["get k"]);
        check("set a 1\nset b 2\n", &["set a 1", "set b 2"]);
        check("set a 1\r\n\n  set b 2", &["set a 1", "set b 2"]);
        check("set a 'x\ny'\nget a", &["set a 'x\ny'", "get a"]);
        check("", &[""]);
    }

    #[test]
    fn any_line_is_taken_apart() {
        let mut random = base::Random::new(3);
        let letters: Vec<char> = "ab \"'\\|>\n\t5ü\u{3000}x".chars().collect();
        for _ in 0..20_000 {
            let len = random.below(12);
            let line: String =
                (0..len).map(|_| letters[random.below(letters.len() as u64) as usize]).collect();
            let words = words(&line);
            let meanings: Vec<_> = words.iter().map(Word::meaning).collect();
            // Where the rules for requests take it, they find the same words.
            if let Ok(split) = split_line(line.as_bytes()) {
                assert_eq!(meanings, split, "{line:?}");
            }
            assert!(words.iter().rev().skip(1).all(|word| word.open.is_none()), "{line:?}");
            lines(&line);
        }
    }

    #[test]
    fn a_word_without_its_last_quote_has_a_meaning() {
        let meaning = |line: &str| String::from_utf8(words(line)[0].meaning()).unwrap();
        assert_eq!(meaning("\"a b"), "a b");
        assert_eq!(meaning("\"a\\"), "a");
        assert_eq!(meaning("'a\\'b"), "a'b");
        assert_eq!(meaning("plain"), "plain");
    }

    #[test]
    fn what_is_quoted_means_the_same_bytes() {
        for bytes in [
            &b"k"[..],
            b"",
            b"a b",
            b"\"",
            b"'",
            b"\\",
            b"\xff\x00\n",
            "grün 🌱".as_bytes(),
            b"|",
            b">",
            "\u{85}".as_bytes(),
        ] {
            assert_eq!(split_line(quoted(bytes, false).as_bytes()).unwrap(), [bytes.to_vec()]);
            assert_eq!(split_line(quoted(bytes, true).as_bytes()).unwrap(), [bytes.to_vec()]);
        }
        assert_eq!(quoted("grün:1".as_bytes(), false), "grün:1");
    }
}
