//! What to type next after an error reply, out of the command table.

use command::help::{Topic, topic};

/// Where the one is who gets the advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advice {
    CommandLine,
    Prompt,
}

impl Advice {
    /// On an error reply to the request of these words; nothing if it says all there is to say.
    pub(crate) fn on(self, words: &[Vec<u8>], error: &str) -> Option<String> {
        match error.split(' ').next()? {
            "NOAUTH" => Some(self.on_a_missing_password().into()),
            "WRONGPASS" if self == Advice::CommandLine => {
                Some("check --user and the password; --askpass asks for it".into())
            }
            // The server knows what to use instead.
            "ERR" if error.contains("(not in Narf: ") => None,
            "ERR" if error.starts_with("ERR unknown ") => near(words),
            "ERR" if error.starts_with("ERR wrong number of arguments") => usage(words),
            "ERR" if error == "ERR syntax error" => usage(words),
            _ => None,
        }
    }

    fn on_a_missing_password(self) -> &'static str {
        match self {
            Advice::CommandLine => {
                "give the password: --askpass asks for it, NARF_PASSWORD or --password-file hold it"
            }
            Advice::Prompt => "type  auth PASSWORD  or start again with --askpass",
        }
    }
}

/// The commands whose names are like this one.
fn near(words: &[Vec<u8>]) -> Option<String> {
    let of = |count: usize| match topic(&name(words.get(..count)?)) {
        Topic::Unknown(near) if !near.is_empty() => Some(near),
        Topic::Unknown(_) | Topic::Command(_) | Topic::Group(_) => None,
    };
    let near: Vec<String> = of(1).or_else(|| of(2))?.iter().map(|spec| spec.display_name()).collect();
    Some(format!("did you mean {}?", near.join(", ")))
}

fn usage(words: &[Vec<u8>]) -> Option<String> {
    let of = |count: usize| match topic(&name(words.get(..count)?)) {
        Topic::Command(spec) => Some(spec),
        Topic::Unknown(_) | Topic::Group(_) => None,
    };
    Some(format!("usage: {}", of(2).or_else(|| of(1))?.usage()))
}

fn name(words: &[Vec<u8>]) -> String {
    words.iter().map(|word| String::from_utf8_lossy(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, error: &str, expect: Option<&str>) {
        let words = resp::split_line(line.as_bytes()).unwrap();
        assert_eq!(Advice::Prompt.on(&words, error).as_deref(), expect);
    }

    #[test]
    fn advice_comes_from_the_table() {
        let unknown = "ERR unknown command 'x'";
        check("hgetal k", unknown, Some("did you mean HGETALL?"));
        check("config gte x", "ERR unknown subcommand 'gte'.", Some("did you mean CONFIG GET?"));
        check("frobnicate", unknown, None);
        check("hgetal k", "ERR unknown command 'hgetal' (not in Narf: another)", None);
        let number = "ERR wrong number of arguments for 'x' command";
        check("get", number, Some("usage: GET key"));
        check("config get", number, Some("usage: CONFIG GET parameter [parameter ...]"));
        check("frobnicate", number, None);
        check(
            "set k v no",
            "ERR syntax error",
            Some(
                "usage: SET key value [NX | XX | IFEQ value | IFNE value | IFDEQ digest | IFDNE digest] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
            ),
        );
        check("get k", "WRONGTYPE Operation", None);
        check("", number, None);
    }
}
