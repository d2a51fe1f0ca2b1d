//! What counts as a change, and who hears of it.
//!
//! Invariant: whatever changes what a partition answers is counted, for what is not counted is not logged.

use super::Book;

impl Book {
    #[inline]
    pub(crate) fn changed(&mut self, key: &[u8]) {
        self.changes += 1;
        self.watches.changed(key);
        self.awaited.changed(key);
        self.noted.changed(key);
        self.touch(key);
    }

    /// Counts a change of the form only, which those who watch the key or keep its value do not hear of.
    pub(crate) fn changed_in_form(&mut self, key: &[u8]) {
        self.changes += 1;
        self.touch(key);
    }

    /// Counts a change that is of no key.
    pub(crate) fn changed_beside(&mut self) {
        self.changes += 1;
    }

    #[inline]
    fn touch(&mut self, key: &[u8]) {
        if let Some(touched) = &mut self.touched {
            touched.push(key.into());
        }
    }
}
