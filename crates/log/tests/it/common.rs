//! A log on a disk in memory, and a reader that checks what comes back.

use std::sync::Arc;

use log::{Log, LogError, LogOptions, MemoryDisk, Position, Recovered};

pub(crate) const SALT: u64 = 0x5EED;

/// Small segments, so that short tests rotate often.
pub(crate) fn options(boot: u8) -> LogOptions {
    LogOptions { boot_id: [boot; 16], segment_bytes: 4096, free_bytes_min: 0, ..LogOptions::new(SALT) }
}

/// Opens the log and collects its frames.
pub(crate) fn open(disk: &MemoryDisk, options: LogOptions) -> Result<(Log, Recovered, Frames), LogError> {
    let mut frames = Vec::new();
    let mut visit = |end: Position, payload: &[u8]| {
        frames.push((end, payload.to_vec()));
        Ok(())
    };
    let (log, recovered) = Log::open(Arc::new(disk.clone()), options, &mut visit, &mut |_, _| {})?;
    Ok((log, recovered, frames))
}

pub(crate) type Frames = Vec<(Position, Vec<u8>)>;

/// A payload that tells its number, of a length that varies from nothing to more than a segment.
pub(crate) fn payload(number: u64) -> Vec<u8> {
    let mut random = base::Random::new(number);
    let len = match random.below(12) {
        0 => 0,
        1 => 3000 + random.below(6000),
        _ => random.below(300),
    };
    (0..len).map(|_| random.next_u64() as u8).collect()
}
