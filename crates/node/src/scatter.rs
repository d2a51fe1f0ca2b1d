//! One request over several partitions of a fabric: cut into parts, each an errand, their answers joined.
//!
//! Only commands whose parts stand alone are cut: each part is atomic, the whole is not. A part that fails makes the
//! whole fail with its error; the others may have been done. Everything else that needs several partitions is
//! refused, or lives in a database other than 0, which is whole in one partition.

use std::collections::BTreeMap;

use base::{Args, DbIndex, PartitionId};
use command::{DataCommand, NodeCommand, Spec, Split};
use engine::{Numbered, ScanOptions, ScanOver, parse_cursor};
use resp::{Reply, Version};

use crate::errand::{Dest, ErrandHead};
use crate::keyspace::{PLACE_BITS, cursor_of};
use crate::numbered::number_part;
use crate::output::Ticket;
use crate::session::{Session, SessionRef};
use crate::slot_keys::SlotQuestion;
use crate::wire::WireRequest;
use crate::worker::Worker;

/// How the answers of the parts become one.
enum Join {
    /// Counts, added up.
    Sum,
    /// `OK` if all are.
    Ok,
    /// Arrays with an element a key: for each key of the request its part.
    Order(Vec<u32>),
    /// Arrays, one after the other.
    Concat,
    /// For each partition how many keys it has and one of them, or no key; and a number to choose by.
    Pick(u64),
    /// A part of `SCAN`: where it ends, go on from this cursor.
    Scan(u64),
}

struct Scatter {
    at: SessionRef,
    ticket: Ticket,
    version: Version,
    join: Join,
    parts: Vec<Box<[u8]>>,
    missing: usize,
}

/// The scattered requests of a worker's clients.
#[derive(Default)]
pub(crate) struct Scatters {
    open: BTreeMap<u64, Scatter>,
    next: u64,
}

impl Worker {
    /// Cuts a request with keys in several partitions; each part of a numbered one has its number.
    pub(crate) fn scatter_keys(
        &mut self,
        session: &mut Session,
        spec: &'static Spec,
        split: Split,
        args: Args<'_>,
        numbered: Option<&Numbered>,
    ) {
        let keys: Vec<usize> = spec.keys_of(args).collect();
        let step = usize::from(spec.keys.step);
        let mut parts: Vec<(PartitionId, Vec<usize>)> = Vec::new();
        let mut order = Vec::with_capacity(keys.len());
        for &at in &keys {
            let id = self.router.partition(session.db, args.at(at));
            let part = parts.iter().position(|(other, _)| *other == id).unwrap_or_else(|| {
                parts.push((id, Vec::new()));
                parts.len() - 1
            });
            parts[part].1.push(at);
            order.push(part as u32);
        }
        let join = match split {
            Split::Sum => Join::Sum,
            Split::Ok => Join::Ok,
            Split::Array => Join::Order(order),
        };
        let requests = parts.into_iter().map(|(id, keys)| {
            let mut words = vec![args.at(0)];
            words.extend(keys.into_iter().flat_map(|at| (at..at + step).map(|word| args.at(word))));
            let request = WireRequest::encode(&words);
            match numbered {
                None => (id, session.db, spec, request),
                Some(which) => {
                    let (spec, request) = number_part(which, &request);
                    (id, session.db, spec, request)
                }
            }
        });
        let requests: Vec<_> = requests.collect();
        self.scatter(session, join, requests);
    }

    /// Cuts a command over a whole database. False if it cannot be cut.
    pub(crate) fn scatter_database(
        &mut self,
        session: &mut Session,
        command: NodeCommand,
        spec: &'static Spec,
        args: Args<'_>,
    ) -> bool {
        use NodeCommand as N;
        let words: Vec<&[u8]> = args.iter().collect();
        let all: Vec<PartitionId> = self.router.partitions_of(session.db).collect();
        let whole = |spec| {
            let request = WireRequest::encode(&words);
            all.iter().map(|id| (*id, session.db, spec, request.clone())).collect::<Vec<_>>()
        };
        let (join, requests) = match command {
            N::DbSize => (Join::Sum, whole(spec)),
            N::Keys => (Join::Concat, whole(spec)),
            N::RandomKey => (Join::Pick(self.random.next_u64()), whole(spec)),
            N::ClusterCountKeysInSlot | N::ClusterGetKeysInSlot => {
                let Ok(asked) = SlotQuestion::parse(command, args) else { return false };
                let join = if command == N::ClusterCountKeysInSlot { Join::Sum } else { Join::Concat };
                let request = WireRequest::encode(&words);
                (join, vec![(asked.partition(self.router), DbIndex::ZERO, spec, request)])
            }
            N::Scan => {
                let cursor = parse_cursor(args.at(1)).unwrap_or(0);
                let at = (cursor >> PLACE_BITS) as u16;
                let Some(place) = all.iter().position(|id| id.0 >= at) else {
                    // Behind the last partition there is nothing; wrong options are refused all the same.
                    let mut reply = Reply::new(session.output.end(), session.version);
                    match ScanOptions::parse(args.tail(2), ScanOver::Keys) {
                        Ok(_) => {
                            reply.array(2);
                            reply.bulk(b"0");
                            reply.array(0);
                        }
                        Err(error) => error.write(&mut reply),
                    }
                    return true;
                };
                let next = all.get(place + 1).map_or(0, |id| cursor_of(*id, 0));
                (Join::Scan(next), vec![(all[place], session.db, spec, WireRequest::encode(&words))])
            }
            N::FlushDb | N::FlushAll => {
                let known =
                    |word: &[u8]| word.eq_ignore_ascii_case(b"async") || word.eq_ignore_ascii_case(b"sync");
                if args.len() > 2 || args.get(1).is_some_and(|word| !known(word)) {
                    Reply::new(session.output.end(), session.version).error("ERR syntax error");
                    return true;
                }
                let dbs = (0..DbIndex::COUNT).filter_map(DbIndex::new);
                let dbs = dbs.filter(|db| command == N::FlushAll || *db == session.db);
                let flush = DataCommand::NarfFlush.spec();
                let request = WireRequest::encode(&[b"narf.flush"]);
                let at = dbs.flat_map(|db| self.router.partitions_of(db).map(move |id| (id, db)));
                (Join::Ok, at.map(|(id, db)| (id, db, flush, request.clone())).collect())
            }
            _ => return false,
        };
        self.scatter(session, join, requests);
        true
    }

    /// Sends a request to one partition for a session.
    pub(crate) fn send_for(
        &mut self,
        session: &mut Session,
        id: PartitionId,
        spec: &'static Spec,
        args: Args<'_>,
        raw: &[u8],
    ) {
        let ticket = session.output.open();
        let (patience, deadline) = self.errand_times(raw.len());
        if spec.is_write() {
            session.written.note(id);
        }
        let reader = self.reader_of(session, id);
        let head = ErrandHead {
            dest: Dest::Session { worker: self.id, at: session.at, ticket },
            who: session.at.conn.0,
            partition: id,
            db: session.db,
            version: session.version,
            access: session.access(),
            ack: session.ack,
            reads: session.read_level(),
            redirect: session.redirect_for(spec, args),
            reader,
            spec,
            patience,
            deadline,
        };
        self.send_errand(head, args, raw);
    }

    fn scatter(
        &mut self,
        session: &mut Session,
        join: Join,
        requests: Vec<(PartitionId, DbIndex, &'static Spec, WireRequest)>,
    ) {
        let (patience, deadline) =
            self.errand_times(requests.iter().map(|(.., request)| request.raw().len()).sum());
        let ticket = session.output.open();
        let number = self.fabric.scatters.next;
        self.fabric.scatters.next += 1;
        let (at, version, missing) = (session.at, session.version, requests.len());
        let parts = vec![Box::default(); missing];
        self.fabric.scatters.open.insert(number, Scatter { at, ticket, version, join, parts, missing });
        for (part, (partition, db, spec, request)) in requests.into_iter().enumerate() {
            if spec.is_write() {
                session.written.note(partition);
            }
            let reader = self.reader_of(session, partition);
            let head = ErrandHead {
                dest: Dest::Part { worker: self.id, scatter: number, part: part as u32 },
                who: session.at.conn.0,
                partition,
                db,
                version,
                access: session.access(),
                ack: session.ack,
                reads: session.read_level(),
                redirect: None,
                reader,
                spec,
                patience,
                deadline,
            };
            self.send_errand(head, request.args(), request.raw());
        }
    }

    /// The answer of one part.
    pub(crate) fn gather_part(&mut self, number: u64, part: u32, answer: &[u8]) {
        let Some(scatter) = self.fabric.scatters.open.get_mut(&number) else { return };
        let Some(place) = scatter.parts.get_mut(part as usize) else { return };
        *place = answer.into();
        scatter.missing -= 1;
        if scatter.missing > 0 {
            return;
        }
        let Some(scatter) = self.fabric.scatters.open.remove(&number) else { return };
        let mut out = Vec::new();
        if scatter.join_into(&mut out).is_none() {
            out.clear();
            let text = "ERR a node answered something unexpected; are all nodes of one version?";
            Reply::new(&mut out, scatter.version).error(text);
        }
        self.fill_one(scatter.at, scatter.ticket, &out);
    }
}

impl Scatter {
    /// Writes the whole answer; `None` if a part is not what it should be.
    fn join_into(&self, out: &mut Vec<u8>) -> Option<()> {
        if let Some(error) = self.parts.iter().find(|part| part.first() == Some(&b'-')) {
            out.extend_from_slice(error);
            return Some(());
        }
        match &self.join {
            Join::Sum => {
                let counts = self.parts.iter().map(|part| number_of(part, b':').map(|(count, _)| count));
                Reply::new(out, self.version).int(counts.sum::<Option<i64>>()?);
            }
            Join::Ok => Reply::new(out, self.version).ok(),
            Join::Order(order) => {
                let mut rests: Vec<&[u8]> = Vec::with_capacity(self.parts.len());
                for part in &self.parts {
                    rests.push(number_of(part, b'*')?.1);
                }
                Reply::new(out, self.version).array(order.len());
                for &part in order {
                    let rest = rests.get_mut(part as usize)?;
                    let (element, after) = rest.split_at_checked(reply_len(rest, 0)?)?;
                    out.extend_from_slice(element);
                    *rest = after;
                }
            }
            Join::Concat => {
                let mut count = 0;
                for part in &self.parts {
                    count += usize::try_from(number_of(part, b'*')?.0).ok()?;
                }
                Reply::new(out, self.version).array(count);
                for part in &self.parts {
                    out.extend_from_slice(number_of(part, b'*')?.1);
                }
            }
            Join::Pick(point) => self.pick(*point, out)?,
            Join::Scan(next) => {
                let (_, rest) = number_of(self.parts.first()?, b'*')?;
                let (cursor, keys) = rest.split_at_checked(reply_len(rest, 0)?)?;
                Reply::new(out, self.version).array(2);
                match cursor == b"$1\r\n0\r\n" {
                    true => Reply::new(out, self.version).bulk(next.to_string().as_bytes()),
                    false => out.extend_from_slice(cursor),
                }
                out.extend_from_slice(keys);
            }
        }
        Some(())
    }

    /// One of the keys offered, each partition as likely as it has keys.
    fn pick(&self, point: u64, out: &mut Vec<u8>) -> Option<()> {
        let mut offers: Vec<(u64, &[u8])> = Vec::new();
        for part in &self.parts {
            let (count, rest) = number_of(number_of(part, b'*')?.1, b':')?;
            // A partition whose key has lapsed meanwhile offers none.
            if rest.starts_with(b"$") && !rest.starts_with(b"$-1") {
                offers.push((u64::try_from(count).ok()?, rest));
            }
        }
        let total: u64 = offers.iter().map(|(count, _)| count).sum();
        let mut left = point.checked_rem(total).unwrap_or(0);
        let chosen = offers.iter().find(|(count, _)| {
            let here = left < *count;
            left = left.saturating_sub(*count);
            here
        });
        match chosen {
            Some((_, key)) => out.extend_from_slice(key),
            None => Reply::new(out, self.version).null(),
        }
        Some(())
    }
}

/// The number behind `kind` at the front of a reply, and what follows its line.
fn number_of(bytes: &[u8], kind: u8) -> Option<(i64, &[u8])> {
    let rest = bytes.strip_prefix(&[kind])?;
    let end = rest.windows(2).position(|two| two == b"\r\n")?;
    Some((base::parse_i64(&rest[..end])?, &rest[end + 2..]))
}

/// What follows the first line of a reply.
pub(crate) fn after_header(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.windows(2).position(|two| two == b"\r\n")?;
    bytes.get(end + 2..)
}

/// Length of the reply at the front of `bytes`, whatever it is; replies of commands are nested a few levels deep.
pub(crate) fn reply_len(bytes: &[u8], depth: u32) -> Option<usize> {
    let (&kind, rest) = bytes.split_first()?;
    let after = after_header(bytes)?;
    let header = bytes.len() - after.len();
    let number = || base::parse_i64(&rest[..header - 3]);
    let elements = match kind {
        b'$' | b'=' | b'!' => {
            return Some(match usize::try_from(number()?) {
                Ok(len) => header + len + 2,
                Err(_) => header,
            });
        }
        b'*' | b'~' | b'>' => usize::try_from(number()?).unwrap_or(0),
        b'%' => 2 * usize::try_from(number()?).ok()?,
        _ => return Some(header),
    };
    if depth > 8 {
        return None;
    }
    let mut at = header;
    for _ in 0..elements {
        at += reply_len(bytes.get(at..)?, depth + 1)?;
    }
    (at <= bytes.len()).then_some(at)
}

/// Why a request over several partitions of a fabric is refused.
pub(crate) const CROSS_SLOT: &str = "CROSSSLOT Keys in request don't hash to the same slot";

/// The same of a transaction, with a way out behind what clients know: on one node it would have run.
pub(crate) const CROSS_SLOT_TRANSACTION: &str = "CROSSSLOT Keys in request don't hash to the same slot; on several nodes \
                                                 use a hash tag, or one of the databases 1 to 15";

#[cfg(test)]
mod tests {
    use super::*;
    use base::ConnId;

    fn join(join: Join, parts: &[&str]) -> String {
        let at = SessionRef { token: 0, conn: ConnId(1) };
        let ticket = crate::output::Output::default().open();
        let parts: Vec<Box<[u8]>> = parts.iter().map(|part| part.as_bytes().into()).collect();
        let scatter = Scatter { at, ticket, version: Version::Resp2, join, parts, missing: 0 };
        let mut out = Vec::new();
        scatter.join_into(&mut out).map_or("?".to_owned(), |()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn parts_are_joined_as_their_command_wants_it() {
        assert_eq!(join(Join::Sum, &[":2\r\n", ":40\r\n"]), ":42\r\n");
        assert_eq!(join(Join::Ok, &["+OK\r\n", "+OK\r\n"]), "+OK\r\n");
        let ordered = join(Join::Order(vec![1, 0, 1]), &["*1\r\n$-1\r\n", "*2\r\n$1\r\na\r\n$2\r\nbb\r\n"]);
        assert_eq!(ordered, "*3\r\n$1\r\na\r\n$-1\r\n$2\r\nbb\r\n");
        assert_eq!(join(Join::Concat, &["*1\r\n$1\r\na\r\n", "*0\r\n"]), "*1\r\n$1\r\na\r\n");
        assert_eq!(join(Join::Pick(7), &["*2\r\n:0\r\n$-1\r\n", "*2\r\n:3\r\n$1\r\nk\r\n"]), "$1\r\nk\r\n");
        assert_eq!(join(Join::Pick(7), &["*2\r\n:0\r\n$-1\r\n"]), "$-1\r\n");
    }

    #[test]
    fn a_reply_ends_where_its_last_element_does() {
        for reply in [
            "+OK\r\n",
            ":1\r\n",
            "$-1\r\n",
            "$3\r\nabc\r\n",
            "*-1\r\n",
            "*2\r\n$1\r\na\r\n*1\r\n:3\r\n",
            "%1\r\n+k\r\n_\r\n",
        ] {
            let bytes = format!("{reply}+next\r\n");
            assert_eq!(reply_len(bytes.as_bytes(), 0), Some(reply.len()), "{reply:?}");
        }
        assert_eq!(reply_len(b"*2\r\n:1\r\n", 0), None);
    }

    #[test]
    fn one_error_is_the_answer_to_all_and_nonsense_is_noticed() {
        assert_eq!(join(Join::Sum, &[":2\r\n", "-CLUSTERDOWN x\r\n"]), "-CLUSTERDOWN x\r\n");
        assert_eq!(join(Join::Sum, &[":2\r\n", "+OK\r\n"]), "?");
        assert_eq!(join(Join::Order(vec![0, 0]), &["*1\r\n$1\r\na\r\n"]), "?");
    }
}
