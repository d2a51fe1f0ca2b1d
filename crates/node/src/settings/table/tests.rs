//! The table: its words, and what is said for a wrong one.

use super::*;

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

#[test]
fn a_slip_of_the_pen_finds_its_key() {
    assert_eq!(nearest_key("prot"), Some("port"));
    assert_eq!(nearest_key("max-clients"), Some("maxclients"));
    assert_eq!(nearest_key("tcp_keepalive"), Some("tcp-keepalive"));
    assert_eq!(nearest_key("log_levle"), Some("log-level"));
    assert_eq!(nearest_key("zzzzz"), None);
}
