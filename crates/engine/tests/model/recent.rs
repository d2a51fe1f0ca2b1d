//! The part of the model that knows commands newer than Redis 7.2, which no real server here can be asked about.

use std::collections::BTreeSet;

use super::{Answer, Model, Value, integer};

pub(super) const FORMS: &[&str] = &[
    "INCREX key",
    "INCREX key BYINT number",
    "INCREX key BYINT number LBOUND score UBOUND 200",
    "INCREX key BYINT number UBOUND score SATURATE",
    "INCREX key BYINT number SATURATE LBOUND score PX life",
    "INCREX key PX life ENX",
    "INCREX key BYINT number PERSIST",
    "INCREX key PXAT 1",
    "LMOVEM key other LEFT RIGHT",
    "LMOVEM key key LEFT LEFT COUNT 3 OBO",
    "LMOVEM key key RIGHT LEFT COUNT 2 BULK",
    "LMOVEM other key RIGHT RIGHT EXACTLY 2 OBO",
    "LMOVEM key other LEFT LEFT EXACTLY 3 BULK",
    "LMOVEM key key RIGHT RIGHT COUNT 1000 BULK",
    "SDIFFCARD 2 key key",
    "SDIFFCARD 2 key key LIMIT 5",
    "SUNIONCARD 3 key key other",
    "SUNIONCARD 2 key key LIMIT 5",
];

impl Model {
    pub(super) fn apply_recent(&mut self, parts: &[Vec<u8>]) -> Result<Answer, Answer> {
        match parts[0].as_slice() {
            b"INCREX" => self.apply_increx(parts),
            b"LMOVEM" => self.apply_lmovem(parts),
            _ => {
                let count = integer(&parts[1])? as usize;
                let sets: Vec<BTreeSet<Vec<u8>>> =
                    parts[2..2 + count].iter().map(|key| self.set(key)).collect::<Result<_, _>>()?;
                let join = |all: BTreeSet<Vec<u8>>, one: &BTreeSet<Vec<u8>>| match parts[0][1] {
                    b'U' => &all | one,
                    _ => &all - one,
                };
                let len = sets[1..].iter().fold(sets[0].clone(), join).len();
                let limit = parts.get(3 + count).map_or(Ok(i64::MAX), |limit| integer(limit))?;
                Ok(Answer::Int(limit.min(len as i64)))
            }
        }
    }

    fn apply_increx(&mut self, parts: &[Vec<u8>]) -> Result<Answer, Answer> {
        let key = parts[1].as_slice();
        let at = |word: &str| parts.iter().position(|part| part == word.as_bytes());
        let behind = |word: &str| at(word).map(|at| integer(&parts[at + 1])).transpose();
        let amount = behind("BYINT")?.unwrap_or(1);
        let (least, most) = (behind("LBOUND")?.unwrap_or(i64::MIN), behind("UBOUND")?.unwrap_or(i64::MAX));
        let before = self.text(key)?.map_or(Ok(0), |text| integer(&text))?;
        let old = self.deadline(key);
        let wide = i128::from(before) + i128::from(amount);
        let kept = wide.clamp(least.into(), most.into()) as i64;
        if i128::from(kept) != wide && at("SATURATE").is_none() {
            return Ok(Answer::Ints(vec![before, 0]));
        }
        let added = i64::try_from(i128::from(kept) - i128::from(before)).map_err(|_| Answer::Error)?;
        let deadline = match (behind("PX")?, behind("PXAT")?) {
            (Some(_), _) if at("ENX").is_some() && old.is_some() => old,
            (Some(life), _) => Some(self.now + life as u64),
            (None, Some(moment)) => Some(moment as u64),
            (None, None) if at("PERSIST").is_some() => None,
            (None, None) => old,
        };
        self.put_text(key, kept.to_string().into_bytes(), deadline);
        self.drop_lapsed();
        Ok(Answer::Ints(vec![kept, added]))
    }

    /// Element by element, or all at once.
    fn apply_lmovem(&mut self, parts: &[Vec<u8>]) -> Result<Answer, Answer> {
        let (from, to) = (parts[1].as_slice(), parts[2].as_slice());
        let source = self.list(from)?;
        let count = parts.get(6).map_or(Ok(1), |count| integer(count))? as usize;
        let is_exact = parts.get(5).is_some_and(|word| word == b"EXACTLY");
        if source.is_empty() || is_exact && source.len() < count {
            return Ok(Answer::Nil);
        }
        self.list(to)?;
        let count = count.min(source.len());
        let (taken, left) = match parts[3].as_slice() {
            b"LEFT" => (source[..count].to_vec(), source[count..].to_vec()),
            _ => (source[source.len() - count..].to_vec(), source[..source.len() - count].to_vec()),
        };
        let one_by_one = parts.get(7).is_some_and(|word| word == b"OBO");
        let mut block = taken;
        if one_by_one {
            // The first that goes is that at the end; each comes before those that went.
            let mut in_turn = block.clone();
            if parts[3] == b"RIGHT" {
                in_turn.reverse();
            }
            block = Vec::new();
            for element in in_turn {
                block.insert(if parts[4] == b"LEFT" { 0 } else { block.len() }, element);
            }
        }
        let (old, deadline) = (self.deadline(from), self.deadline(to));
        let target = if from == to { left.clone() } else { self.list(to)? };
        let all = match parts[4].as_slice() {
            b"LEFT" => [block.clone(), target].concat(),
            _ => [target, block.clone()].concat(),
        };
        if from != to {
            self.put(from, Value::List(left), old);
        }
        self.put(to, Value::List(all), deadline);
        Ok(Answer::Texts(block.into_iter().map(Some).collect()))
    }
}
