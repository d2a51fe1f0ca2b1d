//! What must hold of recovery whatever is on the disk: shared by the seeded test and the fuzz target.

use std::sync::Arc;

use base::Random;
use log::{FolderLevel, Log, LogError, LogOptions, MemoryDisk, OnDamage, Position};

const SALT: u64 = 0x5EED;
const SYNCED_FRAMES: usize = 24;
const FRAMES: usize = 32;

type Frames = Vec<(Position, Vec<u8>)>;

fn options(boot: u8) -> LogOptions {
    LogOptions { boot_id: [boot; 16], segment_bytes: 4096, free_bytes_min: 0, ..LogOptions::new(SALT) }
}

fn open(disk: &MemoryDisk, options: LogOptions) -> Result<(Log, Frames), LogError> {
    let mut frames = Vec::new();
    let mut visit = |end: Position, payload: &[u8]| {
        frames.push((end, payload.to_vec()));
        Ok(())
    };
    let (log, _) = Log::open(Arc::new(disk.clone()), options, &mut visit, &mut |_, _| {})?;
    Ok((log, frames))
}

/// A log of which the first frames are synced and marked, with the frames that are in it.
fn written_log() -> (MemoryDisk, Frames) {
    let disk = MemoryDisk::new();
    let (mut log, _) = open(&disk, options(1)).expect("an empty disk has room for a log");
    let mut random = Random::new(3);
    let mut frames = Vec::new();
    for number in 0..FRAMES {
        let payload: Vec<u8> = (0..random.below(900)).map(|_| random.next_u64() as u8).collect();
        frames.push((log.append(&payload).expect("nothing fails"), payload));
        if number + 1 == SYNCED_FRAMES {
            log.sync_handle().sync().expect("nothing fails");
            log.sync_handle().mark_durable().expect("nothing fails");
        }
    }
    (disk, frames)
}

/// Takes `data` for a list of edits to the files of a log and opens what comes of it.
///
/// Without repaired checksums: what is read is a prefix of what was written, and nothing on the disk speaks for
/// more ([`check_end`]), or opening refuses. With them anything may be read. In both cases: no panic; a log that
/// opened takes a frame and opens again with it; and `OnDamage::Cut` opens what a refusal left.
pub(crate) fn check_bytes(data: &[u8]) {
    let Some((&mode, edits)) = data.split_first() else { return };
    let (disk, frames) = written_log();
    let whole = disk.fork();
    let mut names: Vec<String> = ["log-watermark".to_owned()].into();
    names.extend((1..=20).map(|n| format!("log-{n:012}.seg")).filter(|name| disk.content(name).is_some()));
    for edit in edits.chunks_exact(6).take(16) {
        let name = &names[usize::from(edit[0]) % names.len()];
        let content = disk.content(name).expect("no edit removes a file");
        disk.put(name, edited(content, edit));
    }
    let repaired = mode & 1 != 0;
    if repaired {
        names.iter().for_each(|name| repair(&disk, name));
    }
    let boot = 1 + (mode >> 1 & 1);
    let damaged = disk.fork();
    let opened = match open(&disk, options(boot)) {
        Ok((log, found)) => {
            if !repaired {
                assert!(frames.starts_with(&found), "frames that were never written");
                check_end(&whole, &damaged, &frames, found.len(), boot == 1);
            }
            Some((log, found))
        }
        Err(LogError::Full { .. } | LogError::Poisoned) => panic!("the disk is fine"),
        Err(_) => None,
    };
    let cut = LogOptions { on_damage: OnDamage::Cut, ..options(boot) };
    let (mut log, found) = match opened {
        Some(opened) => opened,
        // What cannot be opened even so is not ours or is of a newer format.
        None => match open(&disk, cut) {
            Ok(opened) => opened,
            Err(LogError::Newer { .. } | LogError::Foreign { .. }) => return,
            Err(error) => panic!("cutting did not help: {error}"),
        },
    };
    // A repaired header may claim a position that leaves no room for another.
    if log.position().0 > u64::MAX / 2 {
        return;
    }
    let end = log.append(b"life goes on").expect("an open log takes frames");
    log.sync_handle().sync().expect("nothing fails");
    drop(log);
    let needed_from = found.first().map_or(Position(0), |frame| frame.0);
    let again = LogOptions { needed_from: needed_from.min(end), ..options(boot) };
    if let Ok((_, frames)) = open(&disk, again) {
        assert_eq!(frames.len(), found.len() + 1);
        assert!(frames[..found.len()] == found && frames[found.len()].1 == b"life goes on");
    } else {
        assert!(repaired, "a log that was just open does not open");
    }
}

/// Takes `data` for the file that says at which level a folder is, as it is and with its checksums made right: it says a
/// level, or none, or is of a newer form. A program that reads the level can keep it.
pub(crate) fn check_level(data: &[u8]) {
    let mut repaired = data.to_vec();
    for slot in [0, 4096] {
        if let Some(slot) = repaired.get_mut(slot..slot + 128) {
            slot[..8].copy_from_slice(b"NARFLVL\0");
            let crc = base::checksum(&slot[..124]);
            slot[124..].copy_from_slice(&crc.to_le_bytes());
        }
    }
    for bytes in [data, &repaired] {
        let disk = MemoryDisk::new();
        disk.put("level", bytes.to_vec());
        match FolderLevel::load(&disk) {
            Ok(None) | Err(LogError::Newer { .. }) => {}
            Ok(Some(found)) => {
                let (log, _) = open(&disk, options(1)).expect("the log is another matter");
                log.keep_level(&found).expect("nothing fails");
                assert_eq!(FolderLevel::load(&disk).expect("it was just read"), Some(found));
            }
            Err(error) => panic!("the disk is fine: {error}"),
        }
    }
}

/// The log that is `whole` opened with `count` frames after the edits that made it `damaged`: nothing that is
/// still as it was written may speak for more. The witnesses are those of docs/formats/log.md, *Opening*.
///
/// That synced frames are there is not asked for as such, for edits also take away the witnesses: with
/// the newest slot of the watermark gone and zeros where later frames stood, the disk of an older log is before
/// us, byte by byte. The format names this among what it does not detect.
fn check_end(whole: &MemoryDisk, damaged: &MemoryDisk, frames: &Frames, count: usize, same_boot: bool) {
    let end = count.checked_sub(1).map_or(0, |last| frames[last].0.0);
    let both = |name: &str| Some((whole.content(name)?, damaged.content(name)?));
    let mark = both("log-watermark").expect("no edit removes a file");
    let slots = [0, 4096].map(|at| intact(&mark, at, 64).is_some());
    // The watermark was written twice: as the log was made, and, at 0, with all that was synced.
    assert!(!slots[0] || count >= SYNCED_FRAMES, "synced frames are gone");
    let marked = slots.contains(&true);

    let mut starts =
        [0].into_iter().chain(frames.iter().map(|frame| frame.0.0)).take(frames.len()).peekable();
    let segments: Vec<_> = (1..=20).filter_map(|n| both(&format!("log-{n:012}.seg"))).collect();
    for (n, segment) in segments.iter().enumerate() {
        let base = number(&segment.0, 28);
        let next = segments.get(n + 1).map_or(u64::MAX, |next| number(&next.0, 28));
        let mut witnesses = Vec::new();
        if base > end {
            witnesses.extend(intact(segment, 0, 64).map(|header| number(header, 44)));
        }
        while let Some(start) = starts.next_if(|start| *start < next) {
            let header = intact(segment, 64 + (start - base) as usize, 32).filter(|_| start > end);
            witnesses.extend(header.map(|header| number(header, 16)));
        }
        for synced in witnesses {
            assert!(synced <= end, "a header behind {end} says that the log was synced up to {synced}");
            assert!(!(same_boot && marked), "within a boot nothing that was written goes");
        }
        // Where another one follows, its header says that no frame was lost before it.
        let is_followed =
            next <= end && segments.get(n + 1).is_some_and(|next| intact(next, 0, 64).is_some());
        if !marked && !is_followed {
            let known = if base > end { 0 } else { 64 + (end - base) as usize };
            let rest = segment.1.get(known..).unwrap_or_default();
            assert!(rest.iter().all(|&byte| byte == 0), "no watermark allows a cut");
        }
    }
}

/// These bytes of a file, if they are in its second state what they were in its first.
fn intact((whole, damaged): &(Vec<u8>, Vec<u8>), at: usize, len: usize) -> Option<&[u8]> {
    let bytes = damaged.get(at..at + len)?;
    (whole.get(at..at + len)? == bytes).then_some(bytes)
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// One edit: a bit, a sector of zeros, two sectors swapped, a cut, or bytes overwritten.
fn edited(mut bytes: Vec<u8>, edit: &[u8]) -> Vec<u8> {
    if bytes.is_empty() {
        return bytes;
    }
    let at = usize::from(u16::from_le_bytes([edit[2], edit[3]])) % bytes.len();
    let sectors = bytes.len() / 512;
    match edit[1] % 5 {
        0 => bytes[at] ^= 1 << (edit[4] % 8),
        1 if sectors > 0 => bytes[at / 512 * 512..].iter_mut().take(512).for_each(|byte| *byte = 0),
        2 if sectors > 1 => {
            let (a, b) = (at / 512 % sectors, usize::from(edit[4]) % sectors);
            for n in 0..512 {
                bytes.swap(a * 512 + n, b * 512 + n);
            }
        }
        3 => bytes.truncate(at),
        _ => bytes[at..].iter_mut().take(4).for_each(|byte| *byte = edit[5]),
    }
    bytes
}

/// Makes the checksums of headers right again wherever one seems to stand, so that the checks behind the
/// checksums are reached.
fn repair(disk: &MemoryDisk, name: &str) {
    let Some(mut bytes) = disk.content(name) else { return };
    let slots: &[usize] = if name == "log-watermark" { &[0, 4096] } else { &[0] };
    for &slot in slots {
        if let Some(head) = bytes.get_mut(slot..slot + 64) {
            let crc = base::checksum(&head[..60]);
            head[60..].copy_from_slice(&crc.to_le_bytes());
        }
    }
    let start = base::checksum(&SALT.to_le_bytes());
    for at in (64..bytes.len().saturating_sub(32)).step_by(8) {
        if bytes[at..at + 4] == *b"NFR1" {
            let len = u32::from_le_bytes(bytes[at + 24..at + 28].try_into().expect("four bytes")) as usize;
            if let Some(payload) = bytes.get(at + 32..at.saturating_add(32).saturating_add(len)) {
                let crc = base::checksum(payload);
                bytes[at + 28..at + 32].copy_from_slice(&crc.to_le_bytes());
            }
            let mut hasher = crc32fast::Hasher::new_with_initial(start);
            hasher.update(&bytes[at + 8..at + 32]);
            bytes[at + 4..at + 8].copy_from_slice(&hasher.finalize().to_le_bytes());
        }
    }
    disk.put(name, bytes);
}
