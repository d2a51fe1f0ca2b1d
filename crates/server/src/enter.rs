//! How a node comes to be part of a cluster: it was one, it is let in by one, or it founds one.
//!
//! A data folder decides for good: with a node's identity in it, that node starts. An empty folder makes a new node,
//! which looks for a cluster first. What the cluster's nodes need to trust each other is written before the identity,
//! so a node that was killed in between begins again as another.

use std::fs::File;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use base::NodeId;
use cluster::{Founding, HashSeed, JoinToken, Levels, MemberKind, Meta, Newcomer};
use node::settings::Settings;

use crate::discovery::{self, announcement};
use crate::join::{self, Admitted, JoinError, Pass};
use crate::random::random;
use crate::runtime_folder::RuntimeFolder;
use crate::trust::Trust;

/// How long nodes are asked to let this one in.
const JOIN_PATIENCE: Duration = Duration::from_secs(20);
/// The pause between two rounds of asking.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a look for nodes on the network takes at most, when those that a token names do not answer.
const LOOK: Duration = Duration::from_secs(2);
/// Most places that are tried with those that were only seen, and of one node.
const SEEN_MAX: usize = 32;
const SEEN_EACH_MAX: usize = 4;
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

impl Entrance {
    /// Whether the cluster let this node in as one that votes and holds no data: that is so for as long as it is a member.
    pub(crate) fn is_of_witness(&self, node: NodeId) -> bool {
        self.meta.member(node).is_some_and(|member| member.kind == MemberKind::Witness)
    }
}

/// An entrance, and what the cluster has for good.
pub(crate) struct Entered {
    pub(crate) entrance: Entrance,
    pub(crate) key_hash_seed: u64,
    pub(crate) partitions: u16,
}

/// See the module.
pub(crate) enum How {
    /// It was let in, and knows nothing yet unless its log does.
    Joins,
    /// It makes the cluster, unless its log says that it has.
    Founds,
}

/// What a node says of itself: where it can be reached, and what its program knows.
#[derive(Clone)]
pub(crate) struct Reach {
    pub(crate) peer_address: String,
    pub(crate) client_address: String,
    /// For clients that speak TLS, or 0.
    pub(crate) tls_port: u16,
    pub(crate) levels: Levels,
}

impl Reach {
    /// For nodes and for clients.
    pub(crate) fn addresses(&self) -> [&str; 2] {
        [&self.peer_address, &self.client_address]
    }
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
) -> anyhow::Result<(Entered, Turnstile)> {
    let newcomer = newcomer(settings, node, reach, 1);
    let mut turnstile = Turnstile { _lock: None };
    let admitted = match join {
        Join::Token(token) => Some(join_by_token(token, &newcomer, settings.mdns, JOIN_PATIENCE)?),
        Join::Auto => {
            let folder = RuntimeFolder::open(&settings.cluster_name)?;
            turnstile = Turnstile { _lock: Some(folder.lock()?) };
            match folder.sockets()? {
                sockets if sockets.is_empty() => None,
                sockets => Some(join_here(sockets, &newcomer, JOIN_PATIENCE).context(
                    "nodes of yours run on this machine, and none let this one in; `--join found` makes a cluster of its own",
                )?),
            }
        }
        Join::Places(places) => bail!(
            "{} is an address, and a new node needs a token too: run `narf cluster invite` on a node of the cluster \
             and start this one with `--join TOKEN`",
            places.join(",")
        ),
        Join::Found | Join::Never => None,
    };
    match admitted {
        Some(admitted) => Ok((let_in(admitted), turnstile)),
        None if settings.witness => bail!(
            "a witness holds no data and cannot found a cluster, and there is none of yours on this machine; start a node \
             that holds data first, or give the witness `--join TOKEN`"
        ),
        None => {
            let key_hash_seed = u64::from_le_bytes(random()?);
            let trust = Trust::found(u128::from_le_bytes(random()?), node)?;
            let entrance = Entrance { trust, meta: Meta::new(), how: How::Founds };
            Ok((Entered { entrance, key_hash_seed, partitions: settings.partitions }, turnstile))
        }
    }
}

/// A node that a cluster has let in.
pub(crate) fn let_in(Admitted { trust, meta }: Admitted) -> Entered {
    let (key_hash_seed, partitions) = (meta.key_hash_seed().0, meta.partitions());
    Entered { entrance: Entrance { trust, meta, how: How::Joins }, key_hash_seed, partitions }
}

/// Asks the nodes of this user on this machine that have these sockets, of which there is one.
pub(crate) fn join_here(
    sockets: Vec<PathBuf>,
    newcomer: &Newcomer,
    patience: Duration,
) -> Result<Admitted, JoinError> {
    let passes: Vec<Pass<'_>> = sockets.into_iter().map(Pass::Local).collect();
    let deadline = Instant::now() + patience;
    loop {
        match ask_each(&passes, newcomer, deadline) {
            Err(error) if error.is_final() || Instant::now() >= deadline => return Err(error),
            Err(_) => std::thread::sleep(PAUSE),
            Ok(admitted) => return Ok(admitted),
        }
    }
}

/// Asks where the token says that nodes are. If none of them is there any more, the network is looked through for others of
/// the same cluster: any of them can let a node in.
pub(crate) fn join_by_token(
    token: &JoinToken,
    newcomer: &Newcomer,
    may_look: bool,
    patience: Duration,
) -> anyhow::Result<Admitted> {
    refuse_unreachable(token, newcomer)?;
    // Whom it would find on the network could not reach it.
    let may_look = may_look && !is_this_machine(&newcomer.peer_address);
    let mut places = token.addresses().to_vec();
    let (deadline, mut has_looked) = (Instant::now() + patience, false);
    loop {
        let passes: Vec<Pass<'_>> = places.iter().map(|address| Pass::Token { token, address }).collect();
        let error = match ask_each(&passes, newcomer, deadline) {
            Ok(admitted) => return Ok(admitted),
            Err(error) => error,
        };
        let is_hopeless = match &error {
            JoinError::Stranger { .. } => has_looked || !may_look,
            error => error.is_final(),
        };
        if is_hopeless || Instant::now() >= deadline {
            let context = match has_looked {
                true => "join the cluster (other nodes of it were looked for on this network, too)",
                false => "join the cluster",
            };
            return Err(anyhow::Error::new(error).context(context));
        }
        match error {
            // Somebody of the cluster is there, and has asked for some time.
            JoinError::Later { .. } => std::thread::sleep(PAUSE),
            _ if !may_look => std::thread::sleep(PAUSE),
            _ => {
                has_looked = true;
                look_for(token, &mut places);
            }
        }
    }
}

/// Adds places where nodes of the token's cluster say that they are. Anybody may say so: who answers has to prove it.
fn look_for(token: &JoinToken, places: &mut Vec<String>) {
    let wanted = announcement::authority_of(token.fingerprint());
    let (known, begin) = (places.len(), Instant::now());
    let looked = discovery::look(LOOK, |found| {
        if let Some(found) = found.filter(|found| found.authority == wanted) {
            tracing::info!(node = found.name, "seen on the network");
            for place in found.addresses.iter().take(SEEN_EACH_MAX).map(|at| at.to_string()) {
                if places.len() < SEEN_MAX && !places.contains(&place) {
                    places.push(place);
                }
            }
        }
        places.len() == known
    });
    if let Err(error) = looked {
        tracing::info!(error = %format!("{error:#}"), "cannot look for nodes on the network");
    }
    if let Some(left) = PAUSE.checked_sub(begin.elapsed()) {
        std::thread::sleep(left);
    }
}

/// Whether a host and port leads nowhere but to this machine.
pub(crate) fn is_this_machine(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// A node that listens to this machine only would be let in by those on others, and never be reached by them.
fn refuse_unreachable(token: &JoinToken, newcomer: &Newcomer) -> anyhow::Result<()> {
    let is_here = |address: &String| is_this_machine(address);
    if is_here(&newcomer.peer_address) && !token.addresses().iter().any(is_here) {
        bail!(
            "the cluster is on another machine ({}), and this node listens to its own machine only ({}): the others \
             could not reach it; add --bind 0.0.0.0 and a password (--password-file), or --advertise with an address \
             that leads here",
            token.addresses().join(","),
            newcomer.peer_address
        );
    }
    Ok(())
}

/// Asks one after the other, until one lets the node in or has decided that it will not, or the time is over: whoever answers
/// nothing takes a part of it. Nobody waits for a place where nobody is while a stranger answers at another.
fn ask_each(passes: &[Pass<'_>], newcomer: &Newcomer, deadline: Instant) -> Result<Admitted, JoinError> {
    let mut last = None;
    for pass in passes {
        if last.is_some() && Instant::now() >= deadline {
            break;
        }
        match join::ask(pass, newcomer) {
            Ok(admitted) => return Ok(admitted),
            // A stranger decides nothing for the cluster.
            Err(error) if error.is_final() && !matches!(error, JoinError::Stranger { .. }) => {
                return Err(error);
            }
            Err(error) if last.as_ref().is_none_or(|last| weight(&error) >= weight(last)) => {
                last = Some(error)
            }
            Err(_) => {}
        }
    }
    Err(last.expect("a token names a place, and a folder without sockets is not asked"))
}

/// What is worth more words than the rest: one of the cluster that may let the node in yet, then a stranger, which tells that
/// the token is of another cluster, and last a place where nobody is.
fn weight(error: &JoinError) -> u8 {
    match error {
        JoinError::Later { .. } => 2,
        JoinError::Stranger { .. } => 1,
        JoinError::Link { .. } | JoinError::Refused { .. } | JoinError::Answer { .. } => 0,
    }
}

/// A node as it introduces itself.
pub(crate) fn newcomer(settings: &Settings, node: NodeId, reach: &Reach, incarnation: u64) -> Newcomer {
    Newcomer {
        node,
        name: settings.name.clone(),
        peer_address: reach.peer_address.clone(),
        client_address: reach.client_address.clone(),
        tls_port: reach.tls_port,
        kind: if settings.witness { MemberKind::Witness } else { MemberKind::Data },
        weight: cluster::WEIGHT_DEFAULT,
        incarnation,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        levels: reach.levels,
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
