//! What a node says of itself at one moment, read from the replies to `INFO`, `FABRIC STATUS`, `CLIENT LIST`, `SLOWLOG GET`
//! and `FABRIC HOTKEYS`.
//!
//! Pure. A field that a server does not have is zero or empty: other versions, and Redis, are looked at as well.

use std::collections::BTreeMap;
use std::time::Instant;

use client::Value;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// When it was asked.
    pub(super) at: Instant,
    info: BTreeMap<String, String>,
    pub(super) commands: BTreeMap<String, Calls>,
    pub(super) clients: Vec<BTreeMap<String, String>>,
    pub(super) slow: Vec<Slow>,
    pub(super) hot: Hot,
    /// In the words of `FABRIC STATUS`.
    pub(super) state: String,
}

/// Calls of a command since the node started.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Calls {
    pub(super) calls: f64,
    /// Mean, of those that were timed.
    pub(super) micros_each: f64,
    pub(super) rejected: f64,
}

/// A request that took long.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Slow {
    /// Seconds since 1970.
    pub(super) time: f64,
    pub(super) micros: f64,
    pub(super) args: Vec<Vec<u8>>,
    pub(super) client: String,
}

/// Which keys are asked for most, by the clients of the node.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Hot {
    /// Requests for keys a second.
    pub(super) rate: f64,
    pub(super) keys: Vec<HotKey>,
}

/// One of them, with requests a second.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct HotKey {
    pub(super) key: Vec<u8>,
    pub(super) db: i64,
    pub(super) reads: f64,
    pub(super) writes: f64,
    pub(super) command: String,
}

/// Replies of one node, in the order of its questions.
pub(super) struct Replies {
    pub(super) info: Value,
    pub(super) status: Value,
    pub(super) clients: Option<Value>,
    pub(super) slow: Option<Value>,
    pub(super) hot: Option<Value>,
}

impl Sample {
    /// Fails with what the node says if it does not let itself be looked at.
    pub(super) fn read(at: Instant, replies: &Replies) -> Result<Sample, String> {
        let info = match &replies.info {
            Value::Error(text) => return Err(text.clone()),
            reply => text(reply),
        };
        let fields = || info.lines().filter_map(|line| line.trim_end().split_once(':'));
        let commands = fields().filter_map(|(name, row)| Some((name.strip_prefix("cmdstat_")?, calls(row))));
        // What nodes say to each other stands for requests of clients that are counted as well.
        let commands = commands.filter(|(name, _)| !name.starts_with("narf."));
        Ok(Sample {
            at,
            commands: commands.map(|(name, calls)| (name.to_owned(), calls)).collect(),
            info: fields().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            clients: replies.clients.as_ref().map(clients).unwrap_or_default(),
            slow: replies.slow.as_ref().map(slow).unwrap_or_default(),
            hot: replies.hot.as_ref().map(hot).unwrap_or_default(),
            // A node on its own answers with an error, and is as ready as it can be.
            state: replies.status.field("state").map_or("alone".to_owned(), text),
        })
    }

    /// A field of `INFO`; zero if it is none or no number.
    pub(super) fn number(&self, field: &str) -> f64 {
        self.info.get(field).and_then(|value| value.parse().ok()).unwrap_or(0.0)
    }

    pub(super) fn text(&self, field: &str) -> &str {
        self.info.get(field).map_or("", String::as_str)
    }

    /// Keys of all databases.
    pub(super) fn keys(&self) -> f64 {
        let of_db = |name: &str| name.strip_prefix("db").is_some_and(|rest| rest.parse::<u8>().is_ok());
        let dbs = self.info.iter().filter(|(name, _)| of_db(name));
        dbs.map(|(_, row)| parts(row).get("keys").and_then(|keys| keys.parse().ok()).unwrap_or(0.0)).sum()
    }
}

/// `a=1,b=2`.
fn parts(row: &str) -> BTreeMap<&str, &str> {
    row.split(',').filter_map(|part| part.split_once('=')).collect()
}

fn calls(row: &str) -> Calls {
    let parts = parts(row);
    let number = |name: &str| parts.get(name).and_then(|value| value.parse().ok()).unwrap_or(0.0);
    Calls { calls: number("calls"), micros_each: number("usec_per_call"), rejected: number("rejected_calls") }
}

/// A line a client, `id=1 addr=.. name=.. ..`.
fn clients(reply: &Value) -> Vec<BTreeMap<String, String>> {
    let client = |line: &str| {
        let parts = line.split(' ').filter_map(|part| part.split_once('='));
        parts.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    text(reply).lines().filter(|line| !line.is_empty()).map(client).collect()
}

fn slow(reply: &Value) -> Vec<Slow> {
    let entry = |entry: &Value| {
        let [_, time, micros, args, rest @ ..] = entry.as_slice()? else { return None };
        let words = args.as_slice()?.iter().map(|arg| arg.as_bytes().unwrap_or_default().to_vec());
        Some(Slow {
            time: time.as_int()? as f64,
            micros: micros.as_int()? as f64,
            args: words.collect(),
            client: rest.first().map(text).unwrap_or_default(),
        })
    };
    reply.as_slice().unwrap_or_default().iter().filter_map(entry).collect()
}

fn hot(reply: &Value) -> Hot {
    let number = |value: &Value, field: &str| match value.field(field) {
        Some(Value::Double(number)) => *number,
        Some(other) => text(other).parse().unwrap_or(0.0),
        None => 0.0,
    };
    let key = |entry: &Value| {
        Some(HotKey {
            key: entry.field("key")?.as_bytes()?.to_vec(),
            db: entry.field("db")?.as_int()?,
            reads: number(entry, "reads/s"),
            writes: number(entry, "writes/s"),
            command: entry.field("command").map(text).unwrap_or_default(),
        })
    };
    let keys = reply.field("keys").and_then(Value::as_slice).unwrap_or_default();
    Hot { rate: number(reply, "requests/s"), keys: keys.iter().filter_map(key).collect() }
}

fn text(value: &Value) -> String {
    String::from_utf8_lossy(value.as_bytes().unwrap_or_default()).into_owned()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::Bulk(text.into())
    }

    fn hot_key(key: &str, reads: f64) -> Value {
        let numbers = [("reads/s", Value::Double(reads)), ("writes/s", bulk("10.5")), ("db", Value::Int(1))];
        let texts = [("key", bulk(key)), ("command", bulk("get"))];
        Value::Map(numbers.into_iter().chain(texts).map(|(name, value)| (bulk(name), value)).collect())
    }

    /// A sample with this `INFO`, of one client and one slow request.
    pub(in crate::top) fn sample(at: Instant, info: &str) -> Sample {
        let client = "id=3 addr=127.0.0.1:9 name=web db=0 age=7 idle=1 cmd=get tot-net-in=10 tot-cmds=5\n";
        let slow = vec![
            Value::Int(0),
            Value::Int(1_700_000_000),
            Value::Int(15_000),
            Value::Array(vec![bulk("KEYS"), bulk("*\n")]),
            bulk("127.0.0.1:9"),
            bulk("web"),
        ];
        let replies = Replies {
            info: bulk(info),
            status: Value::Map(vec![(bulk("state"), bulk("ready"))]),
            clients: Some(bulk(client)),
            slow: Some(Value::Array(vec![Value::Array(slow), Value::Int(3)])),
            hot: Some(Value::Map(vec![
                (bulk("requests/s"), Value::Double(100.0)),
                (bulk("keys"), Value::Array(vec![hot_key("a\n", 30.0), hot_key("b", 20.0), Value::Null])),
            ])),
        };
        Sample::read(at, &replies).unwrap()
    }

    #[test]
    fn replies_are_read() {
        let info = "# Stats\r\ntotal_commands_processed:12\r\n\r\n# Commandstats\r\n\
            cmdstat_narf.exec:calls=9,usec=9,usec_per_call=1.00,rejected_calls=0,failed_calls=0\r\n\
            cmdstat_get:calls=7,usec=14,usec_per_call=2.50,rejected_calls=1,failed_calls=0\r\n\
            # Keyspace\r\ndb0:keys=3,expires=0,avg_ttl=0\r\ndb15:keys=4,expires=0\r\ndbx:keys=9\r\n";
        let sample = sample(Instant::now(), info);
        assert_eq!(sample.number("total_commands_processed"), 12.0);
        assert_eq!(sample.number("nothing"), 0.0);
        assert_eq!(sample.commands["get"], Calls { calls: 7.0, micros_each: 2.5, rejected: 1.0 });
        assert_eq!(sample.commands.len(), 1, "what nodes say to each other is none of it");
        assert_eq!(sample.keys(), 7.0);
        assert_eq!(sample.clients[0]["addr"], "127.0.0.1:9");
        assert_eq!(sample.slow[0].args[1], b"*\n");
        assert_eq!(sample.slow.len(), 1);
        assert_eq!((sample.hot.rate, sample.hot.keys.len()), (100.0, 2));
        let first =
            HotKey { key: b"a\n".to_vec(), db: 1, reads: 30.0, writes: 10.5, command: "get".to_owned() };
        assert_eq!(sample.hot.keys[0], first);
        assert_eq!(sample.state, "ready");
    }

    #[test]
    fn a_node_that_refuses_says_why() {
        let replies = Replies {
            info: Value::Error("NOAUTH Authentication required.".into()),
            status: Value::Null,
            clients: None,
            slow: None,
            hot: None,
        };
        assert_eq!(Sample::read(Instant::now(), &replies).unwrap_err(), "NOAUTH Authentication required.");
    }
}
