//! The requests of each test: one encoded request with places for numbers, which are written over in place.

use base::Random;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A test by its name.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// PING
    Ping,
    /// SET key value
    Set,
    /// GET key
    Get,
    /// INCR key
    Incr,
    /// HSET key field value
    Hset,
    /// HGET key field
    Hget,
    /// PUBLISH channel message
    Publish,
    /// MSET of 10 keys
    Mset,
    /// MGET of 10 keys
    Mget,
    /// EXPIRE key 3600
    Expire,
    /// DEL key
    Del,
    /// LPUSH of one list
    Lpush,
    /// RPUSH of one list
    Rpush,
    /// LPOP of one list
    Lpop,
    /// RPOP of one list
    Rpop,
    /// SADD of one set
    Sadd,
    /// SPOP of one set
    Spop,
    /// ZADD of one sorted set
    Zadd,
    /// ZPOPMIN of one sorted set
    Zpopmin,
    /// LRANGE of 100 elements
    #[value(name = "lrange_100")]
    Lrange100,
    /// LRANGE of 300 elements
    #[value(name = "lrange_300")]
    Lrange300,
    /// LRANGE of 500 elements
    #[value(name = "lrange_500")]
    Lrange500,
    /// LRANGE of 600 elements
    #[value(name = "lrange_600")]
    Lrange600,
}

/// Digits of a number in a request.
const DIGITS: usize = 10;

/// The keys of tests that have one.
const LIST: &str = "bench:list";
const SET: &str = "bench:set";
const SORTED: &str = "bench:zset";

/// Stands for a number while a request is put together.
const HOLE: &str = "##########";

/// One request in wire form.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) bytes: Vec<u8>,
    /// Where numbers of [`DIGITS`] digits stand.
    pub(super) holes: Vec<usize>,
}

impl Workload {
    pub(super) fn name(self) -> &'static str {
        match self {
            Workload::Ping => "PING",
            Workload::Set => "SET",
            Workload::Get => "GET",
            Workload::Incr => "INCR",
            Workload::Hset => "HSET",
            Workload::Hget => "HGET",
            Workload::Publish => "PUBLISH",
            Workload::Mset => "MSET (10)",
            Workload::Mget => "MGET (10)",
            Workload::Expire => "EXPIRE",
            Workload::Del => "DEL",
            Workload::Lpush => "LPUSH",
            Workload::Rpush => "RPUSH",
            Workload::Lpop => "LPOP",
            Workload::Rpop => "RPOP",
            Workload::Sadd => "SADD",
            Workload::Spop => "SPOP",
            Workload::Zadd => "ZADD",
            Workload::Zpopmin => "ZPOPMIN",
            Workload::Lrange100 => "LRANGE_100",
            Workload::Lrange300 => "LRANGE_300",
            Workload::Lrange500 => "LRANGE_500",
            Workload::Lrange600 => "LRANGE_600",
        }
    }

    /// Whether it is pointless on an empty server.
    pub(super) fn reads_keys(self) -> bool {
        matches!(self, Workload::Get | Workload::Hget | Workload::Mget | Workload::Expire)
    }

    /// Whether it reads the list, which must have some elements for that.
    pub(super) fn reads_list(self) -> bool {
        matches!(self, Workload::Lrange100 | Workload::Lrange300 | Workload::Lrange500 | Workload::Lrange600)
    }

    pub(super) fn request(self, size: u32) -> Request {
        let value = "x".repeat(size as usize);
        let key = format!("bench:{HOLE}");
        let hash = format!("bench:h{HOLE}");
        let element = format!("element:{HOLE}");
        let parts: Vec<&str> = match self {
            Workload::Ping => vec!["PING"],
            Workload::Set => vec!["SET", &key, &value],
            Workload::Get => vec!["GET", &key],
            Workload::Incr => return request(&["INCR", &format!("bench:n{HOLE}")]),
            Workload::Hset => vec!["HSET", &hash, "field", &value],
            Workload::Hget => vec!["HGET", &hash, "field"],
            Workload::Publish => vec!["PUBLISH", "bench:channel", &value],
            Workload::Mset => std::iter::once("MSET").chain([key.as_str(), &value].repeat(10)).collect(),
            Workload::Mget => std::iter::once("MGET").chain([key.as_str()].repeat(10)).collect(),
            Workload::Expire => vec!["EXPIRE", &key, "3600"],
            Workload::Del => vec!["DEL", &key],
            // One key for all, as redis-benchmark has it.
            Workload::Lpush => vec!["LPUSH", LIST, &value],
            Workload::Rpush => vec!["RPUSH", LIST, &value],
            Workload::Lpop => vec!["LPOP", LIST],
            Workload::Rpop => vec!["RPOP", LIST],
            Workload::Sadd => vec!["SADD", SET, &element],
            Workload::Spop => vec!["SPOP", SET],
            Workload::Zadd => vec!["ZADD", SORTED, HOLE, &element],
            Workload::Zpopmin => vec!["ZPOPMIN", SORTED],
            Workload::Lrange100 => vec!["LRANGE", LIST, "0", "99"],
            Workload::Lrange300 => vec!["LRANGE", LIST, "0", "299"],
            Workload::Lrange500 => vec!["LRANGE", LIST, "0", "499"],
            Workload::Lrange600 => vec!["LRANGE", LIST, "0", "599"],
        };
        request(&parts)
    }
}

fn request(parts: &[&str]) -> Request {
    let mut bytes = Vec::new();
    resp::write_request(&mut bytes, parts);
    let holes = bytes
        .windows(DIGITS)
        .enumerate()
        .filter(|(_, window)| *window == HOLE.as_bytes())
        .map(|(at, _)| at)
        .collect();
    Request { bytes, holes }
}

/// Where the numbers in keys come from.
#[derive(Clone, Debug)]
pub(super) enum Numbers {
    /// Any below the first.
    Random(u32, Random),
    /// One after the other, over all connections.
    InTurn(u32, Arc<AtomicU64>),
}

impl Numbers {
    pub(super) fn random(below: u32, seed: u64) -> Numbers {
        Numbers::Random(below, Random::new(seed))
    }

    pub(super) fn in_turn(below: u32) -> Numbers {
        Numbers::InTurn(below, Arc::default())
    }

    /// A source for one more thread.
    pub(super) fn fork(&mut self) -> Numbers {
        match self {
            Numbers::Random(below, random) => Numbers::Random(*below, random.fork()),
            Numbers::InTurn(..) => self.clone(),
        }
    }

    /// Writes new numbers into a batch of `count` requests.
    pub(super) fn write_into(&mut self, batch: &mut [u8], request: &Request, count: usize) {
        for index in 0..count {
            let start = index * request.bytes.len();
            let turn = match self {
                Numbers::InTurn(below, next) => Some((next.fetch_add(1, Relaxed) % u64::from(*below)) as u32),
                Numbers::Random(..) => None,
            };
            for &hole in &request.holes {
                let number = match self {
                    Numbers::Random(below, random) => random.below(u64::from(*below)) as u32,
                    Numbers::InTurn(..) => turn.unwrap_or_default(),
                };
                write_number(&mut batch[start + hole..start + hole + DIGITS], number);
            }
        }
    }
}

fn write_number(place: &mut [u8], mut number: u32) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;
    use resp::{Decoded, Decoder, Limits};

    #[test]
    fn every_test_sends_whole_requests_with_numbers_below_the_keyspace() {
        for &workload in Workload::value_variants() {
            let request = workload.request(8);
            let mut batch = request.bytes.repeat(3);
            Numbers::random(50, 1).write_into(&mut batch, &request, 3);
            let (mut decoder, mut rest, mut found) = (Decoder::new(Limits::CLIENT), batch.as_slice(), 0);
            while let Ok(Decoded::Request { len }) = decoder.decode(rest) {
                let args = decoder.args(rest);
                assert!(!args.iter().any(|arg| arg.contains(&b'#')), "{args:?}");
                assert!(workload.name().starts_with(&*String::from_utf8_lossy(args.at(0))));
                rest = &rest[len..];
                found += 1;
            }
            assert_eq!((found, rest), (3, [].as_slice()));
        }
    }

    #[test]
    fn tests_of_redis_benchmark_go_by_its_names() {
        for name in "ping set get incr lpush rpush lpop rpop sadd hset spop zadd zpopmin lrange_100 lrange_300 lrange_500 \
                     lrange_600 mset"
            .split(' ')
        {
            assert!(Workload::from_str(name, false).is_ok(), "{name}");
        }
    }

    #[test]
    fn numbers_in_turn_visit_every_key() {
        let request = Workload::Get.request(0);
        let mut numbers = Numbers::in_turn(3);
        let mut batch = request.bytes.repeat(3);
        numbers.write_into(&mut batch, &request, 3);
        let text = String::from_utf8_lossy(&batch).into_owned();
        for key in ["bench:0000000000", "bench:0000000001", "bench:0000000002"] {
            assert!(text.contains(key), "{text}");
        }
    }
}
