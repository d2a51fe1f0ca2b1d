//! A server started for one test.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;

use tempfile::TempDir;

use crate::client::{Client, Closed};
use crate::config::Kind;
use crate::process::{Signal, dies_with_its_parent, signal};
use crate::wait::{DEADLINE, eventually, within};

/// Where a server keeps its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Nowhere: keys live in memory only.
    None,
    /// In a folder made for the test.
    Temporary,
    /// In this folder, which the test prepared.
    At(PathBuf),
}

/// How to start a server.
#[derive(Clone, Debug)]
pub struct Options {
    kind: Kind,
    data: Data,
    host: Ipv4Addr,
    workers: usize,
    ack: Option<String>,
    password: Option<String>,
    unix: bool,
    settings: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    expected_log: Vec<String>,
    wrapper: Vec<String>,
    runtime: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Options {
        Options::new()
    }
}

impl Options {
    /// The server under test with two workers and no data folder.
    pub fn new() -> Options {
        Options {
            kind: Kind::under_test(),
            data: Data::None,
            host: Ipv4Addr::LOCALHOST,
            workers: 2,
            ack: None,
            password: None,
            unix: false,
            settings: Vec::new(),
            environment: Vec::new(),
            expected_log: Vec::new(),
            wrapper: Vec::new(),
            runtime: None,
        }
    }

    /// This server, whatever is under test.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Options {
        self.kind = kind;
        self
    }

    /// Where data goes.
    #[must_use]
    pub fn data(mut self, data: Data) -> Options {
        self.data = data;
        self
    }

    /// Listens at this address instead of the loopback's, for anybody.
    #[must_use]
    pub fn host(mut self, host: Ipv4Addr) -> Options {
        self.host = host;
        self.expect_log("insecure")
    }

    /// How many workers.
    #[must_use]
    pub fn workers(mut self, count: usize) -> Options {
        self.workers = count;
        self
    }

    /// The default ack level.
    #[must_use]
    pub fn ack(mut self, level: &str) -> Options {
        self.ack = Some(level.to_owned());
        self
    }

    /// `requirepass`.
    #[must_use]
    pub fn password(mut self, password: &str) -> Options {
        self.password = Some(password.to_owned());
        self
    }

    /// Also listen on a unix socket, see [`Server::unix_path`].
    #[must_use]
    pub fn unix_socket(mut self) -> Options {
        self.unix = true;
        self
    }

    /// A setting, by the name that `CONFIG SET` knows, in the place of what was given before.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl ToString) -> Options {
        self.settings.retain(|(other, _)| other != name);
        self.settings.push((name.to_owned(), value.to_string()));
        self
    }

    /// A variable of its environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Options {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Warnings and errors in the log that contain `part` are what the test is about.
    #[must_use]
    pub fn expect_log(mut self, part: &str) -> Options {
        self.expected_log.push(part.to_owned());
        self
    }

    /// Finds, and is found by, the nodes that have this runtime folder. Else the server is alone in one of its own.
    #[must_use]
    pub fn runtime(mut self, folder: &Path) -> Options {
        self.runtime = Some(folder.to_owned());
        self
    }

    /// Starts the server under another program, such as `strace ... --`.
    #[must_use]
    pub fn under(mut self, wrapper: &[&str]) -> Options {
        self.wrapper = wrapper.iter().map(|&word| word.to_owned()).collect();
        self
    }
}

/// A running server. Dropping it stops it and looks through its log.
pub struct Server {
    options: Options,
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Server {
    /// Starts a server and waits until it answers.
    #[track_caller]
    pub fn start(options: Options) -> Server {
        let folder = TempDir::with_prefix("narf-test-").expect("a folder for the test");
        let mut server = Server { options, folder, port: 0, child: None };
        server.launch();
        server
    }

    /// A server with all defaults.
    #[track_caller]
    pub fn new() -> Server {
        Server::start(Options::new())
    }

    /// Starts a server and does not wait for it.
    pub fn begin(options: Options) -> Server {
        let folder = TempDir::with_prefix("narf-test-").expect("a folder for the test");
        let mut server = Server { options, folder, port: 0, child: None };
        server.begin_again();
        server
    }

    /// Starts a server that is expected to give up; returns how it ended and what it wrote to standard error.
    pub fn start_in_vain(options: Options) -> (ExitStatus, String) {
        let folder = TempDir::with_prefix("narf-test-").expect("a folder for the test");
        let mut server = Server { options, folder, port: free_port(), child: None };
        let mut child = server.spawn();
        let status = eventually("the server gives up", || child.try_wait().expect("wait for a child"));
        let log = server.log();
        server.options.expected_log.push(String::new());
        (status, log)
    }

    /// Which server this is.
    pub fn kind(&self) -> Kind {
        self.options.kind
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the server runs").id()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((self.options.host, self.port))
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its unix socket, if asked for.
    pub fn unix_path(&self) -> PathBuf {
        self.folder.path().join("sock")
    }

    /// Its data folder.
    pub fn data_path(&self) -> PathBuf {
        match &self.options.data {
            Data::At(path) => path.clone(),
            Data::None | Data::Temporary => self.folder.path().join("data"),
        }
    }

    /// All it has written to standard error (and output) so far.
    pub fn log(&self) -> String {
        fs::read(self.log_path())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// A new connection, authenticated if the server asks for it.
    #[track_caller]
    pub fn client(&self) -> Client {
        let mut client = self.bare_client();
        if let Some(password) = &self.options.password {
            let reply = client.run_args(&["AUTH", password]);
            assert!(!reply.is_error(), "AUTH: {reply}");
        }
        client
    }

    /// A client, unless another server is under test, which may have no such commands.
    pub fn narf_client(&self) -> Option<Client> {
        (!crate::skip_unless_narf()).then(|| self.client())
    }

    /// A new connection on which nothing was sent.
    #[track_caller]
    pub fn bare_client(&self) -> Client {
        Client::tcp(self.address()).unwrap_or_else(|error| {
            panic!("the server takes no connection: {error}; its log:\n{}", self.log())
        })
    }

    /// A new RESP3 connection.
    #[track_caller]
    pub fn client3(&self) -> Client {
        let mut client = self.client();
        client.hello3();
        client
    }

    /// A new connection over the unix socket.
    #[track_caller]
    pub fn unix_client(&self) -> Client {
        Client::unix(&self.unix_path()).expect("the server takes connections on its unix socket")
    }

    /// `CONFIG SET`.
    #[track_caller]
    pub fn config_set(&self, name: &str, value: &str) {
        let reply = self.client().run_args(&["CONFIG", "SET", name, value]);
        assert_eq!(reply.to_string(), "+OK", "CONFIG SET {name} {value}");
    }

    /// One field of `INFO`.
    #[track_caller]
    pub fn info(&self, field: &str) -> Option<String> {
        let text = self.client().run("INFO everything").text();
        text.lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':').map(|value| value.trim().to_owned()))
    }

    /// Kills it as a crash would.
    pub fn kill9(&mut self) {
        if let Some(mut child) = self.child.take() {
            signal(child.id(), Signal::Kill);
            child.wait().expect("wait for a child");
        }
    }

    /// Asks it to stop and waits until it has.
    #[track_caller]
    pub fn stop(&mut self) -> Option<ExitStatus> {
        let pid = self.child.as_ref()?.id();
        signal(pid, Signal::Terminate);
        Some(self.wait())
    }

    /// Waits for it to end by itself.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let child = self.child.as_mut().expect("the server runs");
        let status = within(DEADLINE, || child.try_wait().expect("wait for a child"));
        let Some(status) = status else {
            let pid = child.id();
            self.kill9();
            panic!("process {pid} did not end within {DEADLINE:?}; its log:\n{}", self.log());
        };
        self.child = None;
        status
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.try_wait().expect("wait for a child").is_some())
    }

    /// Starts it again on the same data.
    #[track_caller]
    pub fn restart(&mut self) {
        self.stop();
        self.launch();
    }

    /// The same, once it was killed, without waiting for it.
    pub fn begin_again(&mut self) {
        self.port = free_port();
        self.begin_again_in_place();
    }

    /// The same on the port that it had.
    pub fn begin_again_in_place(&mut self) {
        assert!(self.child.is_none(), "it does not run");
        self.child = Some(self.spawn());
    }

    /// Starts it again with other options, on the same folder.
    #[track_caller]
    pub fn restart_with(&mut self, change: impl FnOnce(Options) -> Options) {
        self.stop();
        self.change(change);
        self.launch();
    }

    /// From the next start on it has other options.
    pub fn change(&mut self, change: impl FnOnce(Options) -> Options) {
        self.options = change(self.options.clone());
    }

    /// Waits until one that was begun answers.
    #[track_caller]
    pub fn wait_until_up(&mut self) {
        assert!(self.becomes_ready(), "the server did not start; its log:\n{}", self.log());
    }

    /// From now on warnings and errors in the log that contain `part` are what the test is about.
    pub fn expect_log(&mut self, part: &str) {
        self.options.expected_log.push(part.to_owned());
    }

    /// Starts the process and waits until it answers. A port that somebody else took meanwhile is tried anew.
    #[track_caller]
    fn launch(&mut self) {
        for _ in 0..10 {
            self.port = free_port();
            let child = self.spawn();
            self.child = Some(child);
            if self.becomes_ready() {
                return;
            }
            let log = self.log();
            let taken = log.contains("in use") || log.contains("is used by");
            self.kill9();
            assert!(taken, "the server did not start; its log:\n{}", self.log());
        }
        panic!("ten free ports in a row were taken by others");
    }

    /// False if the process ended.
    fn becomes_ready(&mut self) -> bool {
        within(DEADLINE, || {
            if self.has_ended() {
                return Some(false);
            }
            let mut client = Client::tcp(self.address()).ok()?;
            match client.try_run("PING") {
                Ok(reply) if reply.to_string().starts_with("-LOADING") => None,
                Ok(_) => Some(true),
                Err(Closed) => None,
            }
        })
        .unwrap_or(false)
    }

    fn spawn(&self) -> Child {
        let program = match self.options.kind {
            Kind::Narf => narf_binary(),
            Kind::Redis => PathBuf::from("redis-server"),
        };
        let mut command = match self.options.wrapper.split_first() {
            Some((wrapper, rest)) => {
                let mut command = Command::new(wrapper);
                command.args(rest).arg(program);
                command
            }
            None => Command::new(program),
        };
        let log = File::options().create(true).append(true).open(self.log_path()).expect("a log file");
        command.stdin(Stdio::null()).stderr(log.try_clone().expect("a second handle")).stdout(log);
        // Settings of the developer's own shell must not leak into the server under test.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("NARF_")) {
            command.env_remove(name);
        }
        command.current_dir(self.folder.path());
        match self.options.kind {
            Kind::Narf => self.narf_arguments(&mut command),
            Kind::Redis => self.redis_arguments(&mut command),
        }
        dies_with_its_parent(&mut command);
        command.spawn().unwrap_or_else(|error| panic!("start {command:?}: {error}"))
    }

    fn narf_arguments(&self, command: &mut Command) {
        command.args(["serve", "--bind", &self.options.host.to_string(), "--port", &self.port.to_string()]);
        command.args(["--workers", &self.options.workers.to_string()]);
        if !self.options.host.is_loopback() {
            command.arg("--insecure");
        }
        match self.options.data {
            Data::None => command.arg("--no-data"),
            Data::Temporary | Data::At(_) => command.arg("--data").arg(self.data_path()),
        };
        if let Some(level) = &self.options.ack {
            command.args(["--ack", level]);
        }
        if self.options.unix {
            command.arg("--unix").arg(self.unix_path());
        }
        for (name, value) in &self.options.settings {
            command.arg(format!("--{name}")).arg(value);
        }
        if let Some(password) = &self.options.password {
            command.env("NARF_REQUIREPASS", password);
        }
        command.envs(self.options.environment.iter().map(|(name, value)| (name, value)));
        let own = self.folder.path().join("run");
        command.env("NARF_RUNTIME_DIR", self.options.runtime.as_deref().unwrap_or(&own));
    }

    fn redis_arguments(&self, command: &mut Command) {
        let data = self.data_path();
        fs::create_dir_all(&data).expect("a data folder");
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--dir"]).arg(data);
        command.args(["--enable-debug-command", "yes", "--save", ""]);
        let kept = if self.options.data == Data::None { "no" } else { "yes" };
        command.args(["--appendonly", kept, "--appendfsync", "everysec"]);
        if self.options.unix {
            command.arg("--unixsocket").arg(self.unix_path()).args(["--unixsocketperm", "600"]);
        }
        for (name, value) in &self.options.settings {
            command.arg(format!("--{name}")).args(value.split(' '));
        }
        if let Some(password) = &self.options.password {
            command.args(["--requirepass", password]);
        }
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Lines of the log that no test expects.
    fn complaints(&self) -> Vec<String> {
        let log = self.log();
        let bad = |line: &&str| {
            let severe = ["WARN", "ERROR", "panicked at"].iter().any(|level| line.contains(level));
            // What happens to other nodes is told as it is, and is no complaint of this one.
            let is_event = line.contains("\"target\":\"server::events\"");
            severe && !is_event && !self.options.expected_log.iter().any(|part| line.contains(part.as_str()))
        };
        match self.options.kind {
            Kind::Narf => log.lines().filter(bad).map(str::to_owned).collect(),
            // Redis warns about the machine's settings, which are not its test's business.
            Kind::Redis => Vec::new(),
        }
    }
}

impl Default for Server {
    fn default() -> Server {
        Server::new()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.kill9();
            eprintln!("--- log of the server on port {}:\n{}", self.port, tail(&self.log()));
            return;
        }
        // A clean stop in every test: a server that cannot stop is found at once, and coverage data gets written.
        let stopped = self.stop();
        let complaints = self.complaints();
        assert!(complaints.is_empty(), "the server complained:\n{}", complaints.join("\n"));
        if let Some(status) = stopped {
            assert!(
                status.success(),
                "asked to stop, the server ended with {status}; its log:\n{}",
                self.log()
            );
        }
    }
}

fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    /// Those that were given away may still be free, and are not given away again.
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("some port is free");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        if GIVEN.lock().unwrap().insert(port) {
            return port;
        }
    }
}

/// The binary under test.
pub fn narf_binary() -> PathBuf {
    if let Some(path) = std::env::var_os("NARF_BIN") {
        let path = PathBuf::from(path);
        assert!(path.is_file(), "NARF_BIN is {path:?}, where no file is");
        return path;
    }
    let test = std::env::current_exe().expect("a test program has a path");
    // target/<profile>/deps/suite-<hash>
    let profile = test.parent().and_then(Path::parent).expect("a test program lies in target/<profile>/deps");
    let path = profile.join("narf");
    if !path.is_file() {
        let mut build = Command::new(option_env!("CARGO").unwrap_or("cargo"));
        build.args(["build", "--quiet", "--package", "narf"]);
        if profile.ends_with("release") {
            build.arg("--release");
        }
        // Many tests may come here at once; cargo's own lock lets one build and the others find it done.
        let status = build.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("run cargo");
        assert!(status.success(), "no binary at {path:?} and `cargo build -p narf` failed");
    }
    path
}
