//! How fast the log is on a real disk: `cargo run --release -p narf-log --example log_speed [folder]`.
//!
//! Prints appends a second without syncs, entries a second where each is synced before the next, entries a
//! second where 64 writers share syncs, and how fast the result is read back.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an example measures and tells"
)]

// The real disk lives in the shell, above this crate; the example borrows its source.
#[path = "../../server/src/disk.rs"]
#[expect(dead_code, unreachable_pub, reason = "the server uses more of it than the example")]
mod disk;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::{Duration, Instant};

use log::{Log, LogError, LogOptions, Position, SyncHandle};

const PERIOD: Duration = Duration::from_secs(3);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let parent = std::env::args().nth(1).map_or_else(|| PathBuf::from("."), PathBuf::from);
    let folder = tempfile::tempdir_in(parent)?;
    starts(&folder.path().join("starts"))?;
    for size in [64, 4096] {
        appends(&folder.path().join(format!("appends-{size}")), size)?;
        synced(&folder.path().join(format!("synced-{size}")), size)?;
        grouped(&folder.path().join(format!("grouped-{size}")), size, 64)?;
    }
    Ok(())
}

fn open(folder: &Path) -> Result<Log, Box<dyn std::error::Error>> {
    let disk = Arc::new(disk::FolderDisk::open(folder)?);
    Ok(Log::open(disk, LogOptions::new(1), &mut |_, _| Ok(()), &mut |_, _| {})?.0)
}

/// How long opening takes: with nothing there, and with an empty log and its spare.
fn starts(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    for what in ["made", "opened", "opened again"] {
        let begun = Instant::now();
        let log = open(folder)?;
        println!("        log {what} in {:?}", begun.elapsed());
        log.sync_handle().maintain()?;
    }
    Ok(())
}

/// One writer that never waits, and upkeep as the disk thread does it.
fn appends(folder: &Path, size: usize) -> Result<(), Box<dyn std::error::Error>> {
    let mut log = open(folder)?;
    let handle = log.sync_handle();
    let payload = vec![7; size];
    let count = (1 << 30) / (size as u64 + 200);
    let (stop, stopped) = mpsc::channel::<()>();
    let upkeep = std::thread::spawn(move || {
        while stopped.recv_timeout(Duration::from_millis(20)) == Err(mpsc::RecvTimeoutError::Timeout) {
            handle.maintain()?;
        }
        Ok::<(), LogError>(())
    });
    let begun = Instant::now();
    let mut worst = Duration::ZERO;
    let mut last = begun;
    for _ in 0..count {
        log.append(&payload)?;
        let now = Instant::now();
        worst = worst.max(now - last);
        last = now;
    }
    let took = begun.elapsed();
    drop(stop);
    upkeep.join().map_err(|_| "the upkeep thread panicked")??;
    let rate = count as f64 / took.as_secs_f64();
    println!("{size:>5} B  not synced        {rate:>10.0}/s  {:>6.2} us each, worst {worst:?}", 1e6 / rate);
    drop(log);
    let begun = Instant::now();
    let mut bytes = 0;
    let disk = Arc::new(disk::FolderDisk::open(folder)?);
    let mut visit = |_: Position, payload: &[u8]| {
        bytes += payload.len();
        Ok(())
    };
    Log::open(disk, LogOptions::new(1), &mut visit, &mut |_, _| {})?;
    let took = begun.elapsed().as_secs_f64();
    println!(
        "{size:>5} B  read back         {:>10.0}/s  {:>6.0} MB/s",
        count as f64 / took,
        bytes as f64 / took / 1e6
    );
    Ok(())
}

/// One writer that syncs each entry.
fn synced(folder: &Path, size: usize) -> Result<(), Box<dyn std::error::Error>> {
    let mut log = open(folder)?;
    let handle = log.sync_handle();
    let payload = vec![7; size];
    let (begun, mut count) = (Instant::now(), 0u64);
    while begun.elapsed() < PERIOD {
        log.append(&payload)?;
        handle.sync()?;
        handle.maintain()?;
        count += 1;
    }
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    println!("{size:>5} B  each synced       {rate:>10.0}/s");
    Ok(())
}

/// Many writers in closed loop on one worker, one disk thread: every sync covers what came since the last.
fn grouped(folder: &Path, size: usize, writers: u64) -> Result<(), Box<dyn std::error::Error>> {
    let mut log = open(folder)?;
    let handle = log.sync_handle();
    let state = Arc::new((Mutex::new((0u64, false)), Condvar::new()));
    let disk_thread = {
        let (state, handle) = (Arc::clone(&state), handle.clone());
        std::thread::spawn(move || sync_loop(&handle, &state))
    };
    let payload = vec![7; size];
    let (lock, wake) = &*state;
    let (begun, mut answered) = (Instant::now(), 0u64);
    let mut ends = std::collections::VecDeque::new();
    while begun.elapsed() < PERIOD {
        while (ends.len() as u64) < writers {
            ends.push_back(log.append(&payload)?.0);
        }
        let mut guard = lock.lock().map_err(|_| "the disk thread panicked")?;
        wake.notify_all();
        while ends.front().is_some_and(|&end| end > guard.0) {
            guard = wake.wait(guard).map_err(|_| "the disk thread panicked")?;
        }
        while ends.front().is_some_and(|&end| end <= guard.0) {
            ends.pop_front();
            answered += 1;
        }
    }
    lock.lock().map_err(|_| "the disk thread panicked")?.1 = true;
    wake.notify_all();
    disk_thread.join().map_err(|_| "the disk thread panicked")??;
    let rate = answered as f64 / begun.elapsed().as_secs_f64();
    println!("{size:>5} B  synced, {writers} at once {rate:>10.0}/s  {:>6.0} MB/s", rate * size as f64 / 1e6);
    Ok(())
}

fn sync_loop(handle: &SyncHandle, state: &(Mutex<(u64, bool)>, Condvar)) -> Result<(), LogError> {
    let (lock, wake) = state;
    loop {
        {
            let mut guard = lock.lock().unwrap_or_else(|poison| poison.into_inner());
            while handle.written() == handle.synced() && !guard.1 {
                guard = wake.wait(guard).unwrap_or_else(|poison| poison.into_inner());
            }
            if guard.1 {
                return Ok(());
            }
        }
        let synced = handle.sync()?.0;
        lock.lock().unwrap_or_else(|poison| poison.into_inner()).0 = synced;
        wake.notify_all();
        handle.maintain()?;
    }
}
