//! The body of the fuzz target, from seeds.

use base::Random;

#[path = "../checks/mod.rs"]
mod checks;

#[test]
fn damaged_logs_are_refused_or_read_right_and_never_panic() {
    let mut random = Random::new(1);
    for _ in 0..2000 {
        let edits = 1 + random.below(4) as usize;
        let data: Vec<u8> = (0..1 + edits * 6).map(|_| random.next_u64() as u8).collect();
        checks::check_bytes(&data);
    }
}
