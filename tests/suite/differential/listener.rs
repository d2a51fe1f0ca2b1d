//! Who listens to what happens to keys on both servers: both must be told the same.
//!
//! With one worker all is told in one order; with several only what is told of one key is. That a key has lapsed is left
//! out: Redis says so when it finds the key, which may be any time later; suite/notifications.rs has it.

use std::time::Duration;

use narf_tests::{Client, Value};

const MARK: &[u8] = b"--mark--";
const ALL: &str = "PSUBSCRIBE __key*__:*";

/// A connection to each server that listens to all events.
pub(crate) struct Listeners {
    reference: Client,
    subject: Client,
    in_order: bool,
}

/// Channel and payload.
type Message = (String, String);

impl Listeners {
    pub(crate) fn new(mut reference: Client, mut subject: Client) -> Listeners {
        let workers = subject.run("CONFIG GET workers");
        let in_order = workers.items().get(1).is_some_and(|count| count.bytes() == b"1");
        for client in [&mut reference, &mut subject] {
            client.send(ALL);
            client.reply();
        }
        Listeners { reference, subject, in_order }
    }

    /// What both were told since, if it differs.
    pub(crate) fn compare(&mut self, patience: Duration) -> Result<(), (String, String)> {
        let expected = heard(&mut self.reference, 0, patience);
        let expected = self.in_comparable_order(expected);
        let told = heard(&mut self.subject, expected.len(), patience);
        let told = self.in_comparable_order(told);
        if expected == told { Ok(()) } else { Err((text(&expected), text(&told))) }
    }

    fn in_comparable_order(&self, mut messages: Vec<Message>) -> Vec<Message> {
        if !self.in_order {
            messages.sort_by(|one, other| key_of(one).cmp(&key_of(other)));
        }
        messages
    }
}

/// All messages up to a mark, and `at_least` so many.
fn heard(client: &mut Client, at_least: usize, patience: Duration) -> Vec<Message> {
    client.send_args(&[b"PING", MARK]);
    let (mut messages, mut is_marked) = (Vec::new(), false);
    while !is_marked || messages.len() < at_least {
        let Ok(Some(Value::Array(parts))) = client.next(patience) else {
            messages.push(("(nothing more came)".to_owned(), String::new()));
            break;
        };
        let part = |at: usize| parts[at].bytes().escape_ascii().to_string();
        match parts.len() {
            4 => messages.push((part(2), part(3))),
            _ => is_marked = true,
        }
        messages.retain(|(channel, payload)| payload != "expired" && !channel.ends_with("__:expired"));
    }
    messages
}

/// Database and key that a message is about.
fn key_of((channel, payload): &Message) -> (&str, &str) {
    let (kind, name) = channel.split_once("__:").unwrap_or((channel, ""));
    let (of, db) = kind.split_once('@').unwrap_or((kind, ""));
    (db, if of == "__keyspace" { name } else { payload })
}

fn text(messages: &[Message]) -> String {
    let lines: Vec<String> =
        messages.iter().map(|(channel, payload)| format!("{channel} {payload}")).collect();
    format!("[{}]", lines.join(", "))
}
