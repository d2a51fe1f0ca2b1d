//! Bytes that claim to be the sparse registers of a HyperLogLog: refused or taken whole, whatever they are.
#![expect(clippy::panic, reason = "tests")]

#[path = "checks/registers.rs"]
mod checks;

use base::Random;
use checks::check_registers;

/// Runs of all kinds; mostly as many registers as there must be.
fn runs(random: &mut Random) -> Vec<u8> {
    let (mut bytes, mut left) = (Vec::new(), 1usize << 14);
    while left > 0 {
        let len = match random.below(3) {
            0 => left.min(1 + random.below(4) as usize),
            1 => left.min(1 + random.below(64) as usize),
            _ => left.min(1 + random.below(1 << 14) as usize),
        };
        let less = len - 1;
        match len {
            1..=4 if random.chance(3, 4) => bytes.push(0x80 | (random.below(32) as u8) << 2 | less as u8),
            1..=64 if random.chance(3, 4) => bytes.push(less as u8),
            _ => bytes.extend([0x40 | (less >> 8) as u8, less as u8]),
        }
        left -= len;
    }
    bytes
}

#[test]
fn registers_are_refused_or_taken_whole() {
    let mut random = Random::new(3);
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..1000 {
        let mut bytes = runs(&mut random);
        for _ in 0..random.below(3) {
            let at = random.below(bytes.len() as u64) as usize;
            match random.below(3) {
                0 => bytes[at] = random.next_u64() as u8,
                1 => bytes[at] ^= 1 << random.below(8),
                _ => bytes.insert(at, random.next_u64() as u8),
            }
        }
        if check_registers(&bytes) { taken += 1 } else { refused += 1 }
    }
    assert!(taken > 100 && refused > 100, "{taken} taken, {refused} refused");
    assert!(!check_registers(b""));
}
