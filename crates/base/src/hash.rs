//! The three hashes of the system: slot (Redis Cluster's CRC16), key (keyed, for tables), checksum (disk, wire).

use crate::Slot;

/// CRC16/XMODEM (polynomial 0x1021), eight tables so that eight bytes go in one step.
static CRC16: [[u16; 256]; 8] = crc16_tables();

const fn crc16_tables() -> [[u16; 256]; 8] {
    let mut tables = [[0u16; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 != 0 { (crc << 1) ^ 0x1021 } else { crc << 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut k = 1;
    while k < 8 {
        let mut byte = 0;
        while byte < 256 {
            let previous = tables[k - 1][byte];
            tables[k][byte] = (previous << 8) ^ tables[0][(previous >> 8) as usize];
            byte += 1;
        }
        k += 1;
    }
    tables
}

fn crc16(bytes: &[u8]) -> u16 {
    let mut crc = 0u16;
    let mut chunks = bytes.chunks_exact(8);
    for c in &mut chunks {
        let [high, low] = crc.to_be_bytes();
        crc = CRC16[7][(c[0] ^ high) as usize]
            ^ CRC16[6][(c[1] ^ low) as usize]
            ^ CRC16[5][c[2] as usize]
            ^ CRC16[4][c[3] as usize]
            ^ CRC16[3][c[4] as usize]
            ^ CRC16[2][c[5] as usize]
            ^ CRC16[1][c[6] as usize]
            ^ CRC16[0][c[7] as usize];
    }
    for &byte in chunks.remainder() {
        crc = (crc << 8) ^ CRC16[0][((crc >> 8) as u8 ^ byte) as usize];
    }
    crc
}

/// The slot of a key: CRC16 of the key, or of what stands between its first `{` and the next `}` if that is
/// not empty. As in the Redis Cluster specification.
#[inline]
pub fn slot_of(key: &[u8]) -> Slot {
    Slot::wrapping(crc16(hash_tag(key)))
}

#[inline]
fn hash_tag(key: &[u8]) -> &[u8] {
    if !has_brace(key) {
        return key;
    }
    let Some(open) = key.iter().position(|&b| b == b'{') else { return key };
    let rest = &key[open + 1..];
    match rest.iter().position(|&b| b == b'}') {
        Some(len) if len > 0 => &rest[..len],
        _ => key,
    }
}

/// Whether there is a `{` among the bytes, eight at a time and the last ones by the last eight: most keys have none, and
/// every request asks.
#[inline]
fn has_brace(key: &[u8]) -> bool {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // The top bit of a byte that is one, and perhaps of others after it.
    let hits = |word: u64| {
        let zero = word ^ (EACH * (b'{' as u64));
        zero.wrapping_sub(EACH) & !zero & (EACH << 7)
    };
    let (words, rest) = key.as_chunks::<8>();
    let Some(last) = key.last_chunk() else {
        return rest.iter().fold(false, |found, &b| found | (b == b'{'));
    };
    words.iter().fold(hits(u64::from_le_bytes(*last)), |found, word| found | hits(u64::from_le_bytes(*word)))
        != 0
}

/// Hashes keys for tables. The seed is secret, so that strangers cannot aim keys at one place, and equal on
/// all replicas of a partition, so that they iterate alike.
#[derive(Clone, Copy)]
pub struct KeyHasher(rapidhash::v3::RapidSecrets);

impl KeyHasher {
    /// Derives the secrets of `seed`; make one and keep it.
    pub fn new(seed: u64) -> KeyHasher {
        KeyHasher(rapidhash::v3::RapidSecrets::seed(seed))
    }

    /// The hash of `key`: all 64 bits are good.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        rapidhash::v3::rapidhash_v3_inline::<true, false, false>(key, &self.0)
    }
}

/// CRC32 of bytes that go to disk or to a peer.
pub fn checksum(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values from the Redis Cluster specification and `CLUSTER KEYSLOT` of redis-server 7.0.
    #[test]
    fn slots_are_those_of_redis_cluster() {
        for (key, slot) in [
            ("123456789", 0x31C3),
            ("foo", 12182),
            ("bar", 5061),
            ("hello", 866),
            ("", 0),
            ("{user1000}.following", 3443),
            ("{user1000}.followers", 3443),
            ("foo{}{bar}", 8363),
            ("foo{{bar}}zap", 4015),
            ("foo{bar}{zap}", 5061),
        ] {
            assert_eq!(slot_of(key.as_bytes()).number(), slot, "{key}");
        }
    }

    #[test]
    fn a_brace_is_found_wherever_it_stands() {
        for len in 0..40 {
            // What lies around it in the table of characters, and with the top bit.
            for filler in [b'z', b'|', b'{' | 0x80, b'{' ^ 1, 0, 0xff] {
                let mut key = vec![filler; len];
                assert!(!has_brace(&key), "{key:?}");
                for at in 0..len {
                    key[at] = b'{';
                    assert!(has_brace(&key), "{key:?}");
                    key[at] = filler;
                }
            }
        }
    }

    #[test]
    fn eight_bytes_at_a_time_equal_one_at_a_time() {
        let bytes: Vec<u8> = (0..100u8).map(|n| n.wrapping_mul(37)).collect();
        for len in 0..bytes.len() {
            let slow = bytes[..len]
                .iter()
                .fold(0u16, |crc, &b| (crc << 8) ^ CRC16[0][((crc >> 8) as u8 ^ b) as usize]);
            assert_eq!(crc16(&bytes[..len]), slow);
        }
    }

    #[test]
    fn key_hash_depends_on_its_seed() {
        assert_ne!(KeyHasher::new(1).hash(b"key"), KeyHasher::new(2).hash(b"key"));
        assert_eq!(KeyHasher::new(7).hash(b"key"), KeyHasher::new(7).hash(b"key"));
    }
}
