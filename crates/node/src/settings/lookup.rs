//! By which words a setting is found, and what a wrong one was probably meant to be.

use super::rows::SETTINGS;
use super::setting::Setting;

/// The row of this name, key or alias, in any case.
pub fn find(word: &str) -> Option<&'static Setting> {
    let is = |name: &str| name.eq_ignore_ascii_case(word);
    SETTINGS.iter().find(|row| is(row.name) || is(row.key) || row.aliases.iter().any(|alias| is(alias)))
}

/// The key that `word` was probably meant to be.
pub fn nearest_key(word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase().replace('_', "-");
    let visible = SETTINGS.iter().filter(|row| !row.hidden && !row.is_fact());
    let spellings = visible.flat_map(|row| {
        [row.key, row.name].into_iter().chain(row.aliases.iter().copied()).map(|name| (row.key, name))
    });
    let (distance, key) = spellings.map(|(key, name)| (distance(&word, name), key)).min()?;
    // More than a third wrong is another word, not a slip.
    (distance * 3 <= word.len().max(3)).then_some(key)
}

/// Edits (insert, delete, replace, swap of neighbours) that lead from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let (from, to) = (from.as_bytes(), to.as_bytes());
    let width = to.len() + 1;
    let mut table = vec![0; (from.len() + 1) * width];
    for i in 0..=from.len() {
        for j in 0..=to.len() {
            table[i * width + j] = if i == 0 || j == 0 {
                i + j
            } else {
                let at = |i: usize, j: usize| table[i * width + j];
                let replaced = at(i - 1, j - 1) + usize::from(from[i - 1] != to[j - 1]);
                let mut best = replaced.min(at(i - 1, j) + 1).min(at(i, j - 1) + 1);
                if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                    best = best.min(at(i - 2, j - 2) + 1);
                }
                best
            };
        }
    }
    table[from.len() * width + to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_finds_its_key() {
        assert_eq!(nearest_key("prot"), Some("port"));
        assert_eq!(nearest_key("max-clients"), Some("maxclients"));
        assert_eq!(nearest_key("tcp_keepalive"), Some("tcp-keepalive"));
        assert_eq!(nearest_key("log_levle"), Some("log-level"));
        assert_eq!(nearest_key("zzzzz"), None);
    }
}
