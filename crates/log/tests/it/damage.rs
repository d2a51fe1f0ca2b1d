//! Disks that forget, flip and misplace what they had promised to keep: detected, or harmless.

use base::Random;
use log::{Crash, Disk, LogError, LogOptions, MemoryDisk, OnDamage, Position};

use crate::common::{Frames, open, options, payload};

/// A log all of which is synced and marked.
fn durable_log(count: u64) -> (MemoryDisk, Frames) {
    let disk = MemoryDisk::new();
    let (mut log, ..) = open(&disk, options(1)).unwrap();
    let frames: Frames = (0..count).map(|n| (log.append(&payload(n)).unwrap(), payload(n))).collect();
    let handle = log.sync_handle();
    handle.maintain().unwrap();
    handle.sync().unwrap();
    handle.mark_durable().unwrap();
    (disk, frames)
}

/// A synced log with this damage is refused, or nothing of it is missing. True if it was refused.
#[track_caller]
fn check(disk: &MemoryDisk, frames: &Frames, what: &str) -> bool {
    let mut refused = false;
    for boot in [1, 2] {
        match open(&disk.fork(), options(boot)) {
            Ok((.., found)) => assert!(found == *frames, "{what}: {} of {}", found.len(), frames.len()),
            Err(LogError::Damaged { .. } | LogError::LostPromised { .. }) => refused = true,
            Err(error) => panic!("{what}: {error}"),
        }
    }
    refused
}

fn names(disk: &MemoryDisk) -> Vec<String> {
    disk.list().unwrap()
}

#[test]
fn a_flipped_bit_anywhere_in_a_synced_log_is_detected_or_harmless() {
    let (disk, frames) = durable_log(60);
    let mut refused = 0;
    for name in names(&disk) {
        let whole = disk.content(&name).unwrap();
        for byte in 0..whole.len() {
            if byte % 17 != 0 && byte > 256 {
                continue;
            }
            let mut bytes = whole.clone();
            bytes[byte] ^= 1 << (byte % 8);
            disk.put(&name, bytes);
            refused += u32::from(check(&disk, &frames, &format!("{name} byte {byte}")));
        }
        disk.put(&name, whole);
    }
    assert!(refused > 500, "{refused}");
}

#[test]
fn zeroed_swapped_and_missing_sectors_of_a_synced_log_are_detected_or_harmless() {
    let (disk, frames) = durable_log(60);
    for name in names(&disk) {
        let whole = disk.content(&name).unwrap();
        let sectors = whole.len() / 512;
        for a in 0..sectors {
            let mut bytes = whole.clone();
            bytes[a * 512..(a + 1) * 512].fill(0);
            disk.put(&name, bytes);
            check(&disk, &frames, &format!("{name} sector {a} zeroed"));
            for b in 0..a {
                let mut bytes = whole.clone();
                (0..512).for_each(|n| bytes.swap(a * 512 + n, b * 512 + n));
                disk.put(&name, bytes);
                check(&disk, &frames, &format!("{name} sectors {a} and {b} swapped"));
            }
            disk.put(&name, whole[..a * 512 + 13].to_vec());
            check(&disk, &frames, &format!("{name} cut in sector {a}"));
        }
        disk.put(&name, whole);
    }
}

#[test]
fn a_missing_or_exchanged_segment_is_detected() {
    let (disk, frames) = durable_log(60);
    let segments: Vec<String> = names(&disk).into_iter().filter(|name| name.ends_with(".seg")).collect();
    for name in &segments {
        let damaged = disk.fork();
        damaged.remove(name).unwrap();
        let is_spare = disk.content(name).unwrap().iter().all(|&byte| byte == 0);
        assert_eq!(check(&damaged, &frames, name), !is_spare, "{name} removed");
    }
    for pair in segments.windows(2).take(segments.len() - 2) {
        let damaged = disk.fork();
        damaged.put(&pair[0], disk.content(&pair[1]).unwrap());
        damaged.put(&pair[1], disk.content(&pair[0]).unwrap());
        assert!(check(&damaged, &frames, "two segments exchanged"));
    }
    let damaged = disk.fork();
    segments.iter().for_each(|name| damaged.remove(name).unwrap());
    assert!(check(&damaged, &frames, "all segments removed"));
}

#[test]
fn a_lost_watermark_is_told_and_the_log_still_opens() {
    let (disk, frames) = durable_log(20);
    disk.remove("log-watermark").unwrap();
    let (_, recovered, found) = open(&disk, options(2)).unwrap();
    assert_eq!((found, recovered.watermark), (frames, None));
}

#[test]
fn a_torn_tail_is_cut_above_the_watermark_and_refused_below_it() {
    for case in 0..100 {
        let mut random = Random::new(case);
        let (disk, mut frames) = durable_log(20);
        let marked = frames.last().unwrap().0;
        let (mut log, ..) = open(&disk, options(1)).unwrap();
        for n in 20..40 {
            frames.push((log.append(&payload(n)).unwrap(), payload(n)));
        }
        drop(log);
        // Cut inside a frame: everything from there on is gone, as if it had never been written.
        // The bytes cut must not be zeros before: no padding, no short payload.
        let long: Vec<usize> = (0..frames.len()).filter(|&n| frames[n].1.len() > 40).collect();
        let victim = long[random.below(long.len() as u64) as usize];
        let at = frames[victim].0.0 - 20 - random.below(20);
        let segments: Vec<String> = names(&disk).into_iter().filter(|n| n.ends_with(".seg")).collect();
        for name in segments.iter().rev() {
            let bytes = disk.content(name).unwrap();
            let base = u64::from_le_bytes(bytes[28..36].try_into().unwrap());
            let keep = (at.saturating_sub(base) as usize + 64).min(bytes.len());
            if base > at {
                disk.put(name, vec![0; bytes.len()]);
            } else {
                disk.put(name, [&bytes[..keep], &vec![0; bytes.len() - keep]].concat());
                break;
            }
        }
        let opened = open(&disk, options(2));
        if at < marked.0 {
            let Err(LogError::LostPromised { durable, end, .. }) = opened else {
                panic!("case {case}: synced bytes are gone and nobody said so")
            };
            assert!(durable == marked && end.0 <= at);
        } else {
            let (_, recovered, found) = opened.unwrap();
            assert_eq!(found, frames[..victim]);
            assert!(recovered.end >= marked && recovered.lost.is_none());
        }
    }
}

#[test]
fn blocks_that_a_power_loss_reordered_are_cut_but_within_a_boot_they_are_damage() {
    let disk = MemoryDisk::new();
    let (mut log, ..) = open(&disk, LogOptions { segment_bytes: 1 << 16, ..options(1) }).unwrap();
    log.append(&[1; 1000]).unwrap();
    log.sync_handle().sync().unwrap();
    let synced = log.position();
    for n in 0..5 {
        log.append(&[n; 1000]).unwrap();
    }
    let name = "log-000000000001.seg";
    let mut bytes = disk.content(name).unwrap();
    bytes[64 + 1032 + 1032..64 + 1032 + 2064].fill(0);
    disk.put(name, bytes);
    let refused = open(&disk.fork(), options(1)).map(|_| ()).unwrap_err();
    assert!(matches!(refused, LogError::Damaged { offset: 2128, .. }), "{refused}");
    let (_, recovered, frames) = open(&disk, options(2)).unwrap();
    assert_eq!(frames.len(), 2);
    assert!(recovered.end > synced);
    assert_eq!(recovered.cut.unwrap().bytes, 4 * 1032);
    // The frames behind the hole do not come back to life when one of the same length fills it.
    let (mut log, ..) = open(&disk, options(2)).unwrap();
    log.append(&[9; 1000]).unwrap();
    assert_eq!(open(&disk, options(2)).unwrap().2.len(), 3);
}

#[test]
fn a_later_frame_proves_that_an_earlier_one_was_synced() {
    let disk = MemoryDisk::new();
    let (mut log, ..) = open(&disk, LogOptions { segment_bytes: 1 << 16, ..options(1) }).unwrap();
    let handle = log.sync_handle();
    for n in 0..5 {
        log.append(&[n; 1000]).unwrap();
    }
    handle.sync().unwrap();
    // No watermark was written since; only this frame knows.
    log.append(b"x").unwrap();
    let name = "log-000000000001.seg";
    let mut bytes = disk.content(name).unwrap();
    bytes[64 + 2000] ^= 4;
    disk.put(name, bytes);
    let text = open(&disk, options(2)).map(|_| ()).unwrap_err().to_string();
    let start = "log-000000000001.seg is damaged at offset 1096: what stands here cannot be read";
    assert!(text.starts_with(start) && text.contains("--on-damage cut"), "{text}");
    // A cut tells what is lost, and a new frame begins behind it.
    let cut = LogOptions { on_damage: OnDamage::Cut, ..options(2) };
    let (log, recovered, _) = open(&disk, cut).unwrap();
    assert_eq!(recovered.lost, Some((Position(1032), handle.synced())));
    assert_eq!(log.position(), handle.synced());
}

#[test]
fn a_payload_that_looks_like_a_frame_is_not_taken_for_one() {
    let disk = MemoryDisk::new();
    let (mut log, ..) = open(&disk, options(1)).unwrap();
    log.append(b"first").unwrap();
    // A client knows the format and guesses the position, but not the log's secret.
    let other = MemoryDisk::new();
    let (mut forger, ..) = open(&other, LogOptions { salt: 99, ..options(1) }).unwrap();
    forger.append(&[0; 5]).unwrap();
    forger.append(&[0; 64]).unwrap();
    forger.append(b"forged").unwrap();
    let forged = other.content("log-000000000001.seg").unwrap()[64..].to_vec();
    log.append(&forged[40 + 32..40 + 32 + 400]).unwrap();
    drop(log);
    let name = "log-000000000001.seg";
    let mut bytes = disk.content(name).unwrap();
    bytes[64 + 40 + 32 + 300] ^= 1;
    disk.put(name, bytes);
    assert_eq!(open(&disk, options(1)).unwrap().2.len(), 1);
}

#[test]
fn a_cut_keeps_what_stands_before_the_damage_sets_the_rest_aside_and_reuses_no_position() {
    for in_header in [false, true] {
        let (disk, frames) = durable_log(60);
        let (name, at) = if in_header {
            ("log-000000000003.seg", 20)
        } else {
            ("log-000000000001.seg", 64 + frames[0].0.0 as usize)
        };
        let mut bytes = disk.content(name).unwrap();
        bytes[at] ^= 1;
        disk.put(name, bytes);
        let before = disk.fork();
        assert!(open(&disk, options(2)).is_err());
        for name in names(&before) {
            assert_eq!(disk.content(&name), before.content(&name), "a refusal changes nothing");
        }
        let cut = LogOptions { on_damage: OnDamage::Cut, ..options(2) };
        let (mut log, recovered, found) = open(&disk, cut).unwrap();
        assert!(!found.is_empty() && found.len() < 60 && found == frames[..found.len()]);
        let durable = frames.last().unwrap().0;
        assert_eq!(recovered.lost, Some((found.last().unwrap().0, durable)));
        assert!(recovered.set_aside.len() > 2, "{:?}", recovered.set_aside);
        for aside in &recovered.set_aside {
            let was = before.content(aside.strip_suffix(".damaged").unwrap());
            assert_eq!(disk.content(aside), was, "{aside} is as it was found");
        }
        assert!(log.append(b"new").unwrap() > durable);
        log.sync_handle().sync().unwrap();
        disk.crash(Crash::Power { seed: 5 });
        let (.., again) = open(&disk, options(3)).unwrap();
        assert_eq!(again.len(), found.len() + 1);
    }
}

#[test]
fn a_checkpoint_ahead_of_the_log_means_that_synced_bytes_are_gone() {
    let (disk, frames) = durable_log(10);
    let end = frames.last().unwrap().0;
    let ahead = LogOptions { durable: Position(end.0 + 80), ..options(1) };
    assert!(matches!(open(&disk, ahead), Err(LogError::LostPromised { .. })));
    let empty = MemoryDisk::new();
    let alone = LogOptions { durable: end, needed_from: end, ..options(1) };
    assert!(matches!(open(&empty, alone), Err(LogError::Damaged { .. })));
}
