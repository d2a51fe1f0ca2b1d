//! A running node that is alone and holds no keys gives up its own cluster and joins another (`FABRIC JOIN`;
//! [0030](../../../docs/decisions/0030-a-node-changes-its-cluster.md)).
//!
//! The order keeps what there is until there is something else: nobody is let in and no write is taken up any more, the keys
//! are counted, the other cluster lets in a node that does not exist yet, the keys are counted again; only then is the client
//! answered and the node ended, and begun anew as that one. Whatever is refused on the way leaves all as it was.
//!
//! Does not know: how a node ends and begins (`start`), or what is done with its folder (`open`).

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, bail};
use base::{Millis, NodeId, WorkerId};
use cluster::Newcomer;
use node::{JoinWay, JoinWish};

use crate::enter;
use crate::fabric::Fabric;
use crate::join::Admitted;
use crate::random::random;
use crate::runtime_folder::RuntimeFolder;
use crate::shared::{Item, Shared};

/// How long the other cluster is asked: who types the command waits.
const PATIENCE: Duration = Duration::from_secs(10);
/// Writes are held for no longer, whatever happens: above what asking can take.
const HOLD_MS: u64 = 60_000;
/// How often keys are counted while requests are under way that keep them from being counted.
const COUNTS: usize = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// What to do about a node that is not found.
const ELSEWHERE: &str = "for one elsewhere give the token that `narf cluster invite` prints there";

/// As whom a node begins anew, and what the cluster told that has let it in.
pub(crate) struct NextLife {
    pub(crate) node: NodeId,
    pub(crate) admitted: Admitted,
}

/// Does what a client of this worker wishes, on a thread of its own.
pub(crate) fn begin(shared: &Arc<Shared>, worker: WorkerId, wish: JoinWish) {
    let (here, wish) = (Arc::clone(shared), Box::new(wish));
    let asked = wish.clone();
    let run = move || match join(&here, &wish.way) {
        Ok(next) => {
            here.send(worker, Item::Joined(wish, Ok(())));
            here.begin_anew(next);
        }
        Err(error) => here.send(worker, Item::Joined(wish, Err(format!("{error:#}")))),
    };
    if let Err(error) = std::thread::Builder::new().name("joining".to_owned()).spawn(run) {
        shared.send(worker, Item::Joined(asked, Err(format!("cannot start a thread: {error}"))));
    }
}

fn join(shared: &Shared, way: &JoinWay) -> anyhow::Result<NextLife> {
    let fabric = shared.fabric.as_ref().context("this node is on its own")?;
    if let JoinWay::Token(token) = way
        && token.fingerprint() == fabric.trust.fingerprint()
    {
        bail!("the token is of this node's own cluster; give it to another node");
    }
    let closed = Closed::begin(shared, fabric)?;
    refuse_unless_bare(shared, fabric)?;
    let node = NodeId(u128::from_le_bytes(random()?));
    let newcomer = enter::newcomer(&shared.settings_at_start, node, &fabric.reach, 1);
    let admitted = ask(shared, way, &newcomer)?;
    refuse_unless_bare(shared, fabric).with_context(|| {
        format!(
            "the other cluster has let this node in as {node}, and it cannot come; strike that off there with \
             `narf cluster remove {node}`"
        )
    })?;
    // Until the node ends.
    std::mem::forget(closed);
    tracing::info!(cluster = admitted.meta.name(), %node, "another cluster has let this node in, which begins anew there");
    Ok(NextLife { node, admitted })
}

fn ask(shared: &Shared, way: &JoinWay, newcomer: &Newcomer) -> anyhow::Result<Admitted> {
    let settings = &shared.settings_at_start;
    let mine = format!("{:032x}.sock", shared.node_id.0);
    let others =
        |sockets: Vec<PathBuf>| sockets.into_iter().filter(|socket| !socket.ends_with(&mine)).collect();
    let sockets = match way {
        JoinWay::Token(token) => return enter::join_by_token(token, newcomer, settings.mdns, PATIENCE),
        JoinWay::Here => others(RuntimeFolder::open(&settings.cluster_name)?.sockets()?),
        JoinWay::At(address) => {
            let all: anyhow::Result<Vec<_>> =
                RuntimeFolder::all()?.iter().map(RuntimeFolder::sockets).collect();
            at_address(address, others(all?.concat()))?
        }
    };
    if sockets.is_empty() {
        bail!(
            "no other node of yours runs on this machine in a cluster called \"{}\"; {ELSEWHERE}",
            settings.cluster_name
        );
    }
    Ok(enter::join_here(sockets, newcomer, PATIENCE)?)
}

/// The sockets of nodes that can be reached at this address; there is one.
fn at_address(address: &str, sockets: Vec<PathBuf>) -> anyhow::Result<Vec<PathBuf>> {
    let (mut found, mut others) = (Vec::new(), Vec::new());
    for socket in sockets {
        let addresses = RuntimeFolder::addresses_at(&socket);
        match addresses.iter().any(|at| is_same(at, address)) {
            true => found.push(socket),
            false => others.push(shown(addresses)),
        }
    }
    if found.is_empty() {
        let others =
            if others.is_empty() { "nowhere".to_owned() } else { format!("at {}", others.join(", ")) };
        bail!("no other node of yours on this machine is at {address}, they are {others}; {ELSEWHERE}");
    }
    Ok(found)
}

/// Where clients reach a node, or if they do not, where nodes do.
fn shown([peer, client]: [String; 2]) -> String {
    if client.is_empty() { peer } else { client }
}

/// Whether a node that is on this machine and says to be at one address is meant by another.
fn is_same(at: &str, meant: &str) -> bool {
    let port = |address: &str| address.rsplit_once(':').map(|(_, port)| port.to_owned());
    at == meant && !at.is_empty()
        || enter::is_this_machine(meant) && port(at).is_some_and(|port_at| Some(port_at) == port(meant))
}

/// Refuses a node that is not alone, or that holds keys.
fn refuse_unless_bare(shared: &Shared, fabric: &Fabric) -> anyhow::Result<()> {
    let keys = count_keys(shared)?;
    if fabric.meta().live_members().count() > 1 {
        bail!("another node has just joined this one's cluster, and only one that is alone can join another");
    }
    match keys {
        0 => Ok(()),
        keys => bail!(
            "this node holds {keys} key{}, which would be lost: delete with FLUSHALL what nobody needs, or start a new node \
             with `narf serve --join TOKEN` and copy what is here",
            if keys == 1 { "" } else { "s" }
        ),
    }
}

/// Behind all that was taken up before writes were held.
fn count_keys(shared: &Shared) -> anyhow::Result<u64> {
    for _ in 0..COUNTS {
        let report = crate::watch::report(shared, &AtomicBool::new(false));
        if let Some(keys) = report.context("the workers do not answer")?.keys() {
            return Ok(keys);
        }
        std::thread::sleep(PAUSE);
    }
    bail!("requests are under way that do not end; try again")
}

/// Nobody is let in, and no write is taken up. Dropped, all goes on.
struct Closed<'a> {
    shared: &'a Shared,
    fabric: &'a Fabric,
}

impl<'a> Closed<'a> {
    fn begin(shared: &'a Shared, fabric: &'a Fabric) -> anyhow::Result<Closed<'a>> {
        if !fabric.close() {
            bail!("this node is on its way to another cluster already");
        }
        let until = Millis(shared.mono_us() / 1000 + HOLD_MS);
        shared.send_all(|| Item::HoldWrites(Some(until)));
        Ok(Closed { shared, fabric })
    }
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.shared.send_all(|| Item::HoldWrites(None));
        self.fabric.reopen();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_on_this_machine_is_meant_by_any_name_of_the_machine() {
        for meant in ["127.0.0.1:6379", "localhost:6379", "[::1]:6379"] {
            assert!(is_same("127.0.0.1:6379", meant) && is_same("10.0.0.7:6379", meant), "{meant}");
        }
        assert!(is_same("10.0.0.7:6379", "10.0.0.7:6379"));
        for meant in ["10.0.0.8:6379", "127.0.0.1:6380", "localhost", ""] {
            assert!(!is_same("10.0.0.7:6379", meant), "{meant}");
            assert!(!is_same("", meant), "{meant}");
        }
    }
}
