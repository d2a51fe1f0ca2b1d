//! mimalloc, counted: how many bytes are allocated is known at any time, exactly to the allocator's size classes.
//!
//! Each thread adds to a counter of its own, on a line of its own, so that counting costs an addition and no thread waits
//! for another. Whoever wants the sum adds the counters up. A block that one thread allocates and another frees makes one
//! counter too high and the other too low; the sum is right. Threads beyond [`OWN_MAX`] share a counter.
#![expect(unsafe_code, reason = "an allocator, and the calls of mimalloc that have no safe form")]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_long, c_void};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use base::allocated;
use mimalloc::MiMalloc;

/// Threads with a counter of their own: far more than a node ever has at a time.
const OWN_MAX: usize = 256;

#[repr(align(64))]
struct Counter(AtomicI64);

static COUNTERS: [Counter; OWN_MAX + 1] = [const { Counter(AtomicI64::new(0)) }; OWN_MAX + 1];
/// Counters that are handed out.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// This thread's counter; `usize::MAX` until it has one. Without a destructor, so that it may be used while a thread
    /// begins and ends.
    static MINE: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// See the module.
pub(crate) struct Counted;

#[inline]
fn count(bytes: i64) {
    let mine = MINE.get();
    if mine < OWN_MAX {
        // Nobody else writes it, so it needs no locked instruction.
        let counter = &COUNTERS[mine].0;
        counter.store(counter.load(Ordering::Relaxed).wrapping_add(bytes), Ordering::Relaxed);
    } else {
        count_shared(mine, bytes);
    }
}

#[cold]
fn count_shared(mut mine: usize, bytes: i64) {
    if mine == usize::MAX {
        mine = TAKEN.fetch_add(1, Ordering::Relaxed).min(OWN_MAX);
        MINE.set(mine);
    }
    COUNTERS[mine].0.fetch_add(bytes, Ordering::Relaxed);
}

/// What a block of this layout takes: mimalloc finds room for a larger alignment in a larger block, unless the size is a
/// power of two.
#[inline]
fn takes(size: usize, align: usize) -> i64 {
    let padding = if align > 16 && !size.is_power_of_two() { align - 1 } else { 0 };
    allocated(size.saturating_add(padding)) as i64
}

// SAFETY: every call goes to mimalloc as it came; beside it only counters change, which allocate nothing.
unsafe impl GlobalAlloc for Counted {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promised.
        let block = unsafe { MiMalloc.alloc(layout) };
        if !block.is_null() {
            count(takes(layout.size(), layout.align()));
        }
        block
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promised.
        let block = unsafe { MiMalloc.alloc_zeroed(layout) };
        if !block.is_null() {
            count(takes(layout.size(), layout.align()));
        }
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-takes(layout.size(), layout.align()));
        // SAFETY: as the caller promised.
        unsafe { MiMalloc.dealloc(block, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as the caller promised.
        let block = unsafe { MiMalloc.realloc(block, layout, new_size) };
        if !block.is_null() {
            count(takes(new_size, layout.align()) - takes(layout.size(), layout.align()));
        }
        block
    }
}

/// What the server may ask of it.
pub(crate) const FOR_SERVER: server::Allocator =
    server::Allocator { allocated: allocated_in_all, allocated_here, give_back, leave_giving_back, describe };

fn allocated_in_all() -> u64 {
    let taken = TAKEN.load(Ordering::Relaxed).min(COUNTERS.len());
    let sum: i64 = COUNTERS[..taken].iter().map(|counter| counter.0.load(Ordering::Relaxed)).sum();
    // Read one after the other while others count, so it may be off by what happens meanwhile, but never below zero.
    u64::try_from(sum).unwrap_or(0)
}

fn allocated_here() -> i64 {
    match MINE.get() {
        mine if mine < OWN_MAX => COUNTERS[mine].0.load(Ordering::Relaxed),
        // What is shared is not this thread's own.
        _ => 0,
    }
}

/// Gives what is free, and was the calling thread's, back to the system.
fn give_back() {
    // A thread that never allocated is not known to mimalloc, which does nothing for it.
    drop(std::hint::black_box(Box::new(0_u8)));
    // SAFETY: takes no pointer; may be called at any time.
    unsafe { libmimalloc_sys::mi_collect(true) }
}

/// mimalloc's `mi_option_purge_delay`, which its wrapper does not name: after how many milliseconds a thread that frees
/// pages gives back to the system what is free by then.
const PURGE_DELAY: c_int = 15;

/// Has it be given back by [`give_back`] alone.
fn leave_giving_back() {
    // Never would mean that `give_back` does not either.
    // SAFETY: takes no pointer; each allocation reads the option anew.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, c_long::from(i32::MAX)) }
}

/// mimalloc's own account of itself.
fn describe() -> String {
    unsafe extern "C" fn take(text: *const c_char, out: *mut c_void) {
        if !text.is_null() && !out.is_null() {
            // SAFETY: mimalloc gives a C string, and back what it was given, which is the string below.
            let (text, out) = unsafe { (CStr::from_ptr(text), &mut *out.cast::<String>()) };
            out.push_str(&text.to_string_lossy());
        }
    }
    let mut out = String::new();
    // SAFETY: `take` is called while this call lasts, with the pointer that goes with it.
    unsafe { libmimalloc_sys::mi_stats_print_out(Some(take), (&raw mut out).cast()) };
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_allocator() {
        for size in (1..5000).chain((5000..2_000_000).step_by(1237)) {
            // SAFETY: takes no pointer.
            let good = unsafe { libmimalloc_sys::mi_good_size(size) };
            // A single word is rounded up to two here: it is rare, and the smallest alignment gives it as much.
            assert_eq!(allocated(size).max(16), good.max(16), "{size}");
        }
    }

    /// What of this process is in memory, in bytes.
    fn resident() -> usize {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "that another thread gives it back is the point")]
    fn what_a_thread_frees_another_gives_back() {
        const PART: usize = 64 << 20;
        // SAFETY: takes no pointer.
        let before = unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        assert_eq!(before, 1000, "the option has another number in this version of mimalloc");
        leave_giving_back();
        let blocks: Vec<Box<[u8]>> = (0..PART / 4096).map(|_| vec![1; 4000].into_boxed_slice()).collect();
        let full = resident();
        drop(blocks);
        assert!(resident() > full - PART / 2, "given back by the thread that freed it");
        assert!(std::thread::spawn(give_back).join().is_ok());
        assert!(resident() < full - PART / 2, "{full} -> {}", resident());
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "what another thread frees is the point")]
    fn what_is_allocated_is_counted_wherever_it_is_freed() {
        let before = allocated_in_all();
        let blocks: Vec<Box<[u8]>> = (0..1000).map(|_| vec![0; 4000].into_boxed_slice()).collect();
        // Other tests allocate meanwhile, by far less.
        assert!(allocated_in_all() > before + 4_000_000);
        assert!(std::thread::spawn(move || drop(blocks)).join().is_ok());
        assert!(allocated_in_all() < before + 1_000_000);
        assert!(describe().contains("reserved"));
    }
}
