//! Steps of time: what is said, tried again and given up because time has passed, for all groups of a worker.
//!
//! Two steps are never nearer to each other than a step is long, and may be far apart: a turn takes one at most. Does not
//! know: clocks; what the time is comes with the turn.

use base::{Millis, PartitionId};

use crate::beats::{BEAT_TICKS, Beats};
use crate::errand::Errand;
use crate::fabric::{TICK_MS, split};
use crate::peer_frame::Item;
use crate::worker::Worker;

/// Steps of time between two words of a leader on what it leads, for whoever took them for wrong meanwhile.
const LEADS_TICKS: u64 = 25;
/// Steps of time between two questions about replicas that are not to be here.
const LEFTOVER_TICKS: u64 = 12;

impl Worker {
    /// A step of time for all groups, and for those who wait.
    pub(crate) fn tick_fabric(&mut self) {
        let now = self.now.mono_millis();
        if !self.fabric.is_on || now < self.fabric.next_tick {
            return;
        }
        self.fabric.started.get_or_insert(now);
        self.fabric.lookout.look(now);
        self.fabric.ticks += 1;
        // By the clock and not by steps: long turns have few steps, and are what others wonder about.
        let beats_are_due = now >= self.fabric.next_beat;
        if beats_are_due {
            self.fabric.next_beat = Millis(now.0 + BEAT_TICKS * TICK_MS);
            self.tell_how_it_is();
        }
        self.ask_time_until_known();
        if self.fabric.ticks.is_multiple_of(LEADS_TICKS) {
            self.ask_time_to_compare();
            self.tell_what_is_led();
            self.tell_what_is_stored();
        }
        self.recall_from_silent();
        // From now, not from when it was due: two steps are never nearer to each other than this.
        self.fabric.next_tick = Millis(now.0 + TICK_MS);
        self.settle_doubts();
        self.tick_groups(Beats::new(beats_are_due));
        self.tick_meta();
        self.confirm_overdue();
        self.give_up_waiting(now);
        // A leader may be known, or have its followers, since they were parked.
        for id in self.fabric.parked.keys().copied().collect::<Vec<_>>() {
            self.unpark(id);
        }
        match self.fabric.is_ending() {
            true => self.hand_leads_over(true),
            false => self.reconcile(),
        }
        if self.fabric.ticks.is_multiple_of(LEFTOVER_TICKS) {
            self.ask_about_leftovers();
        }
        self.run_transfers();
    }

    /// That this worker is there, and what it cannot do.
    fn tell_how_it_is(&mut self) {
        self.fabric.tell_all(&Item::Alive);
        if self.is_not_to_lead() {
            self.fabric.tell_all(&Item::Full);
        }
        if self.write_refusal.is_some() {
            self.tell_no_room();
        }
        self.tell_lacking();
        self.tell_doubts();
    }

    fn tick_groups(&mut self, mut beats: Beats) {
        let (now, mono_us) = (self.now.mono_millis(), self.now.mono_us);
        for place in 0..self.places.len() {
            let stands_still = self.must_not_stand(PartitionId(place as u16));
            let (_, places, fabric) = split(self);
            let Some(partition) = places[place].partition.as_deref_mut() else { continue };
            if partition.group.is_lone() {
                continue;
            }
            let stands_still = stands_still || !fabric.knows_time && !partition.group.is_leader();
            let is_mute = fabric.is_held(partition.id) && !partition.group.is_leader();
            match stands_still {
                true => partition.stand_still(mono_us),
                // Its time to be elected begins when the others can hear of it: its own disk must not use that up.
                false if is_mute => {}
                false => partition.tick(!beats.take(partition, mono_us), mono_us),
            }
            let again = partition.give_up_waiting(now, &mut fabric.answers);
            let has_work = partition.group.has_ready() || partition.replica.acks.is_waiting();
            if has_work || partition.replica.wants_to_propose() {
                fabric.stir(PartitionId(place as u16));
            }
            for Errand { head, request } in again {
                self.errand(head, request.args(), request.raw());
            }
            self.tell_what_it_bears(PartitionId(place as u16));
        }
        beats.tell(mono_us, &mut self.fabric);
    }
}
