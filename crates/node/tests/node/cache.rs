//! A client's cache as a library would keep it: it remembers what it reads and forgets what it is told has changed.

use std::collections::{BTreeMap, VecDeque};

use resp::Value;

use crate::net::{ClientId, show};

enum Asked {
    /// `MGET` of these keys.
    Read(Vec<String>),
    /// A change of this key. Who is not told of its own changes forgets the key by itself.
    Change(String),
}

/// See the module. Replies come in the order of requests; a push between them is no reply.
#[derive(Default)]
pub(crate) struct Cache {
    pub(crate) id: Option<ClientId>,
    values: BTreeMap<String, String>,
    /// What is not answered, in order.
    asked: VecDeque<Asked>,
}

impl Cache {
    pub(crate) fn new() -> Cache {
        Cache::default()
    }

    /// The client asks for these keys with one `MGET`.
    pub(crate) fn reads(&mut self, keys: &[String]) {
        self.asked.push_back(Asked::Read(keys.to_vec()));
    }

    /// The client changes a key.
    pub(crate) fn changes(&mut self, key: &str) {
        self.asked.push_back(Asked::Change(key.to_owned()));
    }

    /// What the client got, in order.
    pub(crate) fn hears(&mut self, values: &[Value]) {
        for value in values {
            match value {
                Value::Push(parts) => self.obeys(parts),
                reply => match (self.asked.pop_front().expect("a reply to each request"), reply) {
                    (Asked::Read(keys), Value::Array(values)) => {
                        assert_eq!(keys.len(), values.len());
                        self.values.extend(keys.into_iter().zip(values.iter().map(show)));
                    }
                    (Asked::Read(_), _) => {}
                    (Asked::Change(key), _) => drop(self.values.remove(&key)),
                },
            }
        }
    }

    fn obeys(&mut self, parts: &[Value]) {
        match parts {
            [_, Value::Array(keys)] => {
                for key in keys {
                    let Value::Bulk(name) = key else { panic!("{key:?} is no key") };
                    self.values.remove(&*String::from_utf8_lossy(name));
                }
            }
            _ => self.values.clear(),
        }
    }

    /// What it has of a key, if anything.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// Its connection is gone, and with it whatever it would have been told.
    pub(crate) fn starts_anew(&mut self) {
        self.values.clear();
        self.asked.clear();
    }
}
