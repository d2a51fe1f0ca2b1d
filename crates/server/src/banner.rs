//! What `narf serve` prints when it is ready: where to connect, where the data is, who can get in, what to try.
//!
//! Says only what is so. Standard output carries this and nothing else.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::getting_ready::READY;

/// What the banner tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banner {
    /// Version of narf.
    pub version: &'static str,
    /// Name of the node.
    pub name: String,
    /// How it stands, in the words of `narf cluster status`: `ready`, unless it was waited for in vain.
    pub state: &'static str,
    /// Time from start until it was so.
    pub ready_in: Duration,
    /// Addresses of the TCP listeners.
    pub addresses: Vec<SocketAddr>,
    /// Addresses of the listeners for TLS.
    pub tls: Vec<SocketAddr>,
    /// From [`crate::ports::Chosen`], if the port is not the usual one.
    pub port_note: Option<String>,
    /// That it has another number of partitions than was asked for, if so.
    pub partitions_note: Option<String>,
    /// Path of the unix socket.
    pub unix: Option<PathBuf>,
    /// Where it answers over HTTP, if it does.
    pub http: Option<SocketAddr>,
    /// The cluster it is part of.
    pub cluster: Option<Cluster>,
    /// The data folder, or none if nothing is kept.
    pub data: Option<PathBuf>,
    /// Keys found there.
    pub keys: u64,
    /// Whether a password is needed.
    pub has_password: bool,
    /// Whether only this machine can connect.
    pub local_only: bool,
    /// The file with its process id, if it keeps one.
    pub pidfile: Option<PathBuf>,
    /// Whether it runs in the background.
    pub background: Option<Background>,
}

/// A cluster, as a node finds it when it is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// What it is called.
    pub name: String,
    /// How many nodes with data are in it, with this one if it has some.
    pub nodes: usize,
    /// How many that vote only.
    pub witnesses: usize,
    /// Whether this is one of those.
    pub is_witness: bool,
}

impl Cluster {
    /// Who is in it, and what its loss takes.
    fn tell(&self) -> String {
        let witnesses = match self.witnesses {
            1 => "a witness".to_owned(),
            witnesses => format!("{witnesses} witnesses"),
        };
        match (self.nodes, self.witnesses) {
            (1, 0) => "this node alone; the same command again, in another terminal, adds one".to_owned(),
            (2, 0) => "2 nodes; neither can be lost without stopping writes, a third changes that".to_owned(),
            (nodes, 0) => format!("{nodes} nodes"),
            (1, _) => {
                format!(
                    "one node with data and {witnesses}; the data is lost with it until another with data joins"
                )
            }
            (2, _) => format!("2 nodes with data and {witnesses}; any one of three can be lost"),
            (nodes, _) => format!("{nodes} nodes with data and {witnesses}"),
        }
    }
}

/// A node without a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Background {
    /// Its process.
    pub pid: u32,
    /// What to type to stop it.
    pub stop: String,
}

impl Banner {
    /// The text, with colours if wanted.
    pub fn text(&self, colour: bool) -> String {
        let paint = Paint { colour };
        let mut out = String::new();
        let title =
            format!("{}  node {}", paint.bold(&format!("narf {}", self.version)), paint.bold(&self.name));
        let millis = self.ready_in.as_millis();
        if self.state == READY {
            line(&mut out, &format!("{title}  ready in {millis} ms"));
            out.push('\n');
        } else {
            line(&mut out, &format!("{title}  up for {millis} ms, {}", paint.yellow("not ready yet")));
            out.push('\n');
            let look = self.command("cluster", "status");
            row(
                &mut out,
                "State",
                &paint.yellow(&format!("{}: {}; look with  {look}", self.state, self.lacks())),
            );
        }
        if let Some(note) = &self.port_note {
            row(&mut out, "Port", &paint.yellow(note));
        }
        self.connect_rows(&mut out, paint);
        if let Some(cluster) = &self.cluster {
            row(&mut out, "Cluster", &format!("{}  ({})", cluster.name, cluster.tell()));
        }
        if let Some(note) = &self.partitions_note {
            row(&mut out, "Partitions", &paint.yellow(note));
        }
        let data = match &self.data {
            Some(folder) => format!("{}  ({})", with_dot(folder), self.kept()),
            None => "in memory only; a restart begins empty".to_owned(),
        };
        row(&mut out, "Data", &data);
        row(&mut out, "Security", &self.security(paint));
        out.push('\n');
        line(
            &mut out,
            &format!(
                "Try   {}      {}      {}",
                self.command("set", "hello world"),
                self.command("cli", ""),
                self.command("bench", "")
            ),
        );
        match &self.background {
            Some(Background { pid, stop }) => {
                line(&mut out, &format!("In the background as process {pid}; stop it with  {stop}"))
            }
            None if self.is_witness() => line(&mut out, "Ctrl-C leaves the cluster and stops."),
            None if self.cluster.as_ref().is_some_and(|cluster| cluster.nodes > 1) => {
                line(&mut out, "Ctrl-C hands the data over to the others, leaves the cluster and stops.")
            }
            None if self.cluster.is_some() => line(
                &mut out,
                "Ctrl-C stops; once other nodes are there it hands the data over and leaves them.",
            ),
            None => line(&mut out, "Ctrl-C stops."),
        }
        out
    }

    fn connect_rows(&self, out: &mut String, paint: Paint) {
        let mut label = "Redis protocol";
        for (index, address) in self.addresses.iter().enumerate() {
            let hint = if index == 0 { "   (redis-cli, redis-py, any Redis client)" } else { "" };
            row(out, label, &format!("{}{hint}", paint.cyan(&format!("redis://{}", reachable(*address)))));
            label = "";
        }
        let mut label = if label.is_empty() { "  over TLS" } else { label };
        for address in &self.tls {
            row(out, label, &paint.cyan(&format!("rediss://{}", reachable(*address))));
            label = "";
        }
        if let Some(path) = &self.unix {
            row(out, "Unix socket", &paint.cyan(&path.display().to_string()));
        }
        if let Some(address) = self.http {
            let url = format!("http://{}/metrics", reachable(address));
            row(out, "HTTP", &format!("{}   (for Prometheus; also /health/ready)", paint.cyan(&url)));
        }
    }

    /// What keeps it from being ready.
    fn lacks(&self) -> &'static str {
        match self.state {
            "joining" => "this node is not a full member yet",
            "moving" => "this node does not hold all of its data yet",
            _ => "not all partitions can be written to; narf cluster check says why",
        }
    }

    fn is_witness(&self) -> bool {
        self.cluster.as_ref().is_some_and(|cluster| cluster.is_witness)
    }

    fn kept(&self) -> String {
        match self.keys {
            _ if self.is_witness() => "no data: a witness votes, and keeps the log of the others".to_owned(),
            0 => "what is answered survives a crash".to_owned(),
            1 => "1 key found".to_owned(),
            keys => format!("{} keys found", thousands(keys)),
        }
    }

    fn security(&self, paint: Paint) -> String {
        match (self.local_only, self.has_password) {
            (true, true) => "this machine only, password needed".to_owned(),
            (true, false) => "this machine only, no password".to_owned(),
            (false, true) => "open to other machines, password needed".to_owned(),
            (false, false) => paint.yellow("open to other machines WITHOUT a password (--insecure)"),
        }
    }

    /// A command that reaches this node as it is typed: with its address if that is not the usual one.
    fn command(&self, verb: &str, rest: &str) -> String {
        let usual = SocketAddr::from(([127, 0, 0, 1], 6379));
        let addresses: Vec<SocketAddr> = self.addresses.iter().map(|address| reachable(*address)).collect();
        let target = match (addresses.first(), &self.unix, self.tls.first()) {
            _ if addresses.contains(&usual) => String::new(),
            (Some(address), ..) => format!(" -u {address}"),
            (None, Some(path), _) => format!(" -u unix://{}", path.display()),
            (None, None, Some(address)) => format!(" -u rediss://{}", reachable(*address)),
            (None, None, None) => String::new(),
        };
        let rest = if rest.is_empty() { String::new() } else { format!(" {rest}") };
        format!("narf {verb}{target}{rest}")
    }
}

/// An address as someone on this machine can use it: an unspecified one is reached by loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    address
}

fn line(out: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "  {text}");
}

fn row(out: &mut String, label: &str, text: &str) {
    line(out, &format!("{label:<15}  {text}"));
}

/// A folder here is written so that it looks like one.
fn with_dot(folder: &Path) -> String {
    let dot =
        if folder.is_absolute() || folder.starts_with(".") || folder.starts_with("..") { "" } else { "./" };
    format!("{dot}{}", folder.display())
}

/// `1234567` as `1,234,567`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Colours, or none.
#[derive(Clone, Copy)]
struct Paint {
    colour: bool,
}

impl Paint {
    fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    fn cyan(self, text: &str) -> String {
        self.wrap("36", text)
    }

    fn yellow(self, text: &str) -> String {
        self.wrap("33", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(name: &str, nodes: usize, witnesses: usize) -> Cluster {
        Cluster { name: name.to_owned(), nodes, witnesses, is_witness: false }
    }

    fn banner() -> Banner {
        Banner {
            version: "0.1.0",
            name: "quiet-otter".to_owned(),
            state: READY,
            ready_in: Duration::from_millis(31),
            addresses: vec!["127.0.0.1:6379".parse().unwrap()],
            tls: Vec::new(),
            port_note: None,
            partitions_note: None,
            unix: None,
            http: None,
            cluster: Some(cluster("default", 1, 0)),
            data: Some("narf-data".into()),
            keys: 0,
            has_password: false,
            local_only: true,
            pidfile: None,
            background: None,
        }
    }

    #[test]
    fn a_node_that_is_not_ready_says_so_and_how_to_look() {
        let text =
            Banner { state: "joining", ready_in: Duration::from_millis(30_020), ..banner() }.text(false);
        let begins = "  narf 0.1.0  node quiet-otter  up for 30020 ms, not ready yet

  State            joining: this node is not a full member yet; look with  narf cluster status
";
        assert!(text.starts_with(begins) && !text.contains("ready in"), "{text}");
    }

    #[test]
    fn a_first_start_fits_on_a_small_screen() {
        assert_eq!(
            banner().text(false),
            "  narf 0.1.0  node quiet-otter  ready in 31 ms

  Redis protocol   redis://127.0.0.1:6379   (redis-cli, redis-py, any Redis client)
  Cluster          default  (this node alone; the same command again, in another terminal, adds one)
  Data             ./narf-data  (what is answered survives a crash)
  Security         this machine only, no password

  Try   narf set hello world      narf cli      narf bench
  Ctrl-C stops; once other nodes are there it hands the data over and leaves them.
"
        );
    }

    #[test]
    fn a_node_that_joined_says_with_whom_it_is_and_what_ctrl_c_does() {
        let text = |nodes| Banner { cluster: Some(cluster("shop", nodes, 0)), ..banner() }.text(false);
        assert!(text(3).contains("\n  Cluster          shop  (3 nodes)\n"), "{}", text(3));
        assert!(
            text(3).ends_with("  Ctrl-C hands the data over to the others, leaves the cluster and stops.\n")
        );
        assert!(text(2).contains("neither can be lost"), "{}", text(2));
    }

    #[test]
    fn a_witness_is_told_as_what_it_is() {
        let text = |nodes, is_witness| {
            let cluster = Cluster { is_witness, ..cluster("shop", nodes, 1) };
            Banner { cluster: Some(cluster), ..banner() }.text(false)
        };
        assert!(text(2, false).contains("2 nodes with data and a witness; any one of three can be lost"));
        assert!(text(1, true).contains("lost with it until another with data joins"), "{}", text(1, true));
        assert!(text(2, true).contains("no data: a witness votes"), "{}", text(2, true));
        assert!(text(2, true).ends_with("  Ctrl-C leaves the cluster and stops.\n"));
    }

    #[test]
    fn everything_else_is_said_too() {
        let full = Banner {
            addresses: vec!["0.0.0.0:6380".parse().unwrap(), "[::1]:6380".parse().unwrap()],
            port_note: Some("6379 is used by redis-server (pid 1195), using 6380".to_owned()),
            tls: vec!["0.0.0.0:6390".parse().unwrap()],
            unix: Some("/run/narf.sock".into()),
            http: Some("0.0.0.0:8379".parse().unwrap()),
            cluster: None,
            keys: 1_234_567,
            has_password: true,
            local_only: false,
            background: Some(Background { pid: 7, stop: "narf stop".to_owned() }),
            ..banner()
        };
        assert_eq!(
            full.text(false),
            "  narf 0.1.0  node quiet-otter  ready in 31 ms

  Port             6379 is used by redis-server (pid 1195), using 6380
  Redis protocol   redis://127.0.0.1:6380   (redis-cli, redis-py, any Redis client)
                   redis://[::1]:6380
    over TLS       rediss://127.0.0.1:6390
  Unix socket      /run/narf.sock
  HTTP             http://127.0.0.1:8379/metrics   (for Prometheus; also /health/ready)
  Data             ./narf-data  (1,234,567 keys found)
  Security         open to other machines, password needed

  Try   narf set -u 127.0.0.1:6380 hello world      narf cli -u 127.0.0.1:6380      narf bench -u 127.0.0.1:6380
  In the background as process 7; stop it with  narf stop
"
        );
        assert!(full.text(true).lines().count() <= 14);
        let sealed = Banner { addresses: Vec::new(), unix: None, ..full };
        let text = sealed.text(false);
        assert!(text.contains("\n  Redis protocol   rediss://127.0.0.1:6390\n"), "{text}");
        assert!(text.contains("narf cli -u rediss://127.0.0.1:6390"), "{text}");
    }

    #[test]
    fn colours_come_only_when_wanted() {
        assert!(!banner().text(false).contains('\x1b'));
        assert!(banner().text(true).contains("\x1b[36mredis://127.0.0.1:6379\x1b[0m"));
    }
}
