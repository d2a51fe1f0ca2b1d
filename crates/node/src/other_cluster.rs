//! `FABRIC JOIN`: a node that is alone and holds no keys gives up its own cluster for another.
//!
//! What the words mean is found out here, and refused here if they mean nothing or the node is not alone. The rest is the
//! shell's: it holds writes, counts keys, asks the other cluster, and only when that has let the node in ends this one.

use base::Args;
use cluster::JoinToken;
use resp::{Reply, Version};

use crate::cluster_view::ALONE;
use crate::errand::Dest;
use crate::session::{Session, Stall};
use crate::worker::Worker;

/// No token is as short.
const TOKEN_BYTES_MIN: usize = 100;

/// How the other cluster is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinWay {
    /// By a token.
    Token(Box<JoinToken>),
    /// By the address of a node of the same user's on this machine.
    At(String),
    /// By any such node.
    Here,
}

/// A client wants this node to join another cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct JoinWish {
    /// Which.
    pub way: JoinWay,
    dest: Dest,
}

impl Worker {
    /// `FABRIC JOIN`.
    pub(crate) fn join_other(&mut self, session: &mut Session, args: Args<'_>) {
        match self.other_cluster(args) {
            Ok(way) => {
                let ticket = session.output.open();
                session.stall = Some(Stall::Drain);
                let dest = Dest::Session { worker: self.id, at: session.at, ticket };
                self.outbox.control.push(crate::Control::Join(JoinWish { way, dest }));
            }
            Err(text) => Reply::new(session.output.end(), session.version).error(text),
        }
    }

    fn other_cluster(&self, args: Args<'_>) -> Result<JoinWay, String> {
        if !self.fabric.is_on {
            return Err(ALONE.to_owned());
        }
        let members = self.fabric.meta.live_members().count();
        if members > 1 {
            return Err(format!(
                "ERR this node is one of {members} of the cluster \"{}\", and only one that is alone can join another; \
                 have it leave and stop with `narf cluster leave`, then start it with `narf serve --join TOKEN`",
                self.fabric.meta.name()
            ));
        }
        if let Some(text) = self.host.cannot_begin_anew() {
            return Err(text.to_owned());
        }
        match args.len() {
            3 => way_of(args.at(2)),
            4 => way_by(args.at(2), args.at(3)),
            _ => Err("ERR syntax error".to_owned()),
        }
    }

    /// The shell says what became of a wish, and why if it was refused.
    pub fn told_of_join(&mut self, wish: &JoinWish, refusal: Option<&str>) {
        let mut reply = Reply::new(self.fabric.answers.buffer(), Version::Resp2);
        match refusal {
            None => reply.ok(),
            Some(text) => reply.error(format!("ERR {text}")),
        }
        self.fabric.answers.seal(wish.dest);
    }
}

/// Whether a word is a token rather than an address, or was to be one.
pub(crate) fn may_be_token(word: &[u8]) -> bool {
    word.starts_with(b"narf") && (word.len() >= TOKEN_BYTES_MIN || !word.contains(&b':'))
}

fn way_of(word: &[u8]) -> Result<JoinWay, String> {
    let word = text_of(word)?;
    if word.eq_ignore_ascii_case("auto") {
        return Ok(JoinWay::Here);
    }
    match word.contains(':') && !may_be_token(word.as_bytes()) {
        true => Ok(JoinWay::At(word.to_owned())),
        false => token_of(word).map(|token| JoinWay::Token(Box::new(token))),
    }
}

/// The address is tried before those that the token has.
fn way_by(address: &[u8], token: &[u8]) -> Result<JoinWay, String> {
    let (address, token) = (text_of(address)?, token_of(text_of(token)?)?);
    let others = token.addresses().iter().filter(|other| *other != address);
    let addresses = std::iter::once(address).chain(others.map(String::as_str)).map(str::to_owned);
    let addresses = addresses.take(cluster::TOKEN_ADDRESSES_MAX).collect();
    let token = JoinToken::new(token.fingerprint(), *token.secret(), addresses);
    token.map(|token| JoinWay::Token(Box::new(token))).map_err(|error| format!("ERR {error}"))
}

fn token_of(word: &str) -> Result<JoinToken, String> {
    JoinToken::parse(word).map_err(|error| format!("ERR {error}"))
}

fn text_of(word: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(word).map_err(|_| "ERR a token or an address is text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(places: &str) -> String {
        format!("narf1.{}.{}.{places}", "ab".repeat(32), "5c".repeat(16))
    }

    fn places(way: Result<JoinWay, String>) -> Vec<String> {
        match way.unwrap() {
            JoinWay::Token(token) => token.addresses().to_vec(),
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn a_word_is_a_token_or_an_address_or_says_what_is_wrong_with_it() {
        assert_eq!(way_of(b"AUTO"), Ok(JoinWay::Here));
        for address in ["127.0.0.1:6379", "narf1.example.com:6379", "[::1]:1"] {
            assert_eq!(way_of(address.as_bytes()), Ok(JoinWay::At(address.to_owned())));
        }
        assert_eq!(places(way_of(token("a:1,b:2").as_bytes())), ["a:1", "b:2"]);
        let refused = |word: &str| way_of(word.as_bytes()).unwrap_err();
        assert!(refused("narf1.abcd").contains("ends before its secret"));
        assert!(refused("somewhere").contains("no join token"));
        assert!(refused(&token("a:x")).contains("`a:x`"));
        assert!(way_of(b"\xff:1").unwrap_err().contains("is text"));
    }

    #[test]
    fn an_address_beside_a_token_is_tried_first() {
        let by = |address: &str| way_by(address.as_bytes(), token("a:1,b:2").as_bytes());
        assert_eq!(places(by("c:3")), ["c:3", "a:1", "b:2"]);
        assert_eq!(places(by("b:2")), ["b:2", "a:1"]);
        assert!(by("c").unwrap_err().contains("`c`"));
        assert!(way_by(b"c:3", b"narf1.x").is_err());
    }

    #[test]
    fn tokens_are_secrets_and_addresses_are_not() {
        assert!(may_be_token(token("a:1").as_bytes()) && may_be_token(b"narf1.abc"));
        assert!(!may_be_token(b"narf1.example.com:6379") && !may_be_token(b"auto"));
    }
}
