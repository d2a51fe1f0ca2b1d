//! Reads at a leader that cannot run at once: behind their client's writes, or because the lease does not cover them.
//!
//! Invariant: a read sees what its client had sent before it, and nothing that it sent after: if a write comes while a read
//! waits for the lead to be confirmed, the read goes into the log before it, where no lease is needed.

use base::Args;
use raft::ReadToken;

use super::{Confirming, PENDING_MAX, Replica, Step, What};
use crate::errand::{Answers, Errand, ErrandHead};
use crate::partition::{Partition, Turn};
use crate::wire::WireRequest;

/// A read that is put off goes to the front of the open batch: behind another entry under way, it would come after what its
/// client sent later.
const _: () = assert!(PENDING_MAX == 1, "a read that is put off must come before the next entry");

impl Replica {
    /// Puts the reads of a client that wait for the lead to be confirmed into the open batch: what comes next is not to be
    /// seen by them.
    pub(super) fn batch_reads_of(&mut self, who: u64) {
        if self.unconfirmed.is_empty() && self.confirming.is_empty() {
            return;
        }
        let confirming = self.confirming.iter_mut().map(|confirming| &mut confirming.reads);
        for reads in confirming.chain([&mut self.unconfirmed]) {
            for Errand { head, request } in reads.extract_if(.., |read| read.head.who == who) {
                self.batch.steps.push(Step { head, what: What::EarlyRead(request), goes_on: false });
            }
        }
    }

    /// A read that the lease does not cover: before what its client sent after it, which may be in the open batch.
    pub(super) fn put_off(&mut self, head: ErrandHead, request: WireRequest) {
        if !self.is_writing(head.who) {
            return self.unconfirmed.push(Errand { head, request });
        }
        let is_early = |step: &&Step| matches!(step.what, What::EarlyRead(_));
        let at = self.batch.steps.iter().take_while(is_early).count();
        self.batch.steps.insert(at, Step { head, what: What::EarlyRead(request), goes_on: false });
    }
}

impl Partition {
    /// Whether a read of this client must wait for its writes; if so, it was put behind them.
    pub(crate) fn read_behind_writes(&mut self, head: &ErrandHead, args: Args<'_>, raw: &[u8]) -> bool {
        if !self.replica.is_writing(head.who) {
            return false;
        }
        let request = WireRequest::copy_of(args, raw);
        match self.replica.line.is_empty() {
            true => self.read_next(*head, request),
            false => self.replica.line.push_back(Errand { head: *head, request }),
        }
        true
    }

    /// Puts a read behind all that is under way; if that is nothing, it is confirmed like any other.
    pub(super) fn read_next(&mut self, head: ErrandHead, request: WireRequest) {
        let Replica { batch, pending, unconfirmed, .. } = &mut self.replica;
        if !batch.steps.is_empty() {
            batch.steps.push(Step { head, what: What::EarlyRead(request), goes_on: false });
        } else if let Some(pending) = pending.back_mut() {
            pending.steps.push(Step { head, what: What::Read(request), goes_on: false });
        } else {
            unconfirmed.push(Errand { head, request });
        }
    }

    /// Lets a read wait for the group to confirm the lead.
    pub(crate) fn read_confirmed(&mut self, head: ErrandHead, args: Args<'_>, raw: &[u8]) {
        self.replica.unconfirmed.push(Errand { head, request: WireRequest::copy_of(args, raw) });
    }

    /// Asks the group to confirm the lead for the reads of this turn.
    pub(crate) fn confirm_reads(&mut self) {
        if !self.replica.unconfirmed.is_empty()
            && let Some(token) = self.group.read_index()
        {
            let reads = std::mem::take(&mut self.replica.unconfirmed);
            self.replica.confirming.push(Confirming { token, index: None, reads });
        }
    }

    /// Asks again for what was not confirmed yet: the engine forgets what it is asked before it has committed an entry
    /// of its term, or when the leader changes.
    pub(super) fn confirm_again(&mut self) {
        for confirming in self.replica.confirming.iter_mut().filter(|confirming| confirming.index.is_none()) {
            if let Some(token) = self.group.read_index() {
                confirming.token = token;
            }
        }
    }

    /// The lead was confirmed: the reads of this token may run once `index` is applied.
    pub(crate) fn reads_confirmed(&mut self, token: ReadToken, index: u64) {
        if let Some(reads) = self.replica.confirming.iter_mut().find(|reads| reads.token == token) {
            reads.index = Some(index);
        }
    }

    /// Runs reads whose index is applied.
    pub(crate) fn run_confirmed(&mut self, turn: &mut Turn<'_>, answers: &mut Answers) {
        let applied = self.replica.applied.index;
        while let Some(at) =
            self.replica.confirming.iter().position(|c| c.index.is_some_and(|index| index <= applied))
        {
            let confirmed = self.replica.confirming.swap_remove(at);
            for Errand { head, request } in confirmed.reads {
                let now = self.time(turn.now);
                self.read(&head, request.args(), now, turn, answers.buffer());
                answers.seal(head.dest);
            }
        }
    }
}
