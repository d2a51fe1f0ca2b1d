//! Files of earlier versions, as they were written then: whoever upgrades has such files on the disk.
//!
//! `tests/fixtures/v<N>` holds the data folder of a small node of format N, less the lock. No file in it is ever
//! changed. When one of the formats gets a new version:
//!
//! 1. raise [`VERSION`], and let [`write()`] make use of what is new;
//! 2. `cargo nextest run -p narf-log --run-ignored only fixtures` writes the new folder, never over an old one;
//!    compare it with docs/formats, byte by byte (`xxd`);
//! 3. add a test that reads it, and keep those of older versions for as long as upgrades from them are promised.

use std::path::PathBuf;
use std::sync::Arc;

use base::{NodeId, PartitionId};
use log::{
    CheckpointHeader, CheckpointReader, CheckpointWriter, Checkpoints, Disk, LogOptions, MemoryDisk,
    NodeMeta, OnDamage, Position,
};

use crate::common::{Frames, open, options};

/// The version that is written now.
const VERSION: u32 = 1;

const META: NodeMeta = NodeMeta {
    node_id: NodeId(0x0123_4567_89AB_CDEF_0011_2233_4455_6677),
    key_hash_seed: 0x8899_AABB_CCDD_EEFF,
    log_salt: crate::common::SALT,
    partitions: 16,
    created_us: 1_800_000_000_000_000,
};

const CHECKPOINT: CheckpointHeader = CheckpointHeader {
    node: META.node_id,
    partition: PartitionId(3),
    index: 12,
    term: 2,
    position: Position(40),
    key_hash_seed: META.key_hash_seed,
    wall_us: 1_800_000_001_000_000,
};

const CHUNKS: [&[u8]; 3] = [b"the first chunk", b"", &[0xA5; 300]];

fn folder(version: u32) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/v{version}"))
}

/// A disk with the files of a folder.
fn load(version: u32) -> MemoryDisk {
    let disk = MemoryDisk::new();
    for entry in std::fs::read_dir(folder(version)).unwrap() {
        let path = entry.unwrap().path();
        disk.put(path.file_name().unwrap().to_str().unwrap(), std::fs::read(&path).unwrap());
    }
    disk
}

/// Lengths of each kind: empty, with and without padding, and enough for a second segment.
fn payloads() -> Vec<Vec<u8>> {
    [5, 0, 8, 13, 900, 1024, 31, 1500, 1200, 77].iter().zip(1..).map(|(&len, fill)| vec![fill; len]).collect()
}

/// What a small node leaves: an identity, a log of two segments whose last frame is not synced, a checkpoint.
fn write() -> (MemoryDisk, Frames) {
    let disk = MemoryDisk::new();
    META.create(&disk).unwrap();
    let (mut log, ..) = open(&disk, options(1)).unwrap();
    let mut frames: Frames = Vec::new();
    let payloads = payloads();
    for (number, payload) in payloads.iter().enumerate() {
        if number + 1 == payloads.len() {
            log.sync_handle().sync().unwrap();
            log.sync_handle().mark_durable().unwrap();
        }
        frames.push((log.append(payload).unwrap(), payload.clone()));
    }
    let mut writer = CheckpointWriter::create(Arc::new(disk.clone()), &CHECKPOINT).unwrap();
    CHUNKS.iter().for_each(|chunk| writer.chunk(chunk).unwrap());
    writer.finish().unwrap();
    (disk, frames)
}

#[test]
fn files_of_version_1_are_read() {
    let disk = load(1);
    assert_eq!(NodeMeta::load(&disk).unwrap(), Some(META));

    let found = Checkpoints::find_whole(&disk).unwrap();
    let name = "checkpoint-00003-00000000000000000012.ckp";
    assert_eq!(found.newest.values().map(|info| info.name.as_str()).collect::<Vec<_>>(), [name]);
    let mut reader = CheckpointReader::open(&disk, name).unwrap();
    assert_eq!(*reader.header(), CHECKPOINT);
    let (mut chunks, mut chunk) = (Vec::new(), Vec::new());
    while reader.next_chunk(&mut chunk).unwrap() {
        chunks.push(chunk.clone());
    }
    assert_eq!(chunks, CHUNKS);

    // In the boot it was written in and in another.
    for boot in [1, 2] {
        let disk = disk.fork();
        let (mut log, recovered, frames) = open(&disk, options(boot)).unwrap();
        let ends = [40, 72, 112, 160, 1096, 2152, 2216, 3752, 4984, 5096].map(Position);
        assert_eq!(frames, ends.into_iter().zip(payloads()).collect::<Frames>());
        assert_eq!((recovered.watermark, recovered.same_boot), (Some(Position(4984)), boot == 1));
        assert_eq!((recovered.cut, recovered.lost), (None, None));
        log.append(b"of this version").unwrap();
        assert_eq!(open(&disk, options(boot)).unwrap().2.len(), frames.len() + 1);
    }
}

#[test]
fn damage_to_files_of_version_1_is_seen() {
    let disk = load(1);
    let name = "log-000000000001.seg";
    let mut bytes = disk.content(name).unwrap();
    bytes[64 + 1000] ^= 1;
    disk.put(name, bytes);
    assert!(open(&disk, options(2)).is_err());
    let cut = LogOptions { on_damage: OnDamage::Cut, ..options(2) };
    let (_, recovered, frames) = open(&disk, cut).unwrap();
    assert_eq!((frames.len(), recovered.lost), (4, Some((Position(160), Position(4984)))));
}

#[test]
fn what_is_written_now_is_the_version_it_says_byte_by_byte() {
    let (written, _) = write();
    let kept = load(VERSION);
    assert_eq!(written.list().unwrap(), kept.list().unwrap());
    for name in written.list().unwrap() {
        assert!(written.content(&name) == kept.content(&name), "{name} is not what version {VERSION} wrote");
    }
}

#[test]
#[ignore = "writes the fixtures of a new version; see the top of this file"]
fn fixtures_of_a_new_version_are_written() {
    let folder = folder(VERSION);
    std::fs::create_dir_all(folder.parent().unwrap()).unwrap();
    std::fs::create_dir(&folder).expect("the fixtures of a version are written once");
    let (disk, _) = write();
    for name in disk.list().unwrap() {
        std::fs::write(folder.join(&name), disk.content(&name).unwrap()).unwrap();
    }
}
