//! Which commands hold a password, and where such a command may stand: never in a history, and not on a command line,
//! which every process of the machine can read.

use crate::Failure;

/// Whether there is a secret among the words of a command.
pub(crate) fn is_in(words: &[Vec<u8>]) -> bool {
    let is =
        |index: usize, word: &str| words.get(index).is_some_and(|w| w.eq_ignore_ascii_case(word.as_bytes()));
    let has = |word: &str| words.iter().any(|w| w.eq_ignore_ascii_case(word.as_bytes()));
    match words.first().map(|name| name.to_ascii_lowercase()).as_deref() {
        Some(b"auth") => true,
        Some(b"hello" | b"migrate") => has("auth") || has("auth2"),
        Some(b"config") => is(1, "set") && words[2..].iter().any(|word| names_secret(word)),
        Some(b"acl") => is(1, "setuser"),
        Some(b"fabric") => is(1, "join") && words.iter().any(|word| word.starts_with(b"narf")),
        _ => false,
    }
}

/// `requirepass`, `masterauth`, `tls-key-file-pass` and what is named like them.
fn names_secret(word: &[u8]) -> bool {
    let word = word.to_ascii_lowercase();
    ["pass", "auth", "secret", "token"].iter().any(|end| word.ends_with(end.as_bytes()))
        || word.windows(8).any(|part| part == b"password")
}

/// Refuses a password on a command line where it is also of no use. Gives a warning where it is, and was seen already.
pub(crate) fn check_command_line(words: &[Vec<u8>]) -> Result<Option<&'static str>, Failure> {
    // A token is good once, and its way into a shell is a command line.
    if words.first().is_some_and(|name| name.eq_ignore_ascii_case(b"fabric")) {
        return Ok(None);
    }
    let greets = |name: &[u8]| name.eq_ignore_ascii_case(b"auth") || name.eq_ignore_ascii_case(b"hello");
    match words.first() {
        Some(name) if greets(name) && words.len() > 1 && is_in(words) => Err(Failure::Usage(
            "a password on the command line is shown to every process of this machine, and is forgotten when the \
             command ends; use --askpass, NARF_PASSWORD or --password-file"
                .into(),
        )),
        Some(_) if is_in(words) && words.len() > 3 => Ok(Some(
            "narf: what is on a command line is shown to every process of this machine; from a file it is not: \
             narf cli -x config set requirepass < FILE",
        )),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_on_a_command_line_is_refused_or_warned_about() {
        let check = |line: &str| check_command_line(&resp::split_line(line.as_bytes()).unwrap());
        for line in ["auth x", "AUTH ada x", "hello 3 auth ada x"] {
            assert!(check(line).unwrap_err().message().contains("--askpass"), "{line}");
        }
        for line in ["config set requirepass x", "acl setuser ada >x"] {
            assert!(check(line).unwrap().is_some(), "{line}");
        }
        for line in [
            "config set requirepass",
            "config set port 1",
            "hello 3",
            "get k",
            "auth",
            "fabric join narf1.x y",
        ] {
            assert!(check(line).unwrap().is_none(), "{line}");
        }
    }
}
