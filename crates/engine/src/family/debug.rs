//! `DEBUG OBJECT` and `DEBUG DIGEST-VALUE`: for tests and for people in trouble.

use base::{Args, Millis};
use resp::Reply;

use super::options::is_word;
use super::{Applied, Operation, Parsed};
use crate::redis_digest::{Digest, value_digest};
use crate::{Entry, RequestError, Store, ValueRef};

/// `DEBUG OBJECT key [FAST]`.
pub(crate) struct DebugObject<'a> {
    key: &'a [u8],
    /// Without the serialized length, which takes a look at every field.
    fast: bool,
}

impl<'a> DebugObject<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, DebugObject<'a>> {
        match (args.len(), args.get(3)) {
            (..=4, option) => {
                Ok(DebugObject { key: args.at(2), fast: option.is_some_and(|word| is_word(word, "FAST")) })
            }
            _ => Err(RequestError::DebugArguments(args.at(1))),
        }
    }
}

impl<'a> Operation<'a> for DebugObject<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let now = store.now;
        let entry = store.peek(self.key).ok_or(RequestError::NoSuchKey)?;
        reply.simple(&object_line(entry, self.fast, now));
        Ok(())
    }
}

/// The line of Redis. There is no address to tell: replicas answer alike. The serialized length is that of an
/// uncompressed RDB file, near enough.
fn object_line(entry: &Entry, fast: bool, now: Millis) -> String {
    let length = if fast { String::new() } else { format!(" serializedlength:{}", serialized_len(entry)) };
    let idle = entry.idle_seconds(now);
    let clock = (now.0 / 1000).wrapping_sub(idle) & 0xFF_FFFF;
    format!(
        "Value at:0x0 refcount:1 encoding:{}{length} lru:{clock} lru_seconds_idle:{idle}",
        entry.encoding().name(),
    )
}

fn serialized_len(entry: &Entry) -> usize {
    let text_len = |len: usize| {
        len + if len < 1 << 6 {
            1
        } else if len < 1 << 14 {
            2
        } else {
            5
        }
    };
    match entry.value() {
        ValueRef::Text(text) => text_len(text.len()),
        ValueRef::Int(number) if i8::try_from(number).is_ok() => 2,
        ValueRef::Int(number) if i16::try_from(number).is_ok() => 3,
        ValueRef::Int(number) if i32::try_from(number).is_ok() => 5,
        ValueRef::Int(number) => text_len(number.to_string().len()),
        ValueRef::Hash(hash) => {
            text_len(hash.iter().map(|(field, value)| text_len(field.len()) + text_len(value.len())).sum())
        }
        ValueRef::Set(set) => {
            let mut buffer = [0; base::I64_TEXT_MAX];
            text_len(set.iter().map(|member| text_len(member.text(&mut buffer).len())).sum())
        }
        ValueRef::List(list) => text_len(list.iter().map(|element| text_len(element.len())).sum()),
        ValueRef::ZSet(zset) => text_len(zset.iter().map(|(member, _)| text_len(member.len()) + 8).sum()),
    }
}

/// `DEBUG DIGEST-VALUE`.
pub(crate) struct DebugDigestValue<'a>(Args<'a>);

impl<'a> DebugDigestValue<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, DebugDigestValue<'a>> {
        Ok(DebugDigestValue(args.tail(2)))
    }
}

impl<'a> Operation<'a> for DebugDigestValue<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let now = store.now;
        reply.array(self.0.len());
        for key in self.0.iter() {
            let digest = store.peek(key).map_or(Digest::ZERO, |entry| value_digest(entry, now));
            reply.simple(&digest.to_string());
        }
        Ok(())
    }
}
