//! Commands that are not answered like others: the one that makes a server silent, the one that ends it, and those that wait.

use std::time::Duration;

use client::{ClientError, Connection, Value};

use crate::Failure;
use crate::stream::Interrupt;

/// What became of a command.
#[derive(Debug)]
pub(crate) enum Answer {
    Reply(Value),
    /// The server has stopped, as it was told to.
    Stopped,
    /// Ctrl-C came first.
    Interrupted,
}

/// How long a Ctrl-C may go unnoticed.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Sends a command and waits for its reply, or for Ctrl-C where that is looked for.
pub(crate) fn call(
    connection: &mut Connection,
    words: &[Vec<u8>],
    interrupt: Option<&Interrupt>,
) -> Result<Answer, Failure> {
    check(words)?;
    let usual = connection.set_timeout(patience(words, connection.timeout()))?;
    let reply = match interrupt {
        Some(interrupt) => {
            interrupt.during(|| connection.call_while(words, LOOK_EVERY, || !interrupt.was_hit()))
        }
        None => connection.call(words).map(Some),
    };
    if reply.as_ref().is_ok_and(Option::is_some) {
        connection.set_timeout(usual)?;
    }
    match reply {
        Ok(Some(reply)) => Ok(Answer::Reply(reply)),
        Ok(None) => Ok(Answer::Interrupted),
        Err(ClientError::Closed { .. } | ClientError::Lost { .. }) if is_shutdown(words) => {
            Ok(Answer::Stopped)
        }
        Err(error) => Err(error.into()),
    }
}

/// Refuses a command after which whoever waits for answers waits in vain.
pub(crate) fn check(words: &[Vec<u8>]) -> Result<(), Failure> {
    let is =
        |index: usize, word: &str| words.get(index).is_some_and(|w| w.eq_ignore_ascii_case(word.as_bytes()));
    let is_silencing = is(0, "client") && is(1, "reply") && (is(2, "off") || is(2, "skip"));
    match is_silencing && words.len() == 3 {
        true => Err(Failure::Usage(
            "CLIENT REPLY OFF and SKIP leave nothing to show, and an answer would be waited for in vain; leave it out"
                .into(),
        )),
        false => Ok(()),
    }
}

/// How long the reply to a command is waited for, where `usual` is for any other: longer by what a command says that waits.
pub(crate) fn patience(words: &[Vec<u8>], usual: Option<Duration>) -> Option<Duration> {
    let spec = words.first().and_then(command::lookup_name);
    match spec.filter(|spec| spec.flags.contains(command::Flags::BLOCKING)) {
        Some(spec) => match said(spec.name, words) {
            // What cannot be read is refused at once.
            None => usual,
            Some(Duration::ZERO) => None,
            Some(said) => usual.map(|usual| usual.saturating_add(said)),
        },
        None => usual,
    }
}

/// The time that a command says which waits.
fn said(name: &str, words: &[Vec<u8>]) -> Option<Duration> {
    let (word, is_millis) = match name.to_ascii_lowercase().as_str() {
        "wait" => (words.get(2), true),
        "waitaof" => (words.get(3), true),
        "blmpop" | "bzmpop" => (words.get(1), false),
        _ => (words.last(), false),
    };
    let number = std::str::from_utf8(word?).ok()?.parse::<f64>().ok()?;
    Duration::try_from_secs_f64(if is_millis { number / 1000.0 } else { number }).ok()
}

/// Whether the end of the connection is its answer.
pub(crate) fn is_shutdown(words: &[Vec<u8>]) -> bool {
    words.first().is_some_and(|name| name.eq_ignore_ascii_case(b"shutdown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gives_up_waiting_cannot_use_the_connection_any_more() {
        let mut connection = crate::scripted::connect(|words| match words[0].as_str() {
            "slow" => String::new(),
            _ => ":1\r\n".into(),
        });
        let look = Duration::from_millis(1);
        assert!(matches!(connection.call_while(["quick"], look, || false), Ok(Some(Value::Int(1)))));
        let mut looks = 0;
        let mut goes_on = || {
            looks += 1;
            looks < 3
        };
        assert!(matches!(connection.call_while(["slow"], look, &mut goes_on), Ok(None)));
        assert_eq!(looks, 3);
        assert!(matches!(connection.call(["quick"]), Err(ClientError::Unusable { .. })));
    }

    #[test]
    fn a_command_that_waits_is_given_what_it_says_beside_the_usual_time() {
        let second = Duration::from_secs(1);
        for (line, expect) in [
            ("ping", Some(second)),
            ("blpop a b 2.5", Some(second * 7 / 2)),
            ("BLMOVE a b left right 3", Some(second * 4)),
            ("bzmpop 4 1 z min", Some(second * 5)),
            ("wait 2 500", Some(second * 3 / 2)),
            ("waitaof 1 0 500", Some(second * 3 / 2)),
            ("brpop a 0", None),
            ("wait 1 0", None),
            ("blpop a nonsense", Some(second)),
            ("blpop a -1", Some(second)),
            ("blpop", Some(second)),
        ] {
            assert_eq!(patience(&resp::split_line(line.as_bytes()).unwrap(), Some(second)), expect, "{line}");
        }
        assert_eq!(patience(&[b"blpop".to_vec(), b"k".to_vec(), b"1".to_vec()], None), None);
    }

    #[test]
    fn waiting_has_an_end() {
        let mut connection = crate::scripted::connect(|_| String::new());
        let answer = connection.call_while(["slow"], Duration::from_secs(10), || true);
        assert!(matches!(answer, Err(ClientError::TimedOut { .. })), "{answer:?}");
    }

    #[test]
    fn a_command_that_silences_the_server_is_refused() {
        let is_refused = |line: &str| check(&resp::split_line(line.as_bytes()).unwrap()).is_err();
        assert!(is_refused("client reply off") && is_refused("CLIENT REPLY Skip"));
        assert!(
            !is_refused("client reply on")
                && !is_refused("client reply")
                && !is_refused("client reply off x")
        );
    }
}
