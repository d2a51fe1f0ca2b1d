//! The readers of what strangers say at the port for nodes and on the network, and members on a link, by themselves: for checks
//! with any bytes.
//!
//! Each says what is wrong with the bytes. What was read and is written again is the same.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use base::NodeId;
use cluster::{MemberKind, Newcomer};

use crate::discovery::Announcement;
use crate::hello::{self, Hello, Welcome};
use crate::join::{self, Unreadable};
use crate::lanes::Incoming;

/// The first words on a link between two nodes.
pub fn check_hello(bytes: &[u8]) -> Result<(), String> {
    let mut rest = bytes;
    let hello = Hello::read(&mut rest).map_err(|error| error.to_string())?;
    let mut again = Vec::new();
    hello.write(&mut again).map_err(|error| error.to_string())?;
    assert_eq!(again, bytes[..bytes.len() - rest.len()], "a hello has one form");
    Ok(())
}

/// What is answered to them.
pub fn check_hello_answer(bytes: &[u8]) -> Result<(), String> {
    let mut rest = bytes;
    let answer = hello::read_answer(&mut rest).map_err(|error| error.to_string())?;
    let Welcome::Taken { levels, run, acquaintances } = answer else { return Ok(()) };
    let mut again = Vec::new();
    hello::answer(&mut again, levels, run, &acquaintances).map_err(|error| error.to_string())?;
    assert_eq!(again, bytes[..bytes.len() - rest.len()], "an answer has one form");
    Ok(())
}

/// What a newcomer asks, its length before it.
pub fn check_join_request(bytes: &[u8]) -> Result<(), String> {
    let block = join::read_block(&mut { bytes }, join::REQUEST_BYTES_MAX);
    join::read_request(&block.map_err(|error| error.to_string())?).map(drop)
}

/// What a newcomer is answered.
pub fn check_join_answer(bytes: &[u8]) -> Result<(), String> {
    let newcomer = Newcomer {
        node: NodeId(1),
        name: "newcomer".to_owned(),
        peer_address: "127.0.0.1:1".to_owned(),
        client_address: "127.0.0.1:2".to_owned(),
        tls_port: 0,
        kind: MemberKind::Data,
        weight: cluster::WEIGHT_DEFAULT,
        incarnation: 1,
        version: "0.0.0".to_owned(),
        levels: cluster::LEVELS,
    };
    match join::read_answer(bytes, &newcomer) {
        Ok(admitted) => {
            admitted.meta.check_invariants();
            Ok(())
        }
        Err(Unreadable::Said(error)) => Err(error.to_string()),
        Err(Unreadable::Bytes(reason)) => Err(reason),
    }
}

/// What comes by a link: the first byte says where it is cut. However that is, the frames are the same, and so is whether the
/// peer breaks the rules.
pub fn check_pieces(bytes: &[u8]) -> Result<(), String> {
    let (at, bytes) = bytes.split_first().ok_or("no piece")?;
    let (first, second) = bytes.split_at(usize::from(*at).min(bytes.len()));
    let read = |parts: &[&[u8]]| {
        let (mut incoming, mut frames) = (Incoming::default(), Vec::new());
        let keeps_rules = parts.iter().all(|part| {
            incoming.push(part);
            incoming.take_frames(|frame| frames.push(frame.to_vec()))
        });
        (keeps_rules, frames)
    };
    let whole = read(&[bytes]);
    assert_eq!(read(&[first, second]), whole, "a link has no ends within");
    let taken: usize = whole.1.iter().map(Vec::len).sum();
    assert!(taken <= bytes.len(), "there is nothing but what came");
    whole.0.then_some(()).ok_or_else(|| "a piece that breaks the rules".to_owned())
}

/// What somebody announces on the network: a port, then words as in a TXT record, each behind a byte with its length.
pub fn check_announcement(bytes: &[u8]) -> Result<(), String> {
    let (port, mut rest) = bytes.split_first_chunk::<2>().ok_or("no port")?;
    let mut words = BTreeMap::new();
    while let Some((&length, after)) = rest.split_first() {
        let (word, after) = after.split_at_checked(usize::from(length)).ok_or("a word ends too early")?;
        let at = word.iter().position(|byte| *byte == b'=').unwrap_or(word.len());
        words.entry(&word[..at]).or_insert(word.get(at + 1..).unwrap_or_default());
        rest = after;
    }
    let port = u16::from_le_bytes(*port);
    let addresses = (0..64).map(|number| SocketAddr::from(([10, 0, 0, number], port)));
    let word = |key: &str| words.get(key.as_bytes()).copied();
    let read = Announcement::read(word, addresses.clone()).map_err(|reason| reason.to_string())?;
    for text in [&read.name, &read.cluster_name, &read.version, &read.instance()] {
        assert!(text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_graphic()), "{text:?}");
    }
    let said: BTreeMap<&str, String> = read.words().into_iter().collect();
    let again = Announcement::read(|key| said.get(key).map(String::as_bytes), addresses);
    assert_eq!(again.as_ref(), Ok(&read), "what was read is announced in one form");
    Ok(())
}
