//! What is asked, where somebody can answer, before a command that deletes or looks at a great deal, or ends a node.
//!
//! Without a terminal nothing is asked: a script means what it says.

use std::io::IsTerminal;

use client::{Connection, Value};

use crate::exit::say;
use crate::{CliArgs, Failure, cluster};

/// From this many keys on, `KEYS` is asked about.
const MANY_KEYS: i64 = 10_000;

/// The question to ask before running `parts`, `None` if there is nothing to ask. Inside `MULTI` nothing can be
/// counted.
pub(crate) fn question(parts: &[Vec<u8>], connection: &mut Connection, in_multi: bool) -> Option<String> {
    let name = parts.first()?.to_ascii_lowercase();
    match name.as_slice() {
        b"flushall" => {
            let keys = if in_multi { None } else { keys_of_all(connection) };
            (keys != Some(0)).then(|| format!("FLUSHALL deletes {} of every database.", counted(keys)))
        }
        b"flushdb" => {
            let keys = if in_multi { None } else { keys_of_one(connection) };
            (keys != Some(0)).then(|| format!("FLUSHDB deletes {} of this database.", counted(keys)))
        }
        b"keys" if !in_multi => {
            let keys = keys_of_one(connection).filter(|&keys| keys >= MANY_KEYS)?;
            Some(format!(
                "KEYS looks at {} in one go and blocks meanwhile; SCAN goes in steps.",
                counted(Some(keys))
            ))
        }
        b"shutdown" => Some("SHUTDOWN stops the server.".into()),
        // A node that is not there is nothing to ask about: the server says so.
        b"fabric" if names_nobody(parts, connection, in_multi) => None,
        b"fabric" => fabric(parts),
        _ => None,
    }
}

/// Whether it is about a node that is known not to be there.
fn names_nobody(parts: &[Vec<u8>], connection: &mut Connection, in_multi: bool) -> bool {
    let is_named = parts
        .get(1)
        .is_some_and(|verb| [&b"drain"[..], b"remove"].iter().any(|other| verb.eq_ignore_ascii_case(other)));
    let Some(name) = parts.get(2).filter(|_| is_named && !in_multi) else { return false };
    let Ok(Value::Array(members)) = connection.call(["FABRIC", "MEMBERS"]) else { return false };
    let is_it = |member: &Value| {
        let mut fields = cluster::fields(member).into_iter();
        fields.any(|(field, value)| {
            matches!(field.as_str(), "name" | "id") && value.as_bytes() == Some(name.as_slice())
        })
    };
    !members.iter().any(is_it)
}

fn fabric(parts: &[Vec<u8>]) -> Option<String> {
    let node = || String::from_utf8_lossy(parts.get(2).map_or(b"it", Vec::as_slice));
    match parts.get(1)?.to_ascii_lowercase().as_slice() {
        b"leave" => Some("This node hands its data over, leaves the cluster and stops.".into()),
        b"join" => Some(
            "This node gives up its own cluster, with that one's users, and starts anew in the other; all clients are \
             disconnected."
                .into(),
        ),
        b"drain" => Some(format!("{} hands its data over, leaves the cluster and stops.", node())),
        b"clock" if parts.len() > 2 => Some(
            "This node takes the time of its system: keys that lapse before that time are gone at once."
                .to_owned(),
        ),
        b"trust" if parts.len() > 2 => Some(
            "This witness forgets what it keeps: writes that only nodes had which were struck off are lost."
                .to_owned(),
        ),
        b"trust" => Some(
            "This node votes with what it has: writes that only nodes have which are away are lost."
                .to_owned(),
        ),
        b"remove" => Some(format!("{} is struck off for good, with what only it holds.", node())),
        _ => None,
    }
}

/// Whether a single command may be sent: it is harmless, nobody is there to be asked, or somebody has agreed.
pub(crate) fn allows(
    args: &CliArgs,
    parts: &[Vec<u8>],
    connection: &mut Connection,
) -> Result<bool, Failure> {
    let is_asked = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if args.yes || !is_asked {
        return Ok(true);
    }
    let Some(question) = question(parts, connection, false) else { return Ok(true) };
    if args.no_input {
        return Err(refusal(&question));
    }
    eprint_question(&question);
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if !is_yes(&answer) {
        say("not done");
    }
    Ok(is_yes(&answer))
}

/// What is said instead of a question that may not be asked.
pub(crate) fn refusal(question: &str) -> Failure {
    Failure::Usage(format!("{question} With --no-input nobody is asked; --yes does it"))
}

fn eprint_question(question: &str) {
    use std::io::Write;
    // That it cannot be shown is no reason to go on without an answer.
    let _ = write!(std::io::stderr(), "{question} {GO_ON}");
}

/// Behind each question.
pub(crate) const GO_ON: &str = "Go on? [y/N] ";

/// Whether an answer agrees.
pub(crate) fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

fn keys_of_one(connection: &mut Connection) -> Option<i64> {
    match connection.call(["DBSIZE"]) {
        Ok(Value::Int(keys)) => Some(keys),
        _ => None,
    }
}

fn keys_of_all(connection: &mut Connection) -> Option<i64> {
    keys_in(connection.call(["INFO", "keyspace"]).ok()?.as_text()?)
}

/// Adds up lines such as `db0:keys=12,expires=0`.
fn keys_in(info: &str) -> Option<i64> {
    let counts =
        info.lines().filter_map(|line| line.strip_prefix("db")?.split_once(":keys=")?.1.split(',').next());
    counts.map(|count| count.parse::<i64>().ok()).sum()
}

fn counted(keys: Option<i64>) -> String {
    match keys {
        None => "the keys".into(),
        Some(1) => "the one key".into(),
        Some(keys) => format!("all {} keys", grouped(keys.unsigned_abs())),
    }
}

/// `1204` as `1,204`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let texts: Vec<_> = [0, 12, 123, 1234, 123_456, 1_234_567].map(grouped).into();
        assert_eq!(texts, ["0", "12", "123", "1,234", "123,456", "1,234,567"]);
    }

    #[track_caller]
    fn check(command: &str, dbsize: i64, in_multi: bool, expect: Option<&str>) {
        let mut connection = crate::scripted::connect(move |words| match words[0].as_str() {
            "DBSIZE" => format!(":{dbsize}\r\n"),
            other => format!("-ERR unknown command '{other}'\r\n"),
        });
        let parts = resp::split_line(command.as_bytes()).unwrap();
        assert_eq!(question(&parts, &mut connection, in_multi).as_deref(), expect);
    }

    #[test]
    fn what_deletes_much_is_asked_about_with_figures() {
        check("flushdb", 1204, false, Some("FLUSHDB deletes all 1,204 keys of this database."));
        check("FLUSHDB ASYNC", 1, false, Some("FLUSHDB deletes the one key of this database."));
        check("flushdb", 0, false, None);
        check("flushdb", 5, true, Some("FLUSHDB deletes the keys of this database."));
        check("flushall", 5, false, Some("FLUSHALL deletes the keys of every database."));
        check("keys *", 9_999, false, None);
        check(
            "keys *",
            10_000,
            false,
            Some("KEYS looks at all 10,000 keys in one go and blocks meanwhile; SCAN goes in steps."),
        );
        check("get k", 1, false, None);
        let drained = "red-fox hands its data over, leaves the cluster and stops.";
        check("fabric drain red-fox", 1, false, Some(drained));
        check("fabric clock", 1, false, None);
        let taken =
            "This node takes the time of its system: keys that lapse before that time are gone at once.";
        check("fabric clock accept", 1, false, Some(taken));
        check("fabric members", 1, false, None);
    }

    #[test]
    fn keys_of_all_databases_are_added_up() {
        let info = "# Keyspace\r\ndb0:keys=12,expires=0,avg_ttl=0\r\ndb3:keys=5,expires=1,avg_ttl=0\r\n";
        assert_eq!(keys_in(info), Some(17));
        assert_eq!(keys_in("# Keyspace\r\n"), Some(0));
    }
}
