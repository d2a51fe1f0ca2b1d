//! Where clients connect, and over what.

use super::SECONDS_MAX;
use crate::settings::kind::{Access, Kind};
use crate::settings::setting::Setting;
use crate::settings::values::TlsAuthClients;

pub(super) static ROWS: &[Setting] = &[
    Setting::new(
        "port",
        integer!(port: u16, 0, 65535),
        "6379",
        "TCP port for clients. If none is asked for and 6379 is in use, the next free one is taken. 0 is \
         any free port, or none beside `tls-port` or a unix socket.",
    ),
    Setting::new(
        "tls-port",
        integer!(tls.port: u16, 0, 65535),
        "0",
        "TCP port for clients that speak TLS, on the addresses of `bind`; 0 is none. See docs/tls.md.",
    ),
    Setting::new(
        "tls-cert-file",
        Kind::OptionalPath(field!(tls.cert_file)),
        "",
        "File with the certificate that clients are shown, and those that lead from it to its authority (PEM). \
         This and the other files are read again when they change, and by CONFIG SET of what they are already.",
    )
    .running(),
    Setting::new(
        "tls-key-file",
        Kind::OptionalPath(field!(tls.key_file)),
        "",
        "File with the private key of that certificate (PEM, not locked with a passphrase).",
    )
    .running(),
    Setting::new(
        "tls-ca-cert-file",
        Kind::OptionalPath(field!(tls.ca_cert_file)),
        "",
        "File with the authorities that certificates of clients are to be from (PEM).",
    )
    .running(),
    Setting::new(
        "tls-auth-clients",
        word!(tls.auth_clients: TlsAuthClients, TlsAuthClients::WORDS),
        "yes",
        "Whether clients must show a certificate: `yes`, `no`, or `optional`, where one that is shown must be \
         right. It lets them connect; who they are is still for AUTH to say.",
    )
    .running(),
    Setting::new(
        "tls-protocols",
        Kind::List(field!(tls.protocols)),
        "",
        "What is spoken: TLSv1.2, TLSv1.3, or both; empty is both.",
    )
    .running(),
    Setting::new(
        "bind",
        Kind::List(field!(bind)),
        "127.0.0.1",
        "Addresses to listen on. Any but this machine's own needs a password or `insecure`.",
    ),
    Setting::new(
        "unixsocket",
        Kind::OptionalPath(field!(unixsocket)),
        "",
        "Path of a unix socket to listen on as well.",
    )
    .key("unix"),
    Setting::new(
        "unixsocketperm",
        Kind::Mode(field!(unixsocketperm)),
        "600",
        "File mode of the unix socket.",
    )
    .key("unix-mode"),
    Setting::new(
        "tcp-backlog",
        integer!(tcp_backlog: u32, 0, SECONDS_MAX as i128),
        "511",
        "Connections that may wait to be accepted.",
    ),
    Setting::new(
        "tcp-keepalive",
        Kind::Seconds { range: 0..=SECONDS_MAX, field: field!(tcp_keepalive) },
        "300",
        "Silence after which the kernel probes whether a client is still there; 0 is never.",
    )
    .running(),
    Setting::new(
        "timeout",
        Kind::Seconds { range: 0..=SECONDS_MAX, field: field!(timeout) },
        "0",
        "Idle time after which a client is disconnected; 0 is never. Subscribers are left \
         alone.",
    )
    .running(),
    Setting::new(
        "maxclients",
        integer!(maxclients: u32, 1, 4294967295),
        "10000",
        "Connections at once; one more is answered with an error and closed. The limit on open files is raised to fit, as far \
         as the system lets it be; what that leaves is the most that can be had.",
    )
    .running(),
    Setting::new(
        "gather-us",
        integer!(gather_us: u32, 0, 1000),
        "50",
        "Microseconds that a worker with a dozen busy clients or more may wait for requests to come together, which costs \
         less for each; it waits for those of a quarter of its clients at most. 0: it looks at once.",
    )
    .running(),
    Setting::new(
        "http-port",
        integer!(http_port: u16, 0, 65535),
        "0",
        "TCP port for HTTP: metrics and health, see docs/metrics.md; 0 is none.",
    ),
    Setting::new(
        "http-bind",
        Kind::List(field!(http_bind)),
        "127.0.0.1",
        "Addresses to listen on for HTTP. Any but this machine's own needs `http-token` or \
         `insecure`.",
    ),
    Setting::new(
        "http-hosts",
        Kind::List(field!(http_hosts)),
        "",
        "Names by which HTTP requests may call this node, beside `localhost` and its addresses. \
         Others are refused, so that no web page reads it through a browser.",
    ),
];
