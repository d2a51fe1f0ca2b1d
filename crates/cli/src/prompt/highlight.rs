//! Colours of a line as it is typed: what the command table knows, and what it does not.

use crate::hint;
use crate::line::{self, Word, words};

const COMMAND: &str = "1";
const UNKNOWN: &str = "31";
const STRING: &str = "32";
const OPTION: &str = "33";
const NUMBER: &str = "36";
const ELSEWHERE: &str = "2";

/// The line with colours; without them it is the same.
pub(super) fn highlight(line: &str) -> String {
    let words = words(line);
    let meanings: Vec<Vec<u8>> = words.iter().map(Word::meaning).collect();
    // Behind the number of repetitions.
    let first = usize::from(line::command_at(line).is_some_and(|at| at > 0));
    let spec = hint::spec_of(&meanings[first..]);
    let mut out = String::with_capacity(line.len() + 16 * words.len());
    let mut at = 0;
    for (index, word) in words.iter().enumerate() {
        out.push_str(&line[at..word.start]);
        at = word.end();
        if word.text.starts_with('|') {
            // The rest is the shell's.
            paint(&mut out, Some(ELSEWHERE), &line[word.start..]);
            return out;
        }
        let is_being_typed = word.end() == line.len();
        let colour = match spec {
            Some((_, named)) if (first..first + named).contains(&index) => Some(COMMAND),
            None if index == first && hint::is_local(word.text) => Some(COMMAND),
            None if index == first && !is_being_typed && !is_number(word.text) => Some(UNKNOWN),
            _ if word.is_quoted() => Some(STRING),
            _ if is_number(word.text) => Some(NUMBER),
            Some((spec, _)) if is_option(spec, word.text) => Some(OPTION),
            _ => None,
        };
        paint(&mut out, colour, word.text);
    }
    out.push_str(&line[at..]);
    out
}

fn paint(out: &mut String, colour: Option<&str>, text: &str) {
    match colour {
        Some(colour) => out.extend(["\x1b[", colour, "m", text, "\x1b[0m"]),
        None => out.push_str(text),
    }
}

fn is_number(word: &str) -> bool {
    let starts = word.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+');
    starts && word.parse::<f64>().is_ok()
}

/// Whether it is one of the fixed words of the command.
fn is_option(spec: &command::Spec, word: &str) -> bool {
    let fixed = spec.syntax.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    fixed
        .filter(|fixed| fixed.len() > 1 && !fixed.contains(|c: char| c.is_ascii_lowercase()))
        .any(|fixed| fixed.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Colours as `<1:text>`.
    #[track_caller]
    fn check(line: &str, expect: &str) {
        let shown = highlight(line).replace("\x1b[0m", ">").replace("\x1b[", "<").replace('m', ":");
        assert_eq!(shown, expect, "{line}");
    }

    #[test]
    fn what_the_table_knows_has_colours() {
        check("get k", "<1:get> k");
        check("config get port", "<1:config> <1:get> port");
        check("set k \"a b\" ex 10 nx", "<1:set> k <32:\"a b\"> <33:ex> <36:10> <33:nx>");
        check("set k -1.5", "<1:set> k <36:-1.5>");
        check("help set", "<1:help> set");
        check("frob", "frob");
        check("frob x", "<31:frob> x");
        check("5 incr n", "<36:5> <1:incr> n");
        check("5 frob n", "<36:5> <31:frob> n");
        check("get k | wc -c", "<1:get> k <2:| wc -c>");
        check("  get  \"k", "  <1:get>  <32:\"k>");
        check("", "");
        check("grün \u{3000}", "<31:grün> \u{3000}");
    }
}
