//! Partitions at home, lent, and borrowed: how one request can touch several partitions at once.
//!
//! A task that needs partitions of other workers asks for them in ascending order, one owner after the other,
//! and runs when it has all; then it gives them back. Ascending order over the whole node means that two tasks
//! can wait for each other in one direction only. While a partition is away, requests for it queue here, in
//! order.
//!
//! Invariant: outside the run of a task, a place holds a partition exactly if this worker owns it and it is at
//! home. A partition leaves only with its entry closed into this turn's frame, so its entries reach the log in
//! order whoever writes them.

use std::collections::{BTreeMap, VecDeque};

use base::{ConnId, DbIndex, PartitionId, WorkerId};
use command::Run;
use engine::{Keyspace, KeyspaceSet};

use crate::errand::Errand;
use crate::fabric::split;
use crate::message::{Borrow, CallHead, Calls, Message, TaskId};
use crate::output::Ticket;
use crate::partition::{Partition, Turn};
use crate::router::Router;
use crate::session::{Session, SessionRef, Stall, Watched};
use crate::txn::Transaction;
use crate::window::KeysAhead;
use crate::wire::WireRequest;
use crate::worker::Worker;

/// What a client is told whose partitions are not this node's alone any more.
const NOT_LENT: &[u8] =
    b"-CLUSTERDOWN another node has just got a part in the data, nothing was done; try again\r\n";

/// Where a partition belongs on this worker.
#[derive(Default)]
pub(crate) struct Place {
    pub(crate) partition: Option<Box<Partition>>,
    waiting: VecDeque<Waiting>,
}

impl Place {
    pub(crate) fn holding(partition: Box<Partition>) -> Place {
        Place { partition: Some(partition), waiting: VecDeque::new() }
    }
}

/// What waits for a partition to come home.
enum Waiting {
    Call { from: WorkerId, head: CallHead, request: WireRequest },
    Borrow(Borrow),
    Errand(Errand),
}

/// What a task does once it has its partitions.
pub(crate) enum Work {
    /// A request that needs several partitions, or a command over whole databases.
    Request(WireRequest),
    /// `EXEC`.
    Exec(Box<Transaction>),
    /// Another try of a client that waits.
    Block(ConnId),
    /// Ends the watches of a client that has gone.
    Unwatch(Vec<Watched>),
}

/// A task that waits for partitions.
struct Task {
    /// Not yet asked for, ascending.
    wanted: VecDeque<PartitionId>,
    got: Vec<Box<Partition>>,
    client: Option<(SessionRef, Ticket)>,
    work: Work,
}

/// The tasks of a worker.
#[derive(Default)]
pub(crate) struct Tasks {
    waiting: BTreeMap<u64, Task>,
    next: u64,
    /// Partitions that came home and whose line is not served yet.
    home: VecDeque<PartitionId>,
    /// They are being served, further up the stack.
    serving: bool,
}

/// The partitions at hand, as one set of keyspaces.
pub(crate) struct AtHand<'a> {
    pub(crate) places: &'a mut [Place],
    pub(crate) router: Router,
    pub(crate) keys_ahead: &'a KeysAhead,
}

impl AtHand<'_> {
    #[inline]
    fn place(&self, db: DbIndex, key: &[u8]) -> usize {
        let id = self.keys_ahead.partition(db, key).unwrap_or_else(|| self.router.partition(db, key));
        usize::from(id.0)
    }
}

impl KeyspaceSet for AtHand<'_> {
    fn keyspace_of(&mut self, db: DbIndex, key: &[u8]) -> Option<&mut Keyspace> {
        let place = self.place(db, key);
        Some(self.places.get_mut(place)?.partition.as_mut()?.keyspace(db))
    }

    fn existing(&self, db: DbIndex, key: &[u8]) -> Option<&Keyspace> {
        self.places.get(self.place(db, key))?.partition.as_ref()?.existing(db)
    }
}

impl Worker {
    /// The partition of this number, if it is at hand.
    #[inline]
    pub(crate) fn partition_mut(&mut self, id: PartitionId) -> Option<&mut Partition> {
        self.places.get_mut(usize::from(id.0))?.partition.as_deref_mut()
    }

    /// Whether all of these are at hand.
    pub(crate) fn all_here(&self, wanted: &[PartitionId]) -> bool {
        wanted.iter().all(|id| self.places[usize::from(id.0)].partition.is_some())
    }

    /// A turn's context and the places, borrowed apart from each other.
    #[inline]
    pub(crate) fn turn_and_places(&mut self) -> (Turn<'_>, &mut [Place]) {
        let (turn, places, _) = split(self);
        (turn, places)
    }

    /// Runs a request for a session over the partitions `wanted` (ascending): now if all are at hand, else when
    /// they are. The session takes up nothing more until then.
    pub(crate) fn start(&mut self, session: &mut Session, wanted: Vec<PartitionId>, request: WireRequest) {
        if self.all_here(&wanted) {
            let mut out = Vec::new();
            let changed = self.run_request(session, request.args(), request.raw(), &mut out);
            self.answer_late(session, changed, &out);
            return;
        }
        let ticket = session.output.open();
        session.stall = Some(Stall::Drain);
        self.enqueue(wanted, Some((session.at, ticket)), Work::Request(request));
    }

    /// Ends watches, which no client waits for.
    pub(crate) fn start_unwatch(&mut self, wanted: Vec<PartitionId>, watched: Vec<Watched>) {
        if self.all_here(&wanted) {
            self.end_watches(&watched);
        } else {
            self.enqueue(wanted, None, Work::Unwatch(watched));
        }
    }

    /// Borrows `wanted` (ascending) for a piece of work, which runs when all are there.
    pub(crate) fn enqueue(
        &mut self,
        wanted: Vec<PartitionId>,
        client: Option<(SessionRef, Ticket)>,
        work: Work,
    ) {
        debug_assert!(wanted.is_sorted(), "partitions are borrowed in ascending order");
        let number = self.tasks.next;
        self.tasks.next += 1;
        let task = Task { wanted: wanted.into(), got: Vec::new(), client, work };
        self.tasks.waiting.insert(number, task);
        self.ask_next(number);
    }

    /// Asks the next owner for its partitions, all it has of those wanted.
    fn ask_next(&mut self, number: u64) {
        let router = self.router;
        let Some(task) = self.tasks.waiting.get_mut(&number) else { return };
        let Some(&first) = task.wanted.front() else { return self.run_task(number) };
        let owner = router.owner(first);
        let run = task.wanted.iter().take_while(|id| router.owner(**id) == owner).count();
        let wanted = task.wanted.drain(..run).collect();
        let borrow = Borrow { task: TaskId { worker: self.id, number }, wanted, got: Vec::new() };
        if owner == self.id {
            self.lend(borrow);
        } else {
            self.outbox.messages.push((owner, Message::Borrow(borrow)));
        }
    }

    /// Gathers what a task wants of our partitions; hands it over when complete, or waits in line for the first
    /// that is away.
    pub(crate) fn lend(&mut self, mut borrow: Borrow) {
        while let Some(&id) = borrow.wanted.first() {
            let place = &mut self.places[usize::from(id.0)];
            let Some(mut partition) = place.partition.take() else {
                place.waiting.push_back(Waiting::Borrow(borrow));
                return;
            };
            if !partition.group.is_lone() {
                place.partition = Some(partition);
                return self.refuse_loan(borrow);
            }
            partition.close_entry(&mut self.outbox.frame, self.logging);
            borrow.got.push(partition);
            borrow.wanted.remove(0);
        }
        if borrow.task.worker == self.id {
            self.borrowed(borrow.task, borrow.got);
        } else {
            self.outbox.messages.push((borrow.task.worker, Message::Lend(borrow.task, borrow.got)));
        }
    }

    /// Other nodes have had a part in a partition since the task began: it cannot have it.
    #[cold]
    fn refuse_loan(&mut self, borrow: Borrow) {
        if borrow.task.worker == self.id {
            self.not_lent(borrow.task, borrow.got);
        } else {
            self.outbox.messages.push((borrow.task.worker, Message::NotLent(borrow.task, borrow.got)));
        }
    }

    /// A task cannot have all that it wants: what it has goes back, and its client is told to try again. One that waits
    /// anyway does so by itself.
    pub(crate) fn not_lent(&mut self, task: TaskId, partitions: Vec<Box<Partition>>) {
        let Some(mut task) = self.tasks.waiting.remove(&task.number) else { return };
        task.got.extend(partitions);
        let ids: Vec<PartitionId> = task.got.iter().map(|partition| partition.id()).collect();
        for partition in task.got {
            let place = usize::from(partition.id().0);
            self.places[place].partition = Some(partition);
        }
        if let Some((at, ticket)) = task.client {
            self.fill_one(at, ticket, NOT_LENT);
        }
        self.give_back(&ids);
        if let Work::Block(conn) = task.work {
            self.try_block(conn, 0);
        }
    }

    /// Partitions arrived for a task.
    pub(crate) fn borrowed(&mut self, task: TaskId, partitions: Vec<Box<Partition>>) {
        if let Some(waiting) = self.tasks.waiting.get_mut(&task.number) {
            waiting.got.extend(partitions);
        }
        self.ask_next(task.number);
    }

    fn run_task(&mut self, number: u64) {
        let Some(task) = self.tasks.waiting.remove(&number) else { return };
        let ids: Vec<PartitionId> = task.got.iter().map(|partition| partition.id()).collect();
        for mut partition in task.got {
            partition.set_broadcast(self.caches.is_broadcast);
            let place = usize::from(partition.id().0);
            self.places[place].partition = Some(partition);
        }
        match (task.work, task.client) {
            (Work::Unwatch(watched), _) => self.end_watches(&watched),
            (Work::Block(conn), _) => self.try_borrowed(conn),
            (work, Some((at, ticket))) => self.run_for_client(at, ticket, work),
            // Only clients have requests.
            (Work::Request(_) | Work::Exec(_), None) => {}
        }
        self.give_back(&ids);
    }

    /// Runs what a client waits for; if it has gone, nothing.
    fn run_for_client(&mut self, at: SessionRef, ticket: Ticket, work: Work) {
        let Some(mut session) = self.sessions.take(at.token) else { return };
        self.acting = at.conn.0;
        if session.at.conn == at.conn {
            match work {
                Work::Request(request) => {
                    let mut out = Vec::new();
                    let changed = self.run_borrowed(&mut session, &request, &mut out);
                    self.note_late_failure(&session, &out);
                    self.fill_late(&mut session, ticket, changed, &out);
                }
                Work::Exec(transaction) => {
                    let mark = session.output.mark();
                    self.run_exec(&mut session, ticket, *transaction);
                    self.note_late_failure(&session, session.output.since(mark));
                }
                Work::Unwatch(_) | Work::Block(_) => {}
            }
            self.tell_events(Some(&mut session));
            self.queue_send(&mut session);
        }
        self.sessions.put_back(session);
    }

    /// Counts the request that a session waits for, if this is its reply and an error. Those for keys are counted where they
    /// ran.
    pub(crate) fn note_late_failure(&mut self, session: &Session, reply: &[u8]) {
        if reply.first() == Some(&b'-')
            && let Some(spec) = command::lookup_name(session.last_command)
            && matches!(spec.run, Run::Node(_))
        {
            self.stats.note_failed(spec, reply);
        }
    }

    /// After a task: guests go home with the turn's messages, our own take up what waited for them.
    fn give_back(&mut self, ids: &[PartitionId]) {
        let mut home = Vec::new();
        let mut guests: BTreeMap<WorkerId, Vec<Box<Partition>>> = BTreeMap::new();
        for id in ids {
            let Some(mut partition) = self.places[usize::from(id.0)].partition.take() else { continue };
            let owner = self.router.owner(*id);
            if owner == self.id {
                home.push(partition);
            } else {
                partition.close_entry(&mut self.outbox.frame, self.logging);
                guests.entry(owner).or_default().push(partition);
            }
        }
        for (owner, partitions) in guests {
            self.outbox.messages.push((owner, Message::Return(partitions)));
        }
        self.take_back(home);
    }

    /// Our partitions came home: whoever waited gets its turn, in order.
    pub(crate) fn take_back(&mut self, partitions: Vec<Box<Partition>>) {
        // A deadline may have been set while they were away.
        self.expiry.wake(self.now.mono_millis());
        for mut partition in partitions {
            let id = partition.id();
            if partition.has_open_entry() {
                self.dirty.push(id);
            }
            partition.tune(&self.settings);
            partition.set_broadcast(self.caches.is_broadcast);
            if partition.has_stirred_waiters() {
                self.stirred_waiters.push(id);
            }
            self.places[usize::from(id.0)].partition = Some(partition);
            self.tasks.home.push_back(id);
        }
        // What waited may run and bring partitions home in its turn: one loop serves them all, however long the
        // line is, instead of each calling the next.
        if std::mem::replace(&mut self.tasks.serving, true) {
            return;
        }
        while let Some(id) = self.tasks.home.pop_front() {
            // What the task brought is for those who waited before.
            self.serve_waiters();
            self.serve(id);
        }
        self.tasks.serving = false;
    }

    /// Serves those who wait for a partition, until there is none or it has left again.
    fn serve(&mut self, id: PartitionId) {
        let place = usize::from(id.0);
        while self.places[place].partition.is_some() {
            match self.places[place].waiting.pop_front() {
                None => return,
                Some(Waiting::Borrow(borrow)) => self.lend(borrow),
                Some(Waiting::Errand(Errand { head, request })) => {
                    self.errand(head, request.args(), request.raw());
                }
                Some(Waiting::Call { from, head, request }) => {
                    self.run_call(from, &head, request.args(), request.raw());
                }
            }
        }
    }

    /// Queues a call for a partition of ours that is away, or behind those that wait for it.
    pub(crate) fn wait_for_partition(&mut self, from: WorkerId, head: CallHead, request: WireRequest) {
        let place = usize::from(head.partition.0);
        self.places[place].waiting.push_back(Waiting::Call { from, head, request });
    }

    /// The same for an errand.
    pub(crate) fn errand_waits_for_partition(&mut self, errand: Errand) {
        let place = usize::from(errand.head.partition.0);
        self.places[place].waiting.push_back(Waiting::Errand(errand));
    }

    /// Runs the requests another worker's clients sent us.
    pub(crate) fn run_calls(&mut self, calls: &Calls) {
        let mut fetched = 0;
        for (number, (head, args, raw)) in calls.iter().enumerate() {
            if number == fetched {
                fetched += self.prefetch_calls(calls, number).max(1);
            }
            if self.partition_mut(head.partition).is_some() {
                self.run_call(calls.from, head, args, raw);
            } else {
                self.wait_for_partition(calls.from, *head, WireRequest::copy_of(args, raw));
            }
        }
    }
}
