//! What a node says of itself on its network, and how what strangers say there is read. No I/O.
//!
//! Whoever is on the network can say anything, in any name: an announcement says where to look and nothing else. Who is
//! found has still to prove, over TLS, that it is of the cluster that is looked for.
//!
//! Invariant: all text in an [`Announcement`] is of few plain characters and bounded, so it may be shown and logged as it is.

use std::net::{IpAddr, SocketAddr};

use base::NodeId;
use cluster::Fingerprint;

/// Version of what the words mean; another is not read.
const VERSION: &str = "1";
/// Longest name of a node or cluster, and longest version of a program.
const NAME_BYTES_MAX: usize = 64;
/// Most addresses of one node that are kept.
const ADDRESSES_MAX: usize = 16;
/// Longest label of a name in the domain name system.
const LABEL_BYTES_MAX: usize = 63;

/// The first bytes of the fingerprint of a cluster's authority: which cluster a token is from.
pub(crate) type Authority = [u8; 8];

/// The part of a fingerprint that is announced.
pub(crate) fn authority_of(fingerprint: Fingerprint) -> Authority {
    *fingerprint.0.first_chunk().expect("a fingerprint is longer")
}

/// A node of some cluster, as it is announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The node.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// The id of its cluster.
    pub cluster: u128,
    /// The name of its cluster.
    pub cluster_name: String,
    /// See [`Authority`].
    pub(crate) authority: Authority,
    /// The version of its program.
    pub version: String,
    /// Where it takes other nodes, those to try first in front.
    pub addresses: Vec<SocketAddr>,
}

impl Announcement {
    /// The words, as keys and values.
    pub(crate) fn words(&self) -> Vec<(&'static str, String)> {
        vec![
            ("v", VERSION.to_owned()),
            ("node", format!("{:032x}", self.node.0)),
            ("name", self.name.clone()),
            ("cluster", format!("{:032x}", self.cluster)),
            ("clustername", self.cluster_name.clone()),
            ("ca", format!("{:016x}", u64::from_be_bytes(self.authority))),
            ("version", self.version.clone()),
        ]
    }

    /// The name of the service of this one node: its name, for people, and enough of its id to be the only one.
    pub(crate) fn instance(&self) -> String {
        let id = format!("{:032x}", self.node.0);
        let name: String = self.name.chars().take(LABEL_BYTES_MAX - 9).collect();
        format!("{}-{}", name.replace('.', "-"), &id[24..])
    }

    /// Reads what somebody announces. `word` gives the value of a key; what is refused is refused with the reason.
    pub(crate) fn read<'a>(
        word: impl Fn(&str) -> Option<&'a [u8]>,
        addresses: impl IntoIterator<Item = SocketAddr>,
    ) -> Result<Announcement, Unread> {
        let text = |key: &'static str| {
            let bytes = word(key).ok_or(Unread::Absent(key))?;
            let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(byte);
            let is_fine = !bytes.is_empty() && bytes.len() <= NAME_BYTES_MAX && bytes.iter().all(is_plain);
            let text = std::str::from_utf8(bytes).ok().filter(|_| is_fine);
            text.ok_or(Unread::Malformed(key))
        };
        let number = |key: &'static str, digits: usize| {
            let text = text(key)?;
            let is_hex =
                text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            is_hex.then(|| u128::from_str_radix(text, 16).ok()).flatten().ok_or(Unread::Malformed(key))
        };
        if text("v")? != VERSION {
            return Err(Unread::OtherVersion);
        }
        let mut addresses: Vec<SocketAddr> =
            addresses.into_iter().filter(|at| at.port() != 0 && is_of_a_network(at.ip())).collect();
        // Those that need to know a link come last.
        addresses.sort_by_key(|at| (is_link_local(at.ip()), *at));
        addresses.dedup();
        addresses.truncate(ADDRESSES_MAX);
        if addresses.is_empty() {
            return Err(Unread::NoAddress);
        }
        Ok(Announcement {
            node: NodeId(number("node", 32)?),
            name: text("name")?.to_owned(),
            cluster: number("cluster", 32)?,
            cluster_name: text("clustername")?.to_owned(),
            authority: (number("ca", 16)? as u64).to_be_bytes(),
            version: text("version")?.to_owned(),
            addresses,
        })
    }
}

/// Why an announcement is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unread {
    /// A word is absent.
    #[error("it does not say `{0}`")]
    Absent(&'static str),
    /// A word is not of the form that it should have.
    #[error("its `{0}` is malformed")]
    Malformed(&'static str),
    /// It is of a version of the program that says other things.
    #[error("it is of another version")]
    OtherVersion,
    /// It can be reached nowhere.
    #[error("it has no address that another machine could use")]
    NoAddress,
}

/// Whether another machine could use it.
pub(crate) fn is_of_a_network(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    !(ip.is_loopback() || ip.is_unspecified() || ip.is_multicast())
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn announcement() -> Announcement {
        Announcement {
            node: NodeId(0xAB),
            name: "quiet-otter".to_owned(),
            cluster: 7,
            cluster_name: "shop".to_owned(),
            authority: [0, 1, 2, 3, 4, 5, 6, 255],
            version: "0.1.0".to_owned(),
            addresses: vec!["10.0.0.7:16379".parse().unwrap(), "[fe80::1%2]:16379".parse().unwrap()],
        }
    }

    fn read(words: &BTreeMap<String, Vec<u8>>) -> Result<Announcement, Unread> {
        let mut addresses = announcement().addresses;
        addresses.reverse();
        Announcement::read(|key| words.get(key).map(Vec::as_slice), addresses)
    }

    fn words() -> BTreeMap<String, Vec<u8>> {
        announcement().words().into_iter().map(|(key, value)| (key.to_owned(), value.into_bytes())).collect()
    }

    #[test]
    fn what_is_announced_is_read_and_fits() {
        assert_eq!(read(&words()), Ok(announcement()));
        // A word and its key have at most 255 bytes together.
        let long = Announcement { name: "x".repeat(64), cluster_name: "y".repeat(64), ..announcement() };
        assert!(long.words().iter().all(|(key, value)| key.len() + 1 + value.len() <= 255));
        assert!(long.instance().len() <= LABEL_BYTES_MAX);
        let dotted = Announcement { name: "a.b".to_owned(), ..announcement() };
        assert_eq!(dotted.instance(), "a-b-000000ab");
    }

    #[track_caller]
    fn check(key: &str, value: Option<&[u8]>, expect: Unread) {
        let mut words = words();
        match value {
            Some(value) => words.insert(key.to_owned(), value.to_vec()),
            None => words.remove(key),
        };
        assert_eq!(read(&words), Err(expect));
    }

    #[test]
    fn whatever_strangers_say_is_bounded_and_plain_or_passed_over() {
        for key in ["v", "node", "name", "cluster", "clustername", "ca", "version"] {
            check(key, None, Unread::Absent(key));
            check(key, Some(b""), Unread::Malformed(key));
            check(key, Some(&[b'a'; 65]), Unread::Malformed(key));
            for bytes in [b"a\x1b[2J".as_slice(), b"a b", b"\xff\xfe", b"\xc3\xa4", b"a\n", b"a\0"] {
                check(key, Some(bytes), Unread::Malformed(key));
            }
        }
        check("v", Some(b"2"), Unread::OtherVersion);
        check("node", Some(b"ab"), Unread::Malformed("node"));
        check("cluster", Some(&[b'g'; 32]), Unread::Malformed("cluster"));
        check("ca", Some(b"+0001020304050607"), Unread::Malformed("ca"));
        check("node", Some(&[b'A'; 32]), Unread::Malformed("node"));
    }

    #[test]
    fn only_addresses_that_another_machine_could_use_are_kept_and_not_many() {
        let words = words();
        let word = |key: &str| words.get(key).map(Vec::as_slice);
        let useless = [
            "127.0.0.1:1",
            "[::1]:1",
            "0.0.0.0:1",
            "[::]:1",
            "224.0.0.251:1",
            "10.0.0.1:0",
            "[::ffff:127.0.0.1]:1",
        ];
        let useless = useless.iter().map(|at| at.parse().unwrap());
        assert_eq!(Announcement::read(word, useless), Err(Unread::NoAddress));
        let many = (0..200).map(|number| SocketAddr::from(([10, 0, 0, number], 1)));
        assert_eq!(Announcement::read(word, many).unwrap().addresses.len(), ADDRESSES_MAX);
    }
}
