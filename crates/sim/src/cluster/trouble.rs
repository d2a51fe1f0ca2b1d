//! What goes wrong in a cluster, and when.
//!
//! Invariant: what takes data for good takes it from fewer than half of the voters of any group, but for a loss of power,
//! of which the judge is told. Does not know: what must hold all the same.

use cluster::MemberKind;

use crate::cluster::ClusterWorld;
use crate::cluster::crew::Aim;
use crate::cluster::machine::{Machine, Stand};
use crate::cluster::plan::Kind;
use crate::life::{Around, Item, Life};

/// An operator who accepts a clock that is ahead sees to it that it is by no more: sessions lapse within a day.
const ACCEPTED_MOST_US: u64 = 3_700_000_000;
/// So many nodes more than at first there may be.
const MORE_NODES: usize = 2;
/// Every so many steps is looked whether all is in its place.
const LOOK_STEPS: u64 = 64;

impl ClusterWorld {
    pub(super) fn make_trouble(&mut self) {
        let now_us = self.now_us();
        let over: Vec<_> = self.blocked.iter().filter(|(.., until)| *until <= now_us).copied().collect();
        self.blocked.retain(|(.., until)| *until > now_us);
        for (from, to, _) in over {
            if !self.blocked.iter().any(|(f, t, _)| (*f, *t) == (from, to)) {
                self.wires.block(from, to, false);
            }
        }
        for (_, unplugged, cut_off) in
            self.outages.extract_if(.., |(at, ..)| *at <= now_us).collect::<Vec<_>>()
        {
            self.lose_power(&[unplugged]);
            let until = now_us + 500_000 + self.random.below(2_500_000);
            self.cut_off(cut_off, until, true, true);
        }
        self.steps += 1;
        if self.steps.is_multiple_of(LOOK_STEPS) && (self.is_short || self.loss_wanted.is_some()) {
            self.look_for_losses();
        }
        let mut draw = self.random.below(100_000 * self.plan.calm);
        for (kind, share) in self.plan.troubles.clone() {
            if draw < share {
                return self.strike(kind);
            }
            draw -= share;
        }
    }

    fn strike(&mut self, kind: Kind) {
        let present = self.present();
        let nodes = present.len();
        let place = self.random.below(nodes as u64) as usize;
        let number = present[place];
        let other = present[(place + 1 + self.random.below((nodes as u64 - 1).max(1)) as usize) % nodes];
        self.note(format_args!("trouble: {kind:?} of node {number}, {other}"));
        let now_us = self.now_us();
        match kind {
            Kind::CutClient => self.cut_client(),
            Kind::Kill => self.crash(number),
            Kind::PowerLoss => self.lose_power(&[number]),
            Kind::PowerLossOfAll => self.lose_power(&present),
            Kind::PowerLossOfSome => {
                let some: Vec<usize> = present.iter().copied().filter(|_| self.random.chance(2, 3)).collect();
                self.lose_power(&some);
            }
            Kind::Outage => {
                let until = now_us + 100_000 + self.random.below(1_500_000);
                self.cut_off(number, until, true, true);
                let third = present.iter().find(|node| ![number, other].contains(node)).unwrap_or(&other);
                self.outages.push((until, other, *third));
            }
            Kind::Stop => self.begin_to_stop(number),
            Kind::KillAll => present.iter().for_each(|number| self.crash(*number)),
            Kind::KillInside => {
                self.machines[number].disk_has_trouble = true;
                self.machines[number].disk.kill_within(60);
            }
            // Who cannot sync may have forgotten something, as after a loss of power.
            Kind::DiskError if self.is_short => self.note(format_args!("the disk holds")),
            Kind::DiskError => {
                self.machines[number].disk_has_trouble = true;
                self.machines[number].disk.fail_within(40);
                // The failure may be that of a full disk.
                self.judge.may_be_full = true;
            }
            Kind::DiskFull => {
                self.judge.may_be_full = true;
                self.machines[number].disk.fill_up(200_000);
                self.machines[number].full_until_us = Some(now_us + 1 + self.random.below(3_000_000));
            }
            Kind::Pause => self.machines[number].paused_until_us = now_us + self.random.below(3_000_000),
            Kind::Freeze => {
                let until = now_us + self.random.below(1_000_000);
                let thread = self.random.below(u64::from(self.plan.workers) + 1) as usize;
                if let Some(life) = &mut self.machines[number].life {
                    life.freeze(thread, until);
                }
            }
            Kind::Isolate | Kind::Deaf | Kind::Mute => {
                let until = now_us + self.random.below(4_000_000);
                self.cut_off(number, until, kind != Kind::Mute, kind != Kind::Deaf);
            }
            Kind::Sleep => {
                let wakes_us = now_us + 500_000 + self.random.below(1_500_000);
                self.machines[number].paused_until_us = wakes_us;
                let until = wakes_us + self.random.below(2_000_000);
                self.cut_off(number, until, true, true);
            }
            Kind::OneWay => {
                let until = now_us + self.random.below(4_000_000);
                self.block(number, other, until);
            }
            Kind::Break => self.wires.break_between(number, other),
            Kind::ClockStep if self.plan.clocks => {
                let is_right = self.random.chance(1, 3);
                let (draw, clock) = (self.random.next_u64(), &mut self.machines[number].clock);
                let by_us = if is_right { 0 } else { clock.set_wrong(draw) };
                if is_right {
                    clock.set_right();
                }
                self.note(format_args!("the wall clock of node {number} is wrong by {by_us} µs"));
            }
            Kind::ClockStep => {
                if self.random.chance(1, 8) {
                    self.machines[number].clock.accept(ACCEPTED_MOST_US);
                } else {
                    let draw = self.random.next_u64();
                    let by_us = self.machines[number].clock.step(draw);
                    self.note(format_args!("the wall clock of node {number} is set by {by_us} µs"));
                }
            }
            Kind::Join => self.have_one_join(),
            Kind::Leave => self.have_leave(number),
            Kind::Wipe | Kind::Replace => self.loss_wanted = Some(kind),
        }
    }

    fn cut_client(&mut self) {
        let client = self.random.below(self.clients.len() as u64) as usize;
        let now = self.machines[0].now();
        let mut around = Around::all(now, &mut self.random, &mut self.network, &mut self.trace);
        self.clients[client].disconnected(&mut self.judge, &mut around);
    }

    /// A node does not hear the others, or is not heard by them, until then.
    fn cut_off(&mut self, number: usize, until: u64, hears_not: bool, is_not_heard: bool) {
        for peer in 0..self.machines.len() {
            if hears_not {
                self.block(peer, number, until);
            }
            if is_not_heard {
                self.block(number, peer, until);
            }
        }
    }

    fn block(&mut self, from: usize, to: usize, until: u64) {
        let is_gone = |number: usize| self.machines[number].stand == Stand::Gone;
        if from != to && !is_gone(from) && !is_gone(to) {
            self.wires.block(from, to, true);
            self.blocked.push((from, to, until));
        }
    }

    /// The process of a node is told to stop.
    fn begin_to_stop(&mut self, number: usize) {
        let patience_us = self.random.below(3_000_000);
        let machine = &mut self.machines[number];
        let Some(life) = machine.life.as_mut().filter(|_| machine.stops_until_us.is_none()) else { return };
        (0..life.workers()).for_each(|seat| life.post(seat, Item::HandOver));
        machine.stops_until_us = Some(machine.now().mono_us + patience_us);
    }

    /// The process of a node that was told to stop goes, if nothing keeps it any more.
    pub(super) fn end_if_done(&mut self, number: usize) {
        let machine = &self.machines[number];
        let (Some(until_us), Some(life)) = (machine.stops_until_us, &machine.life) else { return };
        let is_done = |seat: usize| {
            let worker = life.worker(seat);
            worker.is_ending() && worker.work_under_way() == 0
        };
        let has_handed_over = (0..life.workers()).all(is_done);
        if has_handed_over || until_us <= machine.now().mono_us {
            self.note(format_args!("node {number} stops; all is handed over: {has_handed_over}"));
            self.crash(number);
        }
    }

    /// The process of a node dies.
    pub(super) fn crash(&mut self, number: usize) {
        self.note(format_args!("the process of node {number} dies"));
        let cut = self.random.chance(1, 2);
        let away_us = self.random.below(400_000);
        let machine = &mut self.machines[number];
        if let Some(life) = machine.life.take() {
            machine.lost_power |= life.is_in_doubt();
            machine.synced_us = machine.synced_us.max(life.desk.synced_us);
            life.end(&mut self.network, cut);
        }
        machine.disk.kill();
        // A fault that was planned went with the life.
        machine.disk_has_trouble = false;
        (machine.paused_until_us, machine.stops_until_us) = (0, None);
        machine.start_at_us = machine.now().mono_us + away_us;
        self.wires.died(number);
    }

    /// Machines lose their power. What a majority has and not one disk, no loss of a single machine takes; that of several
    /// may, and that of one before another has recovered, or of one that has data by itself.
    fn lose_power(&mut self, numbers: &[usize]) {
        let standing = |number: &&usize| self.machines[**number].stand == Stand::In;
        let numbers: Vec<usize> = numbers.iter().filter(standing).copied().collect();
        // Nobody could tell what a machine had that is gone: an operator would have to.
        if numbers.is_empty() || self.is_short {
            return self.note(format_args!("the power stays"));
        }
        let recovers =
            |(other, machine): (usize, &Machine)| !numbers.contains(&other) && machine.is_recovering();
        let is_alone = |number: &usize| match &self.machines[*number].life {
            Some(life) => life.decides_alone(),
            None => true,
        };
        let takes_more = numbers.len() > 1
            || self.machines.iter().enumerate().any(recovers)
            || numbers.iter().any(is_alone);
        if takes_more {
            let synced = |number: &usize| self.machines[*number].synced_us();
            let since_us = numbers.iter().map(synced).min().unwrap_or(0);
            self.note(format_args!("what was answered since {since_us} may be gone"));
            self.judge.lose_power(since_us);
        }
        for number in numbers {
            self.crash(number);
            let machine = &mut self.machines[number];
            machine.disk.lose_power();
            machine.lost_power = true;
        }
    }

    // ---- members --------------------------------------------------------------------------------------------

    fn have_one_join(&mut self) {
        let joining = self.crew.has_task(|_, aim| aim == Aim::Join);
        if joining || self.present().len() >= self.nodes + MORE_NODES {
            return;
        }
        let place = self.machines.len();
        let number = self.add_machine(place, MemberKind::Data);
        self.aim(number, Aim::Join);
    }

    fn have_leave(&mut self, number: usize) {
        let is_free = !self.is_short && !self.crew.has_task(|other, _| other == number);
        if self.present().len() < 2 || !is_free || self.machines[number].life.is_none() {
            return;
        }
        let until_us = self.now_us() + 1_000_000 + self.random.below(20_000_000);
        self.aim(number, Aim::Leave { until_us });
    }

    /// A machine is lost for good, once all is in its place so that the others have what it had; another replaces it.
    fn look_for_losses(&mut self) {
        let present = self.present();
        if !self.crew.is_idle() || !self.is_placed(present.len()) {
            return;
        }
        self.is_short = false;
        let is_sound = !present.iter().any(|number| self.machines[*number].is_recovering());
        if present.len() < 3 || !is_sound {
            return;
        }
        let Some(kind) = self.loss_wanted.take() else { return };
        let number = present[self.random.below(present.len() as u64) as usize];
        self.note(format_args!("node {number} is lost: {kind:?}"));
        self.is_short = true;
        self.outages.clear();
        for machine in self.machines.iter_mut().filter(|machine| machine.disk_has_trouble) {
            machine.disk.heal();
            (machine.disk_has_trouble, machine.full_until_us) = (false, None);
        }
        let (old_place, kind_of_old) = (self.machines[number].place, self.machines[number].kind);
        if kind == Kind::Wipe {
            self.retire(number);
        } else {
            self.machines[number].stand = Stand::Struck;
            self.cut_off(number, u64::MAX, true, true);
        }
        self.aim(number, Aim::Strike);
        // Under the old address, once that is free, or under another.
        let place = if self.random.chance(1, 2) { old_place } else { self.machines.len() };
        let number = self.add_machine(place, kind_of_old);
        self.aim(number, Aim::Join);
    }
}

impl Machine {
    /// Steady clock: all that its process wrote before is on its disk.
    fn synced_us(&self) -> u64 {
        self.life.as_ref().map_or(0, |life: &Life| life.desk.synced_us).max(self.synced_us)
    }
}
