//! A server that is spoken to over TLS: whom to trust, whom to be, and the stream that comes of it.

use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};
use tls::{PLAIN_BYTES_MIN, SEALED_BYTES, Stream};

use crate::ClientError;
use crate::transport::Transport;

/// Where systems keep the authorities that they trust.
const SYSTEM_FILES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
];

/// How TLS is spoken: what the server must prove, and what is shown to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// File of the authorities that the server's certificate may be from; the system's if none is named.
    pub authorities: Option<PathBuf>,
    /// Files of a certificate to show, and of its key.
    pub pair: Option<(PathBuf, PathBuf)>,
    /// Trust whoever answers: bytes are sealed, for anyone.
    pub insecure: bool,
    /// The name that the server is asked for and must prove to have; its host if none is given.
    pub name: Option<String>,
}

impl Tls {
    fn config(&self) -> Result<ClientConfig, ClientError> {
        let broken = |source| ClientError::BadTls { reason: error_text(&source) };
        let builder = ClientConfig::builder_with_provider(tls::provider());
        let builder = builder.with_safe_default_protocol_versions().map_err(broken)?;
        let builder = match (self.insecure, &self.authorities) {
            (true, _) => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anyone { provider: tls::provider() })),
            (false, Some(path)) => builder.with_root_certificates(tls::roots(path)?),
            (false, None) => builder.with_root_certificates(system_roots()?),
        };
        match &self.pair {
            None => Ok(builder.with_no_client_auth()),
            Some((certificate, key)) => {
                let (chain, key) = tls::pair(certificate, key)?;
                builder.with_client_auth_cert(chain, key).map_err(broken)
            }
        }
    }

    /// Shakes hands over a socket that is connected to `host`, in the blocking way.
    fn seal(
        &self,
        socket: TcpStream,
        host: &str,
        address: &str,
    ) -> Result<TlsStream<TcpStream>, ClientError> {
        let name = self.name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned()).map_err(|_| ClientError::BadTls {
            reason: format!("\"{name}\" is no name that a certificate can be for; give one with --sni"),
        })?;
        let tls = ClientConnection::new(Arc::new(self.config()?), name)
            .map_err(|source| ClientError::BadTls { reason: error_text(&source) })?;
        let mut stream = Stream::new(socket, tls);
        stream.handshake().map_err(|source| match source.kind() {
            // What a server does that takes the first bytes of TLS for a request.
            UnexpectedEof | ConnectionReset | BrokenPipe => ClientError::NoTls {
                address: address.to_owned(),
                source: Error::General("it closed the connection during the handshake".to_owned()),
            },
            _ => ClientError::of_stream(address, source),
        })?;
        Ok(TlsStream::new(stream))
    }
}

fn system_roots() -> Result<RootCertStore, ClientError> {
    let Some(path) = SYSTEM_FILES.iter().map(Path::new).find(|path| path.is_file()) else {
        let reason =
            "this system keeps no file of authorities where one is looked for; name one with --cacert";
        return Err(ClientError::BadTls { reason: reason.to_owned() });
    };
    let mut roots = RootCertStore::empty();
    // Those that are too old to be understood vouch for nobody here.
    roots.add_parsable_certificates(tls::certificates(path)?);
    Ok(roots)
}

/// What rustls says, or what it is likely to mean to someone who has just typed an address.
pub(crate) fn error_text(error: &Error) -> String {
    match error {
        Error::InvalidMessage(_) => "what answers there does not speak TLS".to_owned(),
        Error::InvalidCertificate(error) => {
            format!("its certificate is refused: {}", certificate_text(error))
        }
        other => other.to_string(),
    }
}

/// What is wrong with a certificate. The library's own words are names of its variants for the most part.
fn certificate_text(error: &CertificateError) -> String {
    use CertificateError as E;
    let text = match error {
        E::UnknownIssuer => "no authority that is trusted here has signed it",
        E::Expired | E::ExpiredContext { .. } => "it has expired",
        E::NotValidYet | E::NotValidYetContext { .. } => "it is not valid yet",
        E::Revoked => "it was revoked",
        E::BadEncoding => "it cannot be read",
        E::BadSignature => "its signature is wrong",
        E::NotValidForName => "it is for another name",
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => "it is not for servers",
        E::UnhandledCriticalExtension => "it asks for something that is not known here",
        E::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "it is that of an authority (CA:TRUE), and a server shows one of its own, which the authority has signed"
        }
        E::Other(other) if other.to_string().contains("UnsupportedCertVersion") => "it is not of version 3",
        other => return other.to_string(),
    };
    text.to_owned()
}

/// A stream of plaintext, whether its socket blocks or not.
pub struct TlsStream<S> {
    stream: Stream<S>,
    plain: Box<[u8]>,
    sealed: Box<[u8]>,
    /// What of `plain` was read and not yet taken.
    left: std::ops::Range<usize>,
}

impl TlsStream<TcpStream> {
    /// Shakes hands with `host` over a socket that is connected to it.
    pub fn connect(socket: TcpStream, host: &str, tls: &Tls) -> Result<TlsStream<TcpStream>, ClientError> {
        let address = socket.peer_addr().map_or_else(|_| host.to_owned(), |address| address.to_string());
        tls.seal(socket, host, &address)
    }
}

impl<S> TlsStream<S> {
    fn new(stream: Stream<S>) -> TlsStream<S> {
        let [plain, sealed] = [PLAIN_BYTES_MIN, SEALED_BYTES].map(|size| vec![0; size].into_boxed_slice());
        TlsStream { stream, plain, sealed, left: 0..0 }
    }

    /// The socket.
    pub fn socket(&mut self) -> &mut S {
        self.stream.socket()
    }

    /// The same stream over another form of its socket.
    pub fn map_socket<T>(self, change: impl FnOnce(S) -> T) -> TlsStream<T> {
        let TlsStream { stream, plain, sealed, left } = self;
        TlsStream { stream: stream.map_socket(change), plain, sealed, left }
    }
}

impl<S: Read + Write> Read for TlsStream<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.left.is_empty() {
            let (count, _) = self.stream.read(&mut self.plain, &mut self.sealed)?;
            self.left = 0..count;
        }
        let count = into.len().min(self.left.len());
        into[..count].copy_from_slice(&self.plain[self.left.start..self.left.start + count]);
        self.left.start += count;
        Ok(count)
    }
}

impl<S: Read + Write> Write for TlsStream<S> {
    /// If this would block, the next call must begin with the same bytes.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for TlsStream<TcpStream> {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket().set_read_timeout(timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.socket().set_write_timeout(timeout)
    }
}

/// Trusts whoever answers, as he was asked to.
#[derive(Debug)]
struct Anyone {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct CaUsedAsEndEntity;
    impl std::fmt::Display for CaUsedAsEndEntity {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "{self:?}")
        }
    }
    impl std::error::Error for CaUsedAsEndEntity {}

    #[test]
    fn what_is_wrong_with_a_certificate_is_said_in_words() {
        let text = |error| error_text(&Error::InvalidCertificate(error));
        let other = CertificateError::Other(rustls::OtherError(std::sync::Arc::new(CaUsedAsEndEntity)));
        assert!(text(other.clone()).contains("CA:TRUE") && !text(other).contains("OtherError"));
        assert_eq!(text(CertificateError::Expired), "its certificate is refused: it has expired");
    }
}
