//! What can go wrong between a caller and a server.

use std::io;
use std::time::Duration;

/// Each variant says whether the request may have been executed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address cannot be understood. Nothing was sent.
    #[error("`{url}` is not an address: {problem}")]
    BadAddress {
        /// What was given, without its password.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The address is right but no process accepts there. Nothing was sent.
    #[error("nothing listens on {address}")]
    NotListening {
        /// Host and port, or path.
        address: String,
    },
    /// The address cannot be reached. Nothing was sent.
    #[error("cannot connect to {address}: {source}")]
    Unreachable {
        /// Host and port, or path.
        address: String,
        /// The system's reason.
        source: io::Error,
    },
    /// Server and client do not come together over TLS. Nothing was sent that it has looked at.
    #[error("no TLS with {address}: {}", crate::sealed::error_text(.source))]
    NoTls {
        /// Host and port.
        address: String,
        /// What one of them does not like.
        source: rustls::Error,
    },
    /// What was said of TLS cannot be used. Nothing was sent.
    #[error("{reason}")]
    BadTls {
        /// What is wrong.
        reason: String,
    },
    /// A file for TLS cannot be used. Nothing was sent.
    #[error(transparent)]
    TlsFile(#[from] tls::FileError),
    /// The connection broke off. Requests without a reply may have been executed.
    #[error("connection to {address} lost: {source}")]
    Lost {
        /// Host and port, or path.
        address: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The server closed the connection. Requests without a reply may have been executed.
    #[error("{address} closed the connection")]
    Closed {
        /// Host and port, or path.
        address: String,
    },
    /// No reply in time. The request may have been executed, or still be.
    #[error("{address} did not answer within {after:?}")]
    TimedOut {
        /// Host and port, or path.
        address: String,
        /// How long was waited.
        after: Duration,
    },
    /// What listens there does not speak the Redis protocol, or the stream is broken.
    #[error("{address} does not speak the Redis protocol: {source}")]
    Malformed {
        /// Host and port, or path.
        address: String,
        /// What was found instead.
        source: resp::ValueError,
    },
    /// An earlier request failed half-way, so that replies can no longer be matched. Nothing was sent.
    #[error("the connection to {address} cannot be used after an earlier failure")]
    Unusable {
        /// Host and port, or path.
        address: String,
    },
    /// The server answered with an error. Whether the request was executed follows from its code.
    #[error("{0}")]
    Refused(String),
}

impl ClientError {
    /// The next step, if one is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            ClientError::BadAddress { .. } => Some(
                "write redis://[user[:password]@]host[:port][/db], rediss:// for TLS, or unix:///path/to/socket",
            ),
            ClientError::NotListening { .. } => Some("start one: narf serve"),
            ClientError::Unreachable { .. } => Some("check address, permissions and firewall"),
            ClientError::TimedOut { .. } => {
                Some("the server is busy or the network is down; raise --timeout")
            }
            ClientError::Malformed { .. } => Some("check the port"),
            ClientError::NoTls { source, .. } => Some(tls_hint(source)),
            ClientError::BadTls { .. } | ClientError::TlsFile(_) => None,
            ClientError::Lost { .. } | ClientError::Closed { .. } | ClientError::Unusable { .. } => {
                Some("connect again")
            }
            ClientError::Refused(_) if self.is_denied() => Some("check user and password"),
            ClientError::Refused(_) => None,
        }
    }

    /// What reading, writing or a handshake came to.
    pub(crate) fn of_stream(address: &str, source: io::Error) -> ClientError {
        let address = address.to_owned();
        match source.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(error) => ClientError::NoTls { address, source: error.clone() },
            None if source.kind() == io::ErrorKind::UnexpectedEof => ClientError::Closed { address },
            None => ClientError::Lost { address, source },
        }
    }

    /// The code an error reply starts with: `ERR`, `WRONGTYPE`.
    pub fn code(&self) -> Option<&str> {
        match self {
            ClientError::Refused(text) => text.split(' ').next(),
            _ => None,
        }
    }

    /// Whether the server wants another user, password or permission.
    pub fn is_denied(&self) -> bool {
        matches!(self.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM"))
    }
}

fn tls_hint(error: &rustls::Error) -> &'static str {
    use rustls::AlertDescription as A;
    use rustls::CertificateError as C;
    match error {
        rustls::Error::InvalidMessage(_) | rustls::Error::General(_) => {
            "check the port; without TLS it is redis://"
        }
        rustls::Error::InvalidCertificate(C::UnknownIssuer) => {
            "name the authority that its certificate is from with --cacert FILE"
        }
        rustls::Error::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => {
            "its certificate is for another name; say that with --sni NAME"
        }
        rustls::Error::InvalidCertificate(_) => "it needs another certificate; --insecure asks for none",
        rustls::Error::AlertReceived(A::CertificateRequired | A::HandshakeFailure) => {
            "show a certificate with --cert FILE and --key FILE"
        }
        rustls::Error::AlertReceived(_) => "the server says no; its log may say why",
        _ => "check the port, and what speaks there",
    }
}
