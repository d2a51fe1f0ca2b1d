//! `CONFIG`, `SLOWLOG`, `DEBUG`, `SAVE`, `SHUTDOWN`, `WAIT`, and small facts about the node.

use std::sync::Arc;
use std::time::Duration;

use base::{Args, PartitionId, WorkerId, parse_i64, slot_of};
use command::NodeCommand;
use resp::Reply;

use crate::acl::Known;
use crate::acl::password::Password;
use crate::acl_command::BUSY;
use crate::dispatch::Taken;
use crate::gather::{Answer, Question, sum};
use crate::outbox::Control;
use crate::read_level::ReadLevel;
use crate::session::{Peer, Session};
use crate::settings::{DebugCommand, Secret, Settings};
use crate::slowlog::{SlowEntry, write_entries};
use crate::users::{DEFAULT, WishedUsers};
use crate::worker::Worker;

/// What `CONFIG SET` is to do about the password of `default`.
enum Requirepass {
    NotNamed,
    /// Its hash is still to be made.
    Later,
    /// What it makes of the user.
    Rules(Vec<Vec<u8>>),
}

impl Worker {
    pub(crate) fn config_get(&mut self, session: &mut Session, args: Args<'_>) {
        let mut found = self.settings.get_matching_any(args.tail(2).to_vec().iter().copied());
        // Whoever set the password that holds, and wherever it is kept.
        if let Some((_, shown)) = found.iter_mut().find(|(name, _)| *name == "requirepass") {
            let secret = if self.users.default.passwords().is_empty() { "" } else { Secret::REDACTED };
            secret.clone_into(shown);
        }
        let mut reply = Reply::new(session.output.end(), session.version);
        reply.map(found.len());
        for (name, value) in found {
            reply.bulk(name.as_bytes());
            reply.bulk(value.as_bytes());
        }
    }

    pub(crate) fn config_set(&mut self, session: &mut Session, args: Args<'_>) -> Taken {
        let words = args.tail(2).to_vec();
        if !words.len().is_multiple_of(2) {
            Reply::new(session.output.end(), session.version).error("ERR syntax error");
            return Taken::Done;
        }
        let pairs = words.chunks_exact(2).map(|pair| (pair[0], pair[1]));
        let changed = self.settings.with_changes(pairs.clone()).map_err(|error| error.to_string());
        let names = pairs.map(|(name, _)| name);
        let prepared = changed.and_then(|changed| {
            self.prepare_clients(names.clone(), &changed)?;
            self.prepare_tls(names, &changed)
        });
        if let Err(error) = prepared {
            Reply::new(session.output.end(), session.version).error(format!("ERR {error}"));
            return Taken::Done;
        }
        let mut pairs: Vec<_> =
            words.chunks_exact(2).map(|pair| (pair[0].to_vec(), pair[1].to_vec())).collect();
        let shared = self.part_shared(&mut pairs);
        match self.hash_requirepass(session, &mut pairs) {
            // What keeps this node closed must not leave the others open, nor may this one open before them: it changes, and
            // is answered, once all go by it.
            Ok(Requirepass::Rules(rules)) if self.users.is_listed(DEFAULT) || self.has_company() => {
                if !shared.is_empty() {
                    let text = "ERR requirepass is agreed on as a change of users; set it by itself";
                    Reply::new(session.output.end(), session.version).error(text);
                    return Taken::Done;
                }
                let (name, known) = (DEFAULT.to_vec(), Vec::new());
                self.wish_users_and_settings(session, WishedUsers::Set { name, rules, known }, pairs);
            }
            Ok(Requirepass::Later) => return Taken::Later,
            Ok(Requirepass::NotNamed | Requirepass::Rules(_)) if !shared.is_empty() => {
                self.wish_shared(session, shared, pairs);
            }
            Ok(Requirepass::NotNamed | Requirepass::Rules(_)) => {
                self.ask(session, Question::Settings(pairs), Box::new(|_, _, reply| reply.ok()));
            }
            Err(text) => Reply::new(session.output.end(), session.version).error(text),
        }
        Taken::Done
    }

    /// Has the shell see to it that there can be as many clients as are wanted, if that is named.
    fn prepare_clients<'p>(
        &self,
        mut names: impl Iterator<Item = &'p [u8]>,
        changed: &Settings,
    ) -> Result<(), String> {
        if !names.any(|name| name.eq_ignore_ascii_case(b"maxclients")) {
            return Ok(());
        }
        self.host.make_room_for_clients(changed.maxclients).map_err(|most| {
            format!(
                "CONFIG SET failed (possibly related to argument 'maxclients') - The operating system is not able to \
                 handle the specified number of clients, try with {most}"
            )
        })
    }

    /// Has the shell read the files for TLS if one of their settings is named, changed or not, so that setting what is
    /// set reads them anew.
    fn prepare_tls<'p>(
        &self,
        mut names: impl Iterator<Item = &'p [u8]>,
        changed: &Settings,
    ) -> Result<(), String> {
        let is_of_tls = |name: &&[u8]| name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"tls-"));
        let Some(name) = names.find(is_of_tls).filter(|_| changed.tls.port != 0) else { return Ok(()) };
        self.host.prepare_tls(&changed.tls).map_err(|why| {
            let name = String::from_utf8_lossy(name);
            format!(
                "CONFIG SET failed (possibly related to argument '{name}') - Unable to update TLS configuration: {why}"
            )
        })
    }

    /// Whether the fabric has other nodes.
    fn has_company(&self) -> bool {
        let me = self.fabric.me;
        self.fabric.is_on && self.fabric.meta.live_members().any(|member| member.replica_id() != me)
    }

    /// Puts a hash in the place of the password of `default`.
    fn hash_requirepass(
        &mut self,
        session: &mut Session,
        pairs: &mut [(Vec<u8>, Vec<u8>)],
    ) -> Result<Requirepass, &'static str> {
        let Some((_, value)) = pairs.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case(b"requirepass"))
        else {
            return Ok(Requirepass::NotNamed);
        };
        let mut rules = vec![b"nopass".to_vec()];
        if !value.is_empty() {
            if !Password::parse(value).is_some_and(|hash| hash.is_salted()) {
                let words = vec![value.clone()];
                let job = |worker: &mut Worker| worker.job_to_hash(words.clone(), Vec::new());
                let Some(known) = self.known_words(session, &words, job)? else {
                    return Ok(Requirepass::Later);
                };
                *value = known.first().and_then(Known::salted).ok_or(BUSY)?.to_string().into_bytes();
            }
            rules = vec![b"resetpass".to_vec(), [b"#", value.as_slice()].concat()];
        }
        Ok(Requirepass::Rules(rules))
    }

    /// Applies changes that the worker which was asked found right.
    pub(crate) fn change_settings(&mut self, pairs: &[(Vec<u8>, Vec<u8>)]) {
        let pairs = pairs.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
        if let Ok(settings) = self.settings.with_changes(pairs) {
            self.adopt_settings(settings);
        }
    }

    /// Goes by these from now on, and has the shell do so.
    pub(crate) fn adopt_settings(&mut self, settings: Settings) {
        let settings = Arc::new(settings);
        self.use_settings(Arc::clone(&settings));
        self.scrubs.interval_changed();
        // One of the workers speaks for the node, so that the shell hears of changes in one order.
        if self.id == WorkerId(0) {
            self.outbox.control.push(Control::SettingsChanged(settings));
        }
    }

    pub(crate) fn config_rewrite(&mut self, session: &mut Session) {
        let result = self.host.rewrite_config(&self.settings);
        let mut reply = Reply::new(session.output.end(), session.version);
        match result {
            Ok(()) => reply.ok(),
            Err(text) => reply.error(format!("ERR {text}")),
        }
    }

    pub(crate) fn run_slowlog(&mut self, session: &mut Session, command: NodeCommand, args: Args<'_>) {
        match command {
            NodeCommand::SlowlogGet => self.slowlog_get(session, args),
            NodeCommand::SlowlogLen => {
                let max = self.settings.slowlog_max_len;
                let finish = move |_: &mut Worker, answers: Vec<Answer>, reply: &mut Reply<'_>| {
                    reply.int((slow_entries(answers, usize::MAX).len() as u64).min(max) as i64);
                };
                self.ask(session, Question::Slow(usize::MAX), Box::new(finish));
            }
            _ => self.ask(session, Question::ResetSlow, Box::new(|_, _, reply| reply.ok())),
        }
    }

    fn slowlog_get(&mut self, session: &mut Session, args: Args<'_>) {
        if args.len() > 3 {
            return wrong_subcommand(session, "SLOWLOG", args);
        }
        let count = match args.get(2).map(parse_i64) {
            None => 10,
            Some(Some(-1)) => usize::MAX,
            Some(Some(count)) if count >= 0 => count as usize,
            Some(_) => {
                let text = "ERR count should be greater than or equal to -1";
                return Reply::new(session.output.end(), session.version).error(text);
            }
        };
        let count = count.min(self.settings.slowlog_max_len as usize);
        let finish = move |_: &mut Worker, answers: Vec<Answer>, reply: &mut Reply<'_>| {
            write_entries(&slow_entries(answers, count), reply);
        };
        self.ask(session, Question::Slow(count), Box::new(finish));
    }

    /// Whether a session may use `DEBUG`; if not, it was answered.
    fn may_debug(&self, session: &mut Session) -> bool {
        let local = match &session.peer {
            Peer::Tcp { remote, .. } => remote.ip().is_loopback(),
            Peer::Unix(_) | Peer::InProcess => true,
        };
        let allowed = match self.settings.enable_debug_command {
            DebugCommand::Yes => true,
            DebugCommand::Local => local,
            DebugCommand::No => false,
        };
        if !allowed {
            let text = "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.";
            Reply::new(session.output.end(), session.version).error(text);
        }
        allowed
    }

    pub(crate) fn debug_set_active_expire(&mut self, session: &mut Session, args: Args<'_>) {
        if !self.may_debug(session) {
            return;
        }
        match args.at(2) {
            b"0" | b"1" => {
                let on = args.at(2) == b"1";
                self.ask(session, Question::ActiveExpire(on), Box::new(|_, _, reply| reply.ok()));
            }
            _ => Reply::new(session.output.end(), session.version)
                .error("ERR value must be 0 or 1; DEBUG SET-ACTIVE-EXPIRE 1 switches active expiry on"),
        }
    }

    pub(crate) fn debug_digest_at(&mut self, session: &mut Session, args: Args<'_>) {
        if !self.may_debug(session) {
            return;
        }
        let number = |at: usize| args.get(at).map(|word| parse_i64(word).and_then(|n| u64::try_from(n).ok()));
        let id = number(2).flatten().and_then(|id| self.router.all().find(|known| u64::from(known.0) == id));
        let index = number(3);
        let (Some(id), None | Some(Some(_)), 3 | 4) = (id, index, args.len()) else {
            let text = "ERR DEBUG DIGEST-AT takes the number of a partition, as FABRIC MAP tells, and that of an entry at most";
            return Reply::new(session.output.end(), session.version).error(text);
        };
        let finish = move |_: &mut Worker, answers: Vec<Answer>, reply: &mut Reply<'_>| {
            let found = answers.iter().find_map(|answer| match answer {
                Answer::DigestAt { index, digest } => Some((*index, *digest)),
                _ => None,
            });
            write_digest_at(id, found, reply);
        };
        self.ask(session, Question::DigestAt(id, index.flatten()), Box::new(finish));
    }

    pub(crate) fn debug_sleep(&mut self, session: &mut Session, args: Args<'_>) {
        if !self.may_debug(session) {
            return;
        }
        let seconds = std::str::from_utf8(args.at(2)).ok().and_then(|text| text.parse::<f64>().ok());
        let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let mut reply = Reply::new(session.output.end(), session.version);
        match duration.filter(|duration| *duration <= Duration::from_secs(3600)) {
            Some(duration) => {
                self.outbox.sleep = Some(duration);
                reply.ok();
            }
            None => reply.error("ERR value is not a valid float"),
        }
    }

    pub(crate) fn run_save(&mut self, session: &mut Session, command: NodeCommand, args: Args<'_>) {
        let now = self.now.wall_us / 1_000_000;
        let mut reply = Reply::new(session.output.end(), session.version);
        if command == NodeCommand::LastSave {
            return reply.int(self.host.last_save().unwrap_or(now) as i64);
        }
        if command == NodeCommand::BgSave
            && args.get(1).is_some_and(|word| !word.eq_ignore_ascii_case(b"schedule"))
        {
            return reply.error("ERR syntax error");
        }
        if !self.logging {
            return reply
                .error("ERR this node keeps nothing on disk (no-data); start it with a data folder to save");
        }
        if command == NodeCommand::Save {
            return self.ask(
                session,
                Question::Save,
                Box::new(|_, answers, reply| finish_save(&answers, reply)),
            );
        }
        let finish =
            move |_: &mut Worker, answers: Vec<Answer>, reply: &mut Reply<'_>| match (sum(&answers), command)
            {
                (0, NodeCommand::BgRewriteAof) => {
                    reply.error("ERR Background append only file rewriting already in progress")
                }
                (0, _) => reply.error(SAVING),
                (_, NodeCommand::BgSave) => reply.simple("Background saving started"),
                (_, NodeCommand::BgRewriteAof) => {
                    reply.simple("Background append only file rewriting started")
                }
                _ => reply.ok(),
            };
        self.ask(session, Question::Checkpoint, Box::new(finish));
    }

    pub(crate) fn shutdown(&mut self, session: &mut Session, args: Args<'_>) {
        let has = |name: &[u8]| args.tail(1).iter().any(|word| word.eq_ignore_ascii_case(name));
        let is_option = |word: &[u8]| {
            [&b"nosave"[..], b"save", b"now", b"force", b"abort"].iter().any(|o| word.eq_ignore_ascii_case(o))
        };
        let (save, aborts) = (has(b"save"), has(b"abort"));
        let is_for_stop = save || has(b"nosave") || has(b"now") || has(b"force");
        let refusal = match args.tail(1).iter().all(is_option) {
            false => Some("ERR syntax error"),
            true if save && has(b"nosave") || aborts && is_for_stop => Some("ERR syntax error"),
            true => aborts.then_some("ERR No shutdown in progress."),
        };
        if let Some(text) = refusal {
            return Reply::new(session.output.end(), session.version).error(text);
        }
        self.outbox.control.push(Control::Shutdown { save });
        session.closing = true;
    }

    pub(crate) fn run_fact(&mut self, session: &mut Session, command: NodeCommand, out: &mut Vec<u8>) {
        let mut reply = Reply::new(out, session.version);
        match command {
            NodeCommand::Time => {
                reply.array(2);
                reply.bulk((self.now.wall_us / 1_000_000).to_string().as_bytes());
                reply.bulk((self.now.wall_us % 1_000_000).to_string().as_bytes());
            }
            NodeCommand::Role => {
                reply.array(3);
                reply.bulk(b"master");
                reply.int(0);
                reply.array(0);
            }
            // Over a cluster any node serves any key, so nothing is asked of these but what they say of reads.
            NodeCommand::ReadOnly | NodeCommand::ReadWrite | NodeCommand::Asking if self.fabric.is_on => {
                match command {
                    NodeCommand::ReadOnly => session.reads = ReadLevel::Stale,
                    NodeCommand::ReadWrite => session.reads = ReadLevel::Lease,
                    _ => {}
                }
                reply.ok();
            }
            NodeCommand::ModuleList => reply.array(0),
            NodeCommand::Lolwut => {
                let text =
                    format!("An otter floats on its back.\nNarf ver. {}\n", crate::connection::NARF_VERSION);
                reply.verbatim(text.as_bytes());
            }
            _ => reply.error("ERR This instance has cluster support disabled"),
        }
    }

    pub(crate) fn run_cluster(
        &mut self,
        session: &mut Session,
        command: NodeCommand,
        args: Args<'_>,
        out: &mut Vec<u8>,
    ) {
        let mut reply = Reply::new(out, session.version);
        match command {
            NodeCommand::ClusterKeySlot => reply.int(i64::from(slot_of(args.at(2)).number())),
            NodeCommand::ClusterReplicas | NodeCommand::ClusterSlaves if self.fabric.is_on => {
                self.write_followers(args.at(2), &mut reply);
            }
            NodeCommand::ClusterCountFailureReports if self.fabric.is_on => {
                self.write_failure_reports(args.at(2), &mut reply);
            }
            NodeCommand::ClusterLinks if self.fabric.is_on => self.write_links(&mut reply),
            // Each node leads some slots, and is a shard of its own by that.
            NodeCommand::ClusterMyId | NodeCommand::ClusterMyShardId => {
                reply.bulk(self.host.facts().node_id.as_bytes())
            }
            _ => reply.error("ERR This instance has cluster support disabled"),
        }
    }
}

/// Some subcommands take a word or none, which the table cannot say: the error for more of them.
pub(crate) fn wrong_subcommand(session: &mut Session, parent: &str, args: Args<'_>) {
    let given = String::from_utf8_lossy(args.at(1)).into_owned();
    let text =
        format!("ERR unknown subcommand or wrong number of arguments for '{given}'. Try {parent} HELP.");
    Reply::new(session.output.end(), session.version).error(text);
}

/// The entry and the digest, or why there is none.
fn write_digest_at(id: PartitionId, found: Option<(u64, Result<u128, u64>)>, reply: &mut Reply<'_>) {
    let id = id.0;
    match found {
        Some((index, Ok(digest))) => {
            reply.array(2);
            reply.int(index as i64);
            reply.bulk(format!("{digest:032x}").as_bytes());
        }
        None => reply.error(format!(
            "ERR partition {id} is not at hand on this node, or a transaction has it for a moment; FABRIC MAP tells who has a replica"
        )),
        Some((index, Err(applied))) if applied > index => reply.error(format!(
            "ERR partition {id} has applied entry {applied} here, and what it held at {index} is gone; ask for a later entry"
        )),
        Some((index, Err(applied))) if applied < index => reply.error(format!(
            "ERR partition {id} has applied entry {applied} here and did not come to {index} in time; write something, or ask for less"
        )),
        Some((_, Err(_))) => reply.error(format!(
            "ERR a checkpoint, a transfer or another comparison needed partition {id} meanwhile; ask again"
        )),
    }
}

/// The newest slow requests of all workers.
fn slow_entries(answers: Vec<Answer>, count: usize) -> Vec<SlowEntry> {
    let mut entries: Vec<SlowEntry> = answers
        .into_iter()
        .flat_map(|answer| match answer {
            Answer::Slow(entries) => entries,
            Answer::Done
            | Answer::Count(_)
            | Answer::Trusted(..)
            | Answer::Clients(_)
            | Answer::Found(..)
            | Answer::Stats(_)
            | Answer::AclLog(_)
            | Answer::Digests(_)
            | Answer::DigestAt { .. }
            | Answer::Latency(_)
            | Answer::Standings(_)
            | Answer::HotKeys(_)
            | Answer::Report(..)
            | Answer::Saved(_) => Vec::new(),
        })
        .collect();
    entries.sort_by_key(|entry| std::cmp::Reverse((entry.time_us, entry.id)));
    entries.truncate(count);
    entries
}

/// `SAVE`: the round is over, or could not be begun.
fn finish_save(answers: &[Answer], reply: &mut Reply<'_>) {
    match answers.iter().all(|answer| matches!(answer, Answer::Saved(true))) {
        true => reply.ok(),
        false if answers.iter().any(|answer| matches!(answer, Answer::Count(_))) => reply.error(SAVING),
        false => reply.error(
            "ERR the checkpoint was not written, as the disk has no room or could not; the log has everything",
        ),
    }
}

/// Redis's words for what asks for a checkpoint while one is written.
const SAVING: &str = "ERR Background save already in progress";
