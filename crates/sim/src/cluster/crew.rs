//! Who is to be in the cluster and who not: what nodes do to join, come back and leave, as the server does it, and what an
//! operator does about nodes that are lost.
//!
//! Each aim is pursued by what a node can see of the fabric: what was asked and not answered is asked again.
//! Invariant: a machine that is gone never comes back. Does not know: what went wrong, what clients were told.

use std::collections::BTreeMap;

use cluster::{Admission, Command, MemberState, Meta};

use crate::cluster::ClusterWorld;
use crate::cluster::machine::Stand;
use crate::life::Item;

/// An answer that has not come by then will not: the fabric gives up sooner.
const ANSWER_US: u64 = 10_000_000;
/// How long a node takes to leave that is told to.
const TOLD_TO_LEAVE_US: u64 = 20_000_000;
/// How often is looked whether an aim is reached.
const LOOK_US: u64 = 50_000;

/// What is to become of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    /// It is to be let in.
    Join,
    /// It has started again and says where it is, the how manieth time.
    Return { incarnation: Option<u64> },
    /// It hands over what it has and leaves; if that takes longer, it stops and stays a member.
    Leave { until_us: u64 },
    /// An operator removes it once the others take it for down.
    Strike,
    /// An operator has the next level put in force, whichever machine this is said of.
    Raise,
}

struct Task {
    machine: usize,
    /// Which start of the machine it belongs to, if it is the node itself that pursues it.
    start: u64,
    aim: Aim,
    asked: Option<Asked>,
    next_us: u64,
}

/// A question to the fabric.
struct Asked {
    number: u64,
    via: (usize, u64),
    until_us: u64,
    is_removal: bool,
}

/// All that is under way.
#[derive(Default)]
pub(crate) struct Crew {
    tasks: Vec<Task>,
    /// What the fabric decided on what it was asked.
    pub(crate) answers: BTreeMap<u64, Result<(), String>>,
    next_number: u64,
}

impl Crew {
    pub(crate) fn is_idle(&self) -> bool {
        self.tasks.is_empty()
    }

    pub(crate) fn has_task(&self, is_such: impl Fn(usize, Aim) -> bool) -> bool {
        // A raise is said of the cluster.
        let mut tasks = self.tasks.iter().filter(|task| task.aim != Aim::Raise);
        tasks.any(|task| is_such(task.machine, task.aim))
    }
}

impl ClusterWorld {
    /// From now on this is to become of a machine.
    pub(crate) fn aim(&mut self, machine: usize, aim: Aim) {
        let start = self.machines[machine].starts;
        let next_us = self.now_us();
        self.crew.tasks.push(Task { machine, start, aim, asked: None, next_us });
    }

    /// Goes on with all that is under way.
    pub(crate) fn step_crew(&mut self) {
        for mut task in std::mem::take(&mut self.crew.tasks) {
            if !self.pursue(&mut task) {
                self.crew.tasks.push(task);
            }
        }
    }

    /// Goes on with one thing; whether it is done.
    fn pursue(&mut self, task: &mut Task) -> bool {
        let now_us = self.now_us();
        if self.machines[task.machine].stand == Stand::Gone && ![Aim::Strike, Aim::Raise].contains(&task.aim)
        {
            return true;
        }
        if let Some(asked) = &task.asked {
            let is_over = self.life_of(asked.via.0, asked.via.1).is_none() || asked.until_us <= now_us;
            match self.crew.answers.remove(&asked.number) {
                Some(Ok(())) if asked.is_removal && task.aim != Aim::Strike => {
                    self.note(format_args!("node {} has left", task.machine));
                    self.retire(task.machine);
                    return true;
                }
                Some(Err(reason)) => {
                    self.note(format_args!("{:?} of node {}: {reason}", task.aim, task.machine));
                    task.next_us = now_us + LOOK_US + self.random.below(1_000_000);
                }
                None if !is_over => return false,
                Some(Ok(())) | None => {}
            }
            task.asked = None;
        }
        if now_us < task.next_us {
            return false;
        }
        task.next_us = now_us + LOOK_US;
        match task.aim {
            Aim::Join => self.pursue_join(task),
            Aim::Return { incarnation } => self.pursue_return(task, incarnation),
            Aim::Leave { until_us } => self.pursue_leave(task, until_us),
            Aim::Strike => self.pursue_strike(task),
            Aim::Raise => self.pursue_raise(task),
        }
    }

    fn pursue_join(&mut self, task: &mut Task) -> bool {
        let Some((via, start)) = self.some_member(task.machine) else { return false };
        let node = self.machines[task.machine].node;
        let Some(state) = self.fabric_of(via, start) else { return false };
        if state.member(node).is_some() {
            let told = state.clone();
            self.note(format_args!("node {} is let in", task.machine));
            let now_us = self.now_us();
            let machine = &mut self.machines[task.machine];
            (machine.admission, machine.stand, machine.start_at_us) = (Some(told), Stand::In, now_us);
            return true;
        }
        let member = self.machines[task.machine].newcomer();
        self.ask(task, (via, start), Command::Join { member, admission: Admission::Local });
        false
    }

    fn pursue_return(&mut self, task: &mut Task, incarnation: Option<u64>) -> bool {
        let own = (task.machine, task.start);
        let node = self.machines[task.machine].node;
        if self.life_of(own.0, own.1).is_none() {
            return true;
        }
        let Some(member) = self.fabric_of(own.0, own.1).and_then(|state| state.member(node)).cloned() else {
            return false;
        };
        let mut incarnation = incarnation.unwrap_or(member.incarnation + 1);
        // Another start of it took this number, and was asked for later than that one was over.
        if member.incarnation >= incarnation && member.levels != self.machines[task.machine].levels {
            incarnation = member.incarnation + 1;
        }
        task.aim = Aim::Return { incarnation: Some(incarnation) };
        if member.incarnation < incarnation {
            let cluster::Newcomer { peer_address, client_address, tls_port, version, levels, .. } =
                self.machines[task.machine].newcomer();
            let command = Command::SetAddresses {
                node,
                peer_address,
                client_address,
                tls_port,
                incarnation,
                version,
                levels,
            };
            self.ask(task, own, command);
            return false;
        }
        // It did not come to that before it was stopped.
        if member.state == MemberState::Leaving {
            self.ask(task, own, Command::SetState { node, state: MemberState::Up });
            return false;
        }
        true
    }

    fn pursue_leave(&mut self, task: &mut Task, until_us: u64) -> bool {
        let own = (task.machine, task.start);
        let node = self.machines[task.machine].node;
        let Some(life) = self.life_of(own.0, own.1) else { return true };
        let state = life.worker(0).fabric_state();
        let is_leaving = state.member(node).is_some_and(|member| member.state == MemberState::Leaving);
        let holds_nothing = (0..life.workers()).all(|seat| life.worker(seat).groups_that_need_us() == 0);
        #[cfg(narf_plant)]
        let holds_nothing = holds_nothing || base::plant::is(base::plant::Plant::LeavesEarly);
        let is_ripe = is_leaving && state.replicas_on(node) == 0 && holds_nothing;
        if until_us <= self.now_us() {
            self.note(format_args!("node {} could not leave in time", task.machine));
            self.crash(task.machine);
            return true;
        }
        match (is_leaving, is_ripe) {
            (false, _) => self.ask(task, own, Command::Leave { node }),
            (true, true) => self.ask(task, own, Command::Remove { node }),
            (true, false) => {}
        }
        false
    }

    fn pursue_strike(&mut self, task: &mut Task) -> bool {
        let Some((via, start)) = self.some_member(task.machine) else { return false };
        let node = self.machines[task.machine].node;
        let Some(state) = self.fabric_of(via, start) else { return false };
        let member = state.member(node).map(|member| member.state);
        match member {
            Some(MemberState::Removed) => {
                self.note(format_args!("node {} is removed", task.machine));
                let now_us = self.now_us();
                // A process that nobody listens to may go on for a while.
                self.machines[task.machine].retire_at_us = Some(now_us + self.random.below(2_000_000));
                return true;
            }
            Some(MemberState::Down) => self.ask(task, (via, start), Command::Remove { node }),
            Some(_) if state.replicas_on(node) == 0 => {
                self.ask(task, (via, start), Command::Remove { node });
            }
            Some(_) | None => {}
        }
        false
    }

    fn pursue_raise(&mut self, task: &mut Task) -> bool {
        let Some(via) = self.some_member(usize::MAX) else { return false };
        match self.raise_through(via.0) {
            Some(command) => self.ask(task, via, command),
            None => return true,
        }
        false
    }

    fn ask(&mut self, task: &mut Task, via: (usize, u64), command: Command) {
        self.crew.next_number += 1;
        let number = self.crew.next_number;
        self.note(format_args!("node {} is asked for {command:?}", via.0));
        let is_removal = matches!(command, Command::Remove { .. });
        let until_us = self.now_us() + ANSWER_US;
        if let Some(life) = &mut self.machines[via.0].life {
            life.post(0, Item::AskFabric(number, Box::new(command)));
            task.asked = Some(Asked { number, via, until_us, is_removal });
        }
    }

    /// A member that runs, other than this one, and which start of it that is.
    fn some_member(&mut self, not: usize) -> Option<(usize, u64)> {
        let is_fit = |&number: &usize| {
            number != not
                && self.machines[number]
                    .life
                    .as_ref()
                    .is_some_and(|life| life.worker(0).fabric_state().is_founded())
        };
        let fit: Vec<usize> = self.present().into_iter().filter(is_fit).collect();
        let number = *fit.get(self.random.below(fit.len().max(1) as u64) as usize)?;
        Some((number, self.machines[number].starts))
    }

    fn life_of(&self, number: usize, start: u64) -> Option<&crate::life::Life> {
        self.machines[number].life.as_ref().filter(|_| self.machines[number].starts == start)
    }

    fn fabric_of(&self, number: usize, start: u64) -> Option<&Meta> {
        self.life_of(number, start).map(|life| life.worker(0).fabric_state())
    }

    /// Turns off machines whose time is over: those that were removed, and those that have left and did not hear of it.
    pub(crate) fn retire_due(&mut self) {
        let now_us = self.now_us();
        for number in 0..self.machines.len() {
            let machine = &self.machines[number];
            let is_due = match machine.stand {
                Stand::Struck => machine.retire_at_us.is_some_and(|at| at <= now_us),
                Stand::In => self.was_removed(number),
                Stand::Outside | Stand::Gone => false,
            };
            if is_due {
                self.note(format_args!("node {number} is turned off for good"));
                self.retire(number);
            } else if self.is_told_to_leave(number) {
                self.aim(number, Aim::Leave { until_us: now_us + TOLD_TO_LEAVE_US });
            }
        }
    }

    /// Whether the fabric wants a node gone that knows of nothing: what an earlier process asked for came late.
    fn is_told_to_leave(&self, number: usize) -> bool {
        let machine = &self.machines[number];
        let Some(life) = machine.life.as_ref().filter(|_| machine.stand == Stand::In) else { return false };
        let member = life.worker(0).fabric_state().member(machine.node);
        member.is_some_and(|member| member.state == MemberState::Leaving)
            && !self.crew.has_task(|other, _| other == number)
    }

    fn was_removed(&self, number: usize) -> bool {
        let node = self.machines[number].node;
        let says_so = |&other: &usize| {
            let life = self.machines[other].life.as_ref().filter(|_| other != number);
            let state = life.and_then(|life| life.worker(0).fabric_state().member(node));
            state.is_some_and(|member| member.state == MemberState::Removed)
        };
        self.present().iter().any(says_so)
    }

    /// A machine is gone for good, with its disk.
    pub(crate) fn retire(&mut self, number: usize) {
        self.crash(number);
        self.wires.forget(number);
        self.blocked.retain(|(from, to, _)| ![*from, *to].contains(&number));
        let machine = &mut self.machines[number];
        machine.stand = Stand::Gone;
        machine.lost_power = false;
        machine.disk = crate::disk::SimDisk::new(0);
    }
}
