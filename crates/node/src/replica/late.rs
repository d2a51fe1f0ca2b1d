//! What waits at a replica for too long: it is told so, and what it may conclude from that.

use base::Millis;

use crate::errand::{Answers, Dest, Errand, lost_quorum};
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
        let late = late.chain(self.replica.unconfirmed.extract_if(.., |errand| is_late(errand)));
        for Errand { head, .. } in late.collect::<Vec<_>>() {
            let applied = if head.spec.is_write() { ", write not applied" } else { "" };
            answers.error(&head, &format!("{}{applied}", self.lost_quorum()));
        }
        self.give_up_pending(now, answers);
        again
    }

    /// What is said while too few voters answer, of which a leader knows.
    fn lost_quorum(&self) -> String {
        let (me, voters) = (self.group.node(), &self.replica.members.voters);
        let is_there = |voter: &&u64| {
            **voter == me || self.group.progress_of(**voter).is_some_and(|progress| progress.is_active)
        };
        lost_quorum(self.id, voters.iter().filter(is_there).count(), voters.len())
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
        if self.replica.confirming.is_empty() {
            return;
        }
        let text = self.lost_quorum();
        for confirming in &mut self.replica.confirming {
            for read in confirming.reads.iter_mut().filter(|read| read.head.deadline <= now) {
                if read.head.dest != Dest::Nobody {
                    answers.error(&read.head, &text);
                    read.head.dest = Dest::Nobody;
                }
            }
        }
        self.replica.confirming.retain(|c| c.reads.iter().any(|read| read.head.dest != Dest::Nobody));
    }
}
