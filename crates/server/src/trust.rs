//! Whom this node trusts: the nodes of its cluster, and nobody else.
//!
//! A cluster has a certificate authority of its own, made when it is founded. Every member holds its key, so that any
//! member can let a node in; a node makes its own certificate with it, anew at each start. The certificate's DNS name
//! says which node of which cluster it is for, so the ordinary check of names is the check of identities:
//!
//! ```text
//! <node id, 32 hex>.<cluster id, 32 hex>.narf.internal
//! ```
//!
//! TLS 1.3 only, no resumption: whoever is let in was looked at today.
//!
//! Does not know: sockets, who is a member by now (`door` asks).

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use base::{Cursor, NodeId};
use cluster::Fingerprint;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use sha2::{Digest, Sha256};

/// What links between members speak.
pub(crate) const PEER_PROTOCOL: &[u8] = b"narf-peer/1";
/// What a newcomer speaks.
pub(crate) const JOIN_PROTOCOL: &[u8] = b"narf-join/1";

const FILE: &str = "trust";
const MAGIC: [u8; 4] = *b"NRFT";
const VERSION: u8 = 1;
const DOMAIN: &str = "narf.internal";
/// Longest certificate or key that is read.
const PART_BYTES_MAX: usize = 64 * 1024;

/// See the module.
pub(crate) struct Trust {
    cluster: u128,
    authority: Authority,
    peer_server: Arc<ServerConfig>,
    peer_client: Arc<ClientConfig>,
    join_server: Arc<ServerConfig>,
}

/// The certificate authority of a cluster.
#[derive(Clone)]
struct Authority {
    certificate: CertificateDer<'static>,
    /// PKCS #8.
    key: Vec<u8>,
}

impl Trust {
    /// A new cluster's, with its first node.
    pub(crate) fn found(cluster: u128, node: NodeId) -> anyhow::Result<Trust> {
        let key = KeyPair::generate().context("make the cluster's key")?;
        let certificate =
            authority_params(cluster)?.self_signed(&key).context("make the cluster's certificate")?;
        let authority = Authority { certificate: certificate.der().clone(), key: key.serialize_der() };
        Trust::new(cluster, node, authority)
    }

    fn new(cluster: u128, node: NodeId, authority: Authority) -> anyhow::Result<Trust> {
        let provider = tls::provider();
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate.clone()).context("read the cluster's certificate")?;
        let roots = Arc::new(roots);
        let (chain, key) = own_certificate(cluster, node, &authority)?;
        let server = || {
            ServerConfig::builder_with_details(Arc::clone(&provider), Arc::new(NoDate))
                .with_protocol_versions(TLS13)
        };
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
        let verifier = verifier.build().context("set up the check of certificates")?;
        let mut peer_server =
            server()?.with_client_cert_verifier(verifier).with_single_cert(chain.clone(), key.clone_key())?;
        let mut join_server =
            server()?.with_no_client_auth().with_single_cert(chain.clone(), key.clone_key())?;
        for (config, protocol) in [(&mut peer_server, PEER_PROTOCOL), (&mut join_server, JOIN_PROTOCOL)] {
            config.alpn_protocols = vec![protocol.to_vec()];
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        let mut peer_client = ClientConfig::builder_with_details(provider, Arc::new(NoDate))
            .with_protocol_versions(TLS13)?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)?;
        peer_client.alpn_protocols = vec![PEER_PROTOCOL.to_vec()];
        peer_client.resumption = Resumption::disabled();
        Ok(Trust {
            cluster,
            authority,
            peer_server: Arc::new(peer_server),
            peer_client: Arc::new(peer_client),
            join_server: Arc::new(join_server),
        })
    }

    /// The cluster.
    pub(crate) fn cluster(&self) -> u128 {
        self.cluster
    }

    /// What a token says of the cluster: whoever bears it knows by it that he speaks with the right one.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        fingerprint(&self.authority.certificate)
    }

    /// For links of members: asks for a certificate of this cluster.
    pub(crate) fn peer_server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.peer_server)
    }

    /// For newcomers, who have no certificate yet.
    pub(crate) fn join_server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.join_server)
    }

    /// For links that this node makes.
    pub(crate) fn peer_client(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.peer_client)
    }

    /// The name that another node of the cluster must prove to have.
    pub(crate) fn name_of(&self, node: NodeId) -> ServerName<'static> {
        ServerName::try_from(dns_name(self.cluster, node)).expect("hexadecimal digits and dots are a name")
    }

    /// Which node of this cluster a checked certificate is for.
    pub(crate) fn node_of(&self, certificate: &CertificateDer<'_>) -> Option<NodeId> {
        let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
        certificate.valid_dns_names().find_map(|name| {
            let (node, rest) = name.split_once('.')?;
            let (cluster, domain) = rest.split_once('.')?;
            let number =
                |text: &str| (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok()).flatten();
            (domain == DOMAIN && number(cluster)? == self.cluster).then_some(NodeId(number(node)?))
        })
    }

    // ---- bytes --------------------------------------------------------------------------------------------

    /// What another node needs to be of this cluster. Secret.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.cluster.to_le_bytes());
        for part in [self.authority.certificate.as_ref(), &self.authority.key] {
            bytes.extend_from_slice(&(part.len() as u32).to_le_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }

    /// The trust of this node in the cluster that `bytes` are of.
    pub(crate) fn decode(bytes: &[u8], node: NodeId) -> anyhow::Result<Trust> {
        let (cluster, authority) =
            decode(bytes).context("what should make nodes trust each other is damaged")?;
        Trust::new(cluster, node, authority)
    }

    /// What is in this data folder; none if it is not a cluster's.
    pub(crate) fn load(folder: &Path, node: NodeId) -> anyhow::Result<Option<Trust>> {
        let path = folder.join(FILE);
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
        };
        if metadata.mode() & 0o077 != 0 {
            bail!(
                "{0} holds the cluster's key and others may read it; run `chmod 600 {0}`, and make a new cluster if \
                 they have",
                path.display()
            );
        }
        let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        Trust::decode(&bytes, node).with_context(|| format!("read {}", path.display())).map(Some)
    }

    /// Whether this data folder is of a node that is, or was to be, part of a cluster.
    pub(crate) fn is_in(folder: &Path) -> bool {
        folder.join(FILE).exists()
    }

    /// Keeps it in this data folder.
    pub(crate) fn save(&self, folder: &Path) -> anyhow::Result<()> {
        write_private(&folder.join(FILE), &self.encode()).context("keep the cluster's certificate and key")
    }
}

/// The time at which certificates are looked at: always one at which they are good, for a node whose clock is wrong is a
/// member like any other, and it is told by the others what time it is.
#[derive(Debug)]
struct NoDate;

impl TimeProvider for NoDate {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(2_000_000_000)))
    }
}

const TLS13: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// A newcomer's side: trusts whoever shows a certificate of the authority that its token names.
pub(crate) fn join_client(fingerprint: Fingerprint) -> anyhow::Result<Arc<ClientConfig>> {
    let provider = tls::provider();
    let verifier = Arc::new(OfAuthority { fingerprint, provider: Arc::clone(&provider) });
    let mut config = ClientConfig::builder_with_details(provider, Arc::new(NoDate))
        .with_protocol_versions(TLS13)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![JOIN_PROTOCOL.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Checks that a chain ends in the authority of this fingerprint. Which node it is does not matter.
#[derive(Debug)]
struct OfAuthority {
    fingerprint: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for OfAuthority {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let unknown = || rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let authority = intermediates.iter().find(|certificate| fingerprint(certificate) == self.fingerprint);
        let mut roots = RootCertStore::empty();
        roots.add(authority.ok_or_else(unknown)?.clone().into_owned())?;
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        rustls::client::verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &roots,
            &[],
            now,
            algorithms,
        )?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn fingerprint(certificate: &CertificateDer<'_>) -> Fingerprint {
    Fingerprint(Sha256::digest(certificate).into())
}

fn dns_name(cluster: u128, node: NodeId) -> String {
    format!("{:032x}.{cluster:032x}.{DOMAIN}", node.0)
}

/// The same for the same cluster: an issuer is told by its name and its key.
fn authority_params(cluster: u128) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, format!("narf cluster {cluster:032x}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // Membership is what ends a node's trust, and it is asked at each link. A date would only add an hour at which a
    // cluster falls apart by itself, and one at which it does because a clock is wrong.
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2120, 1, 1));
    Ok(params)
}

/// A certificate of this node with the authority's behind it, and its key.
fn own_certificate(
    cluster: u128,
    node: NodeId,
    authority: &Authority,
) -> anyhow::Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let mut params = CertificateParams::new(vec![dns_name(cluster, node)])?;
    params.distinguished_name.push(DnType::CommonName, format!("narf node {:032x}", node.0));
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2120, 1, 1));
    let authority_key = PrivatePkcs8KeyDer::from(authority.key.as_slice());
    let authority_key = KeyPair::try_from(&authority_key).context("read the cluster's key")?;
    let key = KeyPair::generate().context("make a key")?;
    let issuer = Issuer::new(authority_params(cluster)?, authority_key);
    let certificate = params.signed_by(&key, &issuer).context("make a certificate")?;
    let chain = vec![certificate.der().clone(), authority.certificate.clone()];
    Ok((chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into()))
}

fn decode(bytes: &[u8]) -> anyhow::Result<(u128, Authority)> {
    let mut bytes = Cursor::new(bytes);
    let short = |_| anyhow::anyhow!("it ends too early");
    if bytes.take(MAGIC.len()).map_err(short)? != MAGIC {
        bail!("it is no such file");
    }
    let version = bytes.u8().map_err(short)?;
    if version != VERSION {
        bail!("it is of version {version}, this program knows {VERSION}");
    }
    let cluster = bytes.take(16).map_err(short)?.try_into().map(u128::from_le_bytes)?;
    let mut part = || -> anyhow::Result<Vec<u8>> {
        let length = bytes.u32().map_err(short)? as usize;
        if length > PART_BYTES_MAX {
            bail!("a part of it has {length} bytes, at most {PART_BYTES_MAX} are possible");
        }
        Ok(bytes.take(length).map_err(short)?.to_vec())
    };
    let (certificate, key) = (part()?, part()?);
    Ok((cluster, Authority { certificate: certificate.into(), key }))
}

/// Writes a file that only its owner may read, whole or not at all.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    // What a crash left of an earlier try may have other rights.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder)?.sync_all()
}
