//! All rows of settings, as one.

use std::iter::{Copied, Flatten};
use std::slice::Iter;

use super::setting::Setting;
use super::table::TABLES;

/// Rows of settings, in tables one after the other.
#[derive(Clone, Copy)]
pub struct Rows(&'static [&'static [Setting]]);

/// Every setting there is.
pub static SETTINGS: Rows = Rows(TABLES);

impl Rows {
    /// Each row.
    pub fn iter(self) -> Flatten<Copied<Iter<'static, &'static [Setting]>>> {
        self.0.iter().copied().flatten()
    }

    /// How many there are.
    pub fn count(self) -> usize {
        self.iter().count()
    }
}

impl IntoIterator for Rows {
    type Item = &'static Setting;
    type IntoIter = Flatten<Copied<Iter<'static, &'static [Setting]>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
