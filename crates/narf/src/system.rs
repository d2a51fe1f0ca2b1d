//! What is asked of the kernel before anything else.
#![expect(unsafe_code, reason = "prctl has no safe form in std")]

/// Keeps the kernel from backing our memory with huge pages. Values come and go in small pieces all over the heap: a
/// huge page stays resident as long as one piece of it lives, and making one stalls the turn that touched it.
pub(crate) fn disable_huge_pages() {
    // SAFETY: takes integers only. A kernel that does not know it refuses, and nothing is lost.
    let _ = unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) };
}
