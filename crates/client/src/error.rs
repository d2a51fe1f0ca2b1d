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
            ClientError::BadAddress { .. } => {
                Some("write redis://[user[:password]@]host[:port][/db] or unix:///path/to/socket")
            }
            ClientError::NotListening { .. } => Some("start one: narf serve"),
            ClientError::Unreachable { .. } => Some("check address, permissions and firewall"),
            ClientError::TimedOut { .. } => {
                Some("the server is busy or the network is down; raise --timeout")
            }
            ClientError::Malformed { .. } => Some("check the port"),
            ClientError::Lost { .. } | ClientError::Closed { .. } | ClientError::Unusable { .. } => {
                Some("connect again")
            }
            ClientError::Refused(_) if self.is_denied() => Some("check user and password"),
            ClientError::Refused(_) => None,
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
