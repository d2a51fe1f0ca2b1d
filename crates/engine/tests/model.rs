//! Strings, their bits, hashes whose fields lapse, sets, lists, sorted sets and deadlines against a plain map: long random histories in which time passes, keys lapse, and
//! lapsed keys are deleted whenever it suits.
#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

#[path = "model/fields.rs"]
mod fields;
#[path = "model/recent.rs"]
mod recent;

use std::collections::{BTreeMap, BTreeSet};

use base::{DbIndex, KeyHasher, Millis, Random, Request};
use command::{Lookup, Run};
use engine::{Keyspace, Store, ValueRef, execute};
use resp::{Reply, Version};

/// Values of a hash and their deadlines.
type Fields = BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Text(Vec<u8>),
    Hash(Fields),
    Set(BTreeSet<Vec<u8>>),
    List(Vec<Vec<u8>>),
    ZSet(BTreeMap<Vec<u8>, i64>),
}

/// What the data should be, and what it should answer.
#[derive(Default)]
struct Model {
    keys: BTreeMap<Vec<u8>, (Value, Option<u64>)>,
    now: u64,
}

/// An answer, before it is bytes.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Ok,
    Nil,
    Int(i64),
    /// In an array.
    OneInt(i64),
    Ints(Vec<i64>),
    Texts(Vec<Option<Vec<u8>>>),
    Text(Vec<u8>),
    WrongType,
    Error,
}

impl Answer {
    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut reply = Reply::new(&mut out, Version::Resp2);
        match self {
            Answer::Ok => reply.ok(),
            Answer::Nil => reply.null(),
            Answer::Int(number) => reply.int(*number),
            Answer::OneInt(number) => {
                reply.array(1);
                reply.int(*number);
            }
            Answer::Ints(numbers) => {
                reply.array(numbers.len());
                numbers.iter().for_each(|number| reply.int(*number));
            }
            Answer::Texts(texts) => {
                reply.array(texts.len());
                for text in texts {
                    match text {
                        Some(text) => reply.bulk(text),
                        None => reply.null(),
                    }
                }
            }
            Answer::Text(text) => reply.bulk(text),
            Answer::WrongType => {
                reply.error("WRONGTYPE Operation against a key holding the wrong kind of value")
            }
            Answer::Error => reply.error(""),
        }
        out
    }
}

impl Model {
    fn drop_lapsed(&mut self) {
        let now = self.now;
        self.keys.retain(|_, (value, deadline)| {
            if let Value::Hash(hash) = value {
                hash.retain(|_, (_, deadline)| deadline.is_none_or(|at| at > now));
            }
            deadline.is_none_or(|at| at > now) && !matches!(value, Value::Hash(hash) if hash.is_empty())
        });
    }

    fn text(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Answer> {
        match self.keys.get(key) {
            Some((Value::Text(text), _)) => Ok(Some(text.clone())),
            Some(_) => Err(Answer::WrongType),
            None => Ok(None),
        }
    }

    fn hash(&self, key: &[u8]) -> Result<Fields, Answer> {
        match self.keys.get(key) {
            Some((Value::Hash(hash), _)) => Ok(hash.clone()),
            Some(_) => Err(Answer::WrongType),
            None => Ok(BTreeMap::new()),
        }
    }

    fn set(&self, key: &[u8]) -> Result<BTreeSet<Vec<u8>>, Answer> {
        match self.keys.get(key) {
            Some((Value::Set(set), _)) => Ok(set.clone()),
            Some(_) => Err(Answer::WrongType),
            None => Ok(BTreeSet::new()),
        }
    }

    fn list(&self, key: &[u8]) -> Result<Vec<Vec<u8>>, Answer> {
        match self.keys.get(key) {
            Some((Value::List(list), _)) => Ok(list.clone()),
            Some(_) => Err(Answer::WrongType),
            None => Ok(Vec::new()),
        }
    }

    fn zset(&self, key: &[u8]) -> Result<BTreeMap<Vec<u8>, i64>, Answer> {
        match self.keys.get(key) {
            Some((Value::ZSet(zset), _)) => Ok(zset.clone()),
            Some(_) => Err(Answer::WrongType),
            None => Ok(BTreeMap::new()),
        }
    }

    /// What takes part in unions: a set does with scores of one.
    fn scored(&self, key: &[u8]) -> Result<BTreeMap<Vec<u8>, i64>, Answer> {
        match self.set(key) {
            Ok(set) => Ok(set.into_iter().map(|member| (member, 1)).collect()),
            Err(_) => self.zset(key),
        }
    }

    fn bits(&self, key: &[u8]) -> Result<Vec<bool>, Answer> {
        let text = self.text(key)?.unwrap_or_default();
        Ok(text.iter().flat_map(|byte| (0..8).map(move |at| byte & (0x80 >> at) != 0)).collect())
    }

    fn put_bits(&mut self, key: &[u8], bits: &[bool], deadline: Option<u64>) {
        let byte = |bits: &[bool]| {
            bits.iter().enumerate().fold(0, |byte, (at, bit)| byte | u8::from(*bit) << (7 - at))
        };
        self.put_text(key, bits.chunks(8).map(byte).collect(), deadline);
    }

    /// Commands on bits of strings, a bit at a time.
    fn apply_bits(&mut self, parts: &[Vec<u8>]) -> Result<Answer, Answer> {
        let key = parts[1].as_slice();
        let number = |at: usize| integer(&parts[at]).map(|number| number as usize);
        Ok(Answer::Int(match parts[0].as_slice() {
            b"SETBIT" => {
                let (mut bits, at) = (self.bits(key)?, number(2)?);
                bits.resize(bits.len().max((at / 8 + 1) * 8), false);
                let before = std::mem::replace(&mut bits[at], parts[3] == b"1");
                self.put_bits(key, &bits, self.deadline(key));
                i64::from(before)
            }
            b"GETBIT" => i64::from(self.bits(key)?.get(number(2)?).is_some_and(|bit| *bit)),
            b"BITCOUNT" => {
                let counted = self.bits(key)?.into_iter().skip(number(2)?).take(number(3)? + 1 - number(2)?);
                counted.filter(|bit| *bit).count() as i64
            }
            b"BITPOS" => {
                let wanted = parts[2] == b"1";
                let bits = self.bits(key)?;
                match bits.iter().position(|bit| *bit == wanted) {
                    Some(at) => at as i64,
                    // There is no empty text without a key behind it.
                    None if wanted || (bits.is_empty() && self.keys.contains_key(key)) => -1,
                    None => bits.len() as i64,
                }
            }
            // Adds to a number of 13 bits.
            b"BITFIELD" => {
                let (mut bits, at) = (self.bits(key)?, number(4)?);
                bits.resize(bits.len().max(((at + 12) / 8 + 1) * 8), false);
                let before = bits[at..at + 13].iter().fold(0, |sum, bit| sum << 1 | i64::from(*bit));
                let after = before.wrapping_add(integer(&parts[5])?).rem_euclid(1 << 13);
                (0..13).for_each(|bit| bits[at + bit] = after >> (12 - bit) & 1 == 1);
                self.put_bits(key, &bits, self.deadline(key));
                let signed = if after < 1 << 12 { after } else { after - (1 << 13) };
                return Ok(Answer::OneInt(signed));
            }
            // BITOP.
            _ => {
                let [mut a, mut b] = [self.bits(&parts[3])?, self.bits(&parts[4])?];
                let len = a.len().max(b.len());
                a.resize(len, false);
                b.resize(len, false);
                let bit = |(a, b): (&bool, &bool)| match parts[1].as_slice() {
                    b"AND" => a & b,
                    b"OR" => a | b,
                    _ => a ^ b,
                };
                let bits: Vec<bool> = a.iter().zip(&b).map(bit).collect();
                if len == 0 {
                    self.keys.remove(&parts[2]);
                } else {
                    self.put_bits(&parts[2], &bits, None);
                }
                (len / 8) as i64
            }
        }))
    }

    fn deadline(&self, key: &[u8]) -> Option<u64> {
        self.keys.get(key).and_then(|(_, deadline)| *deadline)
    }

    fn put(&mut self, key: &[u8], value: Value, deadline: Option<u64>) {
        self.keys.insert(key.to_vec(), (value, deadline));
        self.keys.retain(|_, (value, _)| match value {
            Value::Hash(hash) => !hash.is_empty(),
            Value::Set(set) => !set.is_empty(),
            Value::List(list) => !list.is_empty(),
            Value::ZSet(zset) => !zset.is_empty(),
            Value::Text(_) => true,
        });
        self.drop_lapsed();
    }

    fn put_text(&mut self, key: &[u8], text: Vec<u8>, deadline: Option<u64>) {
        self.put(key, Value::Text(text), deadline);
    }

    fn apply(&mut self, parts: &[Vec<u8>]) -> Answer {
        self.drop_lapsed();
        self.try_apply(parts).unwrap_or_else(|answer| answer)
    }

    fn try_apply(&mut self, parts: &[Vec<u8>]) -> Result<Answer, Answer> {
        let key = parts[1].as_slice();
        let part = |at: usize| parts[at].clone();
        let number = |at: usize| integer(&parts[at]);
        Ok(match parts[0].as_slice() {
            b"SET" => {
                let deadline = match parts.get(3).map(Vec::as_slice) {
                    Some(b"PX") => Some(self.now + number(4)? as u64),
                    Some(b"KEEPTTL") => self.deadline(key),
                    _ => None,
                };
                let present = self.keys.contains_key(key);
                match parts.get(3).map(Vec::as_slice) {
                    Some(b"NX") if present => return Ok(Answer::Nil),
                    Some(b"XX") if !present => return Ok(Answer::Nil),
                    Some(b"IFEQ") if self.text(key)? != Some(part(4)) => return Ok(Answer::Nil),
                    Some(b"IFNE") if self.text(key)? == Some(part(4)) => return Ok(Answer::Nil),
                    _ => self.put_text(key, part(2), deadline),
                }
                Answer::Ok
            }
            b"GET" => self.text(key)?.map_or(Answer::Nil, Answer::Text),
            b"DELEX" if self.keys.contains_key(key) && self.text(key).is_err() => return Err(Answer::Error),
            b"DELEX" | b"DELIFEQ" => {
                let (text, other) = (self.text(key)?, Some(parts[parts.len() - 1].clone()));
                let holds = text.is_some() && (text == other) != (parts[2] == b"IFNE");
                if holds {
                    self.keys.remove(key);
                }
                Answer::Int(i64::from(holds))
            }
            b"MSETEX" => {
                let present = [2, 4].map(|at| self.keys.contains_key(&parts[at]));
                let holds = match parts[6].as_slice() {
                    b"NX" => present == [false, false],
                    b"XX" => present == [true, true],
                    _ => true,
                };
                if holds {
                    let deadline = parts.get(7).map(|life| self.now + integer(life).unwrap() as u64);
                    for at in [2, 4] {
                        self.put_text(&parts[at], part(at + 1), deadline);
                    }
                }
                Answer::Int(i64::from(holds))
            }
            b"GETDEL" => {
                let text = self.text(key)?;
                self.keys.remove(key);
                text.map_or(Answer::Nil, Answer::Text)
            }
            b"GETEX" => {
                let text = self.text(key)?;
                if text.is_some() {
                    let deadline = Some(self.now + number(3)? as u64);
                    self.keys.get_mut(key).unwrap().1 = deadline;
                }
                text.map_or(Answer::Nil, Answer::Text)
            }
            b"APPEND" => {
                let text = [self.text(key)?.unwrap_or_default(), part(2)].concat();
                let len = text.len();
                self.put_text(key, text, self.deadline(key));
                Answer::Int(len as i64)
            }
            b"SETRANGE" => {
                let mut text = self.text(key)?.unwrap_or_default();
                if !parts[3].is_empty() {
                    let offset = number(2)? as usize;
                    text.resize(text.len().max(offset + parts[3].len()), 0);
                    text.splice(offset..offset + parts[3].len(), part(3));
                    self.put_text(key, text.clone(), self.deadline(key));
                }
                Answer::Int(text.len() as i64)
            }
            b"INCRBY" => {
                let before = self.text(key)?.map_or(Ok(0), |text| integer(&text))?;
                let sum = before.checked_add(number(2)?).ok_or(Answer::Error)?;
                self.put_text(key, sum.to_string().into_bytes(), self.deadline(key));
                Answer::Int(sum)
            }
            b"SETBIT" | b"GETBIT" | b"BITCOUNT" | b"BITPOS" | b"BITFIELD" | b"BITOP" => {
                self.apply_bits(parts)?
            }
            b"STRLEN" => Answer::Int(self.text(key)?.map_or(0, |text| text.len() as i64)),
            b"HSET" => {
                let mut hash = self.hash(key)?;
                let created = hash.insert(part(2), (part(3), None)).is_none();
                self.put(key, Value::Hash(hash), self.deadline(key));
                Answer::Int(i64::from(created))
            }
            b"HDEL" => {
                let mut hash = self.hash(key)?;
                let removed = hash.remove(&parts[2]).is_some();
                if removed {
                    self.put(key, Value::Hash(hash), self.deadline(key));
                }
                Answer::Int(i64::from(removed))
            }
            b"HGET" => self.hash(key)?.remove(&parts[2]).map_or(Answer::Nil, |(text, _)| Answer::Text(text)),
            b"HPEXPIRE" | b"HPTTL" | b"HPERSIST" | b"HGETDEL" | b"HGETEX" | b"HSETEX" => {
                self.apply_fields(parts)?
            }
            b"HLEN" => Answer::Int(self.hash(key)?.len() as i64),
            b"HINCRBY" => {
                let mut hash = self.hash(key)?;
                let before = hash.get(&parts[2]).map_or(Ok(0), |(text, _)| integer(text))?;
                let sum = before.checked_add(number(3)?).ok_or(Answer::Error)?;
                let deadline = hash.get(&parts[2]).and_then(|(_, deadline)| *deadline);
                hash.insert(part(2), (sum.to_string().into_bytes(), deadline));
                self.put(key, Value::Hash(hash), self.deadline(key));
                Answer::Int(sum)
            }
            b"SADD" | b"SREM" => {
                let mut set = self.set(key)?;
                let is_add = parts[0] == b"SADD";
                let change = |member: &&Vec<u8>| match is_add {
                    true => set.insert(member.to_vec()),
                    false => set.remove(*member),
                };
                let changed = parts[2..].iter().filter(change).count();
                if changed > 0 {
                    self.put(key, Value::Set(set), self.deadline(key));
                }
                Answer::Int(changed as i64)
            }
            b"SISMEMBER" => Answer::Int(i64::from(self.set(key)?.contains(&parts[2]))),
            b"SCARD" => Answer::Int(self.set(key)?.len() as i64),
            b"SMOVE" => {
                let mut from = self.set(key)?;
                if !self.keys.contains_key(key) {
                    return Ok(Answer::Int(0));
                }
                let mut to = self.set(&parts[2])?;
                let moved = from.remove(&parts[3]);
                if moved {
                    to.insert(part(3));
                    let deadline = self.deadline(&parts[2]);
                    self.put(key, Value::Set(from), self.deadline(key));
                    self.put(&parts[2], Value::Set(to), deadline);
                }
                Answer::Int(i64::from(moved))
            }
            b"SINTERSTORE" | b"SUNIONSTORE" | b"SDIFFSTORE" => {
                let (one, other) = (self.set(&parts[2])?, self.set(&parts[3])?);
                let result: BTreeSet<Vec<u8>> = match parts[0][1] {
                    b'I' => &one & &other,
                    b'U' => &one | &other,
                    _ => &one - &other,
                };
                let len = result.len();
                self.keys.remove(key);
                if len > 0 {
                    self.put(key, Value::Set(result), None);
                }
                Answer::Int(len as i64)
            }
            b"LPUSH" | b"RPUSH" => {
                let mut list = self.list(key)?;
                for element in &parts[2..] {
                    list.insert(if parts[0] == b"LPUSH" { 0 } else { list.len() }, element.clone());
                }
                let len = list.len();
                self.put(key, Value::List(list), self.deadline(key));
                Answer::Int(len as i64)
            }
            b"LPOP" | b"RPOP" => {
                let mut list = self.list(key)?;
                if list.is_empty() {
                    return Ok(Answer::Nil);
                }
                let popped = list.remove(if parts[0] == b"LPOP" { 0 } else { list.len() - 1 });
                self.put(key, Value::List(list), self.deadline(key));
                Answer::Text(popped)
            }
            b"LLEN" => Answer::Int(self.list(key)?.len() as i64),
            b"LREM" => {
                let list = self.list(key)?;
                let kept: Vec<_> = list.iter().filter(|element| **element != parts[3]).cloned().collect();
                let removed = list.len() - kept.len();
                if removed > 0 {
                    self.put(key, Value::List(kept), self.deadline(key));
                }
                Answer::Int(removed as i64)
            }
            b"RPOPLPUSH" => {
                let mut from = self.list(key)?;
                let Some(element) = from.pop() else { return Ok(Answer::Nil) };
                let mut to = self.list(&parts[2])?;
                to.insert(0, element.clone());
                let deadline = self.deadline(&parts[2]);
                self.put(key, Value::List(from), self.deadline(key));
                self.put(&parts[2], Value::List(to), deadline);
                Answer::Text(element)
            }
            b"INCREX" | b"LMOVEM" | b"SDIFFCARD" | b"SUNIONCARD" => self.apply_recent(parts)?,
            b"ZADD" => {
                let mut zset = self.zset(key)?;
                let mut added = 0;
                for pair in parts[2..].chunks(2) {
                    added += i64::from(zset.insert(pair[1].clone(), integer(&pair[0])?).is_none());
                }
                self.put(key, Value::ZSet(zset), self.deadline(key));
                Answer::Int(added)
            }
            b"ZREM" => {
                let mut zset = self.zset(key)?;
                let removed = zset.remove(&parts[2]).is_some();
                if removed {
                    self.put(key, Value::ZSet(zset), self.deadline(key));
                }
                Answer::Int(i64::from(removed))
            }
            b"ZSCORE" => self
                .zset(key)?
                .get(&parts[2])
                .map_or(Answer::Nil, |score| Answer::Text(score.to_string().into_bytes())),
            b"ZRANK" => {
                let mut order: Vec<_> = self.zset(key)?.into_iter().map(|(m, score)| (score, m)).collect();
                order.sort();
                let rank = order.iter().position(|(_, member)| *member == parts[2]);
                rank.map_or(Answer::Nil, |rank| Answer::Int(rank as i64))
            }
            b"ZCOUNT" => {
                let (min, max) = (number(2)?, number(3)?);
                let within = |score: &&i64| (min..=max).contains(*score);
                Answer::Int(self.zset(key)?.values().filter(within).count() as i64)
            }
            b"ZREMRANGEBYSCORE" => {
                let (min, max) = (number(2)?, number(3)?);
                let zset = self.zset(key)?;
                let len = zset.len();
                let left: BTreeMap<_, _> =
                    zset.into_iter().filter(|(_, score)| *score < min || *score > max).collect();
                let removed = len - left.len();
                if removed > 0 {
                    self.put(key, Value::ZSet(left), self.deadline(key));
                }
                Answer::Int(removed as i64)
            }
            b"ZUNIONSTORE" | b"ZINTERSTORE" | b"ZDIFFSTORE" => {
                let (one, other) = (self.scored(&parts[3])?, self.scored(&parts[4])?);
                let mut result = one.clone();
                match parts[0][1] {
                    b'U' => other.iter().for_each(|(member, score)| {
                        *result.entry(member.clone()).or_insert(0) += score;
                    }),
                    b'I' => {
                        result.retain(|member, _| other.contains_key(member));
                        result.iter_mut().for_each(|(member, score)| *score += other[member]);
                    }
                    _ => result.retain(|member, _| !other.contains_key(member)),
                }
                let len = result.len();
                self.keys.remove(key);
                if len > 0 {
                    self.put(key, Value::ZSet(result), None);
                }
                Answer::Int(len as i64)
            }
            b"PEXPIRE" => {
                let new = self.now as i64 + number(2)?;
                let Some((_, deadline)) = self.keys.get_mut(key) else { return Ok(Answer::Int(0)) };
                let holds = match (parts.get(3).map(Vec::as_slice), deadline.map(|at| at as i64)) {
                    (None, _) => true,
                    (Some(b"NX"), current) => current.is_none(),
                    (Some(b"XX"), current) => current.is_some(),
                    (Some(b"GT"), current) => current.is_some_and(|at| new > at),
                    (Some(_), current) => current.is_none_or(|at| new < at),
                };
                if holds {
                    *deadline = Some(new.max(0) as u64);
                    self.drop_lapsed();
                }
                Answer::Int(i64::from(holds))
            }
            b"PERSIST" => {
                let taken = self.keys.get_mut(key).and_then(|(_, deadline)| deadline.take());
                Answer::Int(i64::from(taken.is_some()))
            }
            b"PTTL" => Answer::Int(match self.keys.get(key) {
                None => -2,
                Some((_, None)) => -1,
                Some((_, Some(at))) => (at - self.now) as i64,
            }),
            b"DEL" => Answer::Int(i64::from(self.keys.remove(key).is_some())),
            b"EXISTS" => Answer::Int(i64::from(self.keys.contains_key(key))),
            b"RENAME" => {
                let entry = self.keys.remove(key).ok_or(Answer::Error)?;
                self.keys.insert(part(2), entry);
                Answer::Ok
            }
            b"COPY" => {
                let Some(entry) = self.keys.get(key).cloned() else { return Ok(Answer::Int(0)) };
                if parts.len() == 3 && self.keys.contains_key(&parts[2]) {
                    return Ok(Answer::Int(0));
                }
                self.keys.insert(part(2), entry);
                Answer::Int(1)
            }
            other => panic!("{:?} is not modelled", String::from_utf8_lossy(other)),
        })
    }
}

fn integer(text: &[u8]) -> Result<i64, Answer> {
    base::parse_i64(text).ok_or(Answer::Error)
}

fn draw(random: &mut Random) -> Vec<Vec<u8>> {
    const FORMS: &[&str] = &[
        "SET key value",
        "SET key value PX life",
        "SET key value KEEPTTL",
        "SET key value NX",
        "SET key value XX",
        "SET key value IFEQ value",
        "SET key value IFNE value",
        "SET key small IFEQ small",
        "SET key small IFNE small",
        "DELEX key IFEQ small",
        "DELEX key IFNE value",
        "DELIFEQ key small",
        "MSETEX 2 key small other value PX life",
        "MSETEX 2 key value other small NX",
        "MSETEX 2 key value other small XX",
        "GET key",
        "GETDEL key",
        "GETEX key PX life",
        "APPEND key value",
        "SETRANGE key offset value",
        "INCRBY key number",
        "STRLEN key",
        "HSET key field value",
        "HSET key field value",
        "HSET key field value",
        "HDEL key field",
        "HGET key field",
        "HLEN key",
        "HINCRBY key field number",
        "HPEXPIRE key life FIELDS 3 field field field",
        "HPEXPIRE key life FIELDS 2 field field",
        "HPEXPIRE key life NX FIELDS 2 field field",
        "HPEXPIRE key life XX FIELDS 2 field field",
        "HPEXPIRE key life GT FIELDS 2 field field",
        "HPEXPIRE key life LT FIELDS 2 field field",
        "HPEXPIRE key 0 FIELDS 1 field",
        "HPTTL key FIELDS 3 field field field",
        "HPERSIST key FIELDS 2 field field",
        "HGETDEL key FIELDS 2 field field",
        "HGETEX key FIELDS 2 field field",
        "HGETEX key PX life FIELDS 2 field field",
        "HGETEX key PX 0 FIELDS 2 field field",
        "HGETEX key PERSIST FIELDS 2 field field",
        "HSETEX key PX life FIELDS 1 field value",
        "HSETEX key PX life FIELDS 1 field value",
        "HSETEX key PX 0 FIELDS 1 field value",
        "HSETEX key KEEPTTL FIELDS 1 field value",
        "HSETEX key FNX PX life FIELDS 1 field value",
        "HSETEX key FXX PX life FIELDS 1 field value",
        "SADD key member member member",
        "SADD key member member",
        "SADD key value",
        "SREM key member",
        "SISMEMBER key member",
        "SCARD key",
        "SMOVE key other member",
        "SMOVE other key member",
        "SINTERSTORE other key key",
        "SUNIONSTORE key key other",
        "SDIFFSTORE key other key",
        "LPUSH key value value",
        "RPUSH key member value value value",
        "RPUSH key value",
        "LPOP key",
        "RPOP key",
        "LLEN key",
        "LREM key 0 member",
        "RPOPLPUSH key other",
        "RPOPLPUSH other key",
        "ZADD key score member score member score member",
        "ZADD key score value score member",
        "ZREM key member",
        "ZSCORE key member",
        "ZRANK key member",
        "ZCOUNT key score score",
        "ZREMRANGEBYSCORE key score score",
        "ZUNIONSTORE other 2 key key",
        "ZINTERSTORE key 2 key other",
        "ZDIFFSTORE key 2 other key",
        "SETBIT key bit 1",
        "SETBIT key bit 0",
        "GETBIT key bit",
        "BITCOUNT key offset 320 BIT",
        "BITPOS key 0",
        "BITPOS key 1",
        "BITOP AND other key key",
        "BITOP OR key key other",
        "BITOP XOR other key other",
        "BITFIELD key INCRBY i13 bit number",
        "PEXPIRE key life",
        "PEXPIRE key life NX",
        "PEXPIRE key life XX",
        "PEXPIRE key life GT",
        "PEXPIRE key life LT",
        "PEXPIRE key past",
        "PERSIST key",
        "PTTL key",
        "DEL key",
        "EXISTS key",
        "RENAME key other",
        "COPY key other",
        "COPY key other REPLACE",
    ];
    let place = random.below((FORMS.len() + recent::FORMS.len()) as u64) as usize;
    let form = FORMS.iter().chain(recent::FORMS).nth(place).unwrap();
    form.split(' ')
        .map(|word| match word {
            "key" => format!("k{}", random.below(12)).into_bytes(),
            // Never equal to a key: source and destination differ.
            "other" => format!("o{}", random.below(4)).into_bytes(),
            // Mostly few, so that hashes become empty by time alone.
            "field" if random.chance(2, 3) => format!("f{}", random.below(6)).into_bytes(),
            "field" => format!("f{}", random.below(200)).into_bytes(),
            "member" => (random.below(900) as i64 - 300).to_string().into_bytes(),
            "score" => (random.below(300) as i64 - 100).to_string().into_bytes(),
            "life" => (1 + random.below(3000)).to_string().into_bytes(),
            "past" => (-(random.below(1 << 45) as i64)).to_string().into_bytes(),
            "bit" => random.below(400).to_string().into_bytes(),
            "offset" => random.below(40).to_string().into_bytes(),
            "number" => match random.below(6) {
                0 => i64::MAX.to_string().into_bytes(),
                _ => (random.below(200) as i64 - 100).to_string().into_bytes(),
            },
            "small" => random.below(4).to_string().into_bytes(),
            "value" => match random.below(6) {
                0 => Vec::new(),
                1 => vec![b'x'; random.below(300) as usize],
                2 => random.below(1000).to_string().into_bytes(),
                _ => (0..random.below(8)).map(|_| random.next_u64() as u8).collect(),
            },
            word => word.as_bytes().to_vec(),
        })
        .collect()
}

fn send(keyspace: &mut Keyspace, now: u64, parts: &[Vec<u8>]) -> Vec<u8> {
    let request = Request::from_parts(parts);
    let Lookup::Found(spec) = command::lookup(request.args()) else { panic!("no such command") };
    let Run::Data(command) = spec.run else { panic!("not a data command") };
    let mut out = Vec::new();
    let mut store = Store::new(keyspace, DbIndex::ZERO, Millis(now), now);
    execute(command, request.args(), &mut store, &mut Reply::new(&mut out, Version::Resp2));
    out
}

/// All live content of the keyspace, in the model's form.
fn content(keyspace: &mut Keyspace, now: u64) -> BTreeMap<Vec<u8>, (Value, Option<u64>)> {
    let mut all = BTreeMap::new();
    let mut cursor = 0;
    loop {
        cursor = keyspace.scan(cursor, 7, &mut |entry| {
            if entry.is_lapsed(Millis(now)) {
                return;
            }
            let value = match entry.value() {
                ValueRef::Hash(hash) => {
                    let fields = hash.at(Millis(now)).fields();
                    let owned = fields.map(|(field, value, deadline)| {
                        (field.to_vec(), (value.to_vec(), deadline.map(|at| at.0)))
                    });
                    Value::Hash(owned.collect())
                }
                ValueRef::Set(set) => Value::Set(set.iter().map(|member| member.to_vec()).collect()),
                ValueRef::List(list) => Value::List(list.iter().map(<[u8]>::to_vec).collect()),
                ValueRef::ZSet(zset) => {
                    Value::ZSet(zset.iter().map(|(member, score)| (member.to_vec(), score as i64)).collect())
                }
                ValueRef::Text(text) => Value::Text(text.to_vec()),
                ValueRef::Int(number) => Value::Text(number.to_string().into_bytes()),
            };
            all.insert(entry.key().to_vec(), (value, entry.deadline().map(|at| at.0)));
        });
        if cursor == 0 {
            return all;
        }
    }
}

/// Deletes lapsed keys as a leader would have its log do: those that commands met, and those that are due.
fn sweep(keyspace: &mut Keyspace, now: u64) {
    let mut keys = keyspace.take_lapsed();
    keyspace.due(Millis(now), 5, &mut keys);
    if !keys.is_empty() {
        let parts: Vec<Vec<u8>> =
            std::iter::once(b"narf.expire".to_vec()).chain(keys.into_iter().map(Vec::from)).collect();
        assert_eq!(send(keyspace, now, &parts)[0], b':');
    }
}

fn run(seed: u64, steps: usize) {
    let mut random = Random::new(seed);
    let mut model = Model { now: 1_700_000_000_000, ..Model::default() };
    let mut keyspace = Keyspace::new(KeyHasher::new(seed));
    for step in 0..steps {
        model.now += if random.chance(1, 4) { random.below(400) } else { 0 };
        if random.chance(1, 10) {
            sweep(&mut keyspace, model.now);
        }
        let parts = draw(&mut random);
        let before = keyspace.changes();
        let reply = send(&mut keyspace, model.now, &parts);
        let keys_before = model.keys.clone();
        let expect = model.apply(&parts);
        let shown = || parts.iter().map(|part| part.escape_ascii().to_string()).collect::<Vec<_>>().join(" ");
        if expect == Answer::Error {
            assert_eq!(reply[0], b'-', "seed {seed} step {step}: {}", shown());
        } else {
            assert_eq!(
                reply.escape_ascii().to_string(),
                expect.bytes().escape_ascii().to_string(),
                "seed {seed} step {step}: {}",
                shown()
            );
        }
        if keys_before != model.keys && keyspace.changes() == before {
            // Time alone may have made the difference.
            model.drop_lapsed();
            let mut aged = Model { keys: keys_before, now: model.now };
            aged.drop_lapsed();
            assert_eq!(aged.keys, model.keys, "seed {seed} step {step}: {} changed unseen", shown());
        }
        if step % 50 == 0 {
            model.drop_lapsed();
            assert_eq!(content(&mut keyspace, model.now), model.keys, "seed {seed} step {step}");
            keyspace.check_invariants();
        }
        if random.chance(1, 300) {
            let digest = keyspace.digest(Millis(model.now));
            keyspace.reload().unwrap();
            assert_eq!(keyspace.digest(Millis(model.now)), digest, "seed {seed} step {step}: reloaded");
        }
    }
}

#[test]
fn random_histories_agree_with_a_plain_map() {
    (0..40).for_each(|seed| run(seed, 2_500));
}
