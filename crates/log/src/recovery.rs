//! Opening: read every frame, find where the log ends, and judge why it ends there.
//!
//! ```text
//!   frames read ──▶ first place F that holds no whole frame of this position ──▶ anything of ours behind F?
//!     no:  the end, or a torn tail ─────────────────────────────▶ cut at F
//!     yes: same boot (the page cache kept all), or a header behind F says that F was synced
//!                                  ─────────────────────────────▶ damage in the middle: refuse
//!          neither: the machine lost power and the disk kept a later block but not an earlier one,
//!          none of them synced  ────────────────────────────────▶ cut at F
//!   in every case: F below what is known as synced (watermark, checkpoints) ──▶ promised bytes are lost: refuse
//!                  no watermark, yet anything behind F ──▶ nobody knows what was promised: refuse
//! ```
//!
//! Invariants: a refusal has changed nothing. After opening, everything that was found is synced, what is
//! behind the end reads as zero on the disk (or a cut frame could come back to life when a new one ends
//! where it began), and the watermark says so, in this order.
//! Does not know: what frames say.

mod reader;

use std::io::IoSlice;
use std::sync::Arc;

use self::reader::{Reader, Rest};
use crate::disk::{self, Disk, DiskFile};
use crate::error::WAY_OUT_LOG;
use crate::frame::{FrameHeader, HEADER_LEN, Salt};
use crate::room::Purpose;
use crate::segment::{Head, SEGMENT_HEADER, SegmentHeader, segment_name, segment_seq};
use crate::watermark::{CLOSED, Mark, WatermarkFile};
use crate::writer::{Files, Log, OpenSegment, Spare, Tail, grow_spare};
use crate::{LogError, LogOptions, OnDamage, Position};

/// What opening found and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The position of the first frame that is still there.
    pub start: Position,
    /// Where the log ends now.
    pub end: Position,
    /// How many frames were read.
    pub frames: u64,
    /// The tail that was cut, if there was one: bytes of which no sync was known.
    pub cut: Option<Cut>,
    /// Synced bytes that are gone, from where to where; only with [`OnDamage::Cut`]. Positions in between
    /// are never used again.
    pub lost: Option<(Position, Position)>,
    /// Whether the machine has not been restarted since the log was last open, or the log was closed in order: then nothing
    /// that was written can be missing.
    pub same_boot: bool,
    /// Whether bytes that were written may be missing at the end: the machine, or its disk, has failed since. It stays
    /// so at later starts until [`SyncHandle::mark_certain`](crate::SyncHandle::mark_certain).
    pub is_in_doubt: bool,
    /// What the watermark said; `None` if there was none that could be read.
    pub watermark: Option<Position>,
    /// Files that were set aside; only with [`OnDamage::Cut`].
    pub set_aside: Vec<String>,
}

/// What reading found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLog {
    /// Where the log ends.
    pub end: Position,
    /// How many frames were read.
    pub frames: u64,
    /// Whether bytes that were written may be missing at the end, see [`Recovered::is_in_doubt`].
    pub is_in_doubt: bool,
    /// Whether the log was closed in order.
    pub is_closed: bool,
}

/// A tail that was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The segment in which the log ends.
    pub file: String,
    /// Where in it.
    pub offset: u64,
    /// How many bytes that were not zero, or stood before such, went.
    pub bytes: u64,
}

/// Receives each frame: the position after it, as [`Log::append`] returned it, and its payload.
type Visit<'a> = &'a mut dyn FnMut(Position, &[u8]) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
/// Receives how many bytes have been read, and of how many.
type Progress<'a> = &'a mut dyn FnMut(u64, u64);

impl Log {
    /// Opens the log in `disk`, or makes one if there is none, and hands every frame to `visit`, oldest
    /// first. Memory is bounded by the largest frame. `progress` hears of bytes read and of how many.
    ///
    /// Whoever calls with [`LogOptions::durable`] from checkpoints must have synced the log up to a
    /// checkpoint's position before finishing the checkpoint.
    pub fn open(
        disk: Arc<dyn Disk>,
        options: LogOptions,
        visit: Visit<'_>,
        progress: Progress<'_>,
    ) -> Result<(Log, Recovered), LogError> {
        let watermark = WatermarkFile::open(&*disk)?;
        let mark = watermark.as_ref().and_then(WatermarkFile::last);
        let (mut recovery, leftovers) = Recovery::begin(disk, options, mark)?;
        let (stop, rest) = recovery.read(visit, progress)?;
        recovery.finish(stop, rest, leftovers, watermark)
    }

    /// Reads the log in `disk` as [`Log::open`] would, refuses what that would refuse, and changes nothing. The disk may
    /// be one that takes no writes.
    pub fn read(
        disk: Arc<dyn Disk>,
        options: LogOptions,
        visit: Visit<'_>,
        progress: Progress<'_>,
    ) -> Result<ReadLog, LogError> {
        let mark = WatermarkFile::open(&*disk)?.as_ref().and_then(WatermarkFile::last);
        let (mut recovery, _) = Recovery::begin(disk, options, mark)?;
        let (stop, _) = recovery.read(visit, progress)?;
        Ok(ReadLog {
            end: stop.position,
            frames: recovery.frames,
            is_in_doubt: !recovery.is_certain(),
            is_closed: mark.is_some_and(|mark| mark.boot_id == CLOSED),
        })
    }
}

struct Recovery {
    disk: Arc<dyn Disk>,
    options: LogOptions,
    salt: Salt,
    same_boot: bool,
    /// Up to where the log is known to have been synced.
    durable: Position,
    watermark_is_gone: bool,
    found: Vec<Found>,
    frames: u64,
    set_aside: Vec<String>,
}

/// A segment file.
struct Found {
    seq: u64,
    name: String,
    file: Arc<dyn DiskFile>,
    len: u64,
    /// From here on there are only zeros.
    data_end: u64,
    head: Head,
}

/// The place that holds no whole frame of its position.
struct Stop {
    /// Which of `found`.
    index: usize,
    offset: u64,
    position: Position,
}

/// What stands behind the stop.
struct Behind {
    /// A header of ours, in the first segment or a later one.
    first: Option<(usize, u64)>,
    /// The greatest sync position that any of them tells.
    synced: Position,
    /// Bytes from the stop to the last one that is not zero.
    bytes: u64,
    /// Whether the segment after the stop is all zeros.
    next_is_blank: bool,
}

fn damaged(file: String, what: &'static str) -> LogError {
    LogError::Damaged { file, offset: 0, what, way_out: WAY_OUT_LOG }
}

/// The segments to be read, and those that retention left behind.
fn find_segments(disk: &dyn Disk, options: &LogOptions) -> Result<(Vec<Found>, Vec<String>), LogError> {
    let names = disk.list().map_err(LogError::io("list", "the data folder"))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment_seq(name)).collect();
    numbers.sort_unstable();
    let salt = Salt::new(options.salt);
    let mut found = Vec::with_capacity(numbers.len());
    for seq in numbers {
        let name = segment_name(seq);
        let file = disk.open(&name).map_err(LogError::io("open", name.as_str()))?;
        let len = file.len().map_err(LogError::io("measure", name.as_str()))?;
        // Asked before anything is read: reading turns what is merely allocated into pages that look like data.
        let data_end = file.data_end().map_err(LogError::io("measure", name.as_str()))?.min(len);
        let mut bytes = [0; SEGMENT_HEADER];
        let read = disk::read_up_to(&*file, 0, &mut bytes).map_err(LogError::io("read", name.as_str()))?;
        let head = match SegmentHeader::decode(&bytes[..read], &name, seq, salt)? {
            // A spare whose allocation never reached the disk.
            Head::Bad if bytes.iter().all(|&byte| byte == 0) => Head::Blank,
            head => head,
        };
        found.push(Found { seq, name, file, len, data_end, head });
    }
    // Removals may reach the disk in any order, so the oldest segments may have gaps. They are left over if
    // those behind the last gap hold all that is needed.
    let gap = (1..found.len()).rev().find(|&i| found[i].seq != found[i - 1].seq + 1);
    let mut leftovers = Vec::new();
    if let Some(gap) = gap
        && matches!(found[gap].head, Head::Valid(head) if head.base <= options.needed_from)
    {
        leftovers = found.drain(..gap).map(|segment| segment.name).collect();
    }
    Ok((found, leftovers))
}

impl Recovery {
    /// Finds the segments; with them those that retention left behind.
    fn begin(
        disk: Arc<dyn Disk>,
        options: LogOptions,
        mark: Option<Mark>,
    ) -> Result<(Recovery, Vec<String>), LogError> {
        let (found, leftovers) = find_segments(&*disk, &options)?;
        let recovery = Recovery {
            salt: Salt::new(options.salt),
            same_boot: mark
                .is_some_and(|m| m.boot_id == CLOSED || m.boot_id == options.boot_id && m.boot_id != [0; 16]),
            durable: options.durable.max(options.needed_from).max(mark.map_or(Position(0), |m| m.position)),
            watermark_is_gone: mark.is_none(),
            frames: 0,
            set_aside: Vec::new(),
            disk,
            options,
            found,
        };
        Ok((recovery, leftovers))
    }

    /// Reads all there is, and judges where it ends.
    fn read(&mut self, visit: Visit<'_>, progress: Progress<'_>) -> Result<(Stop, Behind), LogError> {
        self.check_start()?;
        let stop = self.read_frames(visit, progress)?;
        let rest = self.examine(&stop)?;
        self.judge(&stop, &rest)?;
        Ok((stop, rest))
    }

    /// Whether nothing that was written can be missing; of a new log nothing can be.
    fn is_certain(&self) -> bool {
        self.same_boot || self.watermark_is_gone && self.frames == 0
    }

    /// Refuses a log whose beginning is gone.
    fn check_start(&self) -> Result<(), LogError> {
        let refuse = self.options.on_damage == OnDamage::Refuse;
        let Some(first) = self.found.first() else {
            // Checkpoints without a log: its end is anyone's guess.
            let gone = refuse && self.options.durable > Position(0) && self.watermark_is_gone;
            return if gone { Err(damaged(segment_name(1), "the whole log is gone")) } else { Ok(()) };
        };
        match first.head {
            Head::Valid(head) if head.base > self.options.needed_from && refuse => {
                let what =
                    "the log begins here but older parts of it are needed; a segment before it is gone";
                Err(damaged(first.name.clone(), what))
            }
            Head::Valid(_) | Head::Blank | Head::Bad => Ok(()),
        }
    }

    /// Hands out whole frames in order until there is none.
    fn read_frames(&mut self, visit: Visit<'_>, progress: Progress<'_>) -> Result<Stop, LogError> {
        let total = self.found.iter().map(|segment| segment.data_end).sum();
        let mut before = 0;
        let mut stop = Stop { index: 0, offset: 0, position: self.options.needed_from };
        for (index, segment) in self.found.iter().enumerate() {
            let Head::Valid(head) = segment.head else { break };
            if index > 0
                && (head.previous_end != stop.position || segment.seq != self.found[index - 1].seq + 1)
            {
                break;
            }
            stop = Stop { index, offset: SEGMENT_HEADER as u64, position: head.base };
            let mut reader = Reader::new(&*segment.file, segment.data_end);
            let mut told = 0;
            while let Some(header) = self.whole_frame(segment, &mut reader, &stop)? {
                let frame_len = header.frame_len();
                let frame = reader
                    .at(stop.offset, HEADER_LEN as u64 + u64::from(header.len))
                    .map_err(LogError::io("read", segment.name.as_str()))?;
                let end = Position(stop.position.0 + frame_len);
                visit(end, &frame[HEADER_LEN..]).map_err(|source| LogError::Refused {
                    file: segment.name.clone(),
                    offset: stop.offset,
                    source,
                })?;
                self.frames += 1;
                stop.offset += frame_len;
                stop.position = end;
                if stop.offset - told > reader::WINDOW {
                    told = stop.offset;
                    progress(before + told, total);
                }
            }
            before += segment.data_end;
        }
        progress(total, total);
        Ok(stop)
    }

    /// The header at `at`, if a whole frame of that position stands there.
    fn whole_frame(
        &self,
        segment: &Found,
        reader: &mut Reader<'_>,
        at: &Stop,
    ) -> Result<Option<FrameHeader>, LogError> {
        let read_error = || LogError::io("read", segment.name.as_str());
        let bytes = reader.at(at.offset, HEADER_LEN as u64).map_err(read_error())?;
        let Some(header) = FrameHeader::decode(bytes, self.salt) else { return Ok(None) };
        if header.position != at.position || header.frame_len() > segment.len - at.offset {
            return Ok(None);
        }
        let len = HEADER_LEN as u64 + u64::from(header.len);
        let frame = reader.at(at.offset, len).map_err(read_error())?;
        let whole = frame.len() as u64 == len && base::checksum(&frame[HEADER_LEN..]) == header.payload_crc;
        #[cfg(narf_plant)]
        let whole = whole || base::plant::is(base::plant::Plant::ChecksumIgnored);
        Ok(whole.then_some(header))
    }

    /// Looks at everything behind the stop.
    fn examine(&self, stop: &Stop) -> Result<Behind, LogError> {
        let mut behind = Behind { first: None, synced: Position(0), bytes: 0, next_is_blank: false };
        for (index, segment) in self.found.iter().enumerate().skip(stop.index) {
            let from = if index == stop.index { stop.offset } else { 0 };
            let base = match segment.head {
                Head::Valid(head) => {
                    if from == 0 {
                        behind.first = behind.first.or(Some((index, 0)));
                        behind.synced = behind.synced.max(head.synced);
                    }
                    Some(head.base)
                }
                Head::Blank | Head::Bad => None,
            };
            let rest: Rest = Reader::new(&*segment.file, segment.data_end)
                .search(from, base, self.salt)
                .map_err(LogError::io("read", segment.name.as_str()))?;
            if let Some(offset) = rest.first {
                behind.first = behind.first.or(Some((index, offset)));
                behind.synced = behind.synced.max(rest.synced);
            }
            behind.bytes += rest.end.saturating_sub(from);
            if index == stop.index + 1 {
                behind.next_is_blank = rest.end == 0 && segment.head == Head::Blank;
            }
        }
        Ok(behind)
    }

    /// Whether the log may end at the stop.
    fn judge(&self, stop: &Stop, behind: &Behind) -> Result<(), LogError> {
        if self.options.on_damage == OnDamage::Cut {
            return Ok(());
        }
        let file = self.found.get(stop.index).map_or_else(|| segment_name(1), |found| found.name.clone());
        if let Some(what) = self.damage(stop, behind) {
            return Err(LogError::Damaged { file, offset: stop.offset, what, way_out: WAY_OUT_LOG });
        }
        if stop.position < self.durable {
            return Err(LogError::LostPromised {
                file,
                offset: stop.offset,
                end: stop.position,
                durable: self.durable,
            });
        }
        Ok(())
    }

    /// What is wrong, if the log may not end at the stop for what stands behind it.
    fn damage(&self, stop: &Stop, behind: &Behind) -> Option<&'static str> {
        if behind.first.is_some() && (self.same_boot || behind.synced > stop.position) {
            return Some("what stands here cannot be read, though the log goes on behind it");
        }
        // No crash takes both slots of the watermark, so a disk or a person did; then nothing says that the
        // tail was never promised, nor in which boot it was written.
        if self.watermark_is_gone && behind.bytes > 0 {
            return Some(
                "what stands here cannot be read, and no log-watermark says that it was never synced",
            );
        }
        None
    }

    /// Makes the disk agree with the verdict and opens the log for writing.
    fn finish(
        mut self,
        stop: Stop,
        behind: Behind,
        leftovers: Vec<String>,
        watermark: Option<WatermarkFile>,
    ) -> Result<(Log, Recovered), LogError> {
        let broken = self.damage(&stop, &behind).is_some() || stop.position < self.durable;
        let cut = (behind.bytes > 0).then(|| Cut {
            file: self.found[stop.index].name.clone(),
            offset: stop.offset,
            bytes: behind.bytes,
        });
        let last = watermark.as_ref().and_then(WatermarkFile::last);
        let certain = self.is_certain();
        let boot_id = if certain { self.options.boot_id } else { [0; 16] };
        let watermark_said = last.map(|mark| mark.position);
        let marked = watermark_said.unwrap_or(Position(0));
        let begin = last.map_or(Position(0), |mark| mark.start).max(self.options.needed_from);
        let spare = self.clear_behind(&stop, &behind, broken)?;
        for name in &leftovers {
            self.disk.remove(name).map_err(LogError::io("remove", name.as_str()))?;
        }
        if !self.found.is_empty() {
            // Also for names that the last run made and died before it could sync them.
            self.sync_dir()?;
        }
        let mut watermark = match watermark.filter(|watermark| watermark.last().is_some()) {
            Some(watermark) => watermark,
            // Made before the first segment, so that segments without one are known to have lost it. A file
            // that says nothing is as good as none: the node died while it was made.
            None => WatermarkFile::create(&*self.disk, boot_id)?,
        };
        let mut tail = if self.found.is_empty() {
            self.first_segment(stop.position)?
        } else {
            self.refresh(stop.position, marked)?;
            self.tail(&stop, spare)
        };
        tail.certain = certain;
        let position = stop.position.max(marked);
        watermark.save(Mark { position, start: begin, boot_id })?;
        let start = tail.files.segments.first().map_or(stop.position, |&(_, base)| base);
        let mut log = Log::at(Arc::clone(&self.disk), self.options.clone(), watermark, tail);
        let durable = self.durable.max(behind.synced);
        let lost = (stop.position < durable).then_some((stop.position, durable));
        if lost.is_some() {
            log.rotate(0, durable)?;
            log.sync_handle().sync()?;
        }
        let recovered = Recovered {
            start,
            end: log.position(),
            frames: self.frames,
            cut,
            lost,
            same_boot: self.same_boot,
            is_in_doubt: !certain,
            watermark: watermark_said,
            set_aside: self.set_aside,
        };
        Ok((log, recovered))
    }

    /// Removes or sets aside what stands behind the stop. Returns the spare segment if there is one.
    fn clear_behind(
        &mut self,
        stop: &Stop,
        behind: &Behind,
        broken: bool,
    ) -> Result<Option<Spare>, LogError> {
        let mut spare = None;
        // A segment without a header of its own is none: it goes as a whole.
        let kept = if stop.offset == 0 { stop.index } else { (stop.index + 1).min(self.found.len()) };
        let all = self.found.len();
        // The newest first, so that a crash in between leaves no gap.
        while self.found.len() > kept {
            let index = self.found.len() - 1;
            let segment = self.found.pop().expect("there is one more than is kept");
            if index == stop.index + 1 && behind.next_is_blank && stop.offset > 0 && index == kept {
                let follows = segment.seq == self.found[stop.index].seq + 1;
                if follows && segment.len >= SEGMENT_HEADER as u64 {
                    spare = Some(Spare { file: segment.file, len: segment.len, filled: 0 });
                    break;
                }
            }
            if broken {
                let aside = self.free_name(&segment.name)?;
                self.disk
                    .rename(&segment.name, &aside)
                    .map_err(LogError::io("set aside", segment.name.as_str()))?;
                self.set_aside.push(aside);
            } else {
                self.disk.remove(&segment.name).map_err(LogError::io("remove", segment.name.as_str()))?;
            }
        }
        if self.found.len() < all {
            self.sync_dir()?;
        }
        if stop.offset > 0
            && behind.bytes > 0
            && let Some(segment) = self.found.get(stop.index)
        {
            let (file, name, len) = (Arc::clone(&segment.file), segment.name.clone(), segment.len);
            if broken {
                self.copy_aside(&name, &*file, len)?;
            }
            reader::clear(&*file, stop.offset, len)
                .map_err(LogError::io("clear the tail of", name.as_str()))?;
            file.sync_data().map_err(|source| LogError::SyncFailed { file: name, source })?;
        }
        Ok(spare)
    }

    /// Writes what is above the watermark once more and syncs it. The last run may have died of a failed
    /// sync, after which the kernel holds pages that it takes for clean and that the disk never saw.
    fn refresh(&self, end: Position, marked: Position) -> Result<(), LogError> {
        for segment in &self.found {
            let Head::Valid(head) = segment.head else { continue };
            let until = SEGMENT_HEADER as u64 + end.0.saturating_sub(head.base.0);
            let from = match marked.0.checked_sub(head.base.0) {
                None | Some(0) => 0,
                Some(done) => SEGMENT_HEADER as u64 + done,
            };
            if from > 0 && from >= until.min(segment.len) {
                continue;
            }
            reader::rewrite(&*segment.file, from, until.min(segment.len))
                .map_err(LogError::io("rewrite the tail of", segment.name.as_str()))?;
            segment
                .file
                .sync_data()
                .map_err(|source| LogError::SyncFailed { file: segment.name.clone(), source })?;
        }
        Ok(())
    }

    /// Where writing goes on in the last segment.
    fn tail(&self, stop: &Stop, spare: Option<Spare>) -> Tail {
        let last = self.found.last().expect("there is a segment, or one would have been made");
        let segments = self.found.iter().filter_map(|segment| match segment.head {
            Head::Valid(head) => Some((segment.seq, head.base)),
            Head::Blank | Head::Bad => None,
        });
        let segments: Vec<(u64, Position)> = segments.collect();
        let (_, base) = *segments.last().expect("only segments with a header are kept");
        let active = OpenSegment { seq: last.seq, file: Arc::clone(&last.file) };
        Tail {
            certain: false,
            offset: SEGMENT_HEADER as u64 + (stop.position.0 - base.0),
            capacity: last.len,
            end: stop.position,
            files: Files { active, retired: Vec::new(), spare, segments, syncs: 0 },
        }
    }

    /// Makes the log's first segment, which begins at `base`.
    fn first_segment(&self, base: Position) -> Result<Tail, LogError> {
        let seq = 1;
        let name = segment_name(seq);
        let spare = grow_spare(&*self.disk, &self.options, seq, None, 0, Purpose::Writes);
        let spare = spare.map_err(|(_, error)| error)?;
        let header = SegmentHeader { seq, base, previous_end: base, synced: base };
        let bytes = header.encode(self.salt);
        spare.file.write_at(0, &[IoSlice::new(&bytes)]).map_err(LogError::io("write", name.as_str()))?;
        spare.file.sync_data().map_err(LogError::io("sync", name.as_str()))?;
        let active = OpenSegment { seq, file: spare.file };
        let segments = vec![(seq, base)];
        Ok(Tail {
            certain: false,
            offset: SEGMENT_HEADER as u64,
            capacity: spare.len,
            end: base,
            files: Files { active, retired: Vec::new(), spare: None, segments, syncs: 0 },
        })
    }

    fn sync_dir(&self) -> Result<(), LogError> {
        self.disk.sync_dir().map_err(LogError::io("sync the folder of", "the log"))
    }

    fn copy_aside(&mut self, name: &str, file: &dyn DiskFile, len: u64) -> Result<(), LogError> {
        let aside = self.free_name(name)?;
        let copy = self.disk.create(&aside).map_err(LogError::io("create", aside.as_str()))?;
        reader::copy(file, &*copy, len).map_err(LogError::io("copy", name))?;
        copy.sync_data().map_err(LogError::io("sync", aside.as_str()))?;
        self.set_aside.push(aside);
        self.sync_dir()
    }

    /// A name for what is set aside that nothing has yet.
    fn free_name(&self, name: &str) -> Result<String, LogError> {
        let names = self.disk.list().map_err(LogError::io("list", "the data folder"))?;
        let mut aside = format!("{name}.damaged");
        let mut count = 1;
        while names.contains(&aside) {
            count += 1;
            aside = format!("{name}.damaged-{count}");
        }
        Ok(aside)
    }
}
