//! Who knocks at the port for nodes and is none of the cluster: refused before anything is told.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use narf_tests::{Certificates, Data, Kind, Options, Server, eventually, skip_unless_narf};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, Stream};

/// What a link between members begins with, docs/formats/link.md: worker 0 of 1, reachable at no address, which knows level 1.
const HELLO: &[u8] = b"NRF4\x00\x00\x01\x00\x00\x00\x01\x01\x01sixteen bytes: r";
const PEER: &[u8] = b"narf-peer/1";
const JOIN: &[u8] = b"narf-join/1";

/// A cluster of one node, and what the node's folder says of its authority.
struct Home {
    node: Server,
    peers: SocketAddr,
    cluster: u128,
    me: u128,
    authority: CertificateDer<'static>,
    key: Vec<u8>,
}

fn wait_until_ready(node: &Server) {
    let mut client = node.client3();
    eventually("a node that is ready", || {
        (client.run("FABRIC STATUS").field("state")?.text() == "ready").then_some(())
    });
}

fn number(hex: &str) -> u128 {
    u128::from_str_radix(hex, 16).unwrap()
}

impl Home {
    fn new() -> Home {
        let node = Server::start(Options::new().kind(Kind::Narf).data(Data::Temporary).set("partitions", 4));
        wait_until_ready(&node);
        let status = node.client3().run("FABRIC STATUS");
        let (cluster, me) =
            (status.field("cluster-id").unwrap().text(), node.client().run("CLUSTER MYID").text());
        let members = node.client3().run("FABRIC MEMBERS");
        let peers = members.items()[0].field("peer-address").unwrap().text().parse().unwrap();
        let trust = std::fs::read(node.data_path().join("trust")).unwrap();
        let (authority, key) = parts(&trust);
        Home { node, peers, cluster: number(&cluster), me: number(&me[..32]), authority, key }
    }

    /// A certificate of the cluster's authority for a node, and its key.
    fn pair_for(&self, cluster: u128, node: u128) -> Pair {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, format!("narf cluster {:032x}", self.cluster));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let key = KeyPair::try_from(&PrivatePkcs8KeyDer::from(self.key.as_slice())).unwrap();
        Pair::new(&Issuer::new(params, key), &self.authority, cluster, node)
    }

    /// What comes back for a hello; nothing if the connection ends before an answer.
    fn answer(&self, protocol: &[u8], pair: Option<Pair>) -> Vec<u8> {
        say(self.peers, protocol, pair, HELLO)
    }
}

/// Certificate and key of a cluster's authority, in the file that each of its nodes has: a magic, a version and the
/// cluster's id, then each part behind its length.
fn parts(bytes: &[u8]) -> (CertificateDer<'static>, Vec<u8>) {
    let mut rest = &bytes[4 + 1 + 16..];
    let mut part = || {
        let (length, tail) = rest.split_at(4);
        let (part, tail) = tail.split_at(u32::from_le_bytes(length.try_into().unwrap()) as usize);
        rest = tail;
        part.to_vec()
    };
    (part().into(), part())
}

struct Pair {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Pair {
    fn new(
        issuer: &Issuer<'_, KeyPair>,
        authority: &CertificateDer<'static>,
        cluster: u128,
        node: u128,
    ) -> Pair {
        let mut params =
            CertificateParams::new(vec![format!("{node:032x}.{cluster:032x}.narf.internal")]).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2120, 1, 1));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, issuer).unwrap();
        let chain = vec![certificate.der().clone(), authority.clone()];
        Pair { chain, key: PrivatePkcs8KeyDer::from(key.serialize_der()).into() }
    }

    /// The names are right, who vouches for them is not.
    fn of_a_stranger(cluster: u128, node: u128) -> Pair {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, format!("narf cluster {cluster:032x}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap().der().clone();
        Pair::new(&Issuer::new(params, key), &authority, cluster, node)
    }
}

/// Takes any server for the right one: here it is the server that has to look.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

#[test]
fn connections_that_say_nothing_do_not_keep_members_out() {
    if skip_unless_narf() {
        return;
    }
    let mut home = Home::new();
    home.node.expect_log("too many handshakes at once at the port for nodes");
    let silent: Vec<TcpStream> = (0..64).map(|_| connect(home.peers)).collect();
    let answer = || home.answer(PEER, Some(home.pair_for(home.cluster, home.me)));
    eventually("a member that is let in", || (answer() == b"NRF4").then_some(()));
    // It did not have to wait until all that say nothing had been sent away for that.
    let is_open = |mut stream: &TcpStream| {
        stream.set_nonblocking(true).unwrap();
        stream.read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    };
    assert!(silent.iter().any(is_open));
    drop(silent);
    let complaints = home.node.log().matches("too many handshakes").count();
    assert_eq!(complaints, 1, "it is said once in a while");
}

/// Says something over TLS; what is answered until the other side ends the connection, or says no more for a while.
fn say(address: SocketAddr, protocol: &[u8], pair: Option<Pair>, words: &[u8]) -> Vec<u8> {
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone));
    let mut config = match pair {
        Some(pair) => config.with_client_auth_cert(pair.chain, pair.key).unwrap(),
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    let name = ServerName::try_from("narf.internal").unwrap();
    let (mut tls, mut stream) = (ClientConnection::new(Arc::new(config), name).unwrap(), connect(address));
    let mut tls = Stream::new(&mut tls, &mut stream);
    if tls.write_all(words).and_then(|()| tls.flush()).is_err() {
        return Vec::new();
    }
    let mut answer = vec![0; 4];
    match tls.read_exact(&mut answer) {
        Ok(()) => answer,
        Err(_) => Vec::new(),
    }
}

#[test]
fn a_member_is_answered_and_nobody_else_is() {
    if skip_unless_narf() {
        return;
    }
    let home = Home::new();
    // That the words and the file are read right here: who shows the node's own certificate is taken for it.
    assert_eq!(home.answer(PEER, Some(home.pair_for(home.cluster, home.me))), b"NRF4");
    let stranger = home.me ^ 1;
    let refused = [
        ("no certificate", None),
        (
            "a certificate of another authority with the same names",
            Some(Pair::of_a_stranger(home.cluster, home.me)),
        ),
        ("a node that is no member", Some(home.pair_for(home.cluster, stranger))),
        ("a member of another cluster", Some(home.pair_for(home.cluster ^ 1, home.me))),
    ];
    for (who, pair) in refused {
        assert_eq!(home.answer(PEER, pair), b"", "{who}");
    }
    // A pair that clients show at the port for clients is of another authority, and of no node.
    let certificates = Certificates::new();
    let chain = vec![certificates.certificate("client.crt")];
    let key = certificates.key("client.key");
    assert_eq!(home.answer(PEER, Some(Pair { chain, key })), b"", "a client's certificate");
    // A protocol that nobody speaks, and a member's words where a newcomer is expected.
    let member = || Some(home.pair_for(home.cluster, home.me));
    assert_eq!(home.answer(b"http/1.1", member()), b"");
    assert_ne!(home.answer(JOIN, member()), b"NRF4");
    home.node.client().check("SET k v", "+OK");
}

#[test]
fn what_is_not_tls_ends_at_once_and_what_was_said_before_counts_for_nothing() {
    if skip_unless_narf() {
        return;
    }
    let home = Home::new();
    for words in [HELLO, b"*1\r\n$4\r\nPING\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"SSH-2.0-x\r\n"] {
        let mut stream = connect(home.peers);
        stream.write_all(words).unwrap();
        let mut answer = Vec::new();
        // A reset is an end as well.
        let _ = stream.read_to_end(&mut answer);
        // At most an alert of TLS.
        assert!(
            answer.is_empty() || (answer[0] == 21 && answer.len() < 16),
            "{words:?} was answered {answer:?}"
        );
    }
    // What a member once said, said again by somebody else, byte for byte: TLS makes it noise.
    let recorded = record(&home);
    assert!(recorded.len() > 500, "a whole handshake");
    let mut stream = connect(home.peers);
    let _ = stream.write_all(&recorded);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(!answer.windows(4).any(|word| word == b"NRF4"));
    home.node.client().check("SET k v", "+OK");
    assert_eq!(home.node.client3().run("FABRIC STATUS").field("state").unwrap().text(), "ready");
}

/// The bytes that a member sends to be let in.
fn record(home: &Home) -> Vec<u8> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (between, to) = (listener.local_addr().unwrap(), home.peers);
    let tap = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut server = connect(to);
        let (mut back, mut out) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut back, &mut out));
        let (mut said, mut part) = (Vec::new(), [0; 4096]);
        while let Ok(length @ 1..) = client.read(&mut part) {
            said.extend_from_slice(&part[..length]);
            if server.write_all(&part[..length]).is_err() {
                break;
            }
        }
        let _ = server.shutdown(std::net::Shutdown::Both);
        said
    });
    assert_eq!(say(between, PEER, Some(home.pair_for(home.cluster, home.me)), HELLO), b"NRF4");
    tap.join().unwrap()
}

#[test]
fn a_member_that_was_removed_is_told_so_and_no_more() {
    if skip_unless_narf() {
        return;
    }
    let mut home = Home::new();
    home.node.expect_log("a second process says to be a node that is heard");
    let token = home.node.client().run("FABRIC INVITE 60").text();
    let second = Server::start(Options::new().kind(Kind::Narf).data(Data::Temporary).set("join", &token));
    let id = second.client().run("CLUSTER MYID").text();
    wait_until_ready(&second);
    // It is known, but it is here already.
    assert_eq!(home.answer(PEER, Some(home.pair_for(home.cluster, number(&id[..32])))), b"NRFD");
    let name = second.client3().run("FABRIC STATUS").field("node").unwrap().text();
    home.node.client().check(&format!("FABRIC DRAIN {name}"), "+OK");
    let mut second = second;
    assert!(second.wait().success());
    assert_eq!(home.answer(PEER, Some(home.pair_for(home.cluster, number(&id[..32])))), b"NRFG");
}

#[test]
fn a_token_that_is_too_old_lets_nobody_in() {
    if skip_unless_narf() {
        return;
    }
    let home = Home::new();
    let token = home.node.client().run("FABRIC INVITE 1").text();
    let mut client = home.node.client();
    let mut seconds = || client.run("TIME").items()[0].text().parse::<u64>().unwrap();
    let over = seconds() + 2;
    eventually("a token that is too old", || (seconds() >= over).then_some(()));
    let newcomer = Options::new().kind(Kind::Narf).data(Data::Temporary).set("join", &token);
    let (status, log) = Server::start_in_vain(newcomer);
    assert!(!status.success() && log.contains("the join token expired"), "{log}");
}

#[test]
fn others_may_not_read_what_makes_nodes_trust_each_other() {
    use std::os::unix::fs::PermissionsExt;
    if skip_unless_narf() {
        return;
    }
    let mut home = Home::new();
    let file: &Path = &home.node.data_path().join("trust");
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    home.node.stop();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o640)).unwrap();
    home.node.begin_again_in_place();
    assert!(!home.node.wait().success());
    assert!(home.node.log().contains("chmod 600"), "{}", home.node.log());
}
