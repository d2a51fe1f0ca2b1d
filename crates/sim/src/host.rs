//! The surroundings of a simulated node: its log, its clock and constants, so that nothing in a run depends on the machine it runs on.

use std::sync::{Arc, Mutex, PoisonError};

use base::{Now, TimeWord};
use log::Log;
use node::settings::Settings;
use node::{Facts, Host};

use crate::clock::{SharedWall, Wall};

/// The log as the workers of one life share it.
pub(crate) type SharedLog = Arc<Mutex<Log>>;

/// What a worker's host found wrong with the disk, for the shell to see when the turn is over.
pub(crate) type Failure = Arc<Mutex<Option<String>>>;

/// A machine without properties but its log and its clock.
pub(crate) struct SimHost {
    pub(crate) log: SharedLog,
    pub(crate) workers: u64,
    pub(crate) failure: Failure,
    pub(crate) wall: SharedWall,
}

impl Host for SimHost {
    fn facts(&self) -> Facts {
        Facts { os: "simulated".to_owned(), ..Facts::default() }
    }

    fn settled_time(&self, now: Now) -> Option<u64> {
        let common = &self.wall.lock().common;
        common.settled().map(|_| common.hands().wall_us(now.mono_us))
    }

    fn time_word(&self, _: Now) -> TimeWord {
        let Wall { system, common } = &*self.wall.lock();
        common.word(*system)
    }

    fn hear_time(&self, from: u64, word: TimeWord, now: Now, members: usize) {
        let Wall { system, common } = &mut *self.wall.lock();
        common.hear(from, word, now.mono_us, members, *system);
    }

    fn last_save(&self) -> Option<u64> {
        None
    }

    fn rewrite_config(&self, _settings: &Settings) -> Result<(), String> {
        Err("The server is running without a config file".to_owned())
    }

    fn purge_memory(&self) {}

    fn make_log_room(&self, bytes: usize, to_delete: bool) -> bool {
        let mut log = lock(&self.log);
        let needed = bytes as u64 * self.workers;
        let reserved = match to_delete {
            true => log.reserve_to_delete(needed),
            false => log.reserve(needed),
        };
        if let Err(error) = &reserved
            && !error.is_full()
        {
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
        }
        reserved.is_ok()
    }

    fn stopwatch_ns(&self) -> u64 {
        0
    }
}

/// Locks; there is one thread, so nothing ever waits.
pub(crate) fn lock(log: &SharedLog) -> std::sync::MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
