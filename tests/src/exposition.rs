//! A strict reader of the text format of Prometheus 0.0.4: what is not to the letter of the format is an error.
//!
//! Stricter than the format in what a good program does anyway: each metric has its help and type, once and before its
//! samples, and its samples stand together; no sample is there twice.

use std::collections::{BTreeMap, BTreeSet};

/// What a text holds.
#[derive(Debug, Default)]
pub struct Exposition {
    /// Type and help by name.
    pub metrics: BTreeMap<String, (String, String)>,
    /// Values by name and labels as they are written, `narf_keys{db="0"}`.
    pub samples: BTreeMap<String, f64>,
}

impl Exposition {
    /// Reads a text, or says what is wrong with which line.
    pub fn read(text: &str) -> Result<Exposition, String> {
        if !text.ends_with('\n') {
            return Err("the last line has no end".to_owned());
        }
        let mut read = Exposition::default();
        let mut help: Option<(String, String)> = None;
        let mut current = String::new();
        for line in text.lines() {
            let wrong = |what: &str| Err(format!("{what}: {line:?}"));
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let Some((name, text)) = rest.split_once(' ') else { return wrong("no help") };
                if !is_name(name) || !escapes_are_fine(text, false) {
                    return wrong("bad help");
                }
                help = Some((name.to_owned(), text.to_owned()));
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let Some((name, kind)) = rest.split_once(' ') else { return wrong("no type") };
                if !["counter", "gauge", "histogram", "summary", "untyped"].contains(&kind) {
                    return wrong("bad type");
                }
                let Some((_, text)) = help.take().filter(|(helped, _)| helped == name) else {
                    return wrong("a type without help before it");
                };
                if read.metrics.insert(name.to_owned(), (kind.to_owned(), text)).is_some() {
                    return wrong("a second type");
                }
                current = name.to_owned();
            } else if line.starts_with('#') || line.is_empty() {
                return wrong("a comment or an empty line, of which none is expected");
            } else {
                let (key, value) = sample(line).ok_or_else(|| format!("bad sample: {line:?}"))?;
                let name = key.split('{').next().unwrap_or_default();
                if name != current {
                    return wrong("a sample away from its type");
                }
                if read.samples.insert(key, value).is_some() {
                    return wrong("a second sample");
                }
            }
        }
        match help {
            Some((name, _)) => Err(format!("help without a type: {name}")),
            None => Ok(read),
        }
    }

    /// A sample, by name and labels as they are written.
    #[track_caller]
    pub fn get(&self, sample: &str) -> f64 {
        match self.samples.get(sample) {
            Some(value) => *value,
            None => panic!("no sample {sample} among {:#?}", self.samples.keys()),
        }
    }
}

fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte == b':';
    name.bytes().next().is_some_and(is_letter)
        && name.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit())
}

/// Whether each backslash begins an escape that the format has.
fn escapes_are_fine(text: &str, in_quotes: bool) -> bool {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('\\' | 'n') => {}
                Some('"') if in_quotes => {}
                _ => return false,
            },
            '"' if in_quotes => return false,
            _ => {}
        }
    }
    true
}

/// Name with labels, and value.
fn sample(line: &str) -> Option<(String, f64)> {
    let (name, rest) = line.split_at(line.find(['{', ' '])?);
    if !is_name(name) {
        return None;
    }
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => ("", rest),
    };
    let value = rest.strip_prefix(' ')?;
    // No timestamps, and nothing that Rust takes for a number and Go does not.
    let number = match value {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        value if value.bytes().all(|byte| byte.is_ascii_digit() || b"+-.e".contains(&byte)) => {
            value.parse().ok()?
        }
        _ => return None,
    };
    let key = if labels.is_empty() { name.to_owned() } else { format!("{name}{{{labels}}}") };
    Some((key, number))
}

/// The labels up to their bracket, and what is behind it.
fn labels(text: &str) -> Option<(&str, &str)> {
    let mut names = BTreeSet::new();
    let mut at = 0;
    loop {
        let (name, rest) = text[at..].split_once("=\"")?;
        if !is_name(name) || name.contains(':') || !names.insert(name) {
            return None;
        }
        let end = closing_quote(rest)?;
        if !escapes_are_fine(&rest[..end], true) {
            return None;
        }
        at = text.len() - rest.len() + end + 1;
        match text[at..].chars().next()? {
            ',' => at += 1,
            '}' => return Some((&text[..at], &text[at + 1..])),
            _ => return None,
        }
    }
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        closes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "# HELP a What it is.\n# TYPE a counter\n";

    #[test]
    fn what_is_right_is_read() {
        let text = format!("{HEAD}a{{b=\"x\\\"}},\",c=\"\\n\"}} 1.5e3\na 7\n");
        let read = Exposition::read(&text).unwrap();
        assert_eq!(read.get("a"), 7.0);
        assert_eq!(read.get("a{b=\"x\\\"},\",c=\"\\n\"}"), 1500.0);
        assert_eq!(read.metrics["a"], ("counter".to_owned(), "What it is.".to_owned()));
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for wrong in [
            "a 1".to_owned(),
            "a 1\n".to_owned(),
            "# HELP a x\n".to_owned(),
            "# TYPE a counter\n".to_owned(),
            "# HELP a x\n# TYPE a number\n".to_owned(),
            format!("{HEAD}{HEAD}"),
            format!("{HEAD}b 1\n"),
            format!("{HEAD}a 1\na 2\n"),
            format!("{HEAD}a\n"),
            format!("{HEAD}a x\n"),
            format!("{HEAD}a 1 2\n"),
            format!("{HEAD}a  1\n"),
            format!("{HEAD}a infinity\n"),
            format!("{HEAD}a{{}} 1\n"),
            format!("{HEAD}a{{b=1}} 1\n"),
            format!("{HEAD}a{{b=\"1\",b=\"2\"}} 1\n"),
            format!("{HEAD}a{{b=\"\\x\"}} 1\n"),
            format!("{HEAD}a{{b=\"1\"}}1\n"),
            format!("{HEAD}\na 1\n"),
            format!("{HEAD}1a 1\n"),
        ] {
            assert!(Exposition::read(&wrong).is_err(), "{wrong}");
        }
    }
}
