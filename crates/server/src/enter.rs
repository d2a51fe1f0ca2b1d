//! How a node comes to be part of a cluster: it was one, it is let in by one, or it founds one.
//!
//! A data folder decides for good: with a node's identity in it, that node starts. An empty folder makes a new node,
//! which looks for a cluster first. What the cluster's nodes need to trust each other is written before the identity,
//! so a node that was killed in between begins again as another.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use base::NodeId;
use cluster::{Founding, HashSeed, JoinToken, MemberKind, Meta, Newcomer};
use node::settings::Settings;

use crate::join::{self, Admitted, Pass};
use crate::random::random;
use crate::runtime_folder::RuntimeFolder;
use crate::trust::Trust;

/// How long nodes are asked to let this one in.
const JOIN_PATIENCE: Duration = Duration::from_secs(20);
/// What a node was told when it was let in, to find the others by until it follows them.
const ADMISSION_FILE: &str = "admission";

/// What `join` says.
pub(crate) enum Join {
    /// Stay alone for good.
    Never,
    /// Found a cluster.
    Found,
    /// Join the nodes of this user on this machine, or found a cluster.
    Auto,
    /// Join the cluster that invited.
    Token(Box<JoinToken>),
    /// Look for the other nodes of its cluster in these places too.
    Places(Vec<String>),
}

impl Join {
    pub(crate) fn of(settings: &Settings) -> anyhow::Result<Join> {
        Ok(match settings.join.trim() {
            "none" | "" => Join::Never,
            "found" => Join::Found,
            "auto" => Join::Auto,
            text if text.starts_with("narf") => Join::Token(Box::new(JoinToken::parse(text)?)),
            text if text.contains(':') => {
                Join::Places(text.split(',').map(|place| place.trim().to_owned()).collect())
            }
            text => bail!(
                "`join` is \"{text}\"; it takes auto, found, none, a token, which `narf cluster invite` prints on a \
                 node of the cluster, or, for a node that is a member, addresses of others: host:port,host:port"
            ),
        })
    }

    /// Where to look for other nodes besides where they were.
    pub(crate) fn places(settings: &Settings) -> anyhow::Result<Vec<String>> {
        Ok(match Join::of(settings)? {
            Join::Token(token) => token.addresses().to_vec(),
            Join::Places(places) => places,
            Join::Never | Join::Found | Join::Auto => Vec::new(),
        })
    }
}

/// The fabric as a node enters it.
pub(crate) struct Entrance {
    pub(crate) trust: Trust,
    /// What is known of the cluster; not founded for a node that founds it.
    pub(crate) meta: Meta,
    pub(crate) how: How,
}

/// See the module.
pub(crate) enum How {
    /// It was let in, and knows nothing yet unless its log does.
    Joins,
    /// It makes the cluster, unless its log says that it has.
    Founds,
}

/// Where a node can be reached.
#[derive(Clone)]
pub(crate) struct Reach {
    pub(crate) peer_address: String,
    pub(crate) client_address: String,
}

/// Held while a node looks for a cluster and founds one, so that two that start at once find each other.
pub(crate) struct Turnstile {
    _lock: Option<File>,
}

/// A new node: joins what it should, or founds a cluster.
pub(crate) fn enter(
    settings: &Settings,
    join: &Join,
    node: NodeId,
    reach: &Reach,
) -> anyhow::Result<(Entrance, u64, u16, Turnstile)> {
    let newcomer = newcomer(settings, node, reach, 1);
    let mut turnstile = Turnstile { _lock: None };
    let admitted = match join {
        Join::Token(token) => Some(join_by_token(token, &newcomer)?),
        Join::Auto => {
            let folder = RuntimeFolder::open(&settings.cluster_name)?;
            turnstile = Turnstile { _lock: Some(folder.lock()?) };
            join_here(&folder, &newcomer)?
        }
        Join::Places(places) => bail!(
            "{} is an address, and a new node needs a token too: run `narf cluster invite` on a node of the cluster \
             and start this one with `--join TOKEN`",
            places.join(",")
        ),
        Join::Found | Join::Never => None,
    };
    match admitted {
        Some(Admitted { trust, meta }) => {
            let (seed, partitions) = (meta.key_hash_seed().0, meta.partitions());
            let entrance = Entrance { trust, meta, how: How::Joins };
            Ok((entrance, seed, partitions, turnstile))
        }
        None => {
            let seed = u64::from_le_bytes(random()?);
            let trust = Trust::found(u128::from_le_bytes(random()?), node)?;
            let entrance = Entrance { trust, meta: Meta::new(), how: How::Founds };
            Ok((entrance, seed, settings.partitions, turnstile))
        }
    }
}

/// Asks each node of this user on this machine; none if there is no node.
fn join_here(folder: &RuntimeFolder, newcomer: &Newcomer) -> anyhow::Result<Option<Admitted>> {
    let sockets = folder.sockets()?;
    if sockets.is_empty() {
        return Ok(None);
    }
    let passes: Vec<Pass<'_>> = sockets.into_iter().map(Pass::Local).collect();
    join_by(&passes, newcomer).map(Some).context(
        "nodes of yours run on this machine, and none let this one in; `--join found` makes a cluster of its own",
    )
}

fn join_by_token(token: &JoinToken, newcomer: &Newcomer) -> anyhow::Result<Admitted> {
    let passes: Vec<Pass<'_>> =
        token.addresses().iter().map(|address| Pass::Token { token, address }).collect();
    join_by(&passes, newcomer).context("join the cluster")
}

/// Asks one after the other, until one lets the node in or it is clear that none will.
fn join_by(passes: &[Pass<'_>], newcomer: &Newcomer) -> anyhow::Result<Admitted> {
    let deadline = Instant::now() + JOIN_PATIENCE;
    loop {
        let mut last = None;
        for pass in passes {
            match join::ask(pass, newcomer) {
                Ok(admitted) => return Ok(admitted),
                Err(error) if error.is_final() => return Err(error.into()),
                Err(error) => last = Some(error),
            }
        }
        if Instant::now() >= deadline
            && let Some(error) = last
        {
            return Err(error.into());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// A node as it introduces itself.
pub(crate) fn newcomer(settings: &Settings, node: NodeId, reach: &Reach, incarnation: u64) -> Newcomer {
    Newcomer {
        node,
        name: settings.name.clone(),
        peer_address: reach.peer_address.clone(),
        client_address: reach.client_address.clone(),
        kind: MemberKind::Data,
        weight: cluster::WEIGHT_DEFAULT,
        incarnation,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// What a founder's cluster starts with.
pub(crate) fn founding(
    settings: &Settings,
    trust: &Trust,
    partitions: u16,
    seed: u64,
    member: Newcomer,
) -> Founding {
    Founding {
        cluster: trust.cluster(),
        name: settings.cluster_name.clone(),
        partitions,
        key_hash_seed: HashSeed(seed),
        replicas_wanted: settings.replicas,
        member,
    }
}

/// Keeps what the cluster told a newcomer.
pub(crate) fn save_admission(folder: &Path, meta: &Meta) -> anyhow::Result<()> {
    crate::trust::write_private(&folder.join(ADMISSION_FILE), &meta.encode())
        .context("keep what the cluster told")
}

/// What the cluster told this node when it let it in; none for its founder.
pub(crate) fn load_admission(folder: &Path) -> anyhow::Result<Option<Meta>> {
    let path = folder.join(ADMISSION_FILE);
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some(Meta::decode(&bytes).with_context(|| format!("read {}", path.display()))?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}
