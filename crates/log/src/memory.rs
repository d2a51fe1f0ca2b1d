//! A disk in memory that forgets, tears, fails and fills up on demand. The simulator, the tests and the fuzz
//! targets run the log on it; a node could run on it where nothing need be kept.
//!
//! It keeps apart what a real disk keeps apart: what the page cache shows, and what stable storage holds. A
//! process that dies loses neither; a machine that loses power keeps of the unsynced changes what the seed
//! says, sector by sector and in no order. Names survive in the order in which they were changed, as on a
//! journaling file system. A sync that fails takes the pages for clean, as Linux does: what it was to sync
//! is shown until a power loss and not tried again.
//! Does not know: what is in the files.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard};

use base::Random;

use crate::disk::{Disk, DiskFile, Space};

/// The unit in which a power loss keeps or forgets.
const SECTOR: u64 = 512;

/// A disk in memory; clones are handles on the same disk.
#[derive(Clone)]
pub struct MemoryDisk(Arc<Mutex<State>>);

/// An operation that changes the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// [`Disk::create`].
    Create,
    /// [`Disk::rename`].
    Rename,
    /// [`Disk::remove`].
    Remove,
    /// [`Disk::sync_dir`].
    SyncDir,
    /// [`DiskFile::write_at`].
    Write,
    /// [`DiskFile::allocate`].
    Allocate,
    /// [`DiskFile::truncate`].
    Truncate,
    /// [`DiskFile::sync_data`].
    SyncData,
}

/// How a chosen operation fails. A failing write may have written a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// EIO, once.
    Io,
    /// ENOSPC, once.
    Full,
    /// The process dies in it: this and all later operations fail, until [`MemoryDisk::crash`].
    Dead,
}

/// What happens to the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process dies; the page cache lives on.
    Process,
    /// The machine loses power; the seed decides over what was not synced.
    Power {
        /// Decides.
        seed: u64,
    },
}

struct State {
    names: BTreeMap<String, u64>,
    stable_names: BTreeMap<String, u64>,
    /// Changes of names since the last `sync_dir`.
    name_changes: Vec<NameChange>,
    files: BTreeMap<u64, FileState>,
    next_file: u64,
    capacity: u64,
    calls: u64,
    plan: Option<Plan>,
    dead: bool,
}

struct Plan {
    /// Matching operations to let pass.
    after: u64,
    only: Option<Operation>,
    fault: Fault,
}

#[derive(Clone)]
enum NameChange {
    Set(String, u64),
    Rename(String, String),
    Remove(String),
}

#[derive(Clone, Default)]
struct FileState {
    shown: Content,
    stable: Content,
    /// Changes since the last sync.
    changes: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    Grow(u64),
    Truncate(u64),
}

/// Bytes of a file; those from `data.len()` to `len` are zero and take no memory.
#[derive(Clone, Default)]
struct Content {
    data: Vec<u8>,
    len: u64,
}

struct MemoryFile {
    disk: MemoryDisk,
    id: u64,
}

impl Default for MemoryDisk {
    fn default() -> MemoryDisk {
        MemoryDisk::new()
    }
}

impl MemoryDisk {
    /// An empty disk of a terabyte.
    pub fn new() -> MemoryDisk {
        MemoryDisk(Arc::new(Mutex::new(State {
            names: BTreeMap::new(),
            stable_names: BTreeMap::new(),
            name_changes: Vec::new(),
            files: BTreeMap::new(),
            next_file: 0,
            capacity: 1 << 40,
            calls: 0,
            plan: None,
            dead: false,
        })))
    }

    /// Another disk with the same content, synced and unsynced, and no fault planned.
    pub fn fork(&self) -> MemoryDisk {
        let state = self.state();
        MemoryDisk(Arc::new(Mutex::new(State {
            names: state.names.clone(),
            stable_names: state.stable_names.clone(),
            name_changes: state.name_changes.clone(),
            files: state.files.clone(),
            next_file: state.next_file,
            capacity: state.capacity,
            calls: 0,
            plan: None,
            dead: false,
        })))
    }

    /// Lets `after` operations that change the disk pass, of all or of `only` one kind, then fails one.
    pub fn fail_after(&self, after: u64, only: Option<Operation>, fault: Fault) {
        self.state().plan = Some(Plan { after, only, fault });
    }

    /// Plans no fault any more.
    pub fn heal(&self) {
        self.state().plan = None;
    }

    /// How many operations that change the disk there have been.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// The size of the disk from now on. Smaller than what is used means that it is full.
    pub fn set_capacity(&self, bytes: u64) {
        self.state().capacity = bytes;
    }

    /// Bytes in use.
    pub fn used(&self) -> u64 {
        self.state().used()
    }

    /// Ends a life of the node: open files are of no use any more, no fault is planned, and what is left is
    /// what `crash` leaves.
    pub fn crash(&self, crash: Crash) {
        let mut state = self.state();
        state.plan = None;
        state.dead = false;
        let Crash::Power { seed } = crash else { return };
        let mut random = Random::new(seed);
        let kept = random.below(state.name_changes.len() as u64 + 1) as usize;
        let changes = std::mem::take(&mut state.name_changes);
        let mut names = std::mem::take(&mut state.stable_names);
        changes[..kept].iter().for_each(|change| change.apply(&mut names));
        state.names.clone_from(&names);
        let alive: Vec<u64> = names.values().copied().collect();
        state.stable_names = names;
        state.files.retain(|id, _| alive.contains(id));
        for file in state.files.values_mut() {
            file.lose_power(&mut random);
        }
    }

    /// The content of a file as the process sees it.
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        let file = state.files.get(state.names.get(name)?)?;
        let mut bytes = file.shown.data.clone();
        bytes.resize(file.shown.len as usize, 0);
        Some(bytes)
    }

    /// Replaces the content of a file, making it if need be: on stable storage at once, behind the back of
    /// whoever has it open. For damage and for fixtures.
    pub fn put(&self, name: &str, content: Vec<u8>) {
        let mut state = self.state();
        let next = state.next_file;
        let id = *state.names.entry(name.to_owned()).or_insert(next);
        state.next_file = next.max(id + 1);
        state.stable_names.insert(name.to_owned(), id);
        let content = Content { len: content.len() as u64, data: content };
        let file = FileState { shown: content.clone(), stable: content, changes: Vec::new() };
        state.files.insert(id, file);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|poison| poison.into_inner())
    }
}

impl State {
    fn used(&self) -> u64 {
        self.names.values().filter_map(|id| self.files.get(id)).map(|file| file.shown.len).sum()
    }

    /// Counts an operation and tells whether it is to fail.
    fn enter(&mut self, operation: Operation) -> Result<(), Fault> {
        self.calls += 1;
        if self.dead {
            return Err(Fault::Dead);
        }
        let Some(plan) = &mut self.plan else { return Ok(()) };
        if plan.only.is_some_and(|only| only != operation) {
            return Ok(());
        }
        if plan.after > 0 {
            plan.after -= 1;
            return Ok(());
        }
        let fault = plan.fault;
        self.plan = None;
        self.dead = fault == Fault::Dead;
        Err(fault)
    }

    fn file(&mut self, id: u64) -> io::Result<&mut FileState> {
        self.files.get_mut(&id).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    /// Whether a file may grow to `len`.
    fn has_room(&mut self, id: u64, len: u64) -> io::Result<()> {
        let more = len.saturating_sub(self.file(id)?.shown.len);
        if more > 0 && self.used() + more > self.capacity {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn change_names(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.name_changes.push(change);
    }
}

impl Fault {
    fn error(self) -> io::Error {
        match self {
            Fault::Io | Fault::Dead => io::Error::other("planned fault"),
            Fault::Full => io::ErrorKind::StorageFull.into(),
        }
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            NameChange::Set(name, id) => {
                names.insert(name.clone(), *id);
            }
            NameChange::Rename(from, to) => {
                if let Some(id) = names.remove(from) {
                    names.insert(to.clone(), id);
                }
            }
            NameChange::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

impl FileState {
    fn change(&mut self, change: Change) {
        self.shown.apply(&change);
        self.changes.push(change);
    }

    fn lose_power(&mut self, random: &mut Random) {
        // Nothing, everything and something in between are all worth seeing often.
        let (keep, of) = [(0, 1), (1, 1), (1, 2), (7, 8)][random.below(4) as usize];
        for change in std::mem::take(&mut self.changes) {
            match change {
                Change::Write { offset, bytes } => {
                    let mut done = 0;
                    while done < bytes.len() {
                        let at = offset + done as u64;
                        let sector = ((SECTOR - at % SECTOR) as usize).min(bytes.len() - done);
                        if random.chance(keep, of) {
                            let torn = keep < of && random.chance(1, 8);
                            let len = if torn { random.below(sector as u64) as usize } else { sector };
                            self.stable.write(at, &bytes[done..done + len]);
                        }
                        done += sector;
                    }
                }
                Change::Grow(_) | Change::Truncate(_) if !random.chance(keep, of) => {}
                Change::Grow(_) | Change::Truncate(_) => self.stable.apply(&change),
            }
        }
        self.shown = self.stable.clone();
    }
}

impl Content {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::Write { offset, bytes } => self.write(*offset, bytes),
            Change::Grow(len) => self.len = self.len.max(*len),
            Change::Truncate(len) => {
                self.data.truncate(*len as usize);
                self.len = *len;
            }
        }
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) {
        let (from, until) = (offset as usize, offset as usize + bytes.len());
        if self.data.len() < until {
            self.data.resize(until, 0);
        }
        self.data[from..until].copy_from_slice(bytes);
        self.len = self.len.max(until as u64);
    }
}

impl Disk for MemoryDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.state().names.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let id = *self.state().names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(MemoryFile { disk: self.clone(), id }))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        state.enter(Operation::Create).map_err(Fault::error)?;
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let id = state.next_file;
        state.next_file += 1;
        state.files.insert(id, FileState::default());
        state.change_names(NameChange::Set(name.to_owned(), id));
        Ok(Arc::new(MemoryFile { disk: self.clone(), id }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.enter(Operation::Rename).map_err(Fault::error)?;
        if !state.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_names(NameChange::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.enter(Operation::Remove).map_err(Fault::error)?;
        if !state.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_names(NameChange::Remove(name.to_owned()));
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.state();
        state.enter(Operation::SyncDir).map_err(Fault::error)?;
        state.name_changes.clear();
        state.stable_names = state.names.clone();
        Ok(())
    }

    fn space(&self) -> io::Result<Space> {
        let state = self.state();
        Ok(Space { free: state.capacity.saturating_sub(state.used()), total: state.capacity })
    }
}

impl DiskFile for MemoryFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut state = self.disk.state();
        let shown = &state.file(self.id)?.shown;
        let count = shown.len.saturating_sub(offset).min(into.len() as u64) as usize;
        let from = shown.data.len().min(offset as usize);
        let stored = count.min(shown.data.len() - from);
        into[..stored].copy_from_slice(&shown.data[from..from + stored]);
        into[stored..count].fill(0);
        Ok(count)
    }

    fn data_end(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        let shown = &state.file(self.id)?.shown;
        Ok(shown.len.min(shown.data.len() as u64))
    }

    fn write_at(&self, offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
        let mut bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        let mut state = self.disk.state();
        let was_dead = state.dead;
        let entered = state.enter(Operation::Write);
        if let Err(fault) = entered {
            // How much of a failing write happens differs from call to call, but not from run to run.
            let part = Random::new(state.calls).below(bytes.len() as u64 + 1);
            bytes.truncate(part as usize);
            let happens = part > 0 && !was_dead && state.has_room(self.id, offset + part).is_ok();
            if happens {
                state.file(self.id)?.change(Change::Write { offset, bytes });
            }
            return Err(fault.error());
        }
        state.has_room(self.id, offset + bytes.len() as u64)?;
        state.file(self.id)?.change(Change::Write { offset, bytes });
        Ok(())
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.enter(Operation::Allocate).map_err(Fault::error)?;
        state.has_room(self.id, len)?;
        state.file(self.id)?.change(Change::Grow(len));
        Ok(())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.enter(Operation::Truncate).map_err(Fault::error)?;
        state.has_room(self.id, len)?;
        state.file(self.id)?.change(Change::Truncate(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let entered = state.enter(Operation::SyncData);
        let file = state.file(self.id)?;
        match entered {
            Ok(()) => {
                for change in std::mem::take(&mut file.changes) {
                    file.stable.apply(&change);
                }
                Ok(())
            }
            Err(fault) => {
                if fault == Fault::Io {
                    file.changes.clear();
                }
                Err(fault.error())
            }
        }
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().file(self.id)?.shown.len)
    }
}
