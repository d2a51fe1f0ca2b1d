//! One key as bytes: what checkpoints and `narf.put` carry. To the byte in docs/formats/record.md.

use base::Millis;

use crate::table::{Entry, entry::Held};

/// Why bytes are not a record. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The bytes end before the record does.
    #[error("record is cut short after {have} bytes; restore the file from a copy")]
    Short {
        /// Bytes that were there.
        have: usize,
    },
    /// A byte says something that no version writes.
    #[error("record has a wrong {what} at byte {at}; restore the file from a copy")]
    Wrong {
        /// What was being read.
        what: &'static str,
        /// Where.
        at: usize,
    },
    /// Written by a newer version.
    #[error("record has version {version}, this program reads up to {newest}; use a newer one")]
    Newer {
        /// The record's version.
        version: u8,
        /// The newest that is read.
        newest: u8,
    },
}

/// Appends the record of an entry.
pub fn encode_entry(entry: &Entry, out: &mut Vec<u8>) {
    fn put(bytes: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        out.extend_from_slice(bytes);
    }
    put(&entry.key, out);
    out.extend_from_slice(&entry.deadline.unwrap_or_default().0.to_le_bytes());
    match &entry.value {
        Held::Text { bytes, raw } => {
            out.push(u8::from(*raw));
            put(bytes, out);
        }
        Held::Int(number) => {
            out.push(2);
            out.extend_from_slice(&number.to_le_bytes());
        }
        Held::Hash(pairs) => {
            out.push(3);
            out.extend_from_slice(&(pairs.len() as u32).to_le_bytes());
            pairs.iter().for_each(|(field, value)| {
                put(field, out);
                put(value, out);
            });
        }
    }
}

pub(crate) fn decode_entry(bytes: &[u8]) -> Result<(usize, Entry), RecordError> {
    let short = RecordError::Short { have: bytes.len() };
    let mut at = 0;
    let mut next = |len: usize| {
        let piece = bytes.get(at..at + len).ok_or(short)?;
        at += len;
        Ok(piece)
    };
    let word = |piece: &[u8]| {
        let mut wide = [0u8; 8];
        wide[..piece.len()].copy_from_slice(piece);
        u64::from_le_bytes(wide)
    };
    let len = word(next(4)?) as usize;
    let key = next(len)?.to_vec();
    let deadline = word(next(8)?);
    let value = match next(1)?[0] {
        raw @ 0..=1 => {
            let len = word(next(4)?) as usize;
            Held::Text { bytes: next(len)?.to_vec(), raw: raw == 1 }
        }
        2 => Held::Int(word(next(8)?) as i64),
        3 => {
            let count = word(next(4)?);
            let mut pairs = Vec::new();
            for _ in 0..count {
                let len = word(next(4)?) as usize;
                let field = next(len)?.to_vec();
                let len = word(next(4)?) as usize;
                pairs.push((field, next(len)?.to_vec()));
            }
            Held::Hash(pairs)
        }
        _ => return Err(RecordError::Wrong { what: "kind", at }),
    };
    let deadline = (deadline != 0).then_some(Millis(deadline));
    Ok((at, Entry { key, deadline, clock: 0, value }))
}
