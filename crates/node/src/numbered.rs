//! `CLIENT SESSION`: writes that have a number, so that they can be sent again and are applied once.
//!
//! A number is given to the one request that follows, and is gone with it whatever becomes of it: connections are shared by
//! those who know nothing of each other. The request goes to its partition as a `narf.once`, which keeps there, beside the
//! data and like it, what was answered (`engine::Ledger`). Any node takes the same request up again: what it is told apart
//! by does not depend on the node, the connection, or how many nodes there are.
//!
//! Invariant: after a number that was refused no write runs, for it would run without one. Does not know: what partitions
//! keep.

use base::{Args, KeyHasher, PartitionId, parse_i64};
use command::{DataCommand, Flags, Lookup, NodeCommand, Run, Spec};
use engine::{Numbered, NumberedRequest, SessionId, numbered_commands, numbered_words};
use resp::Reply;

use crate::data::Place;
use crate::dispatch::Taken;
use crate::pause::changes_or_publishes;
use crate::scatter::{CROSS_SLOT, CROSS_SLOT_TRANSACTION};
use crate::session::{Session, Stall, gate};
use crate::sparse_max::as_asked;
use crate::txn::Transaction;
use crate::wire::WireRequest;
use crate::worker::Worker;

/// What `CLIENT SESSION SEQ` made of the request that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbering {
    /// It has this number in this session.
    Number(SessionId, u64),
    /// Nothing that can be used: a write must not run.
    Refused,
}

/// Why a write is not run.
const NO_NUMBER: &str = "ERR the CLIENT SESSION SEQ before this write was refused; not applied";

impl Session {
    pub(crate) fn set_number(&mut self, number: Option<Numbering>) {
        self.number = number;
        self.set_gate(gate::NUMBERED, number.is_some());
    }

    /// A request was answered at admission: its number is gone with it. That of a number which was refused itself stays.
    #[cold]
    pub(crate) fn end_number(&mut self, spec: &Spec) {
        let is_number = spec.run == Run::Node(NodeCommand::ClientSession) && self.transaction.is_none();
        self.set_number(is_number.then_some(Numbering::Refused));
    }
}

/// Reads `CLIENT SESSION SEQ session number`.
pub(crate) fn parse_number(args: Args<'_>) -> Result<Numbering, &'static str> {
    if !args.at(2).eq_ignore_ascii_case(b"seq") || args.len() != 5 {
        return Err("ERR syntax error; use CLIENT SESSION OPEN or CLIENT SESSION SEQ session number");
    }
    let session =
        SessionId::parse(args.at(3)).ok_or("ERR session is not one that CLIENT SESSION OPEN gave")?;
    let number =
        parse_i64(args.at(4)).and_then(|number| u64::try_from(number).ok()).filter(|number| *number > 0);
    Ok(Numbering::Number(session, number.ok_or("ERR number is not an integer from 1 on, or out of range")?))
}

/// What tells the requests of one number from others: who asks, for which database, and what.
fn digest_of<'a>(session: &Session, requests: impl Iterator<Item = Args<'a>>) -> u64 {
    let mut bytes = Vec::new();
    let mut add = |word: &[u8]| {
        bytes.extend_from_slice(&(word.len() as u64).to_le_bytes());
        bytes.extend_from_slice(word);
    };
    add(session.user_name());
    add(&[session.db.number()]);
    for request in requests {
        // As it was asked for, however it is written, and whatever this node would make of it.
        let Lookup::Found(spec) = command::lookup(request) else {
            add(b"");
            continue;
        };
        let (spec, request) = as_asked(spec, request);
        add(spec.name.as_bytes());
        add(&(request.len() as u64).to_le_bytes());
        request.iter().skip(1).for_each(&mut add);
    }
    KeyHasher::new(0x6F6E_6365).hash(&bytes)
}

/// The row that says what a request asks for: of a numbered one that of what has the number, of a transaction that of one
/// that adds to memory, if one does.
pub(crate) fn asked_spec(spec: &'static Spec, args: Args<'_>) -> &'static Spec {
    if spec.run != Run::Data(DataCommand::NarfOnce) {
        return spec;
    }
    let asked = numbered_commands(args).unwrap_or_default();
    let adds = asked.iter().find(|spec| spec.flags.contains(Flags::DENYOOM));
    adds.or(asked.first()).copied().unwrap_or(spec)
}

/// A numbered request in the form that partitions know.
pub(crate) fn once(which: &Numbered, request: NumberedRequest<'_>) -> WireRequest {
    let words = numbered_words(which, request);
    WireRequest::encode(&words.iter().map(|word| &**word).collect::<Vec<_>>())
}

impl Worker {
    pub(crate) fn client_session(&mut self, session: &mut Session, args: Args<'_>) {
        let mut reply = Reply::new(session.output.end(), session.version);
        if args.len() == 3 && args.at(2).eq_ignore_ascii_case(b"open") {
            let random = [self.random.next_u64(), self.random.next_u64()];
            return reply.bulk(SessionId::new(self.now.millis(), random).to_string().as_bytes());
        }
        let number = parse_number(args);
        match number {
            Ok(_) => reply.ok(),
            Err(text) => reply.error(text),
        }
        session.set_number(Some(number.unwrap_or(Numbering::Refused)));
    }

    /// Runs the request behind a `CLIENT SESSION SEQ`.
    #[cold]
    pub(crate) fn run_numbered(
        &mut self,
        session: &mut Session,
        spec: &'static Spec,
        args: Args<'_>,
        raw: &[u8],
    ) -> Taken {
        let number = session.number;
        session.set_number(None);
        let taken = self.run_with_number(session, number, spec, args, raw);
        if taken == Taken::Later {
            session.set_number(number);
        }
        taken
    }

    fn run_with_number(
        &mut self,
        session: &mut Session,
        number: Option<Numbering>,
        spec: &'static Spec,
        args: Args<'_>,
        raw: &[u8],
    ) -> Taken {
        let is_write = spec.is_write() || changes_or_publishes(session, spec);
        let refusal = match (number, spec.run) {
            (_, Run::Node(NodeCommand::Multi)) => {
                let taken = self.run(session, spec, args, raw);
                if let Some(transaction) = &mut session.transaction {
                    transaction.broken |= number == Some(Numbering::Refused);
                    transaction.number = number;
                }
                return taken;
            }
            // A read may be sent as often as one likes.
            _ if !is_write => return self.run(session, spec, args, raw),
            (Some(Numbering::Number(id, number)), Run::Data(command))
                if !spec.flags.contains(Flags::BLOCKING) =>
            {
                return self.run_once(session, (id, number), command, spec, args, raw);
            }
            (Some(Numbering::Number(..)), _) => format!(
                "ERR {} cannot have a number of a session, only a write of keys that does not wait; not applied",
                spec.name.to_ascii_uppercase()
            ),
            (Some(Numbering::Refused) | None, _) => NO_NUMBER.to_owned(),
        };
        self.stats.note_refused(&refusal);
        Reply::new(session.output.end(), session.version).error(refusal);
        Taken::Done
    }

    /// Sends a write to its partition, or its parts to theirs: each of these is run once.
    fn run_once(
        &mut self,
        session: &mut Session,
        (id, number): (SessionId, u64),
        command: DataCommand,
        spec: &'static Spec,
        args: Args<'_>,
        raw: &[u8],
    ) -> Taken {
        let place = self.place(session.db, command, spec, args);
        // Parts go another way than requests of one partition do, where that matters for their order.
        let overtakes = matches!(place, Place::Several(_)) && !self.fabric.is_spread;
        if session.output.waiting() >= crate::spread::UNDER_WAY_MAX
            || overtakes && session.output.is_waiting()
        {
            session.stall = Some(Stall::Drain);
            return Taken::Later;
        }
        let digest = digest_of(session, std::iter::once(args));
        let which = Numbered { session: id, number, digest, version: session.version };
        match (place, spec.split) {
            (Place::One(place), _) => self.send_once(session, place, &which, command, args, raw),
            (Place::Several(_), Some(split)) if split.fits(spec, args.len()) => {
                let refusal = self.write_refused(spec, raw.len());
                match refusal {
                    Some(refusal) => Reply::new(session.output.end(), session.version).error(refusal),
                    None => {
                        self.scatter_keys(session, spec, split, args, Some(&which));
                        session.stall = (!self.fabric.is_spread).then_some(Stall::Drain);
                    }
                }
            }
            (Place::Several(places), Some(_)) => {
                self.send_once(session, places[0], &which, command, args, raw);
            }
            (Place::Several(_), None) => {
                self.stats.note_refused(CROSS_SLOT);
                Reply::new(session.output.end(), session.version).error(CROSS_SLOT);
            }
        }
        Taken::Done
    }

    fn send_once(
        &mut self,
        session: &mut Session,
        place: PartitionId,
        which: &Numbered,
        command: DataCommand,
        args: Args<'_>,
        raw: &[u8],
    ) {
        let as_logged = self.with_sparse_max(command, args).map(|(_, request)| request);
        let request = as_logged.unwrap_or_else(|| WireRequest::copy_of(args, raw));
        self.send_to(session, place, &once(which, NumberedRequest::One(request.args())));
    }

    fn send_to(&mut self, session: &mut Session, place: PartitionId, request: &WireRequest) {
        let (args, raw) = (request.args(), request.raw());
        let command = DataCommand::NarfOnce;
        let spec = command.spec();
        if self.fabric.is_spread {
            return self.send_for(session, place, spec, args, raw);
        }
        match self.write_refused(asked_spec(spec, args), raw.len()) {
            None => {
                let mark = session.output.mark();
                self.run_at(session, place, command, spec, args, raw);
                // What was numbered is answered within the answer of the number.
                let reply = session.output.since(mark);
                if reply.first() == Some(&b'-') {
                    self.stats.note_failed(asked_spec(spec, args), reply);
                }
            }
            Some(refusal) => {
                self.stats.note_refused(&refusal);
                Reply::new(session.output.end(), session.version).error(refusal);
            }
        }
    }

    /// `EXEC` of a transaction with a number.
    pub(crate) fn exec_once(
        &mut self,
        session: &mut Session,
        number: Numbering,
        wanted: &[PartitionId],
        transaction: &Transaction,
    ) {
        let has_watches = !session.watched.is_empty();
        self.unwatch_all(session);
        let refusal = match (number, wanted) {
            _ if has_watches => {
                Some("a transaction with a number cannot have watches: WATCH is safe to repeat".to_owned())
            }
            (Numbering::Number(id, number), [place]) => match self.unfit_for_one(session, transaction) {
                Some(refusal) => Some(refusal),
                None => {
                    let requests: Vec<Args<'_>> =
                        transaction.requests.iter().map(WireRequest::args).collect();
                    let digest = digest_of(session, requests.iter().copied());
                    let which = Numbered { session: id, number, digest, version: session.version };
                    let request = once(&which, NumberedRequest::Transaction(requests));
                    numbered_commands(request.args())
                        .unwrap_or_default()
                        .into_iter()
                        .for_each(|spec| self.stats.count_inside(spec));
                    return self.send_to(session, *place, &request);
                }
            },
            (Numbering::Number(..), []) => Some("a transaction with a number needs a key".to_owned()),
            (Numbering::Number(..), _) => Some(CROSS_SLOT_TRANSACTION.to_owned()),
            (Numbering::Refused, _) => Some(NO_NUMBER.to_owned()),
        };
        let text = format!("EXECABORT Transaction discarded because of: {}", refusal.unwrap_or_default());
        Reply::new(session.output.end(), session.version).error(text);
    }

    /// Why a transaction is none that a partition runs as one.
    fn unfit_for_one(&mut self, session: &Session, transaction: &Transaction) -> Option<String> {
        let requests = transaction.requests.iter().filter(|request| !request.args().is_empty());
        requests.into_iter().find_map(|request| {
            let Lookup::Found(spec) = command::lookup(request.args()) else { return None };
            match spec.run {
                Run::Data(_) => self.denied_in_exec(session, spec, request.args()),
                Run::Node(_) | Run::Container => Some(format!(
                    "{} is not possible in a transaction with a number",
                    spec.name.to_ascii_uppercase()
                )),
            }
        })
    }
}

/// The words of a part, numbered.
pub(crate) fn number_part(which: &Numbered, request: &WireRequest) -> (&'static Spec, WireRequest) {
    (DataCommand::NarfOnce.spec(), once(which, NumberedRequest::One(request.args())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Millis;

    fn parse(line: &str) -> Result<Numbering, &'static str> {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        parse_number(WireRequest::encode(&words).args())
    }

    #[test]
    fn a_number_is_of_a_session_and_from_one_on() {
        let id = SessionId::new(Millis(1_700_000_000_000), [1, 2]);
        assert_eq!(parse(&format!("client session seq {id} 7")), Ok(Numbering::Number(id, 7)));
        for wrong in ["0", "-1", "x", "9223372036854775808"] {
            assert!(parse(&format!("client session seq {id} {wrong}")).is_err(), "{wrong}");
        }
        assert!(parse(&format!("client session seq {id}")).is_err());
        assert!(parse(&format!("client session seq {id} 1 2")).is_err());
        assert!(parse("client session seq me 1").is_err());
        assert!(parse(&format!("client session next {id} 1")).is_err());
    }

    #[test]
    fn what_is_numbered_is_judged_by_what_it_asks_for() {
        let session = SessionId::new(Millis(1), [1, 2]);
        let which = Numbered { session, number: 1, digest: 1, version: resp::Version::Resp2 };
        let spec = DataCommand::NarfOnce.spec();
        let request =
            |line: &str| WireRequest::encode(&line.split(' ').map(str::as_bytes).collect::<Vec<_>>());
        let del = request("del k");
        let set = request("set k v");
        let one = once(&which, NumberedRequest::One(del.args()));
        assert_eq!(asked_spec(spec, one.args()).name, "del");
        let both = once(&which, NumberedRequest::Transaction(vec![del.args(), set.args()]));
        assert_eq!(asked_spec(spec, both.args()).name, "set");
        assert_eq!(asked_spec(DataCommand::Get.spec(), del.args()).name, "get");
    }
}
