//! Checkpoint files: crashes, damage, listing.

use std::sync::Arc;

use base::{NodeId, PartitionId};
use log::{
    CheckpointHeader, CheckpointReader, CheckpointWriter, Checkpoints, Crash, Disk, Fault, LogError,
    MemoryDisk, Position,
};

fn header(partition: u16, index: u64) -> CheckpointHeader {
    CheckpointHeader {
        node: NodeId(0xABCD << 64 | 0x1234),
        partition: PartitionId(partition),
        index,
        term: 3,
        position: Position(4096),
        key_hash_seed: 9,
        wall_us: 1_700_000_000_000_000,
    }
}

const CHUNKS: [&[u8]; 3] = [b"first chunk", b"", &[0x5A; 700]];

fn write(disk: &MemoryDisk, header: &CheckpointHeader) -> Result<String, LogError> {
    let mut writer = CheckpointWriter::create(Arc::new(disk.clone()), header)?;
    for chunk in CHUNKS {
        writer.chunk(chunk)?;
    }
    writer.finish()
}

fn read(disk: &MemoryDisk, name: &str) -> Result<(CheckpointHeader, Vec<Vec<u8>>), LogError> {
    let mut reader = CheckpointReader::open(disk, name)?;
    let (mut chunks, mut chunk) = (Vec::new(), Vec::new());
    while reader.next_chunk(&mut chunk)? {
        chunks.push(chunk.clone());
    }
    assert!(!reader.next_chunk(&mut chunk)?);
    assert_eq!(reader.progress().0, reader.progress().1);
    Ok((*reader.header(), chunks))
}

#[test]
fn a_checkpoint_reads_back_as_written() {
    let disk = MemoryDisk::new();
    let name = write(&disk, &header(7, 100)).unwrap();
    assert_eq!(name, "checkpoint-00007-00000000000000000100.ckp");
    let (found, chunks) = read(&disk, &name).unwrap();
    assert_eq!(found, header(7, 100));
    assert_eq!(chunks, CHUNKS);
}

#[test]
fn any_flipped_bit_truncation_or_addition_is_seen() {
    let disk = MemoryDisk::new();
    let name = write(&disk, &header(0, 1)).unwrap();
    let whole = disk.content(&name).unwrap();
    let check = |bytes: Vec<u8>, what: &str| {
        disk.put(&name, bytes);
        match read(&disk, &name) {
            Err(LogError::Damaged { file, offset, .. }) => {
                assert_eq!(file, name);
                assert!(offset <= whole.len() as u64);
            }
            other => panic!("{what}: {other:?}"),
        }
    };
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        check(bytes, &format!("bit {bit}"));
    }
    for len in 0..whole.len() {
        check(whole[..len].to_vec(), &format!("{len} bytes"));
    }
    check([&whole[..], b"x"].concat(), "one byte more");
    let other = disk.content(&write(&disk, &header(0, 2)).unwrap()).unwrap();
    check([&whole[..128], &other[128..]].concat(), "chunks of another checkpoint");
    check(other, "another checkpoint under this name");
}

#[test]
fn a_newer_format_is_refused_as_such() {
    let disk = MemoryDisk::new();
    let name = write(&disk, &header(0, 1)).unwrap();
    for at in [8, 12] {
        let mut bytes = disk.content(&name).unwrap();
        bytes[at] = 2;
        let crc = base::checksum(&bytes[..124]);
        bytes[124..128].copy_from_slice(&crc.to_le_bytes());
        disk.put(&name, bytes);
        assert!(matches!(read(&disk, &name), Err(LogError::Newer { found: 2, known: 1, .. })));
    }
}

#[test]
fn a_crash_at_any_call_leaves_the_older_checkpoint_or_the_newer_one_whole() {
    for call in 0..30 {
        for seed in 0..40 {
            let disk = MemoryDisk::new();
            write(&disk, &header(0, 1)).unwrap();
            disk.fail_after(call, None, Fault::Dead);
            let written = write(&disk, &header(0, 2)).is_ok();
            if written {
                let _ = Checkpoints::remove_older(&disk, PartitionId(0), 2);
            }
            disk.crash(if seed == 0 { Crash::Process } else { Crash::Power { seed } });
            let found = Checkpoints::find_whole(&disk).unwrap();
            assert!(found.damaged.is_empty());
            let index = found.newest[&PartitionId(0)].header.index;
            assert!(index == 2 || !written, "a finished checkpoint is gone");
            read(&disk, &found.newest[&PartitionId(0)].name).unwrap();
            Checkpoints::remove_unfinished(&disk).unwrap();
            assert!(disk.list().unwrap().iter().all(|name| !name.ends_with(".tmp")));
        }
    }
}

#[test]
fn the_newest_of_each_partition_is_found_and_damaged_ones_are_told() {
    let disk = MemoryDisk::new();
    for (partition, index) in [(0, 5), (0, 9), (0, 10), (1, 4), (2, 1)] {
        write(&disk, &header(partition, index)).unwrap();
    }
    let newest =
        |found: &Checkpoints| -> Vec<u64> { found.newest.values().map(|info| info.header.index).collect() };
    assert_eq!(newest(&Checkpoints::find(&disk).unwrap()), [10, 4, 1]);
    let name = "checkpoint-00000-00000000000000000010.ckp";
    let mut bytes = disk.content(name).unwrap();
    bytes[200] ^= 1;
    disk.put(name, bytes);
    assert_eq!(newest(&Checkpoints::find(&disk).unwrap()), [10, 4, 1], "headers alone do not tell");
    let found = Checkpoints::find_whole(&disk).unwrap();
    assert_eq!(newest(&found), [9, 4, 1]);
    assert_eq!(found.damaged.len(), 1);
    let text = found.damaged[0].1.to_string();
    assert!(text.starts_with("checkpoint-00000-00000000000000000010.ckp is damaged at offset "), "{text}");
    assert_eq!(Checkpoints::remove_older(&disk, PartitionId(0), 9).unwrap(), 1);
    assert_eq!(disk.list().unwrap().len(), 4);
}

#[test]
fn a_full_disk_fails_a_checkpoint_with_a_word_for_it() {
    let disk = MemoryDisk::new();
    disk.set_capacity(600);
    let mut writer = CheckpointWriter::create(Arc::new(disk.clone()), &header(0, 1)).unwrap();
    writer.chunk(&[0; 100]).unwrap();
    assert!(writer.chunk(&[0; 1000]).unwrap_err().is_full());
    writer.abort().unwrap();
    assert!(disk.list().unwrap().is_empty());
    // One that cannot be begun or finished leaves nothing.
    disk.set_capacity(10);
    assert!(
        CheckpointWriter::create(Arc::new(disk.clone()), &header(0, 1)).is_err_and(|error| error.is_full())
    );
    assert!(disk.list().unwrap().is_empty());
    disk.set_capacity(600);
    let writer = CheckpointWriter::create(Arc::new(disk.clone()), &header(0, 1)).unwrap();
    disk.set_capacity(disk.used());
    assert!(writer.finish().unwrap_err().is_full());
    assert!(disk.list().unwrap().is_empty());
}

#[test]
fn a_checkpoint_leaves_what_it_is_told_to_leave() {
    let disk = MemoryDisk::new();
    disk.set_capacity(10_000);
    let create = || CheckpointWriter::create(Arc::new(disk.clone()), &header(0, 1)).unwrap();
    let mut writer = create().within(4_000, u64::MAX);
    let mut chunks = 0;
    let error = loop {
        match writer.chunk(&[0; 500]) {
            Ok(()) => chunks += 1,
            Err(error) => break error,
        }
    };
    let free = disk.space().unwrap().free;
    assert!(matches!(error, LogError::Full { needed: 500, free: told, kept: 4_000 } if told == free));
    assert!((4_000..4_600).contains(&free) && chunks > 9, "{free} bytes are left after {chunks} chunks");
    writer.abort().unwrap();
    // Nor does it come to more than it may.
    let mut writer = create().within(0, 1_000);
    writer.chunk(&[0; 700]).unwrap();
    assert!(writer.chunk(&[0; 700]).unwrap_err().is_full());
}
