//! The log as its callers see it, on a disk that behaves.

use std::sync::Arc;

use crate::common::{SALT, open, options, payload};
use log::{Crash, Disk, Fault, Log, LogError, LogOptions, MemoryDisk, Operation, Position};

#[test]
fn frames_come_back_in_order_with_the_positions_they_were_given() {
    let disk = MemoryDisk::new();
    let (mut log, recovered, frames) = open(&disk, options(1)).unwrap();
    assert!(frames.is_empty());
    assert_eq!((recovered.start, recovered.end), (Position(0), Position(0)));
    let written: Vec<_> = (0..300).map(|n| (log.append(&payload(n)).unwrap(), payload(n))).collect();
    drop(log);
    let (log, recovered, frames) = open(&disk, options(1)).unwrap();
    assert_eq!(frames, written);
    assert_eq!(log.position(), written.last().unwrap().0);
    assert_eq!(recovered.frames, 300);
    assert!(recovered.same_boot && recovered.cut.is_none() && recovered.lost.is_none());
}

#[test]
fn an_append_is_one_write_and_a_sync_without_news_is_none() {
    let disk = MemoryDisk::new();
    let (mut log, ..) = open(&disk, LogOptions::new(SALT)).unwrap();
    let before = disk.calls();
    log.append(&[7; 5000]).unwrap();
    assert_eq!(disk.calls() - before, 1);
    let handle = log.sync_handle();
    assert_eq!(handle.sync().unwrap(), log.position());
    assert_eq!(handle.sync().unwrap(), log.position());
    assert_eq!(disk.calls() - before, 2);
    handle.mark_durable().unwrap();
    handle.mark_durable().unwrap();
    assert_eq!(disk.calls() - before, 4);
}

#[test]
fn one_sync_covers_every_segment_since_the_last() {
    let disk = MemoryDisk::new();
    let (mut log, ..) = open(&disk, options(1)).unwrap();
    let handle = log.sync_handle();
    for n in 0..100 {
        log.append(&payload(n)).unwrap();
    }
    let end = handle.sync().unwrap();
    assert_eq!(end, log.position());
    disk.crash(log::Crash::Power { seed: 0 });
    let (_, recovered, frames) = open(&disk, options(2)).unwrap();
    assert_eq!((frames.len(), recovered.end), (100, end));
}

#[test]
fn a_frame_may_be_larger_than_a_segment() {
    let disk = MemoryDisk::new();
    let (mut log, ..) = open(&disk, options(1)).unwrap();
    let big: Vec<u8> = (0..3_000_000u32).map(|n| n as u8).collect();
    log.append(b"small").unwrap();
    log.append(&big).unwrap();
    log.append(b"small again").unwrap();
    let (.., frames) = open(&disk, options(1)).unwrap();
    assert_eq!(frames.len(), 3);
    assert!(frames[1].1 == big);
    assert_eq!(frames[2].1, b"small again");
}

#[test]
fn what_is_reserved_is_there_when_the_disk_is_full() {
    let disk = MemoryDisk::new();
    let (mut log, ..) = open(&disk, options(1)).unwrap();
    for wanted in [100, 4000, 50_000] {
        log.reserve(wanted).unwrap();
        assert!(log.headroom() >= wanted);
        disk.set_capacity(0);
        let mut left = wanted;
        while left > 300 {
            log.append(&[1; 200]).unwrap();
            left -= 240;
        }
        assert!(log.reserve(1 << 20).unwrap_err().is_full());
        disk.set_capacity(1 << 40);
    }
}

#[test]
fn a_full_disk_refuses_before_anything_is_written_and_recovers_by_itself() {
    let disk = MemoryDisk::new();
    let (mut log, ..) = open(&disk, options(1)).unwrap();
    disk.set_capacity(disk.used());
    let mut written = 0;
    while log.reserve(240).is_ok() {
        log.append(&[1; 200]).unwrap();
        written += 1;
    }
    assert!(log.sync_handle().take_refused() && !log.sync_handle().take_refused());
    // What must be written has a ballast.
    log.append(&[1; 200]).unwrap();
    written += 1;
    while log.append(&[1; 200]).is_ok() {
        written += 1;
    }
    let end = log.position();
    for _ in 0..3 {
        assert!(matches!(log.append(&[1; 200]), Err(LogError::Full { .. })));
        assert!(log.sync_handle().maintain().unwrap_err().is_full());
    }
    assert_eq!(log.position(), end);
    assert_eq!(log.sync_handle().sync().unwrap(), end);
    disk.set_capacity(1 << 40);
    log.reserve(240).unwrap();
    log.append(&[1; 200]).unwrap();
    assert_eq!(open(&disk, options(1)).unwrap().2.len(), written + 1);
}

#[test]
fn room_is_left_for_a_checkpoint_and_small_disks_get_small_segments() {
    let disk = MemoryDisk::new();
    disk.set_capacity(64 << 20);
    let (mut log, ..) = open(&disk, LogOptions::new(SALT)).unwrap();
    let mut mebibytes = 0;
    let size = (1 << 20) + log::Log::FRAME_OVERHEAD;
    while log.reserve(size).is_ok() {
        log.append(&vec![1; 1 << 20]).unwrap();
        mebibytes += 1;
    }
    let free = disk.space().unwrap().free;
    assert!((8 << 20..12 << 20).contains(&free), "{free} bytes are left free");
    assert!(mebibytes >= 40, "{mebibytes} MiB fit");
}

/// Whoever makes room goes further than whoever takes it, and what it took is not for writes.
#[test]
fn deletes_go_into_the_reserve_and_writes_wait_until_it_is_there_again() {
    let disk = MemoryDisk::new();
    disk.set_capacity(64 << 20);
    let (mut log, ..) = open(&disk, LogOptions { segment_bytes: 1 << 20, ..LogOptions::new(SALT) }).unwrap();
    let size = 10_000 + log::Log::FRAME_OVERHEAD;
    while log.reserve(size).is_ok() {
        log.append(&[1; 10_000]).unwrap();
    }
    let mut deletes = 0u64;
    while log.reserve_to_delete(size).is_ok() {
        log.append(&[2; 10_000]).unwrap();
        deletes += size;
    }
    assert!(deletes > 7 << 20, "{deletes} bytes of deletes");
    let free = disk.space().unwrap().free;
    assert!((512 << 10..2 << 20).contains(&free), "{free} bytes are left for a checkpoint");
    assert_eq!(log.headroom(), 0);
    disk.set_capacity(70 << 20);
    assert!(log.reserve_to_delete(size).is_ok());
    assert!(log.headroom_to_delete() >= size);
    assert!(log.reserve(size).unwrap_err().is_full(), "the reserve is not there again");
    disk.set_capacity(74 << 20);
    log.reserve(size).unwrap();
    assert!(log.headroom() >= size);
    // Votes have what is left, to the last byte, and do not wait for the reserve.
    while log.reserve_to_delete(size).is_ok() {
        log.append(&[2; 10_000]).unwrap();
    }
    for _ in 0..100 {
        log.append(&[3; 200]).unwrap();
    }
}

#[test]
fn a_log_that_is_opened_on_a_full_disk_takes_votes_and_no_writes() {
    let disk = MemoryDisk::new();
    let sizes = || LogOptions { segment_bytes: 1 << 20, ..LogOptions::new(SALT) };
    let (mut log, ..) = open(&disk, sizes()).unwrap();
    log.append(b"one").unwrap();
    drop(log);
    disk.set_capacity(disk.used());
    for start in 0..20 {
        let (mut log, _, frames) = open(&disk, sizes()).unwrap();
        assert_eq!(frames.len(), 1 + start);
        assert_eq!(log.headroom(), 0);
        assert!(log.reserve(100).unwrap_err().is_full());
        log.append(&[1; 3000]).unwrap();
    }
}

#[test]
fn nothing_is_taken_after_a_failed_write_or_sync() {
    for operation in [Operation::Write, Operation::SyncData] {
        for fault in [Fault::Io, Fault::Full] {
            let disk = MemoryDisk::new();
            let (mut log, ..) = open(&disk, options(1)).unwrap();
            let handle = log.sync_handle();
            log.append(b"one").unwrap();
            disk.fail_after(0, Some(operation), fault);
            let failed = match operation {
                Operation::Write => log.append(b"two").map(|_| ()),
                _ => handle.sync().map(|_| ()),
            };
            assert!(matches!(failed, Err(LogError::WriteFailed { .. } | LogError::SyncFailed { .. })));
            assert!(handle.is_poisoned());
            assert!(matches!(log.append(b"three"), Err(LogError::Poisoned)));
            assert!(matches!(log.reserve(1), Err(LogError::Poisoned)));
            assert!(matches!(handle.sync(), Err(LogError::Poisoned)));
            assert!(matches!(handle.mark_durable(), Err(LogError::Poisoned)));
        }
    }
}

#[test]
fn opening_writes_again_what_a_failed_sync_left_in_the_page_cache() {
    let disk = MemoryDisk::new();
    let (mut log, ..) = open(&disk, options(1)).unwrap();
    let handle = log.sync_handle();
    log.append(b"answered").unwrap();
    disk.fail_after(0, Some(Operation::SyncData), Fault::Io);
    handle.sync().unwrap_err();
    disk.crash(log::Crash::Process);
    assert_eq!(open(&disk, options(1)).unwrap().2.len(), 1);
    disk.crash(log::Crash::Power { seed: 1 });
    assert_eq!(open(&disk, options(2)).unwrap().2.len(), 1);
}

#[test]
fn retention_removes_whole_segments_behind_a_position_and_never_the_active_one() {
    let disk = MemoryDisk::new();
    let (mut log, ..) = open(&disk, options(1)).unwrap();
    let handle = log.sync_handle();
    let ends: Vec<Position> = (0..200).map(|n| log.append(&payload(n)).unwrap()).collect();
    assert_eq!(handle.cut_before(ends[150]).unwrap(), 0, "nothing is synced yet");
    handle.sync().unwrap();
    assert!(handle.cut_before(ends[150]).unwrap() > 5);
    assert!(handle.start() > Position(0) && handle.start() <= ends[150]);
    let needed = options(1);
    let refused = open(&disk, needed.clone());
    assert!(matches!(refused, Err(LogError::Damaged { .. })), "the log is needed from its beginning");
    let (log, recovered, frames) = open(&disk, LogOptions { needed_from: ends[150], ..needed }).unwrap();
    assert_eq!(recovered.start, handle.start());
    assert!(frames.iter().any(|(end, bytes)| *end == ends[151] && *bytes == payload(151)));
    let handle = log.sync_handle();
    handle.cut_before(Position(u64::MAX)).unwrap();
    let (_, recovered, _) = open(&disk, LogOptions { needed_from: log.position(), ..options(1) }).unwrap();
    assert_eq!(recovered.end, log.position());
}

#[test]
fn what_retention_removed_is_known_and_anything_more_is_refused() {
    let disk = MemoryDisk::new();
    let (mut log, ..) = open(&disk, options(1)).unwrap();
    let handle = log.sync_handle();
    let ends: Vec<Position> = (0..200).map(|n| log.append(&payload(n)).unwrap()).collect();
    assert_eq!(log::retained_from(&disk).unwrap(), Position(0));
    handle.sync().unwrap();
    handle.cut_before(ends[100]).unwrap();
    handle.mark_durable().unwrap();
    assert_eq!(log::retained_from(&disk).unwrap(), ends[100]);
    let known = LogOptions { needed_from: ends[100], ..options(1) };
    let (_, recovered, _) = open(&disk, known.clone()).unwrap();
    assert!(recovered.start <= ends[100]);
    assert_eq!(log::retained_from(&disk).unwrap(), ends[100], "opening keeps it");
    let oldest = disk.list().unwrap().into_iter().filter(|name| name.starts_with("log-0")).min().unwrap();
    disk.remove(&oldest).unwrap();
    assert!(matches!(open(&disk, known), Err(LogError::Damaged { .. })), "a person removed a segment");
}

#[test]
fn a_spare_is_made_ahead_and_filled_with_zeros_where_syncs_are_frequent() {
    let disk = MemoryDisk::new();
    let (mut log, ..) = open(&disk, LogOptions { segment_bytes: 1 << 20, ..options(1) }).unwrap();
    let handle = log.sync_handle();
    assert!(handle.maintain().unwrap());
    assert!(!handle.maintain().unwrap());
    for _ in 0..3000 {
        log.append(b"x").unwrap();
        handle.sync().unwrap();
    }
    let mut slices = 1;
    while handle.maintain().unwrap() {
        slices += 1;
    }
    assert_eq!(slices, 4);
    let before = disk.calls();
    for _ in 0..2000 {
        log.append(&[3; 500]).unwrap();
    }
    assert_eq!(disk.calls() - before, 2001, "a rotation costs one write");
    assert_eq!(open(&disk, options(1)).unwrap().2.len(), 5000);
}

#[test]
fn another_logs_folder_is_refused() {
    let disk = MemoryDisk::new();
    open(&disk, options(1)).unwrap();
    let foreign = LogOptions { salt: SALT + 1, ..options(1) };
    assert!(matches!(open(&disk, foreign), Err(LogError::Foreign { .. })));
}

#[test]
fn a_frame_that_its_reader_refuses_is_named() {
    let disk = MemoryDisk::new();
    let (mut log, ..) = open(&disk, options(1)).unwrap();
    log.append(b"one").unwrap();
    log.append(b"two").unwrap();
    let mut visit =
        |_, payload: &[u8]| if payload == b"two" { Err("unknown entry version 9".into()) } else { Ok(()) };
    let refused =
        log::Log::open(std::sync::Arc::new(disk), options(1), &mut visit, &mut |_, _| {}).map(|_| ());
    let text = refused.unwrap_err().to_string();
    assert!(text.starts_with("the frame in log-000000000001.seg at offset 104 cannot be applied: unknown"));
}

#[test]
fn progress_ends_at_its_total() {
    let disk = MemoryDisk::new();
    let (mut log, ..) = open(&disk, LogOptions { segment_bytes: 4 << 20, ..options(1) }).unwrap();
    for _ in 0..100 {
        log.append(&[1; 100_000]).unwrap();
    }
    let mut told = Vec::new();
    let mut progress = |done, total| told.push((done, total));
    log::Log::open(std::sync::Arc::new(disk), options(1), &mut |_, _| Ok(()), &mut progress).unwrap();
    assert!(told.len() > 5 && told.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    assert_eq!(told.last().unwrap().0, told.last().unwrap().1);
}

/// What each start is told, and what it leaves behind.
#[test]
fn a_log_is_in_doubt_after_another_boot_until_it_is_said_not_to_matter() {
    let disk = MemoryDisk::new();
    let is_in_doubt = |boot: u8, end: fn(&mut log::Log)| {
        let (mut log, recovered, _) = open(&disk, options(boot)).unwrap();
        log.append(&[1; 50]).unwrap();
        end(&mut log);
        recovered.is_in_doubt
    };
    let dies = |_: &mut log::Log| {};
    let knows_all = |log: &mut log::Log| log.sync_handle().mark_certain().unwrap();
    let closes = |log: &mut log::Log| {
        log.sync_handle().sync().unwrap();
        log.sync_handle().mark_closed().unwrap();
    };
    let closes_unsynced = |log: &mut log::Log| log.sync_handle().mark_closed().unwrap();
    assert!(!is_in_doubt(1, dies), "of a new log nothing can be missing");
    assert!(!is_in_doubt(1, dies));
    assert!(is_in_doubt(2, dies), "the page cache went with the boot");
    assert!(is_in_doubt(2, closes), "and a second start in the same boot is no better off");
    assert!(is_in_doubt(2, knows_all), "nor one after a close in doubt");
    assert!(!is_in_doubt(2, closes));
    assert!(!is_in_doubt(3, closes_unsynced), "it was closed in order");
    assert!(is_in_doubt(4, dies), "not all was synced then");
}

#[test]
fn a_sync_that_fails_leaves_the_next_start_in_doubt() {
    let disk = MemoryDisk::new();
    let (mut log, ..) = open(&disk, options(1)).unwrap();
    log.append(&[1; 50]).unwrap();
    disk.fail_after(0, Some(Operation::SyncData), Fault::Io);
    assert!(log.sync_handle().sync().is_err());
    drop(log);
    let (_, recovered, _) = open(&disk, options(1)).unwrap();
    assert!(recovered.is_in_doubt, "the kernel may have dropped what it could not write");
}

/// All files, as they are.
fn contents(disk: &MemoryDisk) -> Vec<(String, Option<Vec<u8>>)> {
    let mut names = disk.list().unwrap();
    names.sort();
    names.into_iter().map(|name| (name.clone(), disk.content(&name))).collect()
}

#[test]
fn reading_finds_what_opening_would_and_changes_nothing() {
    let disk = MemoryDisk::new();
    let (mut log, ..) = open(&disk, options(1)).unwrap();
    for n in 0..100 {
        log.append(&payload(n)).unwrap();
        if n == 60 {
            log.sync_handle().sync().unwrap();
            log.sync_handle().mark_durable().unwrap();
        }
    }
    drop(log);
    for (crash, boot) in [(Crash::Process, 1), (Crash::Power { seed: 7 }, 2), (Crash::Power { seed: 8 }, 3)] {
        let disk = disk.fork();
        disk.crash(crash);
        let (before, calls) = (contents(&disk), disk.calls());
        // A disk that takes no change at all.
        disk.fail_after(0, None, Fault::Dead);
        let mut read = Vec::new();
        let mut visit = |end: Position, payload: &[u8]| {
            read.push((end, payload.to_vec()));
            Ok(())
        };
        let found = Log::read(Arc::new(disk.clone()), options(boot), &mut visit, &mut |_, _| {}).unwrap();
        assert_eq!(disk.calls(), calls, "nothing was even tried");
        disk.heal();
        assert_eq!(contents(&disk), before);
        let (_, recovered, frames) = open(&disk, options(boot)).unwrap();
        assert_eq!(read, frames);
        assert!(frames.len() > 60);
        assert_eq!((found.end, found.frames), (recovered.end, recovered.frames));
        assert_eq!((found.is_in_doubt, found.is_closed), (recovered.is_in_doubt, false));
        assert_eq!(found.is_in_doubt, boot != 1);
    }
}

#[test]
fn reading_refuses_what_opening_refuses() {
    let disk = MemoryDisk::new();
    let (mut log, ..) = open(&disk, options(1)).unwrap();
    for n in 0..50 {
        log.append(&payload(n)).unwrap();
    }
    log.sync_handle().sync().unwrap();
    log.sync_handle().mark_closed().unwrap();
    drop(log);
    let read = || Log::read(Arc::new(disk.clone()), options(9), &mut |_, _| Ok(()), &mut |_, _| {});
    let found = read().unwrap();
    assert!(found.is_closed && !found.is_in_doubt, "of one that was closed nothing can be missing");
    let name = "log-000000000002.seg";
    let mut bytes = disk.content(name).unwrap();
    bytes[200..400].iter_mut().for_each(|byte| *byte ^= 1);
    disk.put(name, bytes);
    let opened = open(&disk.fork(), options(9)).map(drop).unwrap_err();
    assert!(matches!(opened, LogError::Damaged { .. }), "{opened}");
    assert_eq!(read().unwrap_err().to_string(), opened.to_string());
}
