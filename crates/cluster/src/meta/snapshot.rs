//! The whole state of the cluster as bytes, for snapshots of the meta group: `docs/formats/meta.md`.
//!
//! One form: what decodes encodes to the same bytes, and every rule of [`Meta::check`] holds for it.

use std::collections::BTreeMap;

use base::{NodeId, Slot};

use super::{MEMBERS_MAX, META_VOTERS_MAX, Meta, SETTINGS_MAX, TOKENS_MAX, TOMBSTONES_MAX, Target, Token};
use crate::command::{
    HashSeed, SETTING_KEY_BYTES_MAX, SETTING_VALUE_BYTES_MAX, read_kind, read_levels, read_state,
    read_voters, write_kind, write_levels, write_state, write_voters,
};
use crate::error::DecodeError;
use crate::level::Level;
use crate::member::{ADDRESS_BYTES_MAX, Member, NAME_BYTES_MAX, VERSION_BYTES_MAX};
use crate::token::TokenHash;
use crate::users::Users;
use crate::wire::{Read, Reader, Writer};

const VERSION: u8 = 4;

/// Bytes of a member whose texts are all empty: no member takes fewer.
const MEMBER_BYTES_MIN: usize = 16 + 4 * 4 + 2 + 1 + 1 + 4 + 8 + 8 + 8 + 2;
const TARGET_BYTES_MIN: usize = 8 + 1;
const TOKEN_BYTES_MIN: usize = 32 + 8 + 1;
const SETTING_BYTES_MIN: usize = 4 + 4;

impl Meta {
    /// The bytes of the state.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(VERSION);
        out.u128(self.cluster);
        out.text(&self.name);
        out.u64(self.version);
        out.u16(self.partitions);
        out.u64(self.key_hash_seed.0);
        out.u8(self.replicas_wanted);
        out.u8(self.level.0);
        out.count(self.members.len());
        self.members.values().for_each(|member| write_member(member, &mut out));
        out.count(self.targets.len());
        for Target { voters, version } in &self.targets {
            out.u64(*version);
            write_voters(voters, &mut out);
        }
        out.count(self.tokens.len());
        for (hash, Token { expires, used_by }) in &self.tokens {
            out.bytes(&hash.0);
            out.millis(*expires);
            out.u8(u8::from(used_by.is_some()));
            if let Some(node) = used_by {
                out.node(*node);
            }
        }
        out.count(self.settings.len());
        for (key, value) in &self.settings {
            out.text(key);
            out.text(value);
        }
        out.count(self.voters.len());
        self.voters.iter().for_each(|&voter| out.node(voter));
        self.users.write(&mut out);
        out.finish()
    }

    /// Reads a state that fills all of `bytes`.
    pub fn decode(bytes: &[u8]) -> Result<Meta, DecodeError> {
        let mut reader = Reader::new(bytes);
        let found = reader.u8()?;
        if found != VERSION {
            return Err(DecodeError::Version { what: "a cluster's state", found, known: VERSION });
        }
        let meta = Meta {
            cluster: reader.u128()?,
            name: reader.text("cluster name", NAME_BYTES_MAX)?,
            version: reader.u64()?,
            partitions: reader.u16()?,
            key_hash_seed: HashSeed(reader.u64()?),
            replicas_wanted: reader.u8()?,
            level: Level(reader.u8()?),
            members: read_members(&mut reader)?,
            targets: read_targets(&mut reader)?,
            tokens: read_tokens(&mut reader)?,
            settings: read_settings(&mut reader)?,
            voters: read_meta_voters(&mut reader)?,
            users: Users::read(&mut reader)?,
        };
        reader.finish()?;
        meta.check().map_err(DecodeError::Contradiction)?;
        Ok(meta)
    }
}

fn write_member(member: &Member, out: &mut Writer) {
    out.node(member.node);
    out.text(&member.name);
    out.text(&member.peer_address);
    out.text(&member.client_address);
    out.u16(member.tls_port);
    write_kind(member.kind, out);
    write_state(member.state, out);
    out.u32(member.weight);
    out.u64(member.incarnation);
    out.millis(member.joined);
    out.millis(member.changed);
    out.text(&member.version);
    write_levels(member.levels, out);
}

fn read_members(reader: &mut Reader<'_>) -> Result<BTreeMap<NodeId, Member>, DecodeError> {
    let count = reader.count("members", MEMBERS_MAX + TOMBSTONES_MAX, MEMBER_BYTES_MIN)?;
    let mut members = BTreeMap::new();
    for _ in 0..count {
        let member = Member {
            node: reader.node()?,
            name: reader.text("node name", NAME_BYTES_MAX)?,
            peer_address: reader.text("peer address", ADDRESS_BYTES_MAX)?,
            client_address: reader.text("client address", ADDRESS_BYTES_MAX)?,
            tls_port: reader.u16()?,
            kind: read_kind(reader)?,
            state: read_state(reader)?,
            weight: reader.u32()?,
            incarnation: reader.u64()?,
            joined: reader.millis()?,
            changed: reader.millis()?,
            version: reader.text("version", VERSION_BYTES_MAX)?,
            levels: read_levels(reader)?,
        };
        insert_above(&mut members, member.node, member)?;
    }
    Ok(members)
}

fn read_targets(reader: &mut Reader<'_>) -> Result<Vec<Target>, DecodeError> {
    let count = reader.count("targets", usize::from(Slot::COUNT), TARGET_BYTES_MIN)?;
    let mut targets = Vec::with_capacity(count);
    for _ in 0..count {
        let version = reader.u64()?;
        targets.push(Target { voters: read_voters(reader)?, version });
    }
    Ok(targets)
}

fn read_tokens(reader: &mut Reader<'_>) -> Result<BTreeMap<TokenHash, Token>, DecodeError> {
    let count = reader.count("tokens", TOKENS_MAX, TOKEN_BYTES_MIN)?;
    let mut tokens = BTreeMap::new();
    for _ in 0..count {
        let hash = TokenHash(reader.array()?);
        let expires = reader.millis()?;
        let used_by = if reader.flag()? { Some(reader.node()?) } else { None };
        insert_above(&mut tokens, hash, Token { expires, used_by })?;
    }
    Ok(tokens)
}

fn read_settings(reader: &mut Reader<'_>) -> Result<BTreeMap<String, String>, DecodeError> {
    let count = reader.count("settings", SETTINGS_MAX, SETTING_BYTES_MIN)?;
    let mut settings = BTreeMap::new();
    for _ in 0..count {
        let key = reader.text("key of a setting", SETTING_KEY_BYTES_MAX)?;
        let value = reader.text("value of a setting", SETTING_VALUE_BYTES_MAX)?;
        insert_above(&mut settings, key, value)?;
    }
    Ok(settings)
}

fn read_meta_voters(reader: &mut Reader<'_>) -> Result<Vec<NodeId>, DecodeError> {
    let count = reader.count("voters of the meta group", META_VOTERS_MAX, 16)?;
    (0..count).map(|_| reader.node()).collect()
}

/// Keys ascend, so that a map has one form.
fn insert_above<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: V) -> Result<(), DecodeError> {
    if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
        return Err(DecodeError::NotCanonical("keys of a map ascend"));
    }
    map.insert(key, value);
    Ok(())
}
