//! A node inside another program: started, asked, and stopped by calls. Leaves no thread behind.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use base::{AckLevel, WorkerId};
use node::settings::{Secret, Settings, partitions_for};
use resp::{Value, ValueDecoder, ValueError, write_request};

use crate::shared::{Item, Local, LocalId, Shared};
use crate::signals::Signals;
use crate::start::{Plan, Running};

/// How a [`Node`] is to be. Every setting not named here has its default.
#[derive(Clone, Debug)]
pub struct NodeBuilder {
    settings: Settings,
    port: Option<u16>,
}

impl Default for NodeBuilder {
    fn default() -> NodeBuilder {
        NodeBuilder {
            settings: Settings { no_data: true, join: "none".to_owned(), ..Settings::new() },
            port: None,
        }
    }
}

impl NodeBuilder {
    /// Listens on this port of the loopback address; 0 is any free port. Without this there is no TCP.
    #[must_use]
    pub fn port(mut self, port: u16) -> NodeBuilder {
        self.port = Some(port);
        self
    }

    /// Listens on a unix socket at this path, which only this user may open.
    #[must_use]
    pub fn unix_socket(mut self, path: impl Into<PathBuf>) -> NodeBuilder {
        self.settings.unixsocket = Some(path.into());
        self
    }

    /// Keeps data in this folder. Without this nothing is kept.
    #[must_use]
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> NodeBuilder {
        self.settings.dir = path.into();
        self.settings.no_data = false;
        self
    }

    /// The name of the node.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> NodeBuilder {
        self.settings.name = name.into();
        self
    }

    /// So many worker threads; one if not said.
    #[must_use]
    pub fn workers(mut self, workers: u16) -> NodeBuilder {
        self.settings.workers = workers.max(1);
        self
    }

    /// How far a write must have come before it is answered.
    #[must_use]
    pub fn ack(mut self, level: AckLevel) -> NodeBuilder {
        self.settings.ack = level;
        self
    }

    /// Clients over sockets need this password.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> NodeBuilder {
        self.settings.requirepass = Secret::new(password);
        self
    }

    /// Listens for clients over TLS at this port of the addresses in `bind`. The files are named with
    /// [`NodeBuilder::set`].
    #[must_use]
    pub fn tls_port(mut self, port: u16) -> NodeBuilder {
        self.settings.tls.port = port;
        self
    }

    /// Any setting by its name, as in `CONFIG SET`; for those without a method here.
    pub fn set(mut self, name: &str, value: &str) -> anyhow::Result<NodeBuilder> {
        self.settings.set(name, value)?;
        Ok(self)
    }

    /// Starts the node. It accepts clients when this returns.
    pub fn start(self) -> anyhow::Result<Node> {
        let mut settings = self.settings;
        settings.port = self.port.unwrap_or(0);
        settings.workers = settings.workers.max(1);
        if settings.partitions == 0 {
            settings.partitions = partitions_for(settings.workers);
        }
        let signals = Signals::without_signals().context("make a way to stop")?;
        let running = Running::start(Plan {
            levels: cluster::LEVELS,
            begins_anew: false,
            // Another program's process: its limits are its own affair.
            may_raise_limits: false,
            kept: None,
            port_is_explicit: true,
            folder_is_explicit: true,
            wants_tcp: self.port.is_some(),
            config_file: None,
            users: Vec::new(),
            settings,
            logging: None,
            logfile_is_derived: false,
            stop: signals.handle().context("make a way to stop")?,
            progress: false,
            allocator: None,
        })?;
        Ok(Node { running: Some(running), signals })
    }
}

/// A node in this process. Stops when dropped; [`Node::stop`] says how that went.
pub struct Node {
    running: Option<Running>,
    signals: Signals,
}

impl Node {
    /// How the node is to be.
    pub fn builder() -> NodeBuilder {
        NodeBuilder::default()
    }

    /// Where it listens for TCP, if it does.
    pub fn address(&self) -> Option<SocketAddr> {
        self.running.as_ref()?.chosen.listeners.first()?.local_addr().ok()
    }

    /// A client of this node without a socket.
    pub fn client(&self) -> LocalClient {
        match &self.running {
            Some(running) => LocalClient::connect(Arc::clone(&running.shared)),
            None => unreachable!("a node runs until it is consumed"),
        }
    }

    /// Waits until a client's `SHUTDOWN` or a failure ends the node, then stops it.
    pub fn wait(self) -> anyhow::Result<()> {
        self.signals.wait().context("wait for the node")?;
        self.stop()
    }

    /// Stops the node and waits for its threads; one of several hands over what it leads first. What was answered is on stable storage then, if it keeps data.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let Some(mut running) = self.running.take() else { return Ok(()) };
        running.hand_over();
        running.stop()
    }
}

/// Why a [`LocalClient`] got no reply.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The node has stopped, or closed this client.
    #[error("the node has stopped or closed this client; its outcome of the request is unknown")]
    Closed,
    /// No reply came in time.
    #[error("no reply within {0:?}; the outcome of the request is unknown")]
    TimedOut(Duration),
    /// The node sent something that is not a reply.
    #[error(transparent)]
    Malformed(#[from] ValueError),
}

/// A client in the same process: requests and replies go through memory. It speaks RESP3, is authenticated, and
/// its pushes come apart from its replies.
pub struct LocalClient {
    shared: Arc<Shared>,
    id: LocalId,
    worker: WorkerId,
    replies: Receiver<Vec<u8>>,
    decoder: ValueDecoder,
    bytes: Vec<u8>,
    pushes: Vec<Value>,
    timeout: Duration,
}

impl LocalClient {
    fn connect(shared: Arc<Shared>) -> LocalClient {
        let (sender, replies) = channel();
        let id = LocalId::next(&shared);
        let workers = shared.inboxes().len().max(1) as u64;
        let worker = WorkerId((id.number() % workers) as u16);
        shared.send(worker, Item::Local(id, Local::Open(sender)));
        let mut client = LocalClient {
            shared,
            id,
            worker,
            replies,
            decoder: ValueDecoder::default(),
            bytes: Vec::new(),
            pushes: Vec::new(),
            timeout: Duration::from_secs(60),
        };
        client.send(&[b"HELLO".as_slice(), b"3"]);
        // The greeting is the first reply; if the node is stopping, the first request will say so.
        let _ = client.receive();
        client
    }

    /// How long to wait for a reply; a minute if not said.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Sends one request and waits for its reply. An error reply is a [`Value::Error`], not an `Err`.
    pub fn request<T: AsRef<[u8]>>(&mut self, parts: &[T]) -> Result<Value, LocalError> {
        self.send(parts);
        self.receive()
    }

    /// Sends one request without waiting.
    pub fn send<T: AsRef<[u8]>>(&mut self, parts: &[T]) {
        let mut bytes = Vec::new();
        write_request(&mut bytes, parts.iter());
        self.shared.send(self.worker, Item::Local(self.id, Local::Bytes(bytes)));
    }

    /// Waits for the reply of the earliest request that has none yet. Pushes that come first are kept.
    pub fn receive(&mut self) -> Result<Value, LocalError> {
        let deadline = Instant::now() + self.timeout;
        loop {
            match self.decode()? {
                Some(Value::Push(push)) => self.pushes.push(Value::Push(push)),
                Some(value) => return Ok(value),
                None => self.wait_for_bytes(deadline)?,
            }
        }
    }

    /// The next message of a subscription, waiting for it until `timeout` has passed.
    pub fn next_push(&mut self, timeout: Duration) -> Result<Value, LocalError> {
        if !self.pushes.is_empty() {
            return Ok(self.pushes.remove(0));
        }
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(value) = self.decode()? {
                return Ok(value);
            }
            self.wait_for_bytes(deadline)?;
        }
    }

    fn decode(&mut self) -> Result<Option<Value>, LocalError> {
        let Some((value, len)) = self.decoder.decode(&self.bytes)? else { return Ok(None) };
        self.bytes.drain(..len);
        Ok(Some(value))
    }

    fn wait_for_bytes(&mut self, deadline: Instant) -> Result<(), LocalError> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.replies.recv_timeout(left) {
            Ok(bytes) => {
                self.bytes.extend_from_slice(&bytes);
                Ok(())
            }
            Err(RecvTimeoutError::Timeout) => Err(LocalError::TimedOut(self.timeout)),
            Err(RecvTimeoutError::Disconnected) => Err(LocalError::Closed),
        }
    }
}

impl Drop for LocalClient {
    fn drop(&mut self) {
        self.shared.send(self.worker, Item::Local(self.id, Local::Close));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::Bulk(text.as_bytes().to_vec())
    }

    fn ok() -> Value {
        Value::Simple("OK".to_owned())
    }

    #[test]
    fn a_node_answers_its_own_program_and_leaves_no_thread() {
        let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
        let before = threads();
        let node = Node::builder().workers(2).start().unwrap();
        let mut client = node.client();
        assert_eq!(client.request(&["SET", "k", "v"]).unwrap(), ok());
        assert_eq!(node.client().request(&["GET", "k"]).unwrap(), bulk("v"));
        drop(client);
        node.stop().unwrap();
        assert_eq!(threads(), before);
    }

    #[test]
    fn what_a_stopped_node_kept_is_there_when_it_starts_again() {
        let folder = tempfile::tempdir().unwrap();
        for n in 1..4 {
            let node = Node::builder().data_dir(folder.path()).ack(AckLevel::Durable).start().unwrap();
            assert_eq!(node.client().request(&["INCR", "starts"]).unwrap(), Value::Int(n));
            node.stop().unwrap();
        }
    }

    #[test]
    fn messages_come_apart_from_replies() {
        let node = Node::builder().workers(2).start().unwrap();
        let (mut subscriber, mut publisher) = (node.client(), node.client());
        subscriber.send(&["SUBSCRIBE", "news"]);
        let word = |value: &Value| match value {
            Value::Push(parts) => parts.first().cloned(),
            _ => None,
        };
        let minute = Duration::from_secs(60);
        assert_eq!(word(&subscriber.next_push(minute).unwrap()), Some(bulk("subscribe")));
        assert_eq!(publisher.request(&["PUBLISH", "news", "hello"]).unwrap(), Value::Int(1));
        assert_eq!(word(&subscriber.next_push(minute).unwrap()), Some(bulk("message")));
        assert_eq!(subscriber.request(&["PING"]).unwrap(), Value::Simple("PONG".to_owned()));
    }

    #[test]
    fn a_pipeline_longer_than_a_turn_takes_is_answered_to_its_end() {
        let node = Node::builder().start().unwrap();
        let mut client = node.client();
        let value = "x".repeat(100);
        let mut bytes = Vec::new();
        let count = 40_000;
        (0..count).for_each(|n| {
            write_request(&mut bytes, [b"SET", n.to_string().as_bytes(), value.as_bytes()].iter())
        });
        client.shared.send(client.worker, Item::Local(client.id, Local::Bytes(bytes)));
        (0..count).for_each(|_| assert_eq!(client.receive().unwrap(), ok()));
        assert_eq!(client.request(&["DBSIZE"]).unwrap(), Value::Int(count));
    }

    #[test]
    fn a_client_outlives_its_node_without_harm() {
        let node = Node::builder().start().unwrap();
        let mut client = node.client();
        node.stop().unwrap();
        client.set_timeout(Duration::from_secs(5));
        assert!(client.request(&["PING"]).is_err());
    }
}
