//! What a node knows of its cluster.

use super::Context;
use super::lines::Lines;
use crate::cluster_view::{PartitionStanding, Status};

impl Context<'_> {
    pub(super) fn cluster(&self, lines: &mut Lines<'_>) {
        let fabric = &self.worker.fabric;
        lines.title("Cluster");
        lines.add("cluster_enabled", u8::from(fabric.is_on));
        if !fabric.is_on {
            return;
        }
        let (meta, stats) = (&fabric.meta, &self.total.stats);
        let heard = |member: &&cluster::Member| {
            member.replica_id() == fabric.me || fabric.is_heard(member.replica_id())
        };
        let status = Status::of(self.worker, meta, &self.standings);
        lines.add("narf_state", status.word());
        lines.add("narf_cluster_name", meta.name());
        lines.add("narf_cluster_id", format_args!("{:032x}", meta.cluster()));
        lines.add("narf_cluster_version", meta.version());
        lines.add("narf_nodes", meta.live_members().count());
        lines.add("narf_nodes_heard", meta.live_members().filter(heard).count());
        lines.add("narf_witnesses", meta.witnesses().count());
        let me = meta.member_of_replica(fabric.me);
        lines.add("narf_node_kind", me.map_or("", |member| member.kind.name()));
        lines.add("narf_replicas", meta.replicas_effective());
        lines.add("narf_replicas_wanted", meta.replicas_wanted());
        lines.add("narf_nodes_that_may_be_lost", status.may_lose);
        lines.add("narf_partitions_wanted_here", status.wanted);
        lines.add("narf_partitions_missing_here", status.missing);
        lines.add("narf_partitions_served", status.served);
        self.groups(lines);
        lines.add("narf_peer_frames_malformed", stats.malformed_peer_frames);
        lines.add("narf_peer_messages_refused", stats.refused_peer_messages);
        lines.add("narf_entries_without_room", stats.entries_without_room);
        lines.add("narf_stale_reads", stats.stale_reads);
        lines.add("narf_replica_age_ms", stats.replica_age_ms);
        lines.add("narf_snapshots_sent", stats.snapshots_sent);
        lines.add("narf_snapshots_received", stats.snapshots_received);
        lines.add("narf_scrubs", stats.scrubs);
        lines.add("narf_scrub_differences", stats.scrub_differences);
    }

    /// The groups of partitions that have a replica here, in the terms of the metrics.
    fn groups(&self, lines: &mut Lines<'_>) {
        let me = self.worker.fabric.me;
        let count = |is_so: &dyn Fn(&&PartitionStanding) -> bool| self.standings.iter().filter(is_so).count();
        lines.add("narf_groups_led", count(&|standing| standing.is_held && standing.leader == me));
        lines.add("narf_groups_followed", count(&|standing| standing.is_held && standing.leader != me));
        lines.add("narf_groups_in_doubt", count(&|standing| standing.is_in_doubt));
        lines.add("narf_groups_without_leader", count(&|standing| standing.leader == 0));
        lines.add("narf_groups_with_lease", count(&|standing| standing.reads_alone));
        let lag = self.standings.iter().map(|standing| standing.lag).max();
        lines.add("narf_replication_lag_entries", lag.unwrap_or(0));
    }
}
