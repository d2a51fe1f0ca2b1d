//! The first words of a link between two nodes (docs/formats/link.md): who makes it says from which of its workers it
//! is and where it can be reached; who takes it answers where it knows others to be. So nodes that all have moved find
//! each other as soon as they share one acquaintance.

use std::io::{self, Read, Write};

use base::NodeId;
use cluster::{Level, Levels, UnknownLevel};

/// The first bytes of either side; another version says others.
const MAGIC: [u8; 4] = *b"NRF4";
/// What a node is answered that was struck off.
const GONE: [u8; 4] = *b"NRFG";
/// What a node is answered of which another run is heard.
const DOUBLED: [u8; 4] = *b"NRFD";
/// What a node is answered whose program does not know the level in force.
const OUTLIVED: [u8; 4] = *b"NRFL";
/// Longest address that a node may tell.
const ADDRESS_BYTES_MAX: usize = 300;
/// Most acquaintances in an answer.
const ACQUAINTANCES_MAX: usize = 4096;

/// What a node says of levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Those that its program knows.
    pub(crate) levels: Levels,
    /// The one in force, as far as it knows.
    pub(crate) level: Level,
}

/// What the maker of a link says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) worker: u16,
    /// How many workers it has.
    pub(crate) workers: u16,
    /// Where it can be reached.
    pub(crate) address: String,
    pub(crate) standing: Standing,
    /// Which run of the node it is: no two starts of it have the same.
    pub(crate) run: u128,
}

impl Hello {
    pub(crate) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&self.worker.to_le_bytes());
        bytes.extend_from_slice(&self.workers.to_le_bytes());
        put_address(&mut bytes, &self.address);
        put_levels(&mut bytes, self.standing.levels);
        bytes.push(self.standing.level.0);
        bytes.extend_from_slice(&self.run.to_le_bytes());
        to.write_all(&bytes)?;
        to.flush()
    }

    pub(crate) fn read(from: &mut impl Read) -> io::Result<Hello> {
        check_magic(from)?;
        let (worker, workers) = (read_u16(from)?, read_u16(from)?);
        let address = read_address(from)?;
        let standing = Standing { levels: read_levels(from)?, level: Level(read_u8(from)?) };
        Ok(Hello { worker, workers, address, standing, run: read_u128(from)? })
    }
}

/// Nodes, and where each can be reached.
pub(crate) type Acquaintances = Vec<(NodeId, String)>;

/// Answers a hello; that there is an answer says that the link is taken.
pub(crate) fn answer(
    to: &mut impl Write,
    levels: Levels,
    run: u128,
    acquaintances: &[(NodeId, String)],
) -> io::Result<()> {
    let told = &acquaintances[..acquaintances.len().min(ACQUAINTANCES_MAX)];
    let mut bytes = MAGIC.to_vec();
    put_levels(&mut bytes, levels);
    bytes.extend_from_slice(&run.to_le_bytes());
    bytes.extend_from_slice(&(told.len() as u16).to_le_bytes());
    for (node, address) in told {
        bytes.extend_from_slice(&node.0.to_le_bytes());
        put_address(&mut bytes, address);
    }
    to.write_all(&bytes)?;
    to.flush()
}

/// Answers a hello of a node that was struck off.
pub(crate) fn refuse(to: &mut impl Write) -> io::Result<()> {
    to.write_all(&GONE)?;
    to.flush()
}

/// Answers a hello of a node of which another run is heard.
pub(crate) fn refuse_double(to: &mut impl Write) -> io::Result<()> {
    to.write_all(&DOUBLED)?;
    to.flush()
}

/// Answers a hello of a node whose program does not know the level in force.
pub(crate) fn refuse_level(to: &mut impl Write, unknown: &UnknownLevel) -> io::Result<()> {
    let mut bytes = OUTLIVED.to_vec();
    bytes.push(unknown.level.0);
    put_address(&mut bytes, &unknown.known_by);
    to.write_all(&bytes)?;
    to.flush()
}

/// The answer to a hello.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Welcome {
    /// The link is taken; what the other end's program knows, which run of the node it is, and where others can be reached.
    Taken { levels: Levels, run: u128, acquaintances: Acquaintances },
    /// Who asks was struck off.
    Gone,
    /// Another run of who asks is heard.
    Doubled,
    /// A level is in force that who asks does not know; programs of these versions do.
    Outlived { level: Level, known_by: String },
}

/// Reads the answer to a hello.
pub(crate) fn read_answer(from: &mut impl Read) -> io::Result<Welcome> {
    let mut magic = [0; 4];
    from.read_exact(&mut magic)?;
    match magic {
        GONE => return Ok(Welcome::Gone),
        DOUBLED => return Ok(Welcome::Doubled),
        OUTLIVED => {
            return Ok(Welcome::Outlived { level: Level(read_u8(from)?), known_by: read_address(from)? });
        }
        MAGIC => {}
        _ => return Err(broken("it speaks another version")),
    }
    let (levels, run) = (read_levels(from)?, read_u128(from)?);
    let count = usize::from(read_u16(from)?);
    if count > ACQUAINTANCES_MAX {
        return Err(broken("too many acquaintances"));
    }
    let mut acquaintances = Vec::new();
    for _ in 0..count {
        acquaintances.push((NodeId(read_u128(from)?), read_address(from)?));
    }
    Ok(Welcome::Taken { levels, run, acquaintances })
}

fn check_magic(from: &mut impl Read) -> io::Result<()> {
    let mut magic = [0; 4];
    from.read_exact(&mut magic)?;
    match magic == MAGIC {
        true => Ok(()),
        false => Err(broken("it speaks another version")),
    }
}

fn read_u8(from: &mut impl Read) -> io::Result<u8> {
    let mut byte = [0];
    from.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn put_levels(bytes: &mut Vec<u8>, levels: Levels) {
    bytes.extend_from_slice(&[levels.oldest().0, levels.newest().0]);
}

fn read_levels(from: &mut impl Read) -> io::Result<Levels> {
    let (oldest, newest) = (read_u8(from)?, read_u8(from)?);
    Levels::new(oldest, newest).ok_or_else(|| broken("it knows no levels"))
}

fn read_u16(from: &mut impl Read) -> io::Result<u16> {
    let mut bytes = [0; 2];
    from.read_exact(&mut bytes)?;
    Ok(u16::from_le_bytes(bytes))
}

fn read_u128(from: &mut impl Read) -> io::Result<u128> {
    let mut bytes = [0; 16];
    from.read_exact(&mut bytes)?;
    Ok(u128::from_le_bytes(bytes))
}

/// An address that is longer than one may be is told as none.
fn put_address(bytes: &mut Vec<u8>, address: &str) {
    let address = if address.len() > ADDRESS_BYTES_MAX { "" } else { address };
    bytes.extend_from_slice(&(address.len() as u16).to_le_bytes());
    bytes.extend_from_slice(address.as_bytes());
}

fn read_address(from: &mut impl Read) -> io::Result<String> {
    let length = usize::from(read_u16(from)?);
    if length > ADDRESS_BYTES_MAX {
        return Err(broken("an address is too long"));
    }
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    String::from_utf8(bytes).map_err(|_| broken("an address is not text"))
}

pub(crate) fn broken(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_too_long_to_tell_is_told_as_none() {
        let mut bytes = Vec::new();
        let standing = Standing { levels: Levels::new(3, 5).unwrap(), level: Level(4) };
        Hello { worker: 1, workers: 2, address: "x".repeat(301), standing, run: 0x6e }
            .write(&mut bytes)
            .unwrap();
        assert_eq!(Hello::read(&mut &bytes[..]).unwrap().address, "");
        assert_eq!(bytes, b"NRF4\x01\0\x02\0\0\0\x03\x05\x04n\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    }

    #[test]
    fn another_version_is_told_from_a_broken_link() {
        let error = Hello::read(&mut &b"NRF2\0\0\0\0\0\0"[..]).unwrap_err();
        assert!(error.to_string().contains("another version"), "{error}");
        assert_eq!(Hello::read(&mut &b"NR"[..]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn who_was_struck_off_or_is_there_twice_is_told_so() {
        let mut bytes = Vec::new();
        refuse(&mut bytes).unwrap();
        assert_eq!(read_answer(&mut &bytes[..]).unwrap(), Welcome::Gone);
        bytes.clear();
        refuse_double(&mut bytes).unwrap();
        assert_eq!(read_answer(&mut &bytes[..]).unwrap(), Welcome::Doubled);
    }

    #[test]
    fn who_does_not_know_the_level_is_told_which_and_who_does() {
        let mut bytes = Vec::new();
        let levels = Levels::new(1, 1).unwrap();
        let unknown = levels.check(Level(2), || "0.2.0".to_owned()).unwrap_err();
        refuse_level(&mut bytes, &unknown).unwrap();
        let outlived = Welcome::Outlived { level: Level(2), known_by: "0.2.0".to_owned() };
        assert_eq!(read_answer(&mut &bytes[..]).unwrap(), outlived);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            worker: u16, workers: u16, run: u128, oldest in 1..9_u8, more in 0..9_u8, level: u8, address in "[a-z0-9.:]{0,300}",
            others in prop::collection::vec((any::<u128>(), "[a-z0-9.:]{0,30}"), 0..20),
        ) {
            let mut bytes = Vec::new();
            let levels = Levels::new(oldest, oldest + more).unwrap();
            let hello = Hello { worker, workers, address, standing: Standing { levels, level: Level(level) }, run };
            hello.write(&mut bytes).unwrap();
            prop_assert_eq!(Hello::read(&mut &bytes[..]).unwrap(), hello);
            let others: Acquaintances = others.into_iter().map(|(id, at)| (NodeId(id), at)).collect();
            bytes.clear();
            answer(&mut bytes, levels, run, &others).unwrap();
            let taken = Welcome::Taken { levels, run, acquaintances: others };
            prop_assert_eq!(read_answer(&mut &bytes[..]).unwrap(), taken);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), is_marked: bool) {
            let bytes = if is_marked { [&MAGIC[..], &bytes].concat() } else { bytes };
            let _ = Hello::read(&mut &bytes[..]);
            let _ = read_answer(&mut &bytes[..]);
        }
    }
}
