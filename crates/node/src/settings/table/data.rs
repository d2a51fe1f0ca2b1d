//! What is kept, where, and when a write is answered.

use std::time::Duration;

use base::AckLevel;

use super::{KB, MB, SECONDS_MAX, TB};
use crate::settings::kind::{Access, Kind};
use crate::settings::setting::{Section, Setting};
use crate::settings::values::DamagePolicy;

const ACK_WORDS: &[&str] = &["local", "quorum", "durable", "all"];

pub(super) static ROWS: &[Setting] = &[
    Setting::new("dir", Kind::Path(field!(dir)), "narf-data", "Data folder.")
        .key("data")
        .within(Section::Data),
    Setting::new(
        "on-damage",
        word!(on_damage: DamagePolicy, DamagePolicy::WORDS),
        "refuse",
        "What to do at start-up about a damaged log: refuse to start, or cut it before the damage, set the rest aside \
         and start. Cutting loses what stood behind the damage.",
    )
    .within(Section::Data),
    Setting::new(
        "no-data",
        Kind::Bool(field!(no_data)),
        "no",
        "Keep everything in memory only and write no file; a restart begins empty.",
    )
    .within(Section::Data),
    Setting::new(
        "ack",
        word!(ack: AckLevel, ACK_WORDS),
        "quorum",
        "When a write is answered: `local` once the leader has it in memory, `quorum` once a \
         majority has written it to its log (survives kill -9), `durable` once a majority has \
         it on disk (survives power loss), `all` once every live replica has applied it.",
    )
    .running()
    .within(Section::Data),
    Setting::new(
        "fsync-interval",
        Kind::Span {
            range: Duration::from_millis(10)..=Duration::from_secs(60),
            field: field!(fsync_interval),
        },
        "1s",
        "How often the log is synced to disk behind the answers that did not wait for it.",
    )
    .running()
    .within(Section::Data),
    Setting::new(
        "log-segment-size",
        Kind::Bytes { range: MB..=16 * KB * MB, field: field!(log_segment_size) },
        "64mb",
        "Size at which a log file is closed and the next begun.",
    )
    .running()
    .within(Section::Data),
    Setting::new(
        "checkpoint-log-size",
        Kind::Bytes { range: MB..=TB, field: field!(checkpoint_log_size) },
        "256mb",
        "Log written since the last checkpoint at which the next begins. More is less work, \
         and a longer start.",
    )
    .running()
    .within(Section::Data),
    Setting::new(
        "scrub-interval",
        Kind::Seconds { range: 0..=SECONDS_MAX, field: field!(scrub_interval) },
        "3600",
        "How often a node compares the replicas of what it leads, in the background; 0 is never, but for FABRIC SCRUB.",
    )
    .running()
    .within(Section::Data),
    Setting::new(
        "save",
        Kind::Fact {
            value: |_| String::new(),
            why: "narf logs every write instead of taking dumps at intervals; see ack and \
         fsync-interval",
        },
        "",
        "Redis's dumps at intervals; there are none.",
    )
    .within(Section::Data),
    Setting::new(
        "appendonly",
        Kind::Fact {
            value: |s| if s.no_data { "no" } else { "yes" }.to_owned(),
            why: "writes are logged unless the node was started with no-data",
        },
        "yes",
        "Whether writes are logged.",
    )
    .within(Section::Data),
    Setting::new(
        "appendfsync",
        Kind::Fact {
            value: |s| if s.ack == AckLevel::Durable { "always" } else { "everysec" }.to_owned(),
            why: "set ack and fsync-interval instead",
        },
        "everysec",
        "The nearest of Redis's words for ack.",
    )
    .within(Section::Data),
];
