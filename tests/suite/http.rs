//! The port for HTTP: metrics to the letter of their format, health, and whom it answers.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use narf_tests::{Data, Exposition, Kind, Options, Server, Value, eventually, free_port, skip_unless_narf};

use crate::full_disk::SmallDisk;

/// A server with a port for HTTP.
struct Watched {
    server: Server,
    port: u16,
}

impl Watched {
    fn new() -> Watched {
        Watched::with(|options| options)
    }

    fn with(change: impl FnOnce(Options) -> Options) -> Watched {
        let port = free_port();
        let options = Options::new().kind(Kind::Narf).set("http-port", port);
        let watched = Watched { server: Server::start(change(options)), port };
        eventually("a node that has begun", || {
            (watched.get("/health/ready").body != "loading\n").then_some(())
        });
        watched
    }

    fn get(&self, path: &str) -> Answer {
        self.get_with(path, "")
    }

    /// With more headers, each with its end of line.
    fn get_with(&self, path: &str, headers: &str) -> Answer {
        let port = self.port;
        self.say(&format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{headers}\r\n"))
    }

    fn say(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        // It may be refused before it is read to its end.
        let _ = stream.write_all(request.as_bytes());
        let mut text = Vec::new();
        match stream.read_to_end(&mut text) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&text)),
        }
        Answer::of(&String::from_utf8(text).unwrap())
    }

    fn metrics(&self) -> Exposition {
        let answer = self.get("/metrics");
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        Exposition::read(&answer.body).unwrap()
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    #[track_caller]
    fn of(text: &str) -> Answer {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no answer: {text:?}"));
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(value))
    }
}

#[test]
fn counters_move_with_what_is_done() {
    if skip_unless_narf() {
        return;
    }
    let watched = Watched::with(|options| options.data(Data::Temporary).set("slowlog-log-slower-than", 0));
    let mut c = watched.server.client();
    c.check("SET before 1", "+OK");
    let before = watched.metrics();
    for number in 0..10 {
        c.check(&format!("SET key:{number} v PX 100000"), "+OK");
    }
    c.check("GET key:1", "\"v\"");
    c.check("GET nothing", "nil");
    c.check("SELECT 3", "+OK");
    c.check("SADD colours red", ":1");
    assert!(c.run("FROBNICATE").is_error());
    c.check("SET gone 1 PX 1", "+OK");
    let mut subscriber = watched.server.client();
    subscriber.run("SUBSCRIBE news");
    c.check("PUBLISH news hello", ":1");
    let after = eventually("a key that lapses", || {
        let after = watched.metrics();
        (after.get("narf_keys_expired_total") > before.get("narf_keys_expired_total")).then_some(after)
    });
    let grown = |sample: &str| after.get(sample) - before.samples.get(sample).copied().unwrap_or(0.0);
    assert_eq!(grown("narf_command_calls_total{command=\"set\"}"), 11.0);
    assert_eq!(grown("narf_command_calls_total{command=\"get\"}"), 2.0);
    assert_eq!(grown("narf_command_timed_calls_total{command=\"set\"}"), 11.0);
    assert!(grown("narf_command_timed_seconds_total{command=\"set\"}") >= 0.0);
    assert_eq!(grown("narf_keys{db=\"0\"}"), 10.0);
    assert_eq!(after.get("narf_keys{db=\"3\"}"), 1.0);
    assert_eq!(grown("narf_keys_expiring{db=\"0\"}"), 10.0);
    assert_eq!(grown("narf_keyspace_misses_total"), 1.0);
    assert_eq!(grown("narf_pubsub_delivered_total"), 1.0);
    assert_eq!(grown("narf_clients"), 1.0);
    assert_eq!(grown("narf_connections_total"), 1.0);
    assert_eq!(grown("narf_requests_refused_total"), 1.0);
    assert_eq!(after.get("narf_pubsub_channels"), 1.0);
    assert_eq!(after.get("narf_clients_subscribed"), 1.0);
    for sample in [
        "narf_commands_total",
        "narf_network_input_bytes_total",
        "narf_network_output_bytes_total",
        "narf_changes_total",
        "narf_log_entries",
        "narf_turns_total",
        "narf_memory_data_bytes",
    ] {
        assert!(grown(sample) > 0.0, "{sample}");
    }
    assert!(after.get("narf_memory_resident_bytes") > 1e6);
    // The log is synced without being asked.
    eventually("a sync", || {
        let now = watched.metrics();
        (now.get("narf_log_syncs_total") > after.get("narf_log_syncs_total")
            && now.get("narf_log_sync_seconds_total") > after.get("narf_log_sync_seconds_total")
            && now.get("narf_log_sync_longest_seconds") > 0.0
            && now.get("narf_log_sync_age_seconds") < 60.0)
            .then_some(())
    });
}

#[test]
fn what_is_told_is_in_the_reference_and_the_dashboard_asks_for_nothing_else() {
    if skip_unless_narf() {
        return;
    }
    // With a log and a cluster nothing is left out, once a checkpoint was written.
    let watched = Watched::with(|options| options.data(Data::Temporary).set("join", "auto"));
    watched.server.client().check("SAVE", "+OK");
    let told = watched.metrics();
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `narf_"));
    let documented: Vec<(String, String)> = rows
        .map(|row| {
            let mut cells = row.split(" | ");
            let name = format!("narf_{}", cells.next().unwrap().trim_end_matches('`'));
            (name, cells.next().unwrap().to_owned())
        })
        .collect();
    assert!(documented.len() > 50, "{documented:?}");
    for (name, kind) in &documented {
        assert_eq!(told.metrics.get(name).map(|(kind, _)| kind), Some(kind), "{name}");
    }
    assert_eq!(told.metrics.len(), documented.len());

    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../contrib/grafana/narf.json");
    let dashboard: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let expressions: Vec<&str> = targets.map(|target| target["expr"].as_str().unwrap()).collect();
    assert!(expressions.len() > 30, "{expressions:?}");
    for expression in expressions {
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let names = expression.split(|c| !is_of_name(c)).filter(|word| word.starts_with("narf_"));
        assert!(names.clone().count() > 0, "{expression}");
        for name in names {
            let (kind, _) =
                told.metrics.get(name).unwrap_or_else(|| panic!("no metric {name}: {expression}"));
            let is_rate = expression.contains(&format!("rate({name}"));
            assert_eq!(is_rate, kind == "counter", "{name} in {expression}");
        }
    }
}

#[test]
fn a_node_with_its_data_is_ready() {
    if skip_unless_narf() {
        return;
    }
    let watched = Watched::new();
    let live = watched.get("/health/live");
    assert_eq!((live.status, live.body.as_str()), (200, "live\n"));
    eventually("a node that is ready", || {
        let ready = watched.get("/health/ready");
        (ready.status == 200 && ready.body == "ready\n").then_some(())
    });
    let told = watched.metrics();
    assert_eq!(told.get("narf_ready"), 1.0);
    assert_eq!(told.get("narf_state{state=\"ready\"}"), 1.0);
    assert_eq!(told.get("narf_state{state=\"moving\"}"), 0.0);
    assert_eq!(told.get("narf_partitions_led"), told.get("narf_partitions"));
    assert_eq!(told.get("narf_partitions_followed"), 0.0);
}

#[test]
fn of_a_cluster_that_lost_its_majority_the_last_node_lives_and_is_not_ready() {
    if skip_unless_narf() {
        return;
    }
    let runtime = tempfile::tempdir().unwrap();
    let node = || {
        Watched::with(|options| {
            let options = options.data(Data::Temporary).runtime(&runtime.path().join("run"));
            options.set("join", "auto").set("partitions", 8)
        })
    };
    let mut nodes = [node(), node(), node()];
    for node in &nodes {
        eventually("a node that knows three", || {
            let told = node.metrics();
            let is_so = told.get("narf_ready") == 1.0
                && told.get("narf_nodes_up") == 3.0
                && told.get("narf_nodes_may_lose") == 1.0;
            is_so.then_some(())
        });
    }
    let sum = |sample: &str| nodes.iter().map(|node| node.metrics().get(sample)).sum::<f64>();
    eventually("a leader for each partition", || {
        (sum("narf_partitions_led") == 8.0 && sum("narf_partitions_followed") == 16.0).then_some(())
    });
    nodes[1].server.kill9();
    nodes[2].server.kill9();
    eventually("a node that is not ready", || {
        let ready = nodes[0].get("/health/ready");
        (ready.status == 503 && ready.body == "degraded\n").then_some(())
    });
    assert_eq!(nodes[0].get("/health/live").status, 200);
    let told = nodes[0].metrics();
    assert_eq!((told.get("narf_ready"), told.get("narf_state{state=\"degraded\"}")), (0.0, 1.0));
    eventually("that no partition is served", || {
        (nodes[0].metrics().get("narf_partitions_served") == 0.0).then_some(())
    });
    // Nobody is there to hand anything over to.
    nodes[0].server.kill9();
}

#[test]
fn only_what_is_there_is_answered_and_in_small_portions() {
    if skip_unless_narf() {
        return;
    }
    let watched = Watched::new();
    let host = "Host: localhost\r\n";
    assert_eq!(watched.get("/").status, 200);
    for path in ["/metrics/", "/health", "/..%2fmetrics", "/metricsx"] {
        assert_eq!(watched.get(path).status, 404, "{path}");
    }
    assert_eq!(watched.get("/metrics?x=1").status, 200);
    let post = watched.say(&format!("POST /metrics HTTP/1.1\r\n{host}Content-Length: 0\r\n\r\n"));
    assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD")));
    let body = watched.say(&format!("GET /metrics HTTP/1.1\r\n{host}Content-Length: 5\r\n\r\nhello"));
    assert_eq!(body.status, 400);
    let chunked =
        watched.say(&format!("GET / HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"));
    assert_eq!(chunked.status, 400);
    let head = watched.say(&format!("HEAD /metrics HTTP/1.1\r\n{host}\r\n"));
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(watched.say(&format!("GET /{} HTTP/1.1\r\n{host}\r\n", "x".repeat(20_000))).status, 431);
    let many = "X-Header: x\r\n".repeat(100);
    assert_eq!(watched.get_with("/", &many).status, 431);
    assert_eq!(watched.say("*1\r\n$4\r\nPING\r\n").status, 400);
    // One request a connection, whatever the client would like.
    let pair = watched
        .say(&format!("GET / HTTP/1.1\r\n{host}Connection: keep-alive\r\n\r\nGET / HTTP/1.1\r\n{host}\r\n"));
    assert_eq!(pair.header("connection"), Some("close"));
    assert_eq!(pair.body.matches("HTTP/1.1").count(), 0);
    // The node lives on, and its clients are served.
    watched.server.client().check("PING", "+PONG");
}

#[test]
fn a_name_that_is_not_the_nodes_own_is_not_answered_to() {
    if skip_unless_narf() {
        return;
    }
    let watched = Watched::with(|options| options.set("http-hosts", "narf.example other.example"));
    let ask = |host: &str| watched.say(&format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n")).status;
    for host in ["localhost", "127.0.0.1:80", "[::1]", "narf.example", "OTHER.example:8379"] {
        assert_eq!(ask(host), 200, "{host}");
    }
    for host in ["evil.example", "localhost.evil.example:80", "narf.example.evil.example"] {
        assert_eq!(ask(host), 421, "{host}");
        let ready = watched.say(&format!("GET /health/ready HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(ready.status, 421, "{host}");
    }
    assert_eq!(watched.say("GET /metrics HTTP/1.1\r\n\r\n").status, 400);
    assert_eq!(watched.say("GET /metrics HTTP/1.0\r\n\r\n").status, 400);
    assert_eq!(watched.say("GET /health/ready HTTP/1.0\r\n\r\n").status, 200);
}

#[test]
fn a_token_opens_metrics_and_health_needs_none() {
    if skip_unless_narf() {
        return;
    }
    let watched = Watched::with(|options| {
        let options = options.variable("NARF_HTTP_TOKEN", "sesame").set("auth-failures-max", 3);
        options.expect_log("too many wrong tokens")
    });
    assert_eq!(watched.get("/health/live").status, 200);
    let closed = watched.get("/metrics");
    assert_eq!((closed.status, closed.header("www-authenticate")), (401, Some("Bearer")));
    let with =
        |token: &str| watched.get_with("/metrics", &format!("Authorization: Bearer {token}\r\n")).status;
    assert_eq!(with("sesame"), 200);
    assert_eq!(with("sesam"), 401);
    assert_eq!(watched.get_with("/metrics", "Authorization: Basic sesame\r\n").status, 401);
    for guess in ["a", "b", "c", "d"] {
        with(guess);
    }
    // The right one is not told from a wrong one any more.
    assert_eq!(with("sesame"), 429);
    let shown = watched.server.client().run("CONFIG GET http-token").to_string();
    assert!(shown.contains("(redacted)") && !shown.contains("sesame"), "{shown}");
}

#[test]
fn other_machines_need_the_token() {
    if skip_unless_narf() {
        return;
    }
    let open = || Options::new().kind(Kind::Narf).set("http-port", free_port()).set("http-bind", "0.0.0.0");
    let (status, log) = Server::start_in_vain(open());
    assert_eq!(status.code(), Some(2), "{log}");
    assert!(log.contains("refusing to tell metrics on 0.0.0.0") && log.contains("NARF_HTTP_TOKEN"), "{log}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (status, log) = Server::start_in_vain(Options::new().kind(Kind::Narf).set("http-port", port));
    assert_eq!(status.code(), Some(2), "{log}");
    assert!(
        log.contains(&format!("port {port} for HTTP is used by")) && log.contains("--http-port"),
        "{log}"
    );
}

#[test]
fn who_says_nothing_keeps_nobody_else_out_for_long() {
    if skip_unless_narf() {
        return;
    }
    let watched = Watched::new();
    // As many as there are places, and then some.
    let silent: Vec<TcpStream> = (0..40)
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", watched.port)).unwrap();
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: ").unwrap();
            stream
        })
        .collect();
    assert_eq!(watched.get("/health/live").status, 200);
    drop(silent);
}

#[test]
fn a_node_that_takes_no_writes_is_not_ready_and_says_why() {
    if skip_unless_narf() {
        return;
    }
    let Some(disk) = SmallDisk::new(32) else { return };
    let watched = Watched::with(|options| {
        let options = options.data(Data::At(disk.path().join("data"))).set("checkpoint-log-size", "1gb");
        options
            .set("log-segment-size", "1mb")
            .expect_log("the disk is full")
            .expect_log("no room for a checkpoint")
    });
    let ready = || watched.get("/health/ready");
    eventually("it is ready", || (ready().status == 200).then_some(()));
    let mut c = watched.server.client();
    let value = "x".repeat(100_000);
    let mut key = 0;
    let answer = eventually("it says that it is not ready", || {
        let replies = c.pipeline((0..20).map(|n| format!("SET k{} {value}", key + n)));
        key += 20;
        let answer = ready();
        (replies.iter().any(Value::is_error) && answer.status == 503).then_some(answer)
    });
    assert!(answer.body.starts_with("degraded: disk full: "), "{answer:?}");
    assert_eq!(watched.metrics().get("narf_writes_refused"), 1.0);
    c.check("FLUSHALL", "+OK");
    eventually("it is ready again", || (ready().status == 200).then_some(()));
}
