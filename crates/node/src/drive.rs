//! The work of a group: what its engine hands out goes into the frame, to the peers and into the data.
//!
//! Invariant: what is promised to a peer leaves after what it promises is in the frame, and what a vote or a change of
//! members says not before that is on stable storage (`Fabric::hold`).

use base::PartitionId;
use raft::{Entry, Group, Payload};

use crate::entry::{write_entries, write_members, write_restored, write_state};
use crate::errand::{Answers, Errand};
use crate::fabric::{ROUNDS_MAX, split};
use crate::outbox::Control;
use crate::partition::{Partition, Turn};
use crate::worker::Worker;

impl Worker {
    /// Proposes what a group's leader has collected, and does the work that follows.
    pub(crate) fn settle_group(&mut self, id: PartitionId) {
        for _ in 0..ROUNDS_MAX {
            self.refuse_batch_without_room(id);
            let (mut turn, places, fabric) = split(self);
            let Some(partition) = places[usize::from(id.0)].partition.as_deref_mut() else { return };
            let lost = match partition.replica.wants_to_propose() && fabric.pace.admits(id) {
                true => partition.propose_batch(&mut turn),
                false => Vec::new(),
            };
            partition.confirm_reads();
            let time = partition.time(turn.now);
            partition.serve_line(time, &mut fabric.answers);
            for Errand { head, request } in lost {
                self.errand(head, request.args(), request.raw());
            }
            let has_worked = self.drive(id);
            let pace = &mut self.fabric.pace;
            let has_more = |p: &Partition| {
                p.replica.wants_to_propose() && pace.admits(id)
                    || has_worked && p.replica.has_put_off()
                    || p.group.has_ready()
            };
            if !self.places[usize::from(id.0)].partition.as_deref().is_some_and(has_more) {
                return;
            }
        }
        self.fabric.stir(id);
    }

    /// A batch may have been collected in turns that had more room than this one.
    fn refuse_batch_without_room(&mut self, id: PartitionId) {
        let Some(partition) = self.places[usize::from(id.0)].partition.as_deref_mut() else { return };
        let Some(len) = partition.replica.proposal_bytes().filter(|_| self.logging) else { return };
        if self.has_room(len) {
            return;
        }
        let refusal = self.refusal_text();
        let Some(partition) = self.places[usize::from(id.0)].partition.as_deref_mut() else { return };
        for Errand { head, request } in partition.give_up_batch() {
            match head.spec.is_write() {
                true => self.fabric.answers.error(&head, &refusal),
                false => self.errand(head, request.args(), request.raw()),
            }
        }
    }

    /// Does the work of a group; whether there was any.
    pub(crate) fn drive(&mut self, id: PartitionId) -> bool {
        let mut has_worked = false;
        while self.drive_once(id) {
            has_worked = true;
        }
        let (mut turn, places, fabric) = split(self);
        let Some(partition) = places[usize::from(id.0)].partition.as_deref_mut() else { return false };
        partition.run_confirmed(&mut turn, &mut fabric.answers);
        let evicted = std::mem::take(&mut partition.replica.evicted);
        if partition.has_lapsed() {
            partition.sweep_replica();
        }
        let has_stirred = partition.has_stirred_waiters();
        if partition.has_untold_commit() {
            fabric.commits.note(id);
        }
        fabric.transfers.drop_overtaken(id, partition.group.hard_state().commit);
        if let Some(wish) = partition.group.take_snapshot_wish() {
            fabric.transfers.wish(id, wish.to);
        }
        if has_stirred {
            self.stirred_waiters.push(id);
        }
        self.stats.evicted_keys += evicted;
        self.note_role(id);
        let has_news = |partition: &Partition| partition.trackers.has_news();
        if self.places[usize::from(id.0)].partition.as_deref().is_some_and(has_news) {
            self.settle_trackers(id);
        }
        self.settle_acks(id);
        has_worked
    }

    fn drive_once(&mut self, id: PartitionId) -> bool {
        let logging = self.logging;
        let group =
            self.places[usize::from(id.0)].partition.as_deref_mut().map(|partition| &mut partition.group);
        let Some(mut ready) = group.and_then(Group::ready) else { return false };
        let mut frame = std::mem::take(&mut self.outbox.frame);
        let frame_before = frame.len();
        let (mut turn, places, fabric) = split(self);
        let Some(partition) = places[usize::from(id.0)].partition.as_deref_mut() else { return false };
        // Who is let go goes once it hears of it, and cannot be asked then whether it was so.
        let mut must_sync = (ready.must_sync || ready.members.is_some()) && logging;
        if must_sync {
            fabric.hold(id);
        }
        for message in std::mem::take(&mut ready.messages) {
            fabric.post(id, partition.stamp_for(&message, turn.mono_us), &message);
        }
        let applied_before = partition.replica.applied;
        if let Some(snapshot) = ready.snapshot.take() {
            // Its coming was allowed only once the state was here.
            let Some((content, time)) = fabric.transfers.install(id, &snapshot) else {
                let text = format!("partition {}: the state that its group switched to is not here", id.0);
                self.outbox.control.push(Control::Fail(text));
                return false;
            };
            partition.replace(content, time);
            partition.passed_over(snapshot.id.index, &mut fabric.answers);
            partition.replica.applied = snapshot.id;
            write_restored(&mut frame, id, snapshot.id);
            write_members(&mut frame, id, snapshot.id.index, &snapshot.members);
        }
        #[cfg(narf_plant)]
        crate::planted::spoil(&mut ready, partition.group.is_leader());
        write_entries(&mut frame, id, &ready.entries);
        if let Some(hard) = ready.hard_state {
            write_state(&mut frame, id, hard.term, hard.vote, hard.commit);
        }
        for message in std::mem::take(&mut ready.messages_after) {
            fabric.post(id, partition.stamp_for(&message, turn.mono_us), &message);
        }
        for (token, index) in std::mem::take(&mut ready.reads) {
            partition.reads_confirmed(token, index);
        }
        let (committed, members) = (std::mem::take(&mut ready.committed), ready.members.take());
        let mut has_new_members = members.is_some();
        let mut known = apply(partition, committed, members, &mut frame, &mut turn, &mut fabric.answers);
        let advanced = partition.group.advance(ready);
        if advanced.members.is_some() && logging {
            must_sync = true;
            fabric.hold(id);
        }
        for message in &advanced.messages {
            fabric.post(id, partition.stamp_for(message, turn.mono_us), message);
        }
        let (committed, members) = (advanced.committed, advanced.members);
        has_new_members |= members.is_some();
        known &= apply(partition, committed, members, &mut frame, &mut turn, &mut fabric.answers);
        if partition.replica.applied != applied_before {
            // What came may lapse sooner than all that was here.
            self.expiry.wake(self.now.mono_millis());
        }
        if !logging {
            frame.truncate(frame_before);
        }
        self.turn_bytes += frame.len() - frame_before;
        self.outbox.frame = frame;
        self.outbox.sync |= must_sync && logging;
        if !known {
            let text = format!(
                "partition {} holds an entry that this version does not know; use the version that wrote it",
                id.0
            );
            self.outbox.control.push(Control::Fail(text));
            return false;
        }
        if has_new_members {
            self.membership_changed(id);
        }
        true
    }
}

/// Applies committed entries; false if one of them is unknown to this version.
fn apply(
    partition: &mut Partition,
    committed: Vec<Entry>,
    members: Option<raft::Members>,
    frame: &mut Vec<u8>,
    turn: &mut Turn<'_>,
    answers: &mut Answers,
) -> bool {
    let changed_at = committed.iter().rev().find(|entry| matches!(entry.payload, Payload::Change(_)));
    if let Some(members) = members {
        if let Some(entry) = changed_at {
            write_members(frame, partition.id, entry.id.index, &members);
        }
        partition.replica.members = members;
    }
    committed.iter().all(|entry| partition.apply(entry, turn, answers))
}
