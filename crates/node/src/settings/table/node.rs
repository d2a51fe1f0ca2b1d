//! The node and its process.

use crate::settings::kind::{Access, Kind};
use crate::settings::setting::{Section, Setting};

pub(super) static ROWS: &[Setting] = &[
    Setting::new(
        "name",
        Kind::Text(field!(name)),
        "",
        "Name of the node in logs and listings; empty takes the one that was minted with the \
         data folder.",
    )
    .within(Section::Node),
    Setting::new(
        "workers",
        integer!(workers: u16, 0, 1024),
        "0",
        "Threads that own partitions and connections; 0 is one a core.",
    )
    .within(Section::Node),
    Setting::new(
        "partitions",
        integer!(partitions: u16, 0, 4096),
        "0",
        "Runs of slots that the keys are cut into: as many workers of all nodes together can share them, and fewer make \
         replicated writes cheaper (docs/benchmarks.md). 0 is eight for each worker of the node that begins the cluster, \
         16 to 256.",
    )
    .first_start()
    .within(Section::Node),
    Setting::new(
        "databases",
        Kind::Fact { value: |_| base::DbIndex::COUNT.to_string(), why: "narf has 16 databases" },
        "16",
        "Databases of SELECT.",
    )
    .within(Section::Node),
    Setting::new(
        "pidfile",
        Kind::OptionalPath(field!(pidfile)),
        "",
        "File that holds the process id while the node runs; `narf stop --pidfile` reads it.",
    )
    .within(Section::Node),
    Setting::new(
        "daemonize",
        Kind::Bool(field!(daemonize)),
        "no",
        "Run in the background; the command returns when the node is ready.",
    )
    .key("daemon")
    .within(Section::Node),
];
