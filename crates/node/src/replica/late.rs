//! What waits at a replica for too long: it is told so, and what it may conclude from that.

use base::Millis;

use super::no_quorum;
use crate::errand::{Answers, Dest, Errand};
use crate::partition::Partition;

/// How long at least the outcome of what was proposed may take to come from another leader.
const SUCCESSOR_MS: u64 = 200;

impl Partition {
    /// This replica leads no more: what becomes of what it proposed is for another leader to say. If there is one, it says
    /// so soon; if there is none, whoever waits is told no later than one whose request found no leader.
    pub(super) fn shorten_pending(&mut self, now_ms: u64) {
        for step in self.replica.pending.iter_mut().flat_map(|pending| &mut pending.steps) {
            let soon = step.head.patience.max(Millis(now_ms + SUCCESSOR_MS));
            step.head.deadline = step.head.deadline.min(soon);
        }
    }

    /// Those who have waited too long are told so: that nothing was done, if their request was not proposed; else that
    /// they cannot know. What shared a batch with them is given back, to be served anew.
    pub(crate) fn give_up_waiting(&mut self, now: Millis, answers: &mut Answers) -> Vec<Errand> {
        let mut again = match self.replica.batch.steps.iter().any(|step| step.head.patience <= now) {
            true => self.give_up_batch(),
            false => Vec::new(),
        };
        let is_late = |errand: &Errand| errand.head.patience <= now;
        let line = &mut self.replica.line;
        if line.iter().any(is_late) {
            again.extend(line.drain(..));
        }
        let late = again.extract_if(.., |errand| is_late(errand));
        for errand in late.chain(self.replica.unconfirmed.extract_if(.., |errand| is_late(errand))) {
            let Errand { head, .. } = errand;
            let applied = if head.spec.is_write() { ", write not applied" } else { "" };
            answers.error(&head, &format!("{}{applied}", no_quorum(self.id)));
        }
        self.give_up_pending(now, answers);
        again
    }

    fn give_up_pending(&mut self, now: Millis, answers: &mut Answers) {
        for pending in self.replica.pending.iter_mut() {
            for step in pending.steps.iter_mut().filter(|step| step.head.deadline <= now) {
                if step.head.dest == Dest::Nobody {
                    continue;
                }
                answers.error(&step.head, &step.lost(self.id));
                step.head.dest = Dest::Nobody;
            }
        }
        self.replica.acks.give_up(self.id, now, answers);
        for confirming in &mut self.replica.confirming {
            for read in confirming.reads.iter_mut().filter(|read| read.head.deadline <= now) {
                if read.head.dest != Dest::Nobody {
                    answers.error(&read.head, &no_quorum(self.id));
                    read.head.dest = Dest::Nobody;
                }
            }
        }
        self.replica.confirming.retain(|c| c.reads.iter().any(|read| read.head.dest != Dest::Nobody));
    }
}
