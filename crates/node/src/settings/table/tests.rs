//! The table: its words, and what is said for a wrong one.

use crate::settings::SETTINGS;

#[test]
fn no_two_rows_share_a_word() {
    let mut words: Vec<&str> = SETTINGS
        .iter()
        .flat_map(|row| {
            let key = (row.key != row.name).then_some(row.key);
            [row.name].into_iter().chain(key).chain(row.aliases.iter().copied())
        })
        .collect();
    let count = words.len();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), count);
}
