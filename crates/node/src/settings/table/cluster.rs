//! The cluster that it is part of, and how it enters and leaves it.

use std::time::Duration;

use crate::settings::kind::{Access, Kind};
use crate::settings::setting::{Section, Setting};

pub(super) static ROWS: &[Setting] = &[
    Setting::new(
        "cluster-enabled",
        Kind::Fact {
            value: |s| if s.join == "none" { "no" } else { "yes" }.to_owned(),
            why: "a node is part of a cluster unless it was started with `join` at `none`",
        },
        "yes",
        "Whether clients may speak the cluster protocol.",
    )
    .within(Section::Cluster),
    Setting::new(
        "join",
        Kind::Text(field!(join)),
        "auto",
        "Which cluster a node with an empty data folder becomes part of: `auto` joins the nodes of the same user on \
         this machine, or founds a cluster if there are none; a token that `narf cluster invite` printed joins the \
         cluster it is from; `found` founds one; `none` stays alone and opens no port for other nodes. A node with \
         data is part of the cluster that its data is from; addresses, as host:port,host:port, tell it where to look \
         for the others when all have moved.",
    )
    .within(Section::Cluster),
    Setting::new(
        "cluster-name",
        Kind::Text(field!(cluster_name)),
        "default",
        "Name of the cluster that is founded, or looked for on this machine.",
    )
    .key("cluster")
    .within(Section::Cluster),
    Setting::new(
        "peer-port",
        integer!(peer_port: u16, 0, 65535),
        "0",
        "TCP port for other nodes, always with TLS. 0 is the port for clients plus 10000, or any free one.",
    )
    .within(Section::Cluster),
    Setting::new(
        "cluster-announce-ip",
        Kind::Text(field!(advertise)),
        "",
        "Host name or address by which other nodes and clients reach this one, if it is not the first of `bind`.",
    )
    .key("advertise")
    .within(Section::Cluster),
    Setting::new(
        "mdns",
        Kind::Bool(field!(mdns)),
        "yes",
        "Whether nodes find each other on the local network by multicast DNS: a node that other machines can reach by \
         `bind` announces its cluster's name, its own and its port for nodes; a token whose addresses do not answer, and \
         members that have moved, are looked for. Being found lets nobody in. A node on 127.0.0.1 announces nothing.",
    )
    .within(Section::Cluster),
    Setting::new(
        "redirect",
        Kind::Bool(field!(redirect)),
        "no",
        "Answers new clients -MOVED where another node leads the key, as Redis Cluster does, and -CROSSSLOT where that \
         would, instead of serving them by way of this node; each may change it for itself with CLIENT REDIRECT.",
    )
    .running()
    .within(Section::Cluster),
    Setting::new(
        "witness",
        Kind::Bool(field!(witness)),
        "no",
        "Joins as a witness, which votes and keeps the log of what is written, and holds no data: beside two nodes that \
         do, it is what makes the loss of any one of the three stop nothing. Where three nodes hold data it waits until \
         one is gone. Clients that connect to it are served by the others. Said at a node's first start.",
    )
    .first_start()
    .within(Section::Cluster),
    Setting::new(
        "replicas",
        integer!(replicas: u8, 1, 7),
        "3",
        "Copies of each partition that a cluster keeps, as soon as it has as many nodes. Said when it is founded.",
    )
    .first_start()
    .within(Section::Cluster),
    Setting::new(
        "leave-timeout",
        Kind::Span { range: Duration::ZERO..=Duration::from_secs(86_400), field: field!(leave_timeout) },
        "30s",
        "Longest that a node which leaves takes to hand its data over; after that it stops and stays a member.",
    )
    .within(Section::Cluster),
    Setting::new(
        "shutdown-timeout",
        Kind::Seconds { range: 0..=86_400, field: field!(shutdown_timeout) },
        "10",
        "Longest that a node of several which is told to stop takes to hand its leads over and to answer its clients; 0 is \
         at once.",
    )
    .running()
    .within(Section::Cluster),
    Setting::new(
        "replica-read-only",
        Kind::Fact { value: |_| "yes".to_owned(), why: "replicas never take writes of their own" },
        "yes",
        "Whether replicas refuse writes.",
    )
    .aliases(&["slave-read-only"])
    .within(Section::Node),
];
