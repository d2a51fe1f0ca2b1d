//! This node as a member of its cluster: its port for other nodes, its door, and how it leaves.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::Context;
use base::{CommonWall, Millis, NodeId, WorkerId};
use cluster::{Command, Levels, Meta, UnknownLevel};
use node::settings::Settings;

use crate::discovery::{self, Announcement, Presence};
use crate::door::{Door, Host, Link};
use crate::enter::Reach;
use crate::fabric::Fabric;
use crate::hello::{Acquaintances, Standing};
use crate::join::Gate;
use crate::runs::Heard;
use crate::runtime_folder::RuntimeFolder;
use crate::shared::{Item, Shared};
use crate::side_thread::SideThread;
use crate::trust::Trust;
use crate::whereabouts::Whereabouts;
use crate::{ports, pulse, watch};

/// How far the port for other nodes is from that for clients.
const PEER_PORT_DISTANCE: u16 = 10_000;
const BACKLOG: u32 = 128;
/// How long this node may take to hear of a newcomer that the cluster has let in.
const HEARSAY: Duration = Duration::from_secs(3);

/// Where other nodes reach this one.
pub(crate) struct PeerPort {
    listeners: Vec<TcpListener>,
    /// Zero of a node that stays alone.
    pub(crate) port: u16,
    pub(crate) reach: Reach,
}

impl PeerPort {
    /// Listens; not at all for a node that stays alone. `kept` is the port that a node had which begins anew.
    pub(crate) fn choose(settings: &Settings, levels: Levels, kept: Option<u16>) -> anyhow::Result<PeerPort> {
        let host = reachable_host(settings);
        // Of a node without plain TCP clients that speak TLS are told.
        let client_address = match (settings.port, settings.tls.port) {
            (0, 0) => String::new(),
            (0, port) | (port, _) => address(&host, port),
        };
        let tls_port = settings.tls.port;
        if settings.join == "none" {
            let reach = Reach { peer_address: String::new(), client_address, tls_port, levels };
            return Ok(PeerPort { listeners: Vec::new(), port: 0, reach });
        }
        let wanted = match (settings.peer_port, settings.port.checked_add(PEER_PORT_DISTANCE)) {
            (0, Some(port)) if settings.port != 0 => port,
            (port, _) => port,
        };
        let chosen = match kept.unwrap_or(settings.peer_port) {
            // Whatever is free will do: nobody types this port.
            0 => match ports::choose(&settings.bind, wanted, false, BACKLOG) {
                Err(_) => ports::choose(&settings.bind, 0, false, BACKLOG)?,
                Ok(chosen) => chosen,
            },
            port => ports::choose_for_peers(&settings.bind, port, BACKLOG)?,
        };
        let peer_address = address(&host, chosen.port);
        let reach = Reach { peer_address, client_address, tls_port, levels };
        Ok(PeerPort { listeners: chosen.listeners, port: chosen.port, reach })
    }
}

fn address(host: &str, port: u16) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

/// The name or address by which others reach this machine.
fn reachable_host(settings: &Settings) -> String {
    if !settings.advertise.is_empty() {
        return settings.advertise.clone();
    }
    match settings.bind.first().map(String::as_str) {
        None | Some("*" | "0.0.0.0" | "::") => own_address().to_string(),
        Some(host) => host.to_owned(),
    }
}

/// The address from which this machine speaks to others. Nothing is sent to find it.
fn own_address() -> IpAddr {
    let asked = [
        (SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 9))),
        (
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
            SocketAddr::from((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9)),
        ),
    ];
    let address = asked.iter().find_map(|(from, to)| {
        let socket = UdpSocket::bind(from).ok()?;
        socket.connect(to).ok()?;
        socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_unspecified())
    });
    address.or_else(first_of_an_interface).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// For a machine that has a network and no way out of it.
fn first_of_an_interface() -> Option<IpAddr> {
    let mut addresses: Vec<IpAddr> =
        if_addrs::get_if_addrs().ok()?.iter().map(if_addrs::Interface::ip).collect();
    // IPv4 before IPv6; of that no address which needs to know a link.
    addresses.retain(|ip| match ip {
        IpAddr::V4(ip) => !ip.is_loopback(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local(),
    });
    addresses.into_iter().min()
}

/// See the module. Dropped, the door closes; whoever is a member stays one.
pub(crate) struct Membership {
    shared: Arc<Shared>,
    door: Option<Door>,
    /// It is announced on its network.
    presence: Option<Presence>,
    /// Tells the cluster where this node is.
    whereabouts: Option<Whereabouts>,
    /// Tells the log what happens in the cluster.
    watch: Option<SideThread>,
    /// Says signs of life for workers that are busy.
    _pulse: SideThread,
}

impl Membership {
    /// Opens the door, and says where the node is if it comes back.
    pub(crate) fn begin(
        shared: &Arc<Shared>,
        settings: &Settings,
        port: PeerPort,
        returns: bool,
    ) -> anyhow::Result<Membership> {
        // A node without a folder for its socket works; only newcomers on this machine need a token then.
        let local = RuntimeFolder::open(&settings.cluster_name).and_then(|folder| {
            let listener = folder.listen(shared.node_id)?;
            folder.publish(shared.node_id, port.reach.addresses())?;
            Ok(listener)
        });
        let local = local.inspect_err(|error| tracing::warn!("{error:#}")).ok();
        let listens: Vec<SocketAddr> =
            port.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        let door = Door::open(port.listeners, local, Arc::new(ThisDoor(Arc::clone(shared))))
            .context("open the door for other nodes")?;
        let mut membership = Membership {
            shared: Arc::clone(shared),
            door: Some(door),
            presence: None,
            whereabouts: None,
            watch: None,
            _pulse: pulse::begin(shared).context("start the thread for signs of life")?,
        };
        membership.wait_for_the_cluster();
        membership.wait_for_the_time();
        membership.watch = Some(watch::begin(shared).context("start the thread for events")?);
        membership.whereabouts = Some(Whereabouts::begin(shared, returns).context("start a thread")?);
        if discovery::announces(settings, &listens) {
            membership.be_found(&settings.name, listens);
        }
        Ok(membership)
    }

    /// Announces this node on its network, and looks there for members that are missed. A machine on which that cannot be
    /// is as good a member.
    fn be_found(&mut self, name: &str, listens: Vec<SocketAddr>) {
        let Some(fabric) = &self.shared.fabric else { return };
        let announcement = Announcement {
            node: self.shared.node_id,
            name: name.to_owned(),
            cluster: fabric.trust.cluster(),
            cluster_name: fabric.meta().name().to_owned(),
            authority: discovery::announcement::authority_of(fabric.trust.fingerprint()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            addresses: Vec::new(),
        };
        self.presence = Presence::begin(&self.shared, announcement, listens)
            .inspect_err(|error| tracing::info!(%error, "this node cannot be found by mDNS"))
            .ok();
    }

    /// A founder's cluster is there in a moment; others know theirs already.
    fn wait_for_the_cluster(&self) {
        if let Some(fabric) = &self.shared.fabric {
            fabric.wait_until(Instant::now() + Duration::from_secs(5), Meta::is_founded);
        }
    }

    /// Others say what time it is as soon as there are links to them. Without that this node serves what needs the time only
    /// later, or not at all.
    fn wait_for_the_time(&self) {
        let deadline = Instant::now() + Duration::from_micros(CommonWall::PATIENCE_US);
        let is_waited = || self.shared.settled_time().is_none() && !self.shared.has_failed();
        while is_waited() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        // Nobody is to look for it here any more.
        self.presence = None;
        self.watch = None;
        self.door = None;
        self.whereabouts = None;
    }
}

/// The node as its door sees it.
struct ThisDoor(Arc<Shared>);

impl ThisDoor {
    fn fabric(&self) -> &Fabric {
        self.0.fabric.as_ref().expect("a door is opened only for a node in a fabric")
    }
}

impl Gate for ThisDoor {
    fn decide(&self, command: Command) -> Result<(), String> {
        self.fabric().let_in(&self.0, command)
    }

    fn meta(&self) -> Arc<Meta> {
        self.fabric().meta()
    }

    fn is_silent(&self, node: NodeId) -> bool {
        let report = crate::watch::report(&self.0, &AtomicBool::new(false));
        report.is_some_and(|report| report.view().is_some_and(|view| view.silent.contains(&node)))
    }

    fn meta_with(&self, node: NodeId) -> Option<Arc<Meta>> {
        let fabric = self.fabric();
        let is_there = fabric.wait_until(Instant::now() + HEARSAY, |meta| meta.member(node).is_some());
        is_there.then(|| fabric.meta())
    }

    fn trust(&self) -> &Trust {
        &self.fabric().trust
    }
}

impl Host for ThisDoor {
    fn is_member(&self, node: NodeId) -> bool {
        self.fabric().is_member(node)
    }

    fn was_removed(&self, node: NodeId) -> bool {
        self.fabric().was_removed(node)
    }

    fn admit(&self, node: NodeId, run: u128) -> Option<Heard> {
        self.fabric().runs.admit(node, run, Millis(self.0.mono_us() / 1000))
    }

    fn acquaint(&self, node: NodeId, address: String) -> Acquaintances {
        self.fabric().acquaint(node, address)
    }

    fn standing(&self) -> Standing {
        self.fabric().standing()
    }

    fn run(&self) -> u128 {
        self.0.run_id
    }

    fn versions(&self) -> String {
        self.fabric().meta().versions_of_level()
    }

    fn is_outlived(&self, unknown: &UnknownLevel) {
        self.0.fail(&unknown.to_string());
    }

    fn link(&self, link: Link) {
        let workers = self.0.inboxes().len().max(1);
        // The worker of the same number has the same partitions, if both nodes have as many.
        let worker = WorkerId((usize::from(link.worker) % workers) as u16);
        self.0.send(worker, Item::Linked(Box::new(link)));
    }
}
