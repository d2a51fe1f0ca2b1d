//! Commands that the node runs itself. The match has no default arm: a new row of the table is a compile error
//! here until it does something.

use base::Args;
use command::{NodeCommand, Spec, help};
use resp::Reply;

use crate::dispatch::Taken;
use crate::pubsub::ChannelKind;
use crate::session::{Session, Stall};
use crate::worker::Worker;

impl Worker {
    /// Runs a request that the node answers itself, and counts it if it fails.
    pub(crate) fn run_node(
        &mut self,
        session: &mut Session,
        command: NodeCommand,
        spec: &'static Spec,
        args: Args<'_>,
        raw: &[u8],
    ) -> Taken {
        let mark = session.output.mark();
        let taken = self.answer_node(session, command, spec, args, raw);
        let reply = session.output.since(mark);
        if reply.first() == Some(&b'-') {
            self.stats.note_failed(spec, reply);
        }
        taken
    }

    fn answer_node(
        &mut self,
        session: &mut Session,
        command: NodeCommand,
        spec: &'static Spec,
        args: Args<'_>,
        raw: &[u8],
    ) -> Taken {
        // What a client said before must have happened before this does: replies of requests sent elsewhere
        // are awaited first. Only plain answers may stand in line without waiting.
        if session.output.is_waiting() && !session.runs_exec() && !answers_from_the_session(command) {
            session.stall = Some(Stall::Drain);
            return Taken::Later;
        }
        use NodeCommand as N;
        match command {
            N::Ping => self.with_reply(session, |worker, session, out| worker.ping(session, args, out)),
            N::Echo => self.with_reply(session, |_, session, out| {
                Reply::new(out, session.version).bulk(args.at(1));
            }),
            N::Select => self.with_reply(session, |worker, session, out| worker.select(session, args, out)),
            N::Auth => return self.auth(session, args),
            N::Hello => return self.hello(session, args),
            N::Quit => {
                Reply::new(session.output.end(), session.version).ok();
                session.closing = true;
            }
            N::Reset => self.reset(session),

            N::ClientId
            | N::ClientGetName
            | N::ClientSetName
            | N::ClientSetInfo
            | N::ClientInfo
            | N::ClientNoEvict
            | N::ClientNoTouch
            | N::ClientGetRedir
            | N::ClientTrackingInfo
            | N::ClientCaching
            | N::ClientAck
            | N::ClientRead
            | N::ClientRedirect => self.run_client(session, command, args),
            N::ClientTracking => self.client_tracking(session, args),
            N::ClientList => self.client_list(session, args),
            N::ClientKill => self.client_kill(session, args),
            N::ClientPause => self.client_pause(session, args),
            N::ClientUnpause => {
                self.ask(session, crate::gather::Question::Unpause, Box::new(|_, _, reply| reply.ok()));
            }
            N::ClientReply => self.client_reply(session, args),
            N::ClientSession => self.client_session(session, args),
            N::ClientUnblock => self.client_unblock(session, args),

            N::Subscribe => self.change_subscriptions(session, ChannelKind::Plain, true, args),
            N::PSubscribe => self.change_subscriptions(session, ChannelKind::Pattern, true, args),
            N::SSubscribe => self.change_subscriptions(session, ChannelKind::Shard, true, args),
            N::Unsubscribe => self.change_subscriptions(session, ChannelKind::Plain, false, args),
            N::PUnsubscribe => self.change_subscriptions(session, ChannelKind::Pattern, false, args),
            N::SUnsubscribe => self.change_subscriptions(session, ChannelKind::Shard, false, args),
            N::Publish => self.publish(session, ChannelKind::Plain, args),
            N::SPublish => self.publish(session, ChannelKind::Shard, args),
            N::PubSubChannels | N::PubSubShardChannels if args.len() > 3 => {
                crate::admin::wrong_subcommand(session, "PUBSUB", args);
            }
            N::PubSubChannels
            | N::PubSubNumPat
            | N::PubSubNumSub
            | N::PubSubShardChannels
            | N::PubSubShardNumSub => {
                self.with_reply(session, |worker, session, out| {
                    worker.run_pubsub(session, command, args, out)
                });
            }

            N::Multi => self.multi(session),
            N::Exec => self.exec(session),
            N::Discard => self.discard(session),
            N::Watch => self.watch(session, args, raw),
            N::Unwatch => self.unwatch(session),

            // Refused at admission: only nodes say this, to partitions.
            N::NarfAwait | N::NarfDigests | N::NarfExec | N::NarfReached | N::NarfRelease => {}

            N::ClusterCountKeysInSlot
            | N::ClusterGetKeysInSlot
            | N::DbSize
            | N::FlushAll
            | N::FlushDb
            | N::Keys
            | N::RandomKey
            | N::Scan
            | N::SwapDb
            | N::DebugDigest
            | N::DebugReload => self.start_keyspace_command(session, command, spec, args, raw),

            N::Migrate => self.with_reply(session, |_, session, out| {
                Reply::new(out, session.version).error(NO_MIGRATE);
            }),

            N::Wait | N::WaitAof => self.wait(session, command, args),
            N::BgRewriteAof | N::BgSave | N::Save | N::LastSave => self.run_save(session, command, args),
            N::ConfigGet => self.config_get(session, args),
            N::ConfigSet => return self.config_set(session, args),
            N::ConfigResetStat => {
                self.ask(session, crate::gather::Question::ResetStats, Box::new(|_, _, reply| reply.ok()));
            }
            N::ConfigRewrite => self.config_rewrite(session),
            N::DebugSetActiveExpire => self.debug_set_active_expire(session, args),
            N::DebugDigestAt => self.debug_digest_at(session, args),
            N::DebugSleep => self.debug_sleep(session, args),
            N::Info => self.info(session, args),
            N::LatencyDoctor
            | N::LatencyGraph
            | N::LatencyHistogram
            | N::LatencyHistory
            | N::LatencyLatest
            | N::LatencyReset => self.run_latency(session, command, args),
            N::SlowlogGet | N::SlowlogLen | N::SlowlogReset => self.run_slowlog(session, command, args),
            N::MemoryDoctor | N::MemoryMallocStats | N::MemoryPurge | N::MemoryStats => {
                self.run_memory(session, command);
            }
            N::Monitor => self.begin_monitor(session),
            N::Shutdown => self.shutdown(session, args),
            N::PfSelfTest => {
                let tested = engine::hyperloglog_self_test(self.random.next_u64());
                self.with_reply(session, |_, session, out| {
                    let mut reply = Reply::new(out, session.version);
                    match tested {
                        Ok(()) => reply.ok(),
                        Err(text) => reply.error(text),
                    }
                });
            }
            N::Lolwut | N::ModuleList | N::Role | N::Time | N::Asking | N::ReadOnly | N::ReadWrite => {
                self.with_reply(session, |worker, session, out| worker.run_fact(session, command, out));
            }
            N::ClusterCountFailureReports
            | N::ClusterKeySlot
            | N::ClusterLinks
            | N::ClusterMyId
            | N::ClusterMyShardId
            | N::ClusterReplicas
            | N::ClusterSlaves => self.with_reply(session, |worker, session, out| {
                worker.run_cluster(session, command, args, out);
            }),
            N::ClusterInfo | N::ClusterNodes | N::ClusterShards | N::ClusterSlots => {
                self.show_cluster(session, command);
            }
            N::FabricCheck | N::FabricMap | N::FabricMembers | N::FabricOwner | N::FabricStatus => {
                self.show_fabric(session, command, args);
            }
            N::FabricClock => self.fabric_clock(session, args),
            N::FabricJoin => self.join_other(session, args),
            N::FabricTrust => self.trust(session, args),
            N::FabricUpgrade => self.upgrade(session, args),
            N::FabricHotKeys => self.show_hot_keys(session, args),
            N::FabricRebalance => self.rebalance(session, args),
            N::FabricScrub => self.scrub_now(session),
            N::FabricDrain | N::FabricInvite | N::FabricLeave | N::FabricRemove | N::FabricReplicas => {
                self.change_fabric(session, command, args);
            }
            N::Command
            | N::CommandCount
            | N::CommandDocs
            | N::CommandGetKeys
            | N::CommandGetKeysAndFlags
            | N::CommandInfo
            | N::CommandList => self.with_reply(session, |_, session, out| {
                crate::introspect::command::reply(command, args, &mut Reply::new(out, session.version));
            }),
            N::AclCat
            | N::AclDelUser
            | N::AclDryRun
            | N::AclGenPass
            | N::AclGetUser
            | N::AclList
            | N::AclLoad
            | N::AclLog
            | N::AclSave
            | N::AclSetUser
            | N::AclUsers
            | N::AclWhoAmI => return self.run_acl(session, command, args),
            N::AclHelp
            | N::ClientHelp
            | N::PubSubHelp
            | N::ObjectHelp
            | N::CommandHelp
            | N::ConfigHelp
            | N::DebugHelp
            | N::MemoryHelp
            | N::SlowlogHelp
            | N::LatencyHelp
            | N::ClusterHelp
            | N::FabricHelp => write_help(session, spec),
        }
        Taken::Done
    }

    /// Runs something that writes to a buffer, and puts that where the session's next reply belongs.
    pub(crate) fn with_reply(
        &mut self,
        session: &mut Session,
        run: impl FnOnce(&mut Worker, &mut Session, &mut Vec<u8>),
    ) {
        let mut out = std::mem::take(&mut self.scratch);
        run(self, session, &mut out);
        session.output.end().extend_from_slice(&out);
        out.clear();
        self.scratch = out;
    }
}

/// Why `MIGRATE` is refused, and what to do instead.
const NO_MIGRATE: &str = "ERR MIGRATE is not supported: a node opens no connection to a server that a client names. Read \
                          the key with DUMP and PTTL, write it there with RESTORE, then delete it here";

/// Commands whose answer depends on nothing that an earlier request could change elsewhere.
fn answers_from_the_session(command: NodeCommand) -> bool {
    use NodeCommand as N;
    matches!(
        command,
        N::Ping
            | N::Echo
            | N::Select
            | N::ClientId
            | N::ClientGetName
            | N::ClientSetName
            | N::ClientSession
            | N::ClientSetInfo
            | N::Multi
    )
}

fn write_help(session: &mut Session, spec: &Spec) {
    let parent = spec.parent_name().and_then(command::lookup_name);
    let lines = parent.map(help::subcommand_lines).unwrap_or_default();
    let mut reply = Reply::new(session.output.end(), session.version);
    reply.array(lines.len());
    lines.iter().for_each(|line| reply.simple(line));
}
