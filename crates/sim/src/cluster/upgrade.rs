//! Worlds of two versions: nodes are started with a program that knows one level or with one that knows two, to and fro as it
//! comes, until an operator gives all of them the newer one and has the second level put in force.
//!
//! Before that no node may be told what it does not know, and after it no node may start with the older program. What level 2
//! changes here is what every frame between nodes says; that stops a node which does not know it.
//! Does not know: how a level comes into force, nor what a frame says.

use base::Random;
use cluster::{Command, Level, Levels};
use log::FolderLevel;

use crate::cluster::ClusterWorld;
use crate::cluster::crew::Aim;
use crate::cluster::machine::{Machine, Stand};
use crate::start::StartError;

/// The level that is put in force.
pub(crate) const NEXT: Level = Level(2);
/// Between two nodes that are given the newer program, at most.
const REPLACE_US: u64 = 1_000_000;

/// What the operator is at.
pub(crate) struct Upgrade {
    random: Random,
    /// All are to have the newer program from now on.
    finishes: bool,
    next_us: u64,
}

/// What an older program knows, and a newer one.
fn programs() -> [Levels; 2] {
    [1, NEXT.0].map(|newest| Levels::new(1, newest).expect("there are such levels"))
}

impl Upgrade {
    pub(crate) fn new(seed: u64) -> Upgrade {
        Upgrade { random: Random::new(seed ^ 0x006c_6576_656c_7300), finishes: false, next_us: 0 }
    }

    /// The program that a node is started with now.
    pub(crate) fn program(&mut self) -> Levels {
        let [older, newer] = programs();
        if self.finishes || self.random.chance(1, 2) { newer } else { older }
    }
}

impl Machine {
    /// Whether a link to another node can be made: each knows the level in force as the other knows it.
    pub(crate) fn understands(&self, other: &Machine) -> bool {
        let level = |machine: &Machine| {
            machine.life.as_ref().map_or(Level::default(), |life| life.worker(0).fabric_state().level())
        };
        let knows = |machine: &Machine, level| machine.levels.check(level, String::new).is_ok();
        knows(self, level(other)) && knows(other, level(self))
    }
}

impl ClusterWorld {
    /// In a run with two versions, chooses the program that a machine is started with. Its first start is with the one that it
    /// joined with, unless it is the newer one's turn.
    pub(super) fn choose_program(&mut self, number: usize) -> Result<(), String> {
        let Some(upgrade) = &mut self.upgrade else { return Ok(()) };
        let machine = &mut self.machines[number];
        if !upgrade.finishes {
            if machine.starts > 0 {
                machine.levels = upgrade.program();
            }
            return Ok(());
        }
        let [older, newer] = programs();
        machine.levels = newer;
        let is_at_next = |machine: &Machine| {
            FolderLevel::load(&*machine.disk.disk()).ok().flatten().is_some_and(|found| found.level == NEXT.0)
        };
        if !is_at_next(machine) || !upgrade.random.chance(1, 3) {
            return Ok(());
        }
        machine.levels = older;
        let started = machine.start(&self.plan, &self.settings, &mut upgrade.random);
        machine.levels = newer;
        match started {
            Err(StartError::Level(refused)) => {
                self.note(format_args!("node {number} does not start with the older program: {refused}"));
                Ok(())
            }
            // Its disk fails as it may fail under any program.
            Err(StartError::Log(_)) => Ok(()),
            other => {
                Err(format!("levels: node {number} starts with a program that is too old: {:?}", other.err()))
            }
        }
    }

    /// Whether the level in force is one that a node's program does not know, which ends it: it was started with the older one
    /// again, and had not come to say so when the level was raised.
    pub(super) fn is_outlived(&self, number: usize) -> bool {
        let is_at_next = |machine: &Machine| {
            machine.life.as_ref().is_some_and(|life| life.worker(0).fabric_state().level() == NEXT)
        };
        !self.machines[number].levels.include(NEXT) && self.machines.iter().any(is_at_next)
    }

    /// From now on the operator brings all nodes to the newer program, and raises the level in the end.
    pub(super) fn begin_to_finish(&mut self) {
        let Some(upgrade) = self.upgrade.as_mut().filter(|upgrade| !upgrade.finishes) else { return };
        upgrade.finishes = true;
        self.note(format_args!("all are given the newer program"));
        let [_, newer] = programs();
        let waits = |machine: &&mut Machine| machine.life.is_none();
        self.machines.iter_mut().filter(waits).for_each(|machine| machine.levels = newer);
        self.aim(0, Aim::Raise);
    }

    /// One node after the other is given the newer program.
    pub(super) fn step_upgrade(&mut self) {
        let now_us = self.now_us();
        let Some(upgrade) = self.upgrade.as_mut() else { return };
        if !upgrade.finishes || now_us < upgrade.next_us {
            return;
        }
        upgrade.next_us = now_us + upgrade.random.below(REPLACE_US);
        let is_older = |machine: &Machine| machine.life.is_some() && !machine.levels.include(NEXT);
        if let Some(number) = self.machines.iter().position(is_older) {
            self.note(format_args!("node {number} is to have the newer program"));
            self.crash(number);
        }
    }

    /// The operator asks for the level, again and again, until it is in force; whether it is.
    pub(super) fn raise_through(&self, via: usize) -> Option<Command> {
        let life = self.machines[via].life.as_ref()?;
        let is_in_force = life.worker(0).fabric_state().level() == NEXT;
        (!is_in_force).then_some(Command::Raise { level: NEXT })
    }

    /// In the end all nodes are at the level, and so are their folders.
    pub(super) fn check_levels(&mut self) -> Result<(), String> {
        if self.upgrade.is_none() {
            return Ok(());
        }
        self.until("a node is not at the level in force", |world| {
            let machines = world.machines.iter().filter(|machine| machine.stand == Stand::In);
            machines.into_iter().all(|machine| {
                let folder = FolderLevel::load(&*machine.disk.disk()).ok().flatten();
                let life = machine.life.as_ref();
                life.is_some_and(|life| life.worker(0).fabric_state().level() == NEXT)
                    && folder.is_some_and(|found| found.level == NEXT.0)
            })
        })
    }
}
