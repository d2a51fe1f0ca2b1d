//! Writing: frames go to the active segment, a spare segment waits ahead of it, syncs happen on the side.
//!
//! ```text
//!   worker threads, under the caller's mutex          disk thread
//!   Log::reserve ─▶ Log::append ─▶ written            SyncHandle::sync ─▶ synced
//!                        │ segment full                SyncHandle::maintain ─▶ spare
//!                        └──▶ spare becomes active     SyncHandle::mark_durable ─▶ watermark
//! ```
//!
//! Invariants: `synced <= written`; bytes below `written` lie in the active segment or in one of `retired`
//! until a sync has covered them; room for `headroom()` bytes, and for the ballast of [`crate::room`] beside them
//! unless the disk had none, is allocated on the disk; after a failed write or sync nothing is written any more.
//! Does not know: what a frame says, when to sync.

use std::io::IoSlice;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::disk::{self, Disk, DiskFile};
use crate::frame::{ALIGN, FrameHeader, HEADER_LEN, PAYLOAD_MAX, Salt, frame_len};
use crate::room::{self, Purpose};
use crate::segment::{SEGMENT_HEADER, SegmentHeader, segment_name};
use crate::watermark::{CLOSED, Mark, WatermarkFile};
use crate::{FolderLevel, LogError, LogOptions, Position, Space};

/// A segment that saw this many syncs is worth filling its successor with zeros: a sync over written blocks
/// costs about 90 µs where one over merely allocated blocks costs 140 µs (ext4), filling 64 MiB costs 100 ms.
const FILL_AFTER_SYNCS: u64 = 2048;
/// Bytes of zeros in one call of [`SyncHandle::maintain`], so that a sync never waits long behind them.
const FILL_BYTES: u64 = 256 << 10;
/// Segments are not made smaller than this, however little room there is.
const SEGMENT_BYTES_MIN: u64 = 64 << 10;
/// Nor larger than this, out of the reserve, than is asked for.
const SEGMENT_BYTES_SHORT: u64 = 1 << 20;

/// The node's log, open for writing. Callers share it under a mutex; whoever syncs holds a [`SyncHandle`].
pub struct Log {
    shared: Arc<Shared>,
    file: Arc<dyn DiskFile>,
    seq: u64,
    /// Where in the file the next frame goes.
    offset: u64,
    /// The allocated length of the file.
    capacity: u64,
    end: Position,
}

/// The side of the log that waits for the disk. Clones may be used from any thread.
#[derive(Clone)]
pub struct SyncHandle(Arc<Shared>);

pub(crate) struct Shared {
    disk: Arc<dyn Disk>,
    options: LogOptions,
    salt: Salt,
    written: AtomicU64,
    synced: AtomicU64,
    poisoned: AtomicBool,
    /// Nothing that was ever written is missing, or whoever uses the log says that it does not matter any more.
    certain: AtomicBool,
    /// Bytes of frames that the spare segment takes; zero if there is none.
    spare_room: AtomicU64,
    /// The log has taken of the reserve: what is allocated is for those who make room.
    is_short: AtomicBool,
    /// Room for writes was asked for in vain since [`SyncHandle::take_refused`] was asked.
    was_refused: AtomicBool,
    files: Mutex<Files>,
    watermark: Mutex<WatermarkFile>,
}

/// Which files there are. Locked for a rotation, a sync and upkeep, never for an append.
pub(crate) struct Files {
    pub(crate) active: OpenSegment,
    /// Segments that were active and that no sync has covered yet.
    pub(crate) retired: Vec<OpenSegment>,
    pub(crate) spare: Option<Spare>,
    /// Number and base of every segment in use, oldest first; the last is the active one.
    pub(crate) segments: Vec<(u64, Position)>,
    /// Syncs since the active segment became so.
    pub(crate) syncs: u64,
}

#[derive(Clone)]
pub(crate) struct OpenSegment {
    pub(crate) seq: u64,
    pub(crate) file: Arc<dyn DiskFile>,
}

pub(crate) struct Spare {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) len: u64,
    /// Up to where it was filled with written zeros.
    pub(crate) filled: u64,
}

/// Where writing begins, as found or made by recovery.
pub(crate) struct Tail {
    pub(crate) files: Files,
    pub(crate) offset: u64,
    pub(crate) capacity: u64,
    pub(crate) end: Position,
    /// See [`Shared`].
    pub(crate) certain: bool,
}

impl Log {
    /// Says in the folder at which level it is from now on, before anything that needs that level is appended.
    pub fn keep_level(&self, level: &FolderLevel) -> Result<(), LogError> {
        level.save(&*self.shared.disk)
    }

    /// A log that goes on at `tail`, everything before which is synced.
    pub(crate) fn at(disk: Arc<dyn Disk>, options: LogOptions, watermark: WatermarkFile, tail: Tail) -> Log {
        let Tail { files, offset, capacity, end, certain } = tail;
        let OpenSegment { seq, file } = files.active.clone();
        let spare_room = files.spare.as_ref().map_or(0, Spare::room);
        // What the last run allocated may be all that there is.
        let is_short = disk.space().is_ok_and(|space| space.free < room::reserve(&options, space));
        let shared = Arc::new(Shared {
            disk,
            salt: Salt::new(options.salt),
            options,
            written: AtomicU64::new(end.0),
            synced: AtomicU64::new(end.0),
            poisoned: AtomicBool::new(false),
            certain: AtomicBool::new(certain),
            spare_room: AtomicU64::new(spare_room),
            is_short: AtomicBool::new(is_short),
            was_refused: AtomicBool::new(false),
            files: Mutex::new(files),
            watermark: Mutex::new(watermark),
        });
        Log { shared, file, seq, offset, capacity, end }
    }

    /// The end of the log: the position after the last frame.
    pub fn position(&self) -> Position {
        self.end
    }

    /// A handle for the thread that syncs.
    pub fn sync_handle(&self) -> SyncHandle {
        SyncHandle(Arc::clone(&self.shared))
    }

    /// Bytes of frames, however cut, that can be appended now without finding the disk full. A frame is its
    /// payload and up to [`Log::FRAME_OVERHEAD`] bytes. Zero once the log has taken of the reserve.
    pub fn headroom(&self) -> u64 {
        if self.shared.is_short.load(Ordering::Acquire) { 0 } else { self.headroom_to_delete() }
    }

    /// The same for who makes room.
    pub fn headroom_to_delete(&self) -> u64 {
        let allocated = self.room().max(self.shared.spare_room.load(Ordering::Acquire));
        allocated.saturating_sub(room::ballast(&self.shared.options))
    }

    /// The most that a frame takes beyond its payload.
    pub const FRAME_OVERHEAD: u64 = HEADER_LEN as u64 + ALIGN - 1;

    /// Sees to it that `headroom()` is at least `bytes`, allocating if need be. To be asked before anything
    /// is applied: on [`LogError::Full`] refuse the writes and ask again with the next ones. With several
    /// threads that append, `bytes` is the sum of what all of them may append before asking again.
    pub fn reserve(&mut self, bytes: u64) -> Result<(), LogError> {
        self.shared.check()?;
        if self.headroom() >= bytes {
            return Ok(());
        }
        let reserved = self.reserve_for(Purpose::Writes, bytes);
        if reserved.as_ref().is_err_and(LogError::is_full) {
            self.shared.was_refused.store(true, Ordering::Release);
        }
        reserved
    }

    /// Sees to it that `headroom_to_delete()` is at least `bytes`, be it out of the reserve.
    pub fn reserve_to_delete(&mut self, bytes: u64) -> Result<(), LogError> {
        self.shared.check()?;
        if self.headroom_to_delete() >= bytes {
            return Ok(());
        }
        self.reserve_for(Purpose::Deletes, bytes)
    }

    fn reserve_for(&mut self, purpose: Purpose, bytes: u64) -> Result<(), LogError> {
        if purpose == Purpose::Writes {
            self.shared.give_reserve_back(bytes)?;
        }
        if self.headroom_to_delete() >= bytes {
            return Ok(());
        }
        let mut files = self.shared.files();
        let bytes = bytes.saturating_add(room::ballast(&self.shared.options));
        self.shared.grow_spare(&mut files, bytes, purpose)
    }

    /// Appends `payload` as one frame with one write and returns the position after it: the frame is on
    /// stable storage once [`SyncHandle::sync`] has returned that position or a later one. It survives the
    /// death of the process, though not of the machine, as soon as this returns.
    ///
    /// What was not asked for by [`Log::reserve`] may take all that is left of the disk: whoever appends has applied it.
    /// [`LogError::Full`] and [`LogError::TooLarge`] leave the log as it was; any other error ends it.
    pub fn append(&mut self, payload: &[u8]) -> Result<Position, LogError> {
        self.shared.check()?;
        let len = payload.len() as u64;
        if len > PAYLOAD_MAX {
            return Err(LogError::TooLarge { len, limit: PAYLOAD_MAX });
        }
        let size = frame_len(len);
        if self.room() < size {
            self.rotate(size, self.end)?;
        }
        let header = FrameHeader {
            position: self.end,
            synced: Position(self.shared.synced.load(Ordering::Acquire)),
            len: u32::try_from(len).expect("the payload is below 4 GiB"),
            payload_crc: base::checksum(payload),
        };
        let header = header.encode(self.shared.salt);
        let padding = size as usize - HEADER_LEN - payload.len();
        let parts = [IoSlice::new(&header), IoSlice::new(payload), IoSlice::new(&[0; 7][..padding])];
        if let Err(source) = self.file.write_at(self.offset, &parts) {
            let file = segment_name(self.seq);
            return Err(self.shared.poison(LogError::WriteFailed { file, offset: self.offset, source }));
        }
        self.offset += size;
        self.end = Position(self.end.0 + size);
        self.shared.written.store(self.end.0, Ordering::Release);
        Ok(self.end)
    }

    fn room(&self) -> u64 {
        self.capacity.saturating_sub(self.offset)
    }

    /// Makes the spare segment the active one. Its first frame, of `size` bytes, will be at `base`, which
    /// is beyond the end only after a cut that lost synced bytes.
    pub(crate) fn rotate(&mut self, size: u64, base: Position) -> Result<(), LogError> {
        let shared = Arc::clone(&self.shared);
        let mut files = shared.files();
        match shared.grow_spare(&mut files, size, Purpose::Writes) {
            Err(error) if error.is_full() => shared.grow_spare(&mut files, size, Purpose::Must)?,
            grown => grown?,
        }
        let spare = files.spare.take().expect("a spare was just seen to");
        shared.spare_room.store(0, Ordering::Release);
        let seq = self.seq + 1;
        let header = SegmentHeader {
            seq,
            base,
            previous_end: self.end,
            synced: Position(shared.synced.load(Ordering::Acquire)),
        };
        if let Err(source) = spare.file.write_at(0, &[IoSlice::new(&header.encode(shared.salt))]) {
            return Err(shared.poison(LogError::WriteFailed { file: segment_name(seq), offset: 0, source }));
        }
        let active = OpenSegment { seq, file: Arc::clone(&spare.file) };
        let retired = std::mem::replace(&mut files.active, active);
        files.retired.push(retired);
        files.segments.push((seq, base));
        files.syncs = 0;
        self.file = spare.file;
        self.seq = seq;
        self.offset = SEGMENT_HEADER as u64;
        self.capacity = spare.len;
        self.end = base;
        shared.written.store(base.0, Ordering::Release);
        Ok(())
    }
}

impl SyncHandle {
    /// Puts everything that was appended before the call on stable storage, over as many segments as that
    /// takes, and returns up to where the log is synced. Costs nothing if nothing is new.
    pub fn sync(&self) -> Result<Position, LogError> {
        let shared = &*self.0;
        shared.check()?;
        let (mut segments, target) = {
            let files = shared.files();
            let target = shared.written.load(Ordering::Acquire);
            if target == shared.synced.load(Ordering::Acquire) && files.retired.is_empty() {
                return Ok(Position(target));
            }
            // The clone of the active segment is taken under the same lock as the target, so a rotation
            // cannot slip in between and leave a segment out.
            let mut segments = files.retired.clone();
            #[cfg(narf_plant)]
            if base::plant::is(base::plant::Plant::LostTail) {
                segments.clear();
            }
            segments.push(files.active.clone());
            (segments, target)
        };
        for segment in &segments {
            if let Err(source) = segment.file.sync_data() {
                let file = segment_name(segment.seq);
                self.mark_doubt();
                return Err(shared.poison(LogError::SyncFailed { file, source }));
            }
        }
        // The active one may have been retired meanwhile, with more bytes in it than were synced.
        segments.pop();
        let mut files = shared.files();
        files.retired.retain(|segment| segments.iter().all(|synced| synced.seq != segment.seq));
        files.syncs += 1;
        // Two threads may sync at once: the mark only moves forward.
        shared.synced.fetch_max(target, Ordering::AcqRel);
        Ok(Position(shared.synced.load(Ordering::Acquire)))
    }

    /// Up to where the log is synced.
    pub fn synced(&self) -> Position {
        Position(self.0.synced.load(Ordering::Acquire))
    }

    /// The end of the log.
    pub fn written(&self) -> Position {
        Position(self.0.written.load(Ordering::Acquire))
    }

    /// Writes down up to where the log is synced, so that a restart can tell a torn tail from lost bytes.
    /// About once a second and before a clean end; costs one small sync, nothing if nothing is new.
    pub fn mark_durable(&self) -> Result<(), LogError> {
        let shared = &*self.0;
        shared.check()?;
        let mut watermark = shared.watermark.lock().unwrap_or_else(|poison| poison.into_inner());
        let start = watermark.last().map_or(Position(0), |mark| mark.start);
        let mark = Mark { position: self.synced(), start, boot_id: shared.boot_id() };
        watermark.save(mark).map_err(|error| shared.poison(error))
    }

    /// Says that what a start found missing, if it did, does not matter any more: the next start is told that all is
    /// there, unless the machine loses its power.
    pub fn mark_certain(&self) -> Result<(), LogError> {
        self.0.certain.store(true, Ordering::Release);
        self.mark_durable()
    }

    /// The log is closed in order: once all of it is synced, the next start is told that nothing can be missing, whatever
    /// becomes of the machine until then. Nothing may be appended any more.
    pub fn mark_closed(&self) -> Result<(), LogError> {
        let shared = &*self.0;
        shared.check()?;
        if !shared.certain.load(Ordering::Acquire) || self.synced() != self.written() {
            return Ok(());
        }
        let mut watermark = shared.watermark.lock().unwrap_or_else(|poison| poison.into_inner());
        let start = watermark.last().map_or(Position(0), |mark| mark.start);
        let mark = Mark { position: self.synced(), start, boot_id: CLOSED };
        watermark.save(mark).map_err(|error| shared.poison(error))
    }

    /// The kernel may have dropped what it could not write, and says so only once: the next start must not take the page
    /// cache for whole. If this cannot be written either, the next start finds a log that it can judge by itself only.
    fn mark_doubt(&self) {
        let shared = &*self.0;
        shared.certain.store(false, Ordering::Release);
        let mut watermark = shared.watermark.lock().unwrap_or_else(|poison| poison.into_inner());
        if let Some(last) = watermark.last() {
            let _ = watermark.save(Mark { boot_id: [0; 16], ..last });
        }
    }

    /// Writes down that nothing before `start` is needed.
    fn mark_start(&self, start: Position) -> Result<(), LogError> {
        let shared = &*self.0;
        let mut watermark = shared.watermark.lock().unwrap_or_else(|poison| poison.into_inner());
        let start = watermark.last().map_or(start, |mark| mark.start.max(start));
        let mark = Mark { position: self.synced(), start, boot_id: shared.boot_id() };
        watermark.save(mark).map_err(|error| shared.poison(error))
    }

    /// Does one piece of upkeep: makes the spare segment, or fills a piece of it if syncs are frequent. True
    /// if there is more to do. To be called after each sync; [`LogError::Full`] is no fault, the call tries
    /// again the next time.
    pub fn maintain(&self) -> Result<bool, LogError> {
        let shared = &*self.0;
        shared.check()?;
        let mut files = shared.files();
        if files.spare.is_none() {
            // The ballast of what becomes active then is this one's.
            shared.grow_spare(&mut files, room::ballast(&shared.options), Purpose::Writes)?;
            return Ok(true);
        }
        let busy = files.syncs >= FILL_AFTER_SYNCS;
        let seq = files.active.seq + 1;
        let Some(spare) = files.spare.as_mut().filter(|spare| busy && spare.filled < spare.len) else {
            return Ok(false);
        };
        let zeros = vec![0; FILL_BYTES.min(spare.len - spare.filled) as usize];
        // Under the lock, for the spare must not become active while zeros go to it.
        spare.file.write_at(spare.filled, &[IoSlice::new(&zeros)]).map_err(|source| {
            let file = segment_name(seq);
            shared.poison(LogError::WriteFailed { file, offset: spare.filled, source })
        })?;
        spare.filled += zeros.len() as u64;
        let (file, more) = (Arc::clone(&spare.file), spare.filled < spare.len);
        drop(files);
        file.sync_data()
            .map_err(|source| shared.poison(LogError::SyncFailed { file: segment_name(seq), source }))?;
        Ok(more)
    }

    /// Removes the segments that lie wholly before `position` and are synced; the active one stays. Returns
    /// how many went. A crash at any point, and any order in which the removals reach the disk, leaves a log
    /// that opens with `needed_from` at `position`, or at [`retained_from`](crate::retained_from).
    pub fn cut_before(&self, position: Position) -> Result<usize, LogError> {
        let shared = &*self.0;
        shared.check()?;
        let limit = position.min(self.synced());
        let behind: Vec<u64> = {
            let files = shared.files();
            let pairs = files.segments.windows(2);
            pairs.take_while(|pair| pair[1].1 <= limit).map(|pair| pair[0].0).collect()
        };
        if !behind.is_empty() {
            self.mark_start(limit)?;
        }
        for seq in &behind {
            let name = segment_name(*seq);
            match shared.disk.remove(&name) {
                // A cut that failed half-way is tried again from its start.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                other => other.map_err(LogError::io("remove", name))?,
            }
        }
        if !behind.is_empty() {
            shared.disk.sync_dir().map_err(LogError::io("sync the folder of", "the log"))?;
            shared.files().segments.retain(|(seq, _)| !behind.contains(seq));
        }
        Ok(behind.len())
    }

    /// The position of the oldest frame that is still there.
    pub fn start(&self) -> Position {
        let files = self.0.files();
        files.segments.first().map_or(Position(0), |&(_, base)| base)
    }

    /// Whether somebody asked for room for writes in vain since this was asked last.
    pub fn take_refused(&self) -> bool {
        self.0.was_refused.swap(false, Ordering::AcqRel)
    }

    /// The room on the log's disk.
    pub fn space(&self) -> Result<Space, LogError> {
        self.0.space()
    }

    /// Bytes that a round of checkpoints is to leave free which begins now.
    pub fn kept_by_checkpoints(&self) -> Result<u64, LogError> {
        Ok(room::kept_by_checkpoints(&self.0.options, self.0.space()?))
    }

    /// Bytes that writes leave free.
    pub fn reserved(&self) -> Result<u64, LogError> {
        Ok(room::reserve(&self.0.options, self.0.space()?))
    }

    /// Whether a write or sync has failed, after which nothing is written any more.
    pub fn is_poisoned(&self) -> bool {
        self.0.poisoned.load(Ordering::Acquire)
    }
}

impl Shared {
    /// What a mark says of the boot: nothing while something may be missing.
    fn boot_id(&self) -> [u8; 16] {
        if self.certain.load(Ordering::Acquire) { self.options.boot_id } else { [0; 16] }
    }

    fn check(&self) -> Result<(), LogError> {
        if self.poisoned.load(Ordering::Acquire) { Err(LogError::Poisoned) } else { Ok(()) }
    }

    #[cold]
    fn poison(&self, error: LogError) -> LogError {
        self.poisoned.store(true, Ordering::Release);
        error
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        // A panic elsewhere leaves the lists whole: each change to them is a single assignment or push.
        self.files.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    fn space(&self) -> Result<Space, LogError> {
        self.disk.space().map_err(LogError::io("ask the free space of", "the data folder"))
    }

    /// What was taken of the reserve is given back once the disk has that much again: `bytes` more are wanted.
    fn give_reserve_back(&self, bytes: u64) -> Result<(), LogError> {
        if !self.is_short.load(Ordering::Acquire) {
            return Ok(());
        }
        let space = self.space()?;
        let kept = room::reserve(&self.options, space);
        if space.free < kept {
            return Err(LogError::Full { needed: bytes, free: space.free, kept });
        }
        self.is_short.store(false, Ordering::Release);
        Ok(())
    }

    /// Makes the spare, or makes it larger, until it takes `bytes` of frames.
    fn grow_spare(&self, files: &mut Files, bytes: u64, purpose: Purpose) -> Result<(), LogError> {
        let room = files.spare.as_ref().map_or(0, Spare::room);
        if files.spare.is_some() && room >= bytes {
            return Ok(());
        }
        let seq = files.active.seq + 1;
        let grown = grow_spare(&*self.disk, &self.options, seq, files.spare.take(), bytes, purpose);
        if purpose != Purpose::Writes && grown.is_ok() {
            let is_short =
                self.disk.space().is_ok_and(|space| space.free < room::reserve(&self.options, space));
            self.is_short.fetch_or(is_short, Ordering::AcqRel);
        }
        match grown {
            Ok(spare) => {
                self.spare_room.store(spare.room(), Ordering::Release);
                files.spare = Some(spare);
                Ok(())
            }
            Err((spare, error)) => {
                self.spare_room.store(spare.as_ref().map_or(0, Spare::room), Ordering::Release);
                files.spare = spare;
                Err(if error.is_full() { error } else { self.poison(error) })
            }
        }
    }
}

impl Spare {
    pub(crate) fn room(&self) -> u64 {
        self.len.saturating_sub(SEGMENT_HEADER as u64)
    }
}

/// Makes the spare segment `seq` out of nothing or out of a smaller one. A failure gives back what there was.
pub(crate) fn grow_spare(
    disk: &dyn Disk,
    options: &LogOptions,
    seq: u64,
    spare: Option<Spare>,
    bytes: u64,
    purpose: Purpose,
) -> Result<Spare, (Option<Spare>, LogError)> {
    let name = segment_name(seq);
    let has = spare.as_ref().map_or(0, |spare| spare.len);
    let space = match disk.space() {
        Ok(space) => space,
        Err(error) => return Err((spare, LogError::io("ask the free space for", name)(error))),
    };
    let kept = room::kept(options, space, purpose);
    let usable = space.free.saturating_sub(kept);
    let least =
        (SEGMENT_HEADER as u64).saturating_add(bytes).max(SEGMENT_BYTES_MIN.min(options.segment_bytes));
    // With little room left the segments shrink, so that the log does not take it all at once.
    let wanted = match purpose {
        Purpose::Writes => options.segment_bytes.min(usable / 4),
        Purpose::Deletes => options.segment_bytes.min(usable / 4).min(SEGMENT_BYTES_SHORT),
        Purpose::Must => 0,
    };
    let len = wanted.max(least).next_multiple_of(4096);
    let needed = len.saturating_sub(has);
    let full = LogError::Full { needed, free: space.free, kept };
    if needed > usable {
        return Err((spare, full));
    }
    let (file, filled) = match &spare {
        Some(spare) => (Arc::clone(&spare.file), spare.filled),
        None => match disk::create_or_open(disk, &name) {
            Ok(file) => (file, 0),
            Err(error) if disk::is_full(&error) => return Err((None, full)),
            Err(error) => return Err((None, LogError::io("create", name)(error))),
        },
    };
    if let Err(error) = file.allocate(len) {
        let no_room = disk::is_full(&error);
        // Give back what was got; the length is what it was before. A failure here costs only space.
        let _ = file.truncate(has);
        return Err((spare, if no_room { full } else { LogError::io("allocate", name)(error) }));
    }
    if spare.is_none()
        && let Err(error) = disk.sync_dir()
    {
        return Err((None, LogError::io("sync the folder of", name)(error)));
    }
    Ok(Spare { file, len, filled })
}
