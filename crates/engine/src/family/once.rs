//! `narf.once`: a numbered request of a client's session. It runs if it did not run before; else it is answered as it was.
//!
//! Its words: session, number, protocol version of the reply, digest, and then the request. That of a transaction is
//! `exec` and its requests, each behind the number of its words; one of no words stands for what is answered `OK`.

use base::{Args, parse_i64};
use command::{DataCommand, Lookup, Run, Spec};
use resp::Reply;

use super::{Applied, Operation, Parsed};
use crate::ledger::{Numbered, SessionId, Verdict, version_of};
use crate::{RequestError, Store};

/// Words before the request.
const HEAD: usize = 5;
/// What the requests of a transaction stand behind. No request of one partition is called so.
const TRANSACTION: &[u8] = b"exec";

/// See the module.
pub(crate) struct NarfOnce<'a> {
    which: Numbered,
    request: Args<'a>,
}

impl<'a> NarfOnce<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, NarfOnce<'a>> {
        let number = |at: usize| std::str::from_utf8(args.at(at)).ok()?.parse::<u64>().ok();
        let which = || {
            Some(Numbered {
                session: SessionId::parse(args.at(1))?,
                number: number(2)?,
                version: version_of(u8::try_from(number(3)?).ok()?)?,
                digest: number(4)?,
            })
        };
        Ok(NarfOnce { which: which().ok_or(RequestError::BadOnce)?, request: args.tail(HEAD) })
    }
}

impl<'a> Operation<'a> for NarfOnce<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let (which, now) = (self.which, store.now);
        let ledger = store.ledger.as_deref_mut().ok_or(RequestError::BadOnce)?;
        match ledger.look(&which, now) {
            Verdict::Refused(text) => {
                reply.error(text);
                return Ok(());
            }
            Verdict::Again(first) => {
                reply.raw(first);
                ledger.touch(which.session, now);
            }
            Verdict::New => {
                let mut first = Vec::new();
                run(self.request, store, &mut Reply::new(&mut first, which.version));
                reply.raw(&first);
                if let Some(ledger) = store.ledger.as_deref_mut() {
                    ledger.keep(&which, now, &first);
                }
            }
        }
        store.changed_ledger();
        Ok(())
    }
}

/// Runs what is numbered. What it may draw from is what it would have without a number.
fn run(request: Args<'_>, store: &mut Store<'_>, reply: &mut Reply<'_>) {
    let mut requests = Requests::new(request);
    if !requests.is_transaction {
        return run_one(request, store, reply);
    }
    reply.array(requests.clone().count());
    let seed = store.seed;
    for (number, request) in (0u64..).zip(requests.by_ref()) {
        store.seed = seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        match request.is_empty() {
            true => reply.ok(),
            false => run_one(request, store, reply),
        }
    }
}

#[inline(never)]
fn run_one(request: Args<'_>, store: &mut Store<'_>, reply: &mut Reply<'_>) {
    match runnable(request) {
        Some((command, _)) => {
            crate::execute(command, request, store, reply);
        }
        None => RequestError::BadOnce.write(reply),
    }
}

/// The command of a request that may stand in a `narf.once`.
fn runnable(request: Args<'_>) -> Option<(DataCommand, &'static Spec)> {
    let Lookup::Found(spec) = command::lookup(request) else { return None };
    match spec.run {
        Run::Data(DataCommand::NarfOnce) | Run::Node(_) | Run::Container => None,
        Run::Data(command) => spec.arity_ok(request.len()).then_some((command, spec)),
    }
}

/// The requests that a `narf.once` holds; one that is cut off is taken for one of the words that are left.
#[derive(Clone)]
struct Requests<'a> {
    rest: Args<'a>,
    is_transaction: bool,
    is_over: bool,
}

impl<'a> Requests<'a> {
    fn new(request: Args<'a>) -> Requests<'a> {
        let is_transaction = request.get(0) == Some(TRANSACTION);
        let rest = if is_transaction { request.tail(1) } else { request };
        Requests { rest, is_transaction, is_over: is_transaction && rest.is_empty() }
    }
}

impl<'a> Iterator for Requests<'a> {
    type Item = Args<'a>;

    fn next(&mut self) -> Option<Args<'a>> {
        if self.is_over {
            return None;
        }
        let words = parse_i64(self.rest.at(0)).and_then(|words| usize::try_from(words).ok());
        match words.filter(|words| self.is_transaction && *words < self.rest.len()) {
            Some(words) => {
                let request = self.rest.tail(1).head(words);
                self.rest = self.rest.tail(1 + words);
                self.is_over = self.rest.is_empty();
                Some(request)
            }
            None => {
                self.is_over = true;
                Some(self.rest)
            }
        }
    }
}

/// The commands in a `narf.once`, in order; nothing if one of them is unknown, or not one that may be there.
pub fn numbered_commands(args: Args<'_>) -> Option<Vec<&'static Spec>> {
    NarfOnce::parse(args).ok()?;
    let requests = Requests::new(args.tail(HEAD)).filter(|request| !request.is_empty());
    requests.map(|request| runnable(request).map(|(_, spec)| spec)).collect()
}

/// The words of the `narf.once` of a request, or of a transaction's requests if there are several or `is_transaction`.
pub fn numbered_words<'a>(which: &Numbered, request: NumberedRequest<'a>) -> Vec<std::borrow::Cow<'a, [u8]>> {
    use std::borrow::Cow;
    let own = |text: String| Cow::Owned(text.into_bytes());
    let mut words = vec![
        Cow::Borrowed(b"narf.once".as_slice()),
        own(which.session.to_string()),
        own(which.number.to_string()),
        own(crate::ledger::number_of(which.version).to_string()),
        own(which.digest.to_string()),
    ];
    match request {
        NumberedRequest::One(request) => words.extend(request.to_vec().into_iter().map(Cow::Borrowed)),
        NumberedRequest::Transaction(requests) => {
            words.push(Cow::Borrowed(TRANSACTION));
            for request in requests {
                words.push(own(request.len().to_string()));
                words.extend(request.to_vec().into_iter().map(Cow::Borrowed));
            }
        }
    }
    words
}

/// What is numbered.
pub enum NumberedRequest<'a> {
    /// One request.
    One(Args<'a>),
    /// The requests of a transaction; those of no words are answered `OK`.
    Transaction(Vec<Args<'a>>),
}

#[cfg(test)]
mod tests {
    use base::{DbIndex, KeyHasher, Millis, Request};
    use resp::Version;

    use super::*;
    use crate::{Keyspace, Ledger};

    const NOW: Millis = Millis(5_000);

    fn which(number: u64) -> Numbered {
        let session = SessionId::new(Millis(1_000), [7, 9]);
        Numbered { session, number, digest: 5, version: Version::Resp3 }
    }

    /// What is answered, and whether it counts as a change.
    fn run(keyspace: &mut Keyspace, ledger: &mut Ledger, request: &Request) -> (String, bool) {
        let before = keyspace.changes();
        let mut store = Store::new(keyspace, DbIndex::ZERO, NOW, 3);
        store.ledger = Some(ledger);
        let mut out = Vec::new();
        let command = DataCommand::NarfOnce;
        crate::execute(command, request.args(), &mut store, &mut Reply::new(&mut out, Version::Resp2));
        (String::from_utf8_lossy(&out).into_owned(), keyspace.changes() != before)
    }

    fn numbered(number: u64, requests: &[&str]) -> Request {
        let requests: Vec<Request> =
            requests.iter().map(|line| Request::from_parts(line.split_whitespace())).collect();
        let request = match requests.as_slice() {
            [one] => NumberedRequest::One(one.args()),
            several => NumberedRequest::Transaction(several.iter().map(Request::args).collect()),
        };
        Request::from_parts(numbered_words(&which(number), request))
    }

    #[test]
    fn a_numbered_request_runs_once_and_is_answered_as_it_was() {
        let (mut keyspace, mut ledger) = (Keyspace::new(KeyHasher::new(1)), Ledger::default());
        let mut run =
            |number, requests: &[&str]| run(&mut keyspace, &mut ledger, &numbered(number, requests));
        assert_eq!(run(1, &["incr k"]), (":1\r\n".to_owned(), true));
        assert_eq!(run(1, &["incr k"]), (":1\r\n".to_owned(), true), "that it is in use is a change too");
        assert_eq!(run(2, &["incr k"]).0, ":2\r\n");
        // What failed has failed, whatever has become of the key since.
        assert_eq!(
            run(3, &["lpush k x"]).0,
            "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
        );
        assert_eq!(run(4, &["del k"]).0, ":1\r\n");
        assert!(run(3, &["lpush k x"]).0.starts_with("-WRONGTYPE"));
        // The protocol of the first try is that of the reply.
        assert_eq!(run(5, &["zadd z 1.5 m"]).0, ":1\r\n");
        assert_eq!(run(6, &["zincrby z 1 m"]).0, ",2.5\r\n");
    }

    #[test]
    fn a_numbered_transaction_is_one_reply() {
        let (mut keyspace, mut ledger) = (Keyspace::new(KeyHasher::new(1)), Ledger::default());
        let mut run =
            |number, requests: &[&str]| run(&mut keyspace, &mut ledger, &numbered(number, requests)).0;
        assert_eq!(run(1, &["", "incr k", "get k"]), "*3\r\n+OK\r\n:1\r\n$1\r\n1\r\n");
        assert_eq!(run(1, &["", "incr k", "get k"]), "*3\r\n+OK\r\n:1\r\n$1\r\n1\r\n");
        assert_eq!(run(2, &[]), "*0\r\n");
    }

    #[test]
    fn what_is_no_request_of_one_partition_is_known_as_that() {
        let commands = |requests: &[&str]| {
            let request = numbered(1, requests);
            numbered_commands(request.args())
                .map(|specs| specs.iter().map(|spec| spec.name).collect::<Vec<_>>())
        };
        assert_eq!(commands(&["set k v"]), Some(vec!["set"]));
        assert_eq!(commands(&["", "incr k", "get k"]), Some(vec!["incr", "get"]));
        assert_eq!(commands(&["set k"]), None);
        assert_eq!(commands(&["flushall"]), None);
        assert_eq!(commands(&["narf.once a 1 2 3 set k v"]), None, "never one in another");
        assert_eq!(commands(&["nonsense", "get k"]), None);
        for words in [vec!["narf.once"], vec!["narf.once", "x", "1", "2", "3", "get", "k"]] {
            assert!(numbered_commands(Request::from_parts(words).args()).is_none());
        }
        let cut = "narf.once 018bcfe5-687b-7fff-8fff-ffffffffffff 1 2 3 exec 9 get k";
        assert!(numbered_commands(Request::from_parts(cut.split(' ')).args()).is_none());
    }
}
