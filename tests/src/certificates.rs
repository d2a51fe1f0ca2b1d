//! Certificates for one test: an authority, and what it vouches for.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;

/// A folder with `ca.crt`, and a pair `NAME.crt` and `NAME.key` of each name that was asked for.
pub struct Certificates {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Certificates {
    /// A new authority, with a pair for `server` and one for `client`.
    pub fn new() -> Certificates {
        let folder = TempDir::with_prefix("narf-test-").expect("a folder for the test");
        let mut params = CertificateParams::new(Vec::new()).expect("no name is wrong");
        // Two authorities are told apart by their names.
        let name = folder.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        params.distinguished_name.push(DnType::CommonName, format!("authority of {name}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let certificates = Certificates { folder, issuer: Issuer::new(params, key) };
        certificates.put("ca.crt", &pem("CERTIFICATE", certificate.der()));
        certificates.issue("server");
        certificates.issue("client");
        certificates
    }

    /// A new pair in the files of this name. Each is replaced as a whole.
    pub fn issue(&self, name: &str) {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).expect("these are names");
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        self.put(&format!("{name}.crt"), &pem("CERTIFICATE", certificate.der()));
        self.put(&format!("{name}.key"), &pem("PRIVATE KEY", &key.serialize_der()));
    }

    /// Writes a file in the place of what was there.
    pub fn put(&self, name: &str, text: &str) {
        let new = self.path("new");
        let file = File::options().write(true).create_new(true).mode(0o600).open(&new);
        file.and_then(|mut file| file.write_all(text.as_bytes())).expect("a file in the folder");
        fs::rename(new, self.path(name)).expect("a file in the folder");
    }

    /// Where a file is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as text.
    pub fn text_path(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// The certificate in a file, as it travels.
    pub fn certificate(&self, name: &str) -> CertificateDer<'static> {
        certificate(&self.path(name))
    }

    /// The key in a file.
    pub fn key(&self, name: &str) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_file(self.path(name)).expect("a key")
    }

    /// How a client connects that trusts this authority and shows the pair of this name, if any.
    pub fn config(&self, pair: Option<&str>) -> Arc<ClientConfig> {
        self.config_of(pair, &[&rustls::version::TLS12, &rustls::version::TLS13])
    }

    /// As [`Certificates::config`], with these versions only.
    pub fn config_of(
        &self,
        pair: Option<&str>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate("ca.crt")).expect("the authority is one");
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .expect("versions that are known")
            .with_root_certificates(roots);
        Arc::new(match pair {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let key = self.key(&format!("{name}.key"));
                let chain = vec![self.certificate(&format!("{name}.crt"))];
                builder.with_client_auth_cert(chain, key).expect("a pair")
            }
        })
    }
}

impl Default for Certificates {
    fn default() -> Certificates {
        Certificates::new()
    }
}

fn certificate(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(path).expect("a certificate")
}

/// Bytes in the form that all tools read.
fn pem(label: &str, bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in bytes.chunks(48) {
        for three in line.chunks(3) {
            let number = three.iter().fold(0u32, |number, byte| (number << 8) | u32::from(*byte));
            let number = number << (8 * (3 - three.len()));
            for place in 0..4 {
                let letter = char::from(LETTERS[((number >> (18 - 6 * place)) & 63) as usize]);
                text.push(if place <= three.len() { letter } else { '=' });
            }
        }
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}
