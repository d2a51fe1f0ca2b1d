//! Logs, and what is noted for whoever looks.

use crate::settings::kind::{Access, Kind};
use crate::settings::setting::{Section, Setting};
use crate::settings::values::{LatencyTracking, LogFormat, LogLevel};

pub(super) static ROWS: &[Setting] = &[
    Setting::new(
        "loglevel",
        word!(loglevel: LogLevel, LogLevel::WORDS),
        "info",
        "How much is logged. On a terminal it is `warn` unless asked for, to leave room for \
         the banner.",
    )
    .key("log-level")
    .running()
    .within(Section::Diagnosis),
    Setting::new(
        "logformat",
        word!(logformat: LogFormat, LogFormat::WORDS),
        "auto",
        "Form of a log line; auto is pretty on a terminal and json elsewhere.",
    )
    .key("log-format")
    .within(Section::Diagnosis),
    Setting::new(
        "logfile",
        Kind::OptionalPath(field!(logfile)),
        "",
        "File to append logs to instead of standard error.",
    )
    .key("log-file")
    .within(Section::Diagnosis),
    Setting::new(
        "slowlog-log-slower-than",
        integer!(slowlog_log_slower_than: i64, -1, i64::MAX as i128),
        "10000",
        "Microseconds from which a command is put into the slow log; -1 is none, 0 is every \
         command.",
    )
    .running()
    .within(Section::Diagnosis),
    Setting::new(
        "slowlog-max-len",
        integer!(slowlog_max_len: u64, 0, i64::MAX as i128),
        "128",
        "Commands that the slow log holds.",
    )
    .running()
    .within(Section::Diagnosis),
    Setting::new(
        "latency-tracking",
        word!(latency_tracking: LatencyTracking, LatencyTracking::WORDS),
        "yes",
        "Of which requests LATENCY HISTOGRAM and INFO latencystats tell how long they took: of none, or of all. Of commands \
         so fast that a clock read would cost as much as they do, `yes` times one request of 61 for the others; `all` times \
         each.",
    )
    .running()
    .within(Section::Diagnosis),
    Setting::new(
        "latency-tracking-info-percentiles",
        Kind::Percentiles(field!(latency_percentiles)),
        "50 99 99.9",
        "Which percentiles INFO latencystats tells for each command.",
    )
    .running()
    .within(Section::Diagnosis),
    Setting::new(
        "latency-monitor-threshold",
        integer!(latency_monitor_threshold: u64, 0, i64::MAX as i128),
        "0",
        "Milliseconds from which a command or a turn of a worker is an event of LATENCY; 0 is none.",
    )
    .running()
    .within(Section::Diagnosis),
    Setting::new(
        "notify-keyspace-events",
        Kind::Notify(field!(notify_keyspace_events)),
        "",
        "Events of keys that are published, if any: on the channel of the key (K), of the event (E), and of which \
         classes; see docs/notifications.md.",
    )
    .shared()
    .within(Section::Diagnosis),
    Setting::new(
        "active-expire",
        Kind::Bool(field!(active_expire)),
        "yes",
        "Whether keys past their time are deleted before someone looks. For tests.",
    )
    .running()
    .hidden()
    .within(Section::Diagnosis),
];
