//! Any bytes as the words of other nodes and of newcomers.

mod checks;

use base::Random;

#[test]
fn any_words_of_strangers_are_read_or_refused_with_a_reason() {
    let mut random = Random::new(1);
    for _ in 0..20_000 {
        let kind = random.next_u64() as u8;
        // Past the first check, for half of them.
        let start: &[u8] = match kind % 4 {
            _ if random.chance(1, 2) => b"",
            0 | 1 => b"NRF1",
            2 => b"\x01\x01",
            _ => b"\x01",
        };
        let mut bytes = [&[kind], start].concat();
        let len = random.below(120);
        // Lengths and counts are small numbers more often than not.
        let most = if random.chance(1, 2) { 4 } else { 256 };
        bytes.extend((0..len).map(|_| random.below(most) as u8));
        checks::check_bytes(&bytes);
    }
}
