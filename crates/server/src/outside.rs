//! The readers of what strangers say at the port for nodes, by themselves: for checks with any bytes.
//!
//! Each says what is wrong with the bytes. What was read and is written again is the same.

use base::NodeId;
use cluster::{MemberKind, Newcomer};

use crate::hello::{self, Hello};
use crate::join::{self, Unreadable};

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
    let acquaintances = hello::read_answer(&mut rest).map_err(|error| error.to_string())?;
    let mut again = Vec::new();
    hello::answer(&mut again, &acquaintances).map_err(|error| error.to_string())?;
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
        kind: MemberKind::Data,
        weight: cluster::WEIGHT_DEFAULT,
        incarnation: 1,
        version: "0.0.0".to_owned(),
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
