//! The part of the model that knows deadlines of fields.

use super::{Answer, Model, Value};

impl Model {
    /// Commands on deadlines of fields: one time, one condition, one word at most, then the fields.
    pub(super) fn apply_fields(&mut self, parts: &[Vec<u8>]) -> Result<Answer, Answer> {
        let key = parts[1].as_slice();
        let at = parts.iter().position(|part| part == b"FIELDS").unwrap();
        let words: Vec<&[u8]> = parts[2..at].iter().map(Vec::as_slice).collect();
        let fields = &parts[at + 2..];
        let (mut hash, before) = (self.hash(key)?, self.hash(key)?);
        let life = words.iter().find_map(|word| base::parse_i64(word)).map(|life| self.now + life as u64);
        let now = self.now;
        let live = |deadline: &Option<u64>| deadline.is_none_or(|at| at > now);
        let mut texts = Vec::new();
        let mut numbers = Vec::new();
        match parts[0].as_slice() {
            b"HSETEX" => {
                let holds = match words.first() {
                    Some(&b"FNX") => !hash.contains_key(&fields[0]),
                    Some(&b"FXX") => hash.contains_key(&fields[0]),
                    _ => true,
                };
                if holds {
                    let keep = words.contains(&b"KEEPTTL".as_slice());
                    let kept = hash.get(&fields[0]).and_then(|(_, deadline)| *deadline).filter(|_| keep);
                    hash.insert(fields[0].clone(), (fields[1].clone(), life.or(kept)));
                }
                numbers.push(i64::from(holds));
            }
            name => {
                for field in fields {
                    let Some((text, deadline)) = hash.get_mut(field) else {
                        numbers.push(-2);
                        texts.push(None);
                        continue;
                    };
                    texts.push(Some(text.clone()));
                    let (old, word) = (*deadline, words.last().copied().unwrap_or_default());
                    numbers.push(match name {
                        b"HPTTL" => old.map_or(-1, |at| (at - now) as i64),
                        b"HPERSIST" => deadline.take().map_or(-1, |_| 1),
                        b"HPEXPIRE" => {
                            let holds = match (word, old) {
                                (b"NX", old) => old.is_none(),
                                (b"XX", old) => old.is_some(),
                                (b"GT", old) => old.is_some_and(|old| life > Some(old)),
                                (b"LT", old) => old.is_none_or(|old| life < Some(old)),
                                _ => true,
                            };
                            *deadline = if holds { life } else { old };
                            if !holds { 0 } else { 2 - i64::from(live(deadline)) }
                        }
                        b"HGETDEL" => {
                            *deadline = Some(0);
                            1
                        }
                        _ => {
                            match word {
                                b"PERSIST" => *deadline = None,
                                _ => *deadline = life.or(old),
                            }
                            1
                        }
                    });
                    if !live(deadline) {
                        hash.remove(field);
                    }
                }
            }
        }
        hash.retain(|_, (_, deadline)| live(deadline));
        if hash != before {
            self.put(key, Value::Hash(hash), self.deadline(key));
        }
        Ok(match parts[0].as_slice() {
            b"HGETDEL" | b"HGETEX" => Answer::Texts(texts),
            b"HSETEX" => Answer::Int(numbers[0]),
            _ => Answer::Ints(numbers),
        })
    }
}
