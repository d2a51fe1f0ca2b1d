//! The users of a cluster: names, and definitions that are others' business.
//!
//! A definition is made from the one before, by a node that understands it. So a change says which list of users it was
//! made for, and is refused if that is no longer the list: whoever made it makes it again.
//!
//! Invariants: names and definitions are within their limits; the version grows with each change of the list.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::error::{DecodeError, Refused};
use crate::meta::Applied;
use crate::wire::{Read, Reader, Writer};

/// Most users.
pub const USERS_MAX: usize = 10_000;
/// Most bytes of a user's name.
pub const USER_NAME_BYTES_MAX: usize = 512;
/// Most bytes of a user's definition.
pub const USER_DEFINITION_BYTES_MAX: usize = 64 * 1024;
/// Most bytes of all users together.
pub const USERS_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Why a change made for another list of users is refused.
pub const USERS_CHANGED: &str = "the users were changed by someone else meanwhile; try again";

/// What a user is, in words that the cluster does not read. It holds hashes of passwords, so it is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Definition(pub Box<[u8]>);

impl fmt::Debug for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Definition(..)")
    }
}

/// A change of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserChange {
    /// Whose.
    pub name: Box<[u8]>,
    /// What the user is from now on; none deletes it.
    pub definition: Option<Definition>,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Users {
    version: u64,
    // The state of the cluster is copied with each change of anything.
    by_name: Arc<BTreeMap<Box<[u8]>, Definition>>,
}

impl Users {
    /// How often the list was changed.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The definition of a user.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.by_name.get(name).map(|definition| &*definition.0)
    }

    /// All of them by name: name and definition.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.by_name.iter().map(|(name, definition)| (&**name, &*definition.0))
    }

    /// Changes users, all of them or none. `based_on` is the version that the changes were made for.
    pub fn apply(&mut self, changes: &[UserChange], based_on: u64) -> Result<Applied, Refused> {
        if based_on != self.version {
            return Err(Refused::UsersChanged);
        }
        let mut users = BTreeMap::clone(&self.by_name);
        for UserChange { name, definition } in changes {
            match definition {
                None => drop(users.remove(name)),
                Some(definition) => {
                    check(name, definition)?;
                    users.insert(name.clone(), definition.clone());
                }
            }
        }
        let advice = "delete some with ACL DELUSER";
        if users.len() > USERS_MAX {
            return Err(Refused::Full { what: "users", limit: USERS_MAX, advice });
        }
        if bytes_of(&users) > USERS_BYTES_MAX {
            return Err(Refused::Full { what: "bytes of users", limit: USERS_BYTES_MAX, advice });
        }
        if users == *self.by_name {
            return Ok(Applied::Unchanged);
        }
        self.by_name = Arc::new(users);
        self.version += 1;
        Ok(Applied::Changed)
    }

    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.by_name.len() > USERS_MAX || bytes_of(&self.by_name) > USERS_BYTES_MAX {
            return Err("there are not too many users");
        }
        match self.by_name.iter().all(|(name, definition)| check(name, definition).is_ok()) {
            true => Ok(()),
            false => Err("no user is too large"),
        }
    }

    /// The bytes of the list.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        self.write(&mut out);
        out.finish()
    }

    /// Reads a list that fills all of `bytes`.
    pub fn decode(bytes: &[u8]) -> Result<Users, DecodeError> {
        let mut reader = Reader::new(bytes);
        let users = Users::read(&mut reader)?;
        reader.finish()?;
        users.check().map_err(DecodeError::Contradiction)?;
        Ok(users)
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.u64(self.version);
        out.count(self.by_name.len());
        for (name, definition) in &*self.by_name {
            write_bytes(name, out);
            write_bytes(&definition.0, out);
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Users, DecodeError> {
        let version = reader.u64()?;
        let count = reader.count("users", USERS_MAX, 4 + 4)?;
        let mut users: BTreeMap<Box<[u8]>, Definition> = BTreeMap::new();
        for _ in 0..count {
            let name: Box<[u8]> = read_bytes(reader, "user name", USER_NAME_BYTES_MAX)?.into();
            let definition = read_bytes(reader, "definition of a user", USER_DEFINITION_BYTES_MAX)?;
            if users.last_key_value().is_some_and(|(last, _)| *last >= name) {
                return Err(DecodeError::NotCanonical("names of users ascend"));
            }
            users.insert(name, Definition(definition.into()));
        }
        Ok(Users { version, by_name: Arc::new(users) })
    }
}

fn bytes_of(users: &BTreeMap<Box<[u8]>, Definition>) -> usize {
    users.iter().map(|(name, definition)| name.len() + definition.0.len()).sum()
}

fn check(name: &[u8], definition: &Definition) -> Result<(), Refused> {
    if name.is_empty() || name.len() > USER_NAME_BYTES_MAX {
        return Err(Refused::invalid("length of a user's name", name.len(), "use 1 to 512 bytes"));
    }
    if definition.0.len() > USER_DEFINITION_BYTES_MAX {
        let rule = "the rules of a user take at most 64 KiB; use patterns and categories";
        return Err(Refused::invalid("length of a user's rules", definition.0.len(), rule));
    }
    Ok(())
}

pub(crate) fn write_changes(changes: &[UserChange], out: &mut Writer) {
    out.count(changes.len());
    for UserChange { name, definition } in changes {
        write_bytes(name, out);
        out.u8(u8::from(definition.is_some()));
        if let Some(definition) = definition {
            write_bytes(&definition.0, out);
        }
    }
}

pub(crate) fn read_changes(reader: &mut Reader<'_>) -> Result<Vec<UserChange>, DecodeError> {
    // Those of a file may replace as many as there can be.
    let count = reader.count("changes of users", 2 * USERS_MAX, 4 + 1)?;
    let mut changes = Vec::with_capacity(count);
    for _ in 0..count {
        let name = read_bytes(reader, "user name", USER_NAME_BYTES_MAX)?.into();
        let definition = match reader.flag()? {
            false => None,
            true => {
                let bytes = read_bytes(reader, "definition of a user", USER_DEFINITION_BYTES_MAX)?;
                Some(Definition(bytes.into()))
            }
        };
        changes.push(UserChange { name, definition });
    }
    Ok(changes)
}

fn write_bytes(bytes: &[u8], out: &mut Writer) {
    out.count(bytes.len());
    out.bytes(bytes);
}

fn read_bytes<'a>(
    reader: &mut Reader<'a>,
    what: &'static str,
    bytes_max: usize,
) -> Result<&'a [u8], DecodeError> {
    let len = reader.u32()? as usize;
    if len > bytes_max {
        return Err(DecodeError::TooLarge { what, found: len, limit: bytes_max });
    }
    Ok(reader.take(len)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, definition: &str) -> UserChange {
        let definition = Some(Definition(definition.as_bytes().into()));
        UserChange { name: name.as_bytes().into(), definition }
    }

    #[test]
    fn a_change_made_for_another_list_is_refused() {
        let mut users = Users::default();
        assert_eq!(users.apply(&[set("ada", "on"), set("bob", "off")], 0), Ok(Applied::Changed));
        assert_eq!(users.apply(&[set("ada", "off")], 0), Err(Refused::UsersChanged));
        assert_eq!(users.get(b"ada"), Some(b"on".as_slice()));
        assert_eq!(users.apply(&[set("ada", "on")], 1), Ok(Applied::Unchanged));
        let gone = UserChange { name: (*b"ada").into(), definition: None };
        assert_eq!(users.apply(&[gone, set("eve", "on")], 1), Ok(Applied::Changed));
        assert_eq!(users.iter().map(|(name, _)| name).collect::<Vec<_>>(), [b"bob", b"eve"]);
        assert_eq!((users.version(), Users::decode(&users.encode())), (2, Ok(users)));
    }

    #[test]
    fn what_is_too_large_changes_nothing() {
        let mut users = Users::default();
        let long = "x".repeat(USER_DEFINITION_BYTES_MAX + 1);
        assert!(users.apply(&[set("ada", "on"), set("bob", &long)], 0).is_err());
        assert!(users.apply(&[set("", "on")], 0).is_err());
        let many: Vec<UserChange> = (0..=USERS_MAX).map(|n| set(&n.to_string(), "on")).collect();
        assert!(users.apply(&many, 0).is_err());
        assert_eq!(users, Users::default());
    }
}
