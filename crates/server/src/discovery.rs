//! Finding nodes on the local network by multicast DNS (service type `_narf._tcp`), and being found.
//!
//! A node that other machines can reach announces its port for nodes for as long as it runs. Looking takes a few seconds,
//! is done when something is looked for, and forgets all it heard when it ends: what the library below keeps of strangers'
//! packets grows with them, so it never looks for long, and stops at once when it hears too much. While it announces, it is
//! asked each second how much it holds, and begins anew when that is too much.
//!
//! Invariant: who was found is not trusted for it (see `announcement`). Does not know: clusters, tokens, who may join.
//!
//! The library has a thread of its own for each announcement or look; nothing of it is on a worker's.

pub(crate) mod announcement;

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base::NodeId;
use mdns_sd::{IfKind, ResolvedService, ScopedIp, ServiceDaemon, ServiceEvent, ServiceInfo};
use node::settings::Settings;

pub use self::announcement::Announcement;
use self::announcement::is_of_a_network;
use crate::fabric::Fabric;
use crate::shared::{Shared, lock};

const SERVICE: &str = "_narf._tcp.local.";
/// How long a look for nodes that are missed takes.
const LOOK: Duration = Duration::from_secs(3);
/// The least time between two of those.
const LOOK_PAUSE: Duration = Duration::from_secs(15);
/// How often whoever looks is asked whether to go on.
const LISTENING: Duration = Duration::from_millis(100);
/// What is heard in one look; where more is said there is no use in listening.
const HEARD_MAX: usize = 4096;
/// How often it is looked at how much the library holds of what strangers say, how much that may be, and how long the node is
/// not announced after it was more. It keeps some packets that are nobody's.
const CHECK: Duration = Duration::from_secs(1);
const HELD_MAX: i64 = 20_000;
const QUIET: Duration = Duration::from_secs(60);
/// How long the goodbye of an announcement may take.
const GOODBYE: Duration = Duration::from_millis(500);

/// Whether a node is to announce itself: other machines can reach it, and nobody has forbidden it.
pub(crate) fn announces(settings: &Settings, listeners: &[SocketAddr]) -> bool {
    settings.mdns && listeners.iter().any(|at| at.ip().is_unspecified() || is_of_a_network(at.ip()))
}

/// Looks for nodes for some time. Each that is heard of is given to `found`, more than once if it says something new; so is
/// nothing, now and then. Ends when that says false.
pub fn look(patience: Duration, mut found: impl FnMut(Option<Announcement>) -> bool) -> anyhow::Result<()> {
    let deadline = Instant::now() + patience;
    let daemon = Daemon::begin()?;
    let events = daemon.0.browse(SERVICE)?;
    let mut heard = 0;
    while heard < HEARD_MAX && Instant::now() < deadline {
        let event = events.recv_timeout(LISTENING).ok();
        if event.is_none() && events.is_disconnected() {
            // More was said than could be taken up.
            break;
        }
        heard += usize::from(event.is_some());
        let announcement = match event {
            Some(ServiceEvent::ServiceResolved(service)) => read(&service)
                .inspect_err(|reason| tracing::debug!(%reason, "an announcement of a node is passed over"))
                .ok(),
            Some(_) | None => None,
        };
        if !found(announcement) {
            break;
        }
    }
    Ok(())
}

fn read(service: &ResolvedService) -> Result<Announcement, announcement::Unread> {
    let word = |key: &str| service.get_property_val(key).flatten();
    let addresses = service.get_addresses().iter().map(|ip| match ip {
        ScopedIp::V6(ip) => SocketAddrV6::new(*ip.addr(), service.get_port(), 0, ip.scope_id().index).into(),
        ip => SocketAddr::new(ip.to_ip_addr(), service.get_port()),
    });
    Announcement::read(word, addresses)
}

/// The library's thread and sockets, gone with this.
struct Daemon(ServiceDaemon);

impl Daemon {
    fn begin() -> anyhow::Result<Daemon> {
        let daemon = ServiceDaemon::new()?;
        daemon.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
        Ok(Daemon(daemon))
    }

    /// How many records and timers it holds, those of strangers among them; none if it does not answer.
    fn held(&self) -> Option<i64> {
        let told = self.0.get_metrics().ok()?.recv_timeout(GOODBYE).ok()?;
        let counts = told.iter().filter(|(name, _)| name.starts_with("cached-") || *name == "timer");
        Some(counts.map(|(_, count)| *count).sum())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Ok(over) = self.0.shutdown() {
            // Its thread ends by itself in any case.
            let _ = over.recv_timeout(GOODBYE);
        }
    }
}

/// A node is announced while this is there.
struct Announcer {
    daemon: Daemon,
    full_name: String,
}

impl Announcer {
    /// Announces a node that listens for others here.
    fn begin(announcement: &Announcement, listeners: &[SocketAddr]) -> anyhow::Result<Announcer> {
        let port = listeners.first().map_or(0, SocketAddr::port);
        let everywhere = listeners.iter().any(|at| at.ip().is_unspecified());
        let here: Vec<IpAddr> =
            listeners.iter().map(SocketAddr::ip).filter(|ip| !everywhere && is_of_a_network(*ip)).collect();
        // A host name of its own: the machine's may be another program's to announce.
        let host = format!("narf-{:032x}.local.", announcement.node.0);
        let words: HashMap<String, String> =
            announcement.words().into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let info = ServiceInfo::new(SERVICE, &announcement.instance(), &host, here.as_slice(), port, words)?;
        let info = if everywhere { info.enable_addr_auto() } else { info };
        let (daemon, full_name) = (Daemon::begin()?, info.get_fullname().to_owned());
        // Addresses of a kind that nobody listens on would only be tried in vain.
        for (kind, is_of) in [
            (IfKind::IPv4, SocketAddr::is_ipv4 as fn(&SocketAddr) -> bool),
            (IfKind::IPv6, SocketAddr::is_ipv6),
        ] {
            let takes_both = |at: &SocketAddr| at.is_ipv6() && at.ip().is_unspecified();
            if !listeners.iter().any(|at| is_of(at) || takes_both(at)) {
                daemon.0.disable_interface(kind)?;
            }
        }
        daemon.0.register(info)?;
        Ok(Announcer { daemon, full_name })
    }

    /// Whether strangers have said so much that the library should forget it.
    fn is_overfull(&self) -> bool {
        self.daemon.held().is_none_or(|held| held > HELD_MAX)
    }
}

impl Drop for Announcer {
    fn drop(&mut self) {
        if let Ok(said) = self.daemon.0.unregister(&self.full_name) {
            // Who does not hear the goodbye forgets the node in two minutes.
            let _ = said.recv_timeout(GOODBYE);
        }
    }
}

/// Looks for members that are missed, and remembers where they were seen.
#[derive(Default)]
pub(crate) struct Lookout {
    seen: Mutex<BTreeMap<NodeId, Vec<SocketAddr>>>,
    /// Where those who miss a member say so; none if nobody looks.
    bell: Mutex<Option<SyncSender<()>>>,
}

impl Lookout {
    /// A member cannot be reached where it was thought to be.
    pub(crate) fn miss(&self) {
        if let Some(bell) = &*lock(&self.bell) {
            // It may have been rung already, and whoever looks may just have stopped.
            let _ = bell.try_send(());
        }
    }

    /// Where a member was seen.
    pub(crate) fn addresses_of(&self, node: NodeId) -> Vec<String> {
        lock(&self.seen).get(&node).into_iter().flatten().map(SocketAddr::to_string).collect()
    }

    /// Keeps what was seen of members; of strangers nothing.
    fn see(&self, fabric: &Fabric, found: Announcement) {
        let mut seen = lock(&self.seen);
        seen.retain(|node, _| fabric.is_member(*node));
        if found.cluster == fabric.trust.cluster() && fabric.is_member(found.node) {
            seen.insert(found.node, found.addresses);
        }
    }
}

/// The thread that keeps a node announced, and looks when somebody is missed.
pub(crate) struct Presence {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Presence {
    /// Announces a node that listens for others here.
    pub(crate) fn begin(
        shared: &Arc<Shared>,
        announcement: Announcement,
        listeners: Vec<SocketAddr>,
    ) -> std::io::Result<Presence> {
        let (bell, rung) = sync_channel(1);
        let here = Arc::clone(shared);
        if let Some(fabric) = &shared.fabric {
            *lock(&fabric.lookout.bell) = Some(bell);
        }
        let run = move || {
            let mut post = Post::new(announcement, listeners);
            let mut is_missed = false;
            loop {
                match rung.recv_timeout(CHECK) {
                    Ok(()) => is_missed = true,
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
                post.keep();
                if let Some(fabric) = here.fabric.as_ref().filter(|_| is_missed && post.may_look()) {
                    is_missed = false;
                    post.look_for_members(fabric);
                }
            }
        };
        let thread = std::thread::Builder::new().name("mdns".to_owned()).spawn(run)?;
        Ok(Presence { shared: Arc::clone(shared), thread: Some(thread) })
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        if let Some(fabric) = &self.shared.fabric {
            // The thread hears it as its end.
            *lock(&fabric.lookout.bell) = None;
        }
        if let Some(thread) = self.thread.take() {
            // A panic in it was reported by it.
            let _ = thread.join();
        }
    }
}

/// What the thread keeps.
struct Post {
    announcement: Announcement,
    listeners: Vec<SocketAddr>,
    announcer: Option<Announcer>,
    /// It is not announced before this moment.
    quiet_until: Instant,
    next_check: Instant,
    next_look: Instant,
    has_failed: bool,
}

impl Post {
    fn new(announcement: Announcement, listeners: Vec<SocketAddr>) -> Post {
        let now = Instant::now();
        let mut post = Post {
            announcement,
            listeners,
            announcer: None,
            quiet_until: now,
            next_check: now,
            next_look: now,
            has_failed: false,
        };
        post.keep();
        post
    }

    /// Announces the node, unless there is a reason not to at the moment.
    fn keep(&mut self) {
        let now = Instant::now();
        if now < self.next_check {
            return;
        }
        self.next_check = now + CHECK;
        if self.announcer.as_ref().is_some_and(Announcer::is_overfull) {
            tracing::info!(
                "this node is not announced for a minute: too much is said on the network, or mDNS does not answer"
            );
            self.announcer = None;
            self.quiet_until = Instant::now() + QUIET;
        }
        if self.announcer.is_none() && now >= self.quiet_until {
            match Announcer::begin(&self.announcement, &self.listeners) {
                Ok(announcer) => self.announcer = Some(announcer),
                Err(error) => {
                    self.quiet_until = now + QUIET;
                    if !std::mem::replace(&mut self.has_failed, true) {
                        tracing::info!(error = %format!("{error:#}"), "this node cannot be found by mDNS");
                    }
                }
            }
        }
    }

    fn may_look(&self) -> bool {
        Instant::now() >= self.next_look
    }

    fn look_for_members(&mut self, fabric: &Fabric) {
        let looked = look(LOOK, |found| {
            if let Some(found) = found {
                fabric.lookout.see(fabric, found);
            }
            lock(&fabric.lookout.bell).is_some()
        });
        if let Err(error) = looked {
            tracing::debug!(error = %format!("{error:#}"), "cannot look for nodes on the network");
        }
        self.next_look = Instant::now() + LOOK_PAUSE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bound on what strangers make the library keep hangs on its telling by these names.
    #[test]
    fn the_library_tells_how_much_it_holds() {
        let Ok(daemon) = Daemon::begin() else { return };
        let held = daemon.held().expect("it answers");
        assert!(held < HELD_MAX);
        let told = daemon.0.get_metrics().unwrap().recv_timeout(GOODBYE).unwrap();
        for name in ["cached-ptr", "cached-srv", "cached-addr", "cached-txt", "cached-nsec", "timer"] {
            assert!(told.contains_key(name), "{name} is not among {told:?}");
        }
    }
}
