//! Any bytes as the words of other nodes and of newcomers.

mod checks;

use base::Random;

#[test]
fn any_words_of_strangers_are_read_or_refused_with_a_reason() {
    let mut random = Random::new(1);
    for _ in 0..20_000 {
        let kind = random.next_u64() as u8;
        // Past the first check, for half of them.
        let start: &[u8] = match kind % 6 {
            _ if random.chance(1, 2) => b"",
            0 | 1 => b"NRF4",
            2 => b"\x60\0\0\0\x01\x01",
            3 => b"\x01",
            5 => b"\x03\x03\0\0\x40",
            _ => b"\x01\0\x03v=1\x06name=a",
        };
        let mut bytes = [&[kind], start].concat();
        let len = random.below(120);
        // Lengths and counts are small numbers more often than not.
        let most = if random.chance(1, 2) { 4 } else { 256 };
        bytes.extend((0..len).map(|_| random.below(most) as u8));
        checks::check_bytes(&bytes);
    }
}

/// What the fuzz target begins with is read whole, but for answers that say no.
#[test]
fn the_seeds_of_the_fuzz_target_are_good() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/join");
    let mut seen = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let says_no = ["refused", "later"].iter().any(|name| path.ends_with(name));
        assert_eq!(checks::read(&bytes).is_err(), says_no, "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 7, "the seeds are there");
}
