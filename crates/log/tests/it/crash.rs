//! A node that dies at every call of its life, with and without the machine, and in recovery too.
//!
//! The oracle knows what the callers were told: a frame whose append returned survives the process; one that
//! a sync covered survives the machine; what comes back is what was written, in order, without gaps; and a
//! mere crash is never taken for damage.

use base::Random;
use log::{Crash, Fault, Log, LogOptions, MemoryDisk, Position, Recovered};

use crate::common::{Frames, open, options, payload};

struct World {
    disk: MemoryDisk,
    boot: u8,
    /// Everything appended, as told by `append`.
    frames: Frames,
    /// The frame whose append failed: it may be there or not.
    in_flight: Option<Vec<u8>>,
    synced: Position,
    needed_from: Position,
    /// Whether power was lost since the log was last open.
    power_lost: bool,
    next: u64,
}

impl World {
    fn new() -> World {
        World {
            disk: MemoryDisk::new(),
            boot: 1,
            frames: Vec::new(),
            in_flight: None,
            synced: Position(0),
            needed_from: Position(0),
            power_lost: false,
            next: 0,
        }
    }

    fn options(&self) -> LogOptions {
        LogOptions { needed_from: self.needed_from, ..options(self.boot) }
    }

    /// Opens the log; `None` if the node dies while it does.
    fn open(&mut self) -> Option<(Log, Recovered)> {
        let planned = self.disk.calls();
        let (log, recovered, found) = match open(&self.disk, self.options()) {
            Ok(opened) => opened,
            Err(
                log::LogError::Io { .. }
                | log::LogError::WriteFailed { .. }
                | log::LogError::SyncFailed { .. },
            ) if self.disk.calls() > planned => {
                return None;
            }
            Err(error) => panic!("a crash was taken for damage: {error}"),
        };
        self.check(&recovered, found);
        Some((log, recovered))
    }

    fn check(&mut self, recovered: &Recovered, found: Frames) {
        assert!(recovered.start <= self.needed_from);
        assert_eq!(recovered.lost, None);
        let written = self.frames.last().map_or(Position(0), |frame| frame.0);
        let promised = if self.power_lost { self.synced } else { written };
        assert!(recovered.end >= promised, "{:?} was promised, {recovered:?}", promised);
        let expected: Frames =
            self.frames.iter().filter(|frame| frame.0 > recovered.start).cloned().collect();
        let known = found.len().min(expected.len());
        assert!(found[..known] == expected[..known], "frames differ");
        if found.len() > expected.len() {
            assert_eq!(found.len(), expected.len() + 1);
            assert_eq!(Some(&found[known].1), self.in_flight.as_ref());
        }
        self.frames.retain(|frame| frame.0 <= recovered.start);
        self.frames.extend(found);
        self.in_flight = None;
        self.synced = recovered.end;
        self.power_lost = false;
    }

    /// Does `steps` random things, or as many as the disk allows. True if it lived.
    fn live(&mut self, log: &mut Log, steps: u64, random: &mut Random) -> bool {
        let handle = log.sync_handle();
        for _ in 0..steps {
            let done = match random.below(16) {
                0..9 => self.append(log),
                9..12 => handle.sync().map(|synced| {
                    assert_eq!(synced, log.position());
                    self.synced = synced;
                }),
                12 => handle.mark_durable(),
                13 => handle.maintain().map(|_| ()),
                14 => log.reserve(random.below(10_000)),
                // A checkpoint is finished only after a sync, then the log is cut behind it.
                _ => handle.sync().and_then(|synced| {
                    self.synced = synced;
                    let behind = self.frames.len().saturating_sub(random.below(20) as usize + 1);
                    let Some(frame) = self.frames.get(behind) else { return Ok(()) };
                    self.needed_from = self.needed_from.max(frame.0);
                    handle.cut_before(self.needed_from).map(|_| ())
                }),
            };
            if done.is_err() {
                return false;
            }
        }
        true
    }

    fn append(&mut self, log: &mut Log) -> Result<(), log::LogError> {
        let payload = payload(self.next);
        self.next += 1;
        self.in_flight = Some(payload.clone());
        let end = log.append(&payload)?;
        assert!(end > self.synced, "a position was used twice");
        self.frames.push((end, payload));
        self.in_flight = None;
        Ok(())
    }

    fn crash(&mut self, random: &mut Random) {
        if random.chance(1, 2) {
            self.disk.crash(Crash::Process);
        } else {
            self.disk.crash(Crash::Power { seed: random.next_u64() });
            self.boot = self.boot.wrapping_add(1).max(1);
            self.power_lost = true;
        }
    }

    /// Opens until it works, dying on the way now and then.
    fn reopen(&mut self, random: &mut Random) -> Log {
        for _ in 0..4 {
            if random.chance(1, 2) {
                self.disk.fail_after(random.below(20), None, Fault::Dead);
            }
            let opened = self.open();
            self.disk.heal();
            match opened {
                Some((log, _)) => return log,
                None => self.crash(random),
            }
        }
        self.open().expect("nothing fails any more").0
    }
}

#[test]
fn death_at_every_call_of_a_life_keeps_what_was_promised() {
    for seed in 0..12 {
        for call in 0.. {
            let mut random = Random::new(seed);
            let mut world = World::new();
            world.disk.fail_after(call, None, Fault::Dead);
            let lived = match world.open() {
                Some((mut log, _)) => world.live(&mut log, 60, &mut random),
                None => false,
            };
            world.disk.heal();
            let mut random = Random::new(seed << 32 | call);
            world.crash(&mut random);
            let mut log = world.reopen(&mut random);
            world.live(&mut log, 10, &mut random);
            world.crash(&mut random);
            world.reopen(&mut random);
            if lived {
                break;
            }
        }
    }
}

#[test]
fn many_lives_in_a_row_keep_what_was_promised() {
    for seed in 0..150 {
        let mut random = Random::new(seed);
        let mut world = World::new();
        for _ in 0..12 {
            let mut log = world.reopen(&mut random);
            world.disk.fail_after(random.below(120), None, Fault::Dead);
            world.live(&mut log, 80, &mut random);
            world.disk.heal();
            world.crash(&mut random);
        }
        world.reopen(&mut random);
    }
}

#[test]
fn power_lost_at_every_point_keeps_the_synced_prefix() {
    for steps in 0..120 {
        let mut random = Random::new(77);
        let mut world = World::new();
        let (mut log, _) = world.open().unwrap();
        assert!(world.live(&mut log, steps, &mut random));
        for seed in 0..20 {
            let mut after = World {
                disk: world.disk.fork(),
                frames: world.frames.clone(),
                boot: 2,
                power_lost: true,
                ..World { synced: world.synced, needed_from: world.needed_from, ..World::new() }
            };
            after.disk.crash(Crash::Power { seed });
            after.open().unwrap();
        }
    }
}

#[test]
fn an_error_at_every_call_stops_the_log_and_a_restart_keeps_what_was_promised() {
    for fault in [Fault::Io, Fault::Full] {
        for call in 0..250 {
            let mut random = Random::new(5);
            let mut world = World::new();
            let (mut log, _) = world.open().unwrap();
            world.disk.fail_after(call, None, fault);
            world.live(&mut log, 150, &mut random);
            world.disk.heal();
            drop(log);
            // The machine stays up, so all that was answered is there; then it goes down, and it still is.
            world.disk.crash(Crash::Process);
            world.open().unwrap();
            world.disk.crash(Crash::Power { seed: call });
            (world.boot, world.power_lost) = (2, true);
            world.open().unwrap();
        }
    }
}
