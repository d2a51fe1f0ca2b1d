//! Order-independent digest of content.

use crate::table::Entry;

pub(crate) fn digest_entry(entry: &Entry) -> u128 {
    let mut bytes = Vec::new();
    crate::record::encode_entry(entry, &mut bytes);
    let low = base::KeyHasher::new(1).hash(&bytes);
    let high = base::KeyHasher::new(2).hash(&bytes);
    u128::from(high) << 64 | u128::from(low)
}
