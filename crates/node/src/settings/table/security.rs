//! Who may come in, and what strangers may do.

use std::time::Duration;

use crate::settings::kind::{Access, Kind};
use crate::settings::setting::{Section, Setting};
use crate::settings::values::{DebugCommand, PubSubDefault};

pub(super) static ROWS: &[Setting] = &[
    Setting::new(
        "requirepass",
        Kind::Secret(field!(requirepass)),
        "",
        "Password of the user `default`; empty is none. From the file, NARF_REQUIREPASS or \
         `--password-file` only, as command lines are seen by every user of a machine. CONFIG \
         GET shows `(redacted)`.",
    )
    .running()
    .within(Section::Security),
    Setting::new(
        "http-token",
        Kind::Secret(field!(http_token)),
        "",
        "What a reader of metrics must send as `Authorization: Bearer TOKEN`; empty is nothing. From \
         the file or NARF_HTTP_TOKEN only. Health is told without it.",
    )
    .within(Section::Security),
    Setting::new(
        "aclfile",
        Kind::OptionalPath(field!(aclfile)),
        "",
        "File of users that ACL SAVE writes and ACL LOAD reads. At start its users are taken if \
         none were made yet.",
    )
    .within(Section::Security),
    Setting::new(
        "acl-pubsub-default",
        word!(acl_pubsub_default: PubSubDefault, PubSubDefault::WORDS),
        "resetchannels",
        "Whether a new user may use all channels of publish and subscribe, or none.",
    )
    .running()
    .within(Section::Security),
    Setting::new(
        "acllog-max-len",
        integer!(acllog_max_len: u64, 0, i64::MAX as i128),
        "128",
        "Entries that ACL LOG keeps.",
    )
    .running()
    .within(Section::Security),
    Setting::new(
        "insecure",
        Kind::Bool(field!(insecure)),
        "no",
        "Serve other machines without a password. They can read and erase everything.",
    )
    .within(Section::Security),
    Setting::new(
        "auth-timeout",
        Kind::Span {
            range: Duration::from_millis(100)..=Duration::from_secs(3600),
            field: field!(auth_timeout),
        },
        "10s",
        "Time in which a client must authenticate where that is required.",
    )
    .running()
    .within(Section::Security),
    Setting::new(
        "auth-failures-max",
        integer!(auth_failures_max: u32, 0, 1000),
        "5",
        "Wrong passwords a minute that one address may give; after that it waits a minute, and \
         twice as long for each further one, up to an hour. 0 is no limit.",
    )
    .running()
    .within(Section::Security),
    Setting::new(
        "enable-debug-command",
        word!(enable_debug_command: DebugCommand, DebugCommand::WORDS),
        "local",
        "Who may use DEBUG: nobody, anybody, or connections from this machine.",
    )
    .within(Section::Security),
];
