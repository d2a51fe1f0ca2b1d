//! Clients over TLS: who is let in, what they are shown, and that nobody is disturbed by it.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;

use narf_tests::{
    Certificates, Client, DEADLINE, Kind, Options, Server, Value, eventually, free_port, narf_binary,
    skip_unless_narf,
};
use rustls::ClientConfig;

use crate::nodes::Cluster;
use crate::real_clients::{python, script};

/// A server with a port for TLS beside the plain one.
struct Sealed {
    server: Server,
    certificates: Certificates,
    port: u16,
}

impl Sealed {
    /// Asks clients for no certificate.
    fn new() -> Sealed {
        Sealed::with(|options| options.set("tls-auth-clients", "no"))
    }

    fn with(change: impl FnOnce(Options) -> Options) -> Sealed {
        let (certificates, port) = (Certificates::new(), free_port());
        let server = Server::start(change(options(&certificates, port)));
        Sealed { server, certificates, port }
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// A client that shows nothing.
    #[track_caller]
    fn client(&self) -> Client {
        Client::tls(self.address(), &self.certificates.config(None)).expect("the server takes it")
    }

    /// What a client is told that is refused.
    #[track_caller]
    fn refusal(&self, config: &Arc<ClientConfig>) -> String {
        // In TLS 1.3 a client is through with its handshake before the server has looked at what it showed.
        let mut client = match Client::tls(self.address(), config) {
            Ok(client) => client,
            Err(error) => return error.to_string(),
        };
        let (tls, socket) = client.tls_parts();
        loop {
            match tls.complete_io(socket) {
                Ok(_)
                    if tls.process_new_packets().is_ok_and(|state| state.plaintext_bytes_to_read() == 0) => {}
                Ok(_) => panic!("it was let in"),
                Err(error) => return error.to_string(),
            }
        }
    }

    fn figure(&self, name: &str) -> u64 {
        self.server.info(&format!("narf_tls_handshakes{name}")).unwrap().parse().unwrap()
    }
}

fn options(certificates: &Certificates, port: u16) -> Options {
    sealed(Options::new().kind(Kind::Narf), certificates, port)
}

pub(crate) fn sealed(options: Options, certificates: &Certificates, port: u16) -> Options {
    options
        .set("tls-port", port)
        .set("tls-cert-file", certificates.text_path("server.crt"))
        .set("tls-key-file", certificates.text_path("server.key"))
        .set("tls-ca-cert-file", certificates.text_path("ca.crt"))
}

/// The certificate that the server showed.
fn shown(client: &mut Client) -> Vec<u8> {
    client.tls_parts().0.peer_certificates().unwrap()[0].to_vec()
}

#[test]
fn clients_are_served_with_and_without_tls_at_once() {
    if skip_unless_narf() {
        return;
    }
    let node = Sealed::new();
    let mut plain = node.server.client();
    plain.check("SET shared 1", "+OK");
    for (version, name) in [(&rustls::version::TLS13, "TLSv1.3"), (&rustls::version::TLS12, "TLSv1.2")] {
        let config = node.certificates.config_of(None, &[version]);
        let mut c = Client::tls(node.address(), &config).unwrap();
        c.check("INCR shared", if name == "TLSv1.3" { ":2" } else { ":3" });
        let line = c.run("CLIENT INFO").text();
        assert!(line.contains(&format!("laddr=127.0.0.1:{} ", node.port)), "{line}");
        assert!(line.trim_end().ends_with(&format!(" tls={name}")), "{line}");
        c.hello3();
        c.check("CONFIG GET tls-port", &format!("{{\"tls-port\": \"{}\"}}", node.port));
    }
    assert!(plain.run("CLIENT INFO").text().trim_end().ends_with(" tls=no"));
    let info = plain.run("INFO server").text();
    let listeners: Vec<&str> = info.lines().filter(|line| line.starts_with("listener")).collect();
    let (port, tls_port) = (node.server.port(), node.port);
    assert_eq!(
        listeners,
        [
            format!("listener0:name=tcp,bind=127.0.0.1,port={port}"),
            format!("listener1:name=tls,bind=127.0.0.1,port={tls_port}"),
        ]
    );
    assert_eq!((node.figure(""), node.figure("_refused"), node.figure("_given_up")), (2, 0, 0));
    plain.check("GET shared", r#""3""#);
}

#[test]
fn pipelines_and_big_replies_come_whole_and_in_order() {
    if skip_unless_narf() {
        return;
    }
    let node = Sealed::new();
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let mut c = Client::tls(node.address(), &node.certificates.config_of(None, &[version])).unwrap();
        let replies = c.pipeline((0..5000).map(|i| format!("ECHO {i}")));
        assert!(replies.iter().enumerate().all(|(i, reply)| reply.text() == i.to_string()));
        let big: Vec<u8> = (0..9_000_000u32).map(|i| (i * 7 + i / 251) as u8).collect();
        assert_eq!(c.run_args(&[b"SET".as_slice(), b"big", &big]).to_string(), "+OK");
        for _ in 0..3 {
            c.send("GET big");
        }
        c.send("ECHO behind");
        for _ in 0..3 {
            assert!(c.reply().bytes() == big, "a big reply");
        }
        assert_eq!(c.reply().text(), "behind");
        // One byte in each record.
        for byte in b"*1\r\n$4\r\nPING\r\n" {
            c.send_raw([*byte]);
        }
        assert_eq!(c.reply().to_string(), "+PONG");
    }
}

#[test]
fn a_connection_ends_with_a_word_of_it() {
    if skip_unless_narf() {
        return;
    }
    let node = Sealed::new();
    let mut c = node.client();
    c.send("QUIT");
    assert_eq!(c.reply().to_string(), "+OK");
    let (tls, socket) = c.tls_parts();
    while !tls.process_new_packets().unwrap().peer_has_closed() {
        assert_ne!(tls.read_tls(socket).unwrap(), 0, "the end was not announced: it might be a cut");
    }
    // And is taken as one.
    let mut c = node.client();
    c.send("ECHO last");
    c.finish_sending();
    c.check_closed_after("$4\r\nlast\r\n");
    let mut c = node.client();
    let id = c.run("CLIENT ID");
    assert_eq!(node.server.client().run(&format!("CLIENT KILL ID {id}").replace(':', "")).to_string(), ":1");
    c.check_closed_after("");
}

#[test]
fn without_the_certificate_that_is_asked_for_nobody_is_let_in() {
    if skip_unless_narf() {
        return;
    }
    let node = Sealed::with(|options| options.expect_log("a client over TLS was refused"));
    let (ours, others) = (&node.certificates, Certificates::new());
    let mut c = Client::tls(node.address(), &ours.config(Some("client"))).unwrap();
    c.check("PING", "+PONG");
    // A pair of another authority, and a trust in ours.
    others.put("ca.crt", &std::fs::read_to_string(ours.path("ca.crt")).unwrap());
    for versions in [[&rustls::version::TLS13], [&rustls::version::TLS12]] {
        let refusal = node.refusal(&ours.config_of(None, &versions));
        assert!(refusal.contains("fatal alert: CertificateRequired"), "{refusal}");
        let refusal = node.refusal(&others.config_of(Some("client"), &versions));
        assert!(refusal.contains("fatal alert: UnknownCA"), "{refusal}");
    }
    assert_eq!((node.figure(""), node.figure("_refused")), (1, 4));
    let log = node.server.log();
    let told: Vec<_> = log.lines().filter(|line| line.contains("a client over TLS was refused")).collect();
    assert_eq!(told.len(), 1, "once a source: {log}");
    assert!(told[0].contains("127.0.0.1") && told[0].contains("peer sent no certificates"), "{}", told[0]);
    c.check("CONFIG SET tls-auth-clients optional", "+OK");
    Client::tls(node.address(), &ours.config(None)).unwrap().check("PING", "+PONG");
    assert!(node.refusal(&others.config(Some("client"))).contains("UnknownCA"));
    c.check("CONFIG SET tls-auth-clients no", "+OK");
    Client::tls(node.address(), &others.config(Some("client"))).unwrap().check("PING", "+PONG");
    c.check("PING", "+PONG");
}

#[test]
fn a_certificate_does_not_log_in() {
    if skip_unless_narf() {
        return;
    }
    let node = Sealed::with(|options| options.password("secret").set("auth-timeout", "500ms"));
    let mut c = Client::tls(node.address(), &node.certificates.config(Some("client"))).unwrap();
    assert!(c.run("GET k").text().starts_with("NOAUTH"));
    // The bounds for strangers hold.
    c.send_raw(b"*1\r\n$1000000\r\n");
    let answer = String::from_utf8(c.read_to_close()).unwrap();
    assert!(answer.starts_with("-ERR Protocol error: unauthenticated bulk length"), "{answer}");
    let mut c = Client::tls(node.address(), &node.certificates.config(Some("client"))).unwrap();
    c.check_closed_after("");
    let mut c = Client::tls(node.address(), &node.certificates.config(Some("client"))).unwrap();
    c.check("AUTH secret", "+OK");
    c.check("GET k", "nil");
}

#[test]
fn versions_that_are_not_wanted_are_refused() {
    if skip_unless_narf() {
        return;
    }
    let node = Sealed::with(|options| {
        options.set("tls-auth-clients", "no").set("tls-protocols", "TLSv1.3").expect_log("was refused")
    });
    let old = node.certificates.config_of(None, &[&rustls::version::TLS12]);
    assert!(node.refusal(&old).contains("ProtocolVersion"));
    let mut c = node.client();
    c.check("CONFIG GET tls-protocols", r#"["tls-protocols", "TLSv1.3"]"#);
    let refused = c.run("CONFIG SET tls-protocols TLSv1.1").text();
    assert_eq!(
        refused,
        "ERR CONFIG SET failed (possibly related to argument 'tls-protocols') - Unable to update TLS configuration: \
         `tls-protocols` knows TLSv1.2 and TLSv1.3, not \"TLSv1.1\""
    );
    c.run_args(&["CONFIG", "SET", "tls-protocols", "TLSv1.2 TLSv1.3"]);
    Client::tls(node.address(), &old).unwrap().check("PING", "+PONG");
}

#[test]
fn a_new_certificate_is_taken_when_it_is_set_and_open_connections_go_on() {
    if skip_unless_narf() {
        return;
    }
    let node = Sealed::new();
    let mut first = node.client();
    let old = node.certificates.certificate("server.crt").to_vec();
    assert_eq!(shown(&mut first), old);
    node.certificates.issue("server");
    // The same name again is how Redis is told of it.
    let path = node.certificates.text_path("server.crt");
    node.server.config_set("tls-cert-file", &path);
    let mut second = node.client();
    assert_eq!(shown(&mut second), node.certificates.certificate("server.crt").to_vec());
    // Another file, with its key in the same request.
    node.certificates.issue("other");
    let (certificate, key) =
        (node.certificates.text_path("other.crt"), node.certificates.text_path("other.key"));
    let reply = first.run_args(&["CONFIG", "SET", "tls-cert-file", &certificate, "tls-key-file", &key]);
    assert_eq!(reply.to_string(), "+OK");
    assert_eq!(shown(&mut node.client()), node.certificates.certificate("other.crt").to_vec());
    first.check("PING", "+PONG");
    second.check("PING", "+PONG");
}

#[test]
fn files_that_change_are_noticed() {
    if skip_unless_narf() {
        return;
    }
    let node = Sealed::with(|options| {
        options.set("tls-auth-clients", "no").expect_log("have changed and cannot be used")
    });
    let mut first = node.client();
    let begun = shown(&mut first);
    node.certificates.issue("server");
    let new = node.certificates.certificate("server.crt").to_vec();
    eventually("the new certificate", || (shown(&mut node.client()) == new).then_some(()));
    first.check("PING", "+PONG");
    assert_eq!(shown(&mut first), begun);
    // What is no certificate is said once, and nothing changes.
    node.certificates.put("server.crt", "nonsense\n");
    let complaints = || {
        let log = node.server.log();
        log.lines().filter(|line| line.contains("have changed and cannot be used")).count()
    };
    eventually("a complaint", || (complaints() > 0).then_some(()));
    assert_eq!(shown(&mut node.client()), new);
    node.certificates.issue("server");
    let newest = node.certificates.certificate("server.crt").to_vec();
    eventually("the newest certificate", || (shown(&mut node.client()) == newest).then_some(()));
    assert_eq!(complaints(), 1, "{}", node.server.log());
}

#[test]
fn files_of_no_use_are_refused_by_name_and_those_in_use_stay() {
    if skip_unless_narf() {
        return;
    }
    let node = Sealed::new();
    let before = shown(&mut node.client());
    node.certificates.issue("other");
    node.certificates.put("nonsense", "nonsense\n");
    let path = |name: &str| node.certificates.text_path(name);
    let mut c = node.server.client();
    for (setting, file, part) in [
        ("tls-cert-file", path("nowhere"), "cannot read"),
        ("tls-cert-file", path("other.crt"), "is not that of the first certificate"),
        ("tls-key-file", path("nonsense"), "there is no private key in"),
        ("tls-cert-file", String::new(), "`tls-port` needs a certificate and its key"),
    ] {
        let refused = c.run_args(&["CONFIG", "SET", setting, &file]).text();
        let begin = format!(
            "ERR CONFIG SET failed (possibly related to argument '{setting}') - Unable to update TLS configuration: `"
        );
        assert!(
            refused.starts_with(&begin) && refused.contains(part) && refused.contains(&file),
            "{refused}"
        );
    }
    let refused = c.run_args(&["CONFIG", "SET", "tls-auth-clients", "yes", "tls-ca-cert-file", ""]).text();
    assert!(refused.contains("without, set `tls-auth-clients` to no"), "{refused}");
    c.check("CONFIG GET tls-auth-clients", r#"["tls-auth-clients", "no"]"#);
    assert_eq!(shown(&mut node.client()), before);
}

#[test]
fn a_node_does_not_begin_with_files_of_no_use() {
    if skip_unless_narf() {
        return;
    }
    let certificates = Certificates::new();
    certificates.put("nonsense", "nonsense\n");
    let bare = || Options::new().kind(Kind::Narf).set("tls-port", free_port());
    let (server, key) = (certificates.text_path("server.crt"), certificates.text_path("server.key"));
    let with =
        |certificate: &str, key: &str| bare().set("tls-cert-file", certificate).set("tls-key-file", key);
    let nonsense = certificates.text_path("nonsense");
    for (options, parts) in [
        (bare(), ["`tls-cert-file` is not set", "docs/tls.md"]),
        (bare().set("tls-cert-file", &server), ["`tls-key-file` is not set", "docs/tls.md"]),
        (with(&server, &key), ["`tls-ca-cert-file` is not set", "set `tls-auth-clients` to no"]),
        (
            with(&server, &key).set("tls-ca-cert-file", &nonsense),
            ["--tls-ca-cert-file", "there is no certificate in"],
        ),
        (with(&server, &nonsense), ["--tls-key-file", "there is no private key in"]),
        (with(&server, &server), ["--tls-key-file", "there is no private key in"]),
        (with(&nonsense, &key), ["--tls-cert-file", "there is no certificate in"]),
    ] {
        let (status, log) = Server::start_in_vain(options);
        assert!(!status.success());
        assert!(parts.iter().all(|part| log.contains(part)), "{parts:?}: {log}");
    }
}

#[test]
fn other_protocols_at_the_port_for_tls_are_shown_out() {
    if skip_unless_narf() {
        return;
    }
    let node = Sealed::with(|options| {
        options.set("tls-auth-clients", "no").expect_log("another protocol at the port for TLS")
    });
    for bytes in [
        b"*3\r\n$3\r\nSET\r\n$6\r\nsneaked\r\n$2\r\nin\r\n".as_slice(),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x16\x03\x01\xff\xff\x01\xff\xff\xff\x03\x03",
    ] {
        let mut c = Client::tcp(node.address()).unwrap();
        c.send_raw(bytes);
        let alert = c.read_to_close();
        assert!(alert.len() < 100 && alert.first() == Some(&0x15), "{alert:?}");
    }
    assert_eq!(node.figure("_refused"), 4);
    let told = node.server.log().lines().filter(|line| line.contains("another protocol")).count();
    assert_eq!(told, 1);
    node.client().check("EXISTS sneaked", ":0");
}

#[test]
fn handshakes_that_do_not_go_on_take_no_place_from_others() {
    if skip_unless_narf() {
        return;
    }
    let node = Sealed::with(|options| options.set("tls-auth-clients", "no").set("auth-timeout", "3s"));
    let hello: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    // More than there may be at once.
    let mut slow: Vec<TcpStream> = Vec::new();
    for number in 0..1100 {
        let mut stream = TcpStream::connect(node.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        if number % 2 == 0 {
            stream.write_all(hello).unwrap();
        }
        slow.push(stream);
    }
    // One that means it is let in, and nobody who is in waits.
    node.client().check("SET k v", "+OK");
    node.server.client().check("GET k", r#""v""#);
    // Those that came first went for those that came later, the others when their time was over.
    for stream in &mut slow {
        let mut rest = Vec::new();
        let end = stream.read_to_end(&mut rest);
        assert!(rest.is_empty() && end.is_ok_and(|count| count == 0));
    }
    assert_eq!((node.figure(""), node.figure("_given_up")), (1, 1100));
}

#[test]
fn who_reads_nothing_is_held_to_the_limit_of_output() {
    if skip_unless_narf() {
        return;
    }
    let node = Sealed::with(|options| {
        options
            .set("tls-auth-clients", "no")
            .set("client-output-buffer-limit", "normal 2mb 0 0")
            .expect_log("output")
    });
    let mut c = node.client();
    let big = vec![b'x'; 500_000];
    c.run_args(&[b"SET".as_slice(), b"big", &big]);
    // Far more than sockets take: the server must not keep it in the seal instead.
    for _ in 0..100 {
        if c.try_send_raw(b"*2\r\n$3\r\nGET\r\n$3\r\nbig\r\n").is_err() {
            break;
        }
    }
    let mut watcher = node.server.client();
    eventually("the greedy client to be shown out", || {
        let list = watcher.run("CLIENT LIST").text();
        (!list.contains("tls=TLSv1.3")).then_some(())
    });
    // One that reads gets all of it under the same limit.
    let mut c = node.client();
    for _ in 0..20 {
        assert_eq!(c.run("GET big").bytes().len(), big.len());
    }
}

#[test]
fn a_client_that_waits_can_be_killed_and_what_it_waited_for_stays() {
    if skip_unless_narf() {
        return;
    }
    let node = Sealed::new();
    let mut plain = node.server.client();
    for round in 0..50 {
        let mut c = node.client();
        let id = c.run("CLIENT ID").to_string().replace(':', "");
        c.send("BLPOP queue 0");
        eventually("a client that waits", || {
            plain.run(&format!("CLIENT LIST ID {id}")).text().contains(" flags=b ").then_some(())
        });
        if round % 2 == 0 {
            plain.check(&format!("CLIENT KILL ID {id}"), ":1");
            plain.check("RPUSH queue 1", ":1");
            plain.check("LPOP queue", r#""1""#);
            c.check_closed_after("");
        } else {
            plain.check("RPUSH queue 2", ":1");
            assert_eq!(c.reply().to_string(), r#"["queue", "2"]"#);
        }
    }
    plain.check("LLEN queue", ":0");
}

#[test]
fn port_0_beside_tls_is_tls_only() {
    if skip_unless_narf() {
        return;
    }
    let (certificates, port) = (Certificates::new(), free_port());
    let run = tempfile::TempDir::with_prefix("narf-test-").unwrap();
    let mut child = Command::new(narf_binary())
        .args(["serve", "--no-data", "--join", "none", "--port", "0"])
        .env("NARF_RUNTIME_DIR", run.path())
        .env("NARF_TLS_PORT", port.to_string())
        .env("NARF_TLS_CERT_FILE", certificates.path("server.crt"))
        .env("NARF_TLS_KEY_FILE", certificates.path("server.key"))
        .env("NARF_TLS_AUTH_CLIENTS", "no")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut c = eventually("a node with TLS only", || Client::tls(address, &certificates.config(None)).ok());
    let info = c.run("INFO server").text();
    assert!(info.contains(&format!("\r\ntcp_port:{port}\r\n")), "{info}");
    assert!(info.contains(&format!("listener0:name=tls,bind=127.0.0.1,port={port}\r\n")), "{info}");
    assert!(!info.contains("name=tcp"), "{info}");
    // One that is told to stop before it says that it is ready does not say it.
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let mut banner = String::new();
    while !banner.contains("Redis protocol") && said.read_line(&mut banner).unwrap() > 0 {}
    c.send("SHUTDOWN");
    assert!(child.wait().unwrap().success());
    said.read_to_string(&mut banner).unwrap();
    assert!(banner.contains(&format!("Redis protocol   rediss://127.0.0.1:{port}")), "{banner}");
    assert!(!banner.contains("redis://127"), "{banner}");
}

#[test]
fn redis_cli_and_redis_py_connect_as_their_manuals_say() {
    if skip_unless_narf() {
        return;
    }
    let node = Sealed::with(|options| options);
    let path = |name: &str| node.certificates.text_path(name);
    let port = node.port.to_string();
    let output = Command::new("redis-cli")
        .args(["-p", &port, "--tls", "--cacert", &path("ca.crt"), "--cert", &path("client.crt")])
        .args(["--key", &path("client.key"), "SET", "from", "redis-cli"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "OK\n", "{output:?}");
    let Some(python) = python() else { return };
    let program = "
import redis, sys
port, ca, cert, key = sys.argv[1:]
r = redis.Redis(port=int(port), ssl=True, ssl_ca_certs=ca, ssl_certfile=cert, ssl_keyfile=key, ssl_check_hostname=True)
assert r.get('from') == b'redis-cli'
pipe = r.pipeline(transaction=True)
for number in range(1000): pipe.set(f'key:{number}', number)
assert all(pipe.execute())
messages = r.pubsub(); messages.subscribe('news'); assert messages.get_message(timeout=30)['type'] == 'subscribe'
assert r.publish('news', b'x' * 1000000) == 1
assert len(messages.get_message(timeout=30)['data']) == 1000000
url = f'rediss://localhost:{port}/1?ssl_ca_certs={ca}&ssl_certfile={cert}&ssl_keyfile={key}'
assert redis.Redis.from_url(url).set('k', 'v')
";
    let output = Command::new(python)
        .args(["-c", program, &port])
        .args(["ca.crt", "client.crt", "client.key"].map(path))
        .output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn each_client_of_a_cluster_is_told_of_ports_that_speak_what_it_speaks() {
    if skip_unless_narf() {
        return;
    }
    let (certificates, tls_ports) = (Certificates::new(), [free_port(), free_port(), free_port()]);
    let cluster = Cluster::with(3, |number, options| {
        sealed(options, &certificates, tls_ports[number]).set("tls-auth-clients", "no")
    });
    let ports: Vec<u16> = cluster.nodes.iter().map(Server::port).collect();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, tls_ports[1]));
    let mut over_tls = Client::tls(address, &certificates.config(None)).unwrap();
    over_tls.hello3();
    for (client, ports) in [(&mut cluster.nodes[0].client3(), ports.as_slice()), (&mut over_tls, &tls_ports)]
    {
        let expect: BTreeSet<i64> = ports.iter().map(|port| i64::from(*port)).collect();
        let slots = client.run("CLUSTER SLOTS");
        let mut told = BTreeSet::new();
        for range in slots.items() {
            told.extend(range.items()[2..].iter().map(|node| node.items()[1].int()));
        }
        assert_eq!(told, expect, "{slots}");
        let nodes = client.run("CLUSTER NODES").text();
        let port = |line: &str| line.split([':', '@']).nth(1).unwrap().parse().unwrap();
        assert_eq!(nodes.lines().map(port).collect::<BTreeSet<i64>>(), expect, "{nodes}");
        let members = client.run("FABRIC MEMBERS");
        let address = |member: &Value| member.field("address").unwrap().text();
        let told: BTreeSet<String> = members.items().iter().map(address).collect();
        assert_eq!(told, expect.iter().map(|port| format!("127.0.0.1:{port}")).collect());
    }
    // Here both kinds have a name.
    let shards = over_tls.run("CLUSTER SHARDS");
    let shards: Vec<Value> = shards.items();
    for node in shards.iter().flat_map(|shard| shard.field("nodes").unwrap().items()) {
        let port = |name: &str| node.field(name).unwrap().int();
        let at = ports.iter().position(|plain| i64::from(*plain) == port("port")).unwrap();
        assert_eq!(port("tls-port"), i64::from(tls_ports[at]));
    }
    let url = format!("rediss://127.0.0.1:{}", tls_ports[0]);
    let ca = certificates.text_path("ca.crt");
    let (code, out, complaint) =
        narf(&["top", "--once", "--every", "10ms", "--view", "nodes", "-u", &url, "--cacert", &ca]);
    assert_eq!((code, complaint.as_str()), (0, ""), "{out}");
    assert!(out.starts_with("nodes 3   "), "it reaches all of them: {out}");

    let Some(python) = python() else { return };
    let mut command = Command::new(python);
    command.arg(script("cluster_tls.py")).arg(ca).args(tls_ports.map(|port| port.to_string()));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, b"DONE\n");
}

/// What `narf` says to these words: exit code, standard output, standard error.
fn narf(words: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(narf_binary());
    for (name, _) in std::env::vars_os()
        .filter(|(name, _)| name.to_string_lossy().starts_with("NARF_") || name == "SSL_CERT_FILE")
    {
        command.env_remove(name);
    }
    let output = command.args(words).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn narf_cli_speaks_tls_as_redis_cli_does() {
    if skip_unless_narf() {
        return;
    }
    let node = Sealed::with(|options| {
        options.set("tls-auth-clients", "optional").expect_log("was refused").expect_log("another protocol")
    });
    let path = |name: &str| node.certificates.text_path(name);
    let (ca, certificate, key) = (path("ca.crt"), path("client.crt"), path("client.key"));
    let sealed = format!("rediss://localhost:{}", node.port);
    let bare = format!("redis://127.0.0.1:{}", node.port);
    assert_eq!(
        narf(&["cli", "-u", &sealed, "--cacert", &ca, "set", "k", "v"]),
        (0, "OK\n".into(), String::new())
    );
    let (code, out, err) = narf(&["cli", "-u", &bare, "--tls", "--cacert", &ca, "client", "info"]);
    assert!(code == 0 && out.contains(" tls=TLSv1.3"), "{out}{err}");
    assert_eq!(narf(&["cli", "-u", &sealed, "--insecure", "get", "k"]).1, "v\n");
    let pair = ["--cert", &certificate, "--key", &key];
    let words = [&["cli", "-u", &sealed, "--cacert", &ca], &pair[..], &["get", "k"]].concat();
    assert_eq!(narf(&words).1, "v\n");
    // The verbs beside it take the same flags, also when only certificates are let in.
    node.server.config_set("tls-auth-clients", "yes");
    for (verb, answer) in [
        (&["set", "verb", "1"][..], "OK\n"),
        (&["get", "verb"], "1\n"),
        (&["del", "verb"], "1\n"),
        (&["cluster", "owner", "verb"], "partition"),
        (&["cluster", "status"], "ready"),
    ] {
        let (code, out, err) = narf(&[verb, &["-u", &sealed, "--cacert", &ca], &pair[..]].concat());
        assert!(code == 0 && out.contains(answer), "{verb:?}: {out}{err}");
    }
    node.server.config_set("tls-auth-clients", "optional");
    // Who trusts nobody that it is from is told what to do, and so are others who do not come together.
    let others = Certificates::new();
    let plain = format!("rediss://127.0.0.1:{}", node.server.port());
    let nowhere = path("nowhere");
    node.server.config_set("tls-auth-clients", "yes");
    for (words, code, parts) in [
        (
            vec!["-u", &sealed, "--cacert", &others.text_path("ca.crt")],
            3,
            ["no authority that is trusted", "--cacert FILE"],
        ),
        (vec!["-u", &sealed, "--cacert", &ca, "--sni", "elsewhere"], 3, ["elsewhere", "--sni NAME"]),
        (vec!["-u", &sealed, "--cacert", &ca], 3, ["CertificateRequired", "--cert FILE and --key FILE"]),
        (vec!["-u", &sealed, "--cacert", &nowhere], 2, ["cannot read", "nowhere"]),
        (vec!["-u", &sealed, "--cacert", &ca, "--cert", &certificate], 2, ["--key", "required"]),
        (vec!["-u", &plain, "--cacert", &ca], 3, ["no TLS with", "redis://"]),
        (vec!["-u", "unix:///tmp/x", "--tls"], 2, ["no TLS", "unix socket"]),
    ] {
        let (exit, out, err) = narf(&[&["cli"], &words[..], &["get", "k"]].concat());
        assert_eq!((exit, out.as_str()), (code, ""), "{words:?}: {err}");
        assert!(parts.iter().all(|part| err.contains(part)), "{words:?}: {err}");
    }
    // Without the flags, the authorities are those of the variable that other tools know.
    node.server.config_set("tls-auth-clients", "no");
    let output = Command::new(narf_binary())
        .args(["cli", "get", "k"])
        .env("NARF_URL", &sealed)
        .env("SSL_CERT_FILE", &ca)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "v\n", "{output:?}");
}

#[test]
fn narf_bench_measures_over_tls() {
    if skip_unless_narf() {
        return;
    }
    let node = Sealed::new();
    let (sealed, ca) = (format!("rediss://localhost:{}", node.port), node.certificates.text_path("ca.crt"));
    let plain = format!("redis://127.0.0.1:{}", node.server.port());
    let words = ["bench", "-u", &sealed, "--cacert", &ca, "--compare", &plain, "-t", "set,get", "-n", "4000"];
    let (code, out, err) = narf(&[&words[..], &["--rounds", "1", "-P", "16", "-c", "8"]].concat());
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("rediss://localhost") && out.contains("redis://127.0.0.1"), "{out}");
    assert!(node.figure("") >= 8);
}

/// The commands of docs/tls.md as they stand, but for the ports, and for the node, which is started as a test's.
#[test]
fn the_page_on_tls_can_be_followed() {
    if skip_unless_narf() || Command::new("openssl").arg("version").output().is_err() {
        return;
    }
    let page = include_str!("../../docs/tls.md");
    let blocks: Vec<&str> =
        page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let (before, after) = blocks[0].split_once("narf serve --tls-port 6390").expect("the page starts a node");
    let folder = tempfile::TempDir::with_prefix("narf-page-").unwrap();
    let run = |script: &str| {
        let output = Command::new("sh").args(["-ec", script]).current_dir(folder.path()).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{script}\n{error}");
        String::from_utf8(output.stdout).unwrap()
    };
    run(before);
    let (at, port) = (|name: &str| folder.path().join(name).display().to_string(), free_port());
    let node = Server::start(
        Options::new()
            .kind(Kind::Narf)
            .set("tls-port", port)
            .set("tls-cert-file", at("node.crt"))
            .set("tls-key-file", at("node.key"))
            .set("tls-auth-clients", "no")
            .expect_log("holds the key for TLS"),
    );
    let here = |script: &str| {
        let script = script.replace("6390", &port.to_string()).replace("6379", &node.port().to_string());
        script.replace("tls-ca-cert-file ca.crt", &format!("tls-ca-cert-file {}", at("ca.crt")))
    };
    let cli: String = after.lines().filter(|line| line.starts_with("redis-cli")).map(here).collect();
    assert_eq!(run(&cli), "PONG\n");
    let certificates =
        blocks.iter().find(|block| block.contains("app.crt")).expect("the page makes a client's");
    assert_eq!(run(&here(certificates)), "OK\nPONG\n");
}
