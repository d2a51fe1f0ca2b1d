//! The envelope of a value that travels: what is behind it says which version wrote it and that nothing was lost.
//!
//! ```text
//! value | version u16 | CRC-64 of all before, u64      little-endian
//! ```
//!
//! The sum guards against accidents, not malice: what is inside may be anything.

use crc::{CRC_64_REDIS, Crc, Table};

use super::{VERSION_OF_DEADLINES, VERSION_READ, VERSION_WRITTEN, tag};

/// Sixteen tables: some bytes a cycle, where one table takes some cycles a byte.
static CRC: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_REDIS);

const FOOTER_LEN: usize = 10;

/// Too short, of a newer version, or with a wrong sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadError;

/// The value in an envelope.
pub fn open(payload: &[u8]) -> Result<&[u8], PayloadError> {
    let (summed, sum) = payload.split_last_chunk().ok_or(PayloadError)?;
    let (value, version) = summed.split_last_chunk().ok_or(PayloadError)?;
    let fits =
        u16::from_le_bytes(*version) <= VERSION_READ && CRC.checksum(summed) == u64::from_le_bytes(*sum);
    if fits { Ok(value) } else { Err(PayloadError) }
}

/// Puts a value into its envelope.
pub fn seal(value: &mut Vec<u8>) {
    let version = match value.first() {
        Some(&tag::HASH_METADATA) => VERSION_OF_DEADLINES,
        Some(_) | None => VERSION_WRITTEN,
    };
    value.reserve_exact(FOOTER_LEN);
    value.extend_from_slice(&version.to_le_bytes());
    let sum = CRC.checksum(value);
    value.extend_from_slice(&sum.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_the_one_that_redis_publishes() {
        assert_eq!(CRC.checksum(b"123456789"), 0xE9C6_D914_C4B8_D9CA);
    }

    #[test]
    fn an_envelope_is_opened_only_as_it_was_closed() {
        // SET k v, DUMP k of redis-server 7.0.15.
        let sealed = b"\x00\x01v\x0a\x00\x91\x08\xce\xb2\x198\x8a\xce";
        let mut value = b"\x00\x01v".to_vec();
        seal(&mut value);
        assert_eq!(open(&value), Ok(b"\x00\x01v".as_slice()));
        assert_eq!(value, sealed, "{value:x?}");
        for len in 0..value.len() {
            assert_eq!(open(&value[..len]), Err(PayloadError));
        }
        for at in 0..value.len() {
            let mut damaged = value.clone();
            damaged[at] ^= 0x10;
            assert_eq!(open(&damaged), Err(PayloadError));
        }
        let mut newer = b"\x00\x01v\x0d\x00".to_vec();
        newer.extend(CRC.checksum(&newer).to_le_bytes());
        assert_eq!(open(&newer), Err(PayloadError), "a newer version");
    }
}
