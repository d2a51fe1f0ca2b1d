//! What whoever is used to `redis-server` types after `narf serve`, and what to type instead.
//!
//! Only what clap did not take comes here: a name that is a setting of ours means what it says.

use std::ffi::OsString;

use clap::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Settings of redis.conf, and what stands for them.
const INSTEAD: &[(&[&str], &str)] = &[
    (
        &["appendonly", "appendfsync"],
        "the log is always on; to have writes on disk before they are answered, as appendfsync always does: --ack durable",
    ),
    (
        &["save", "dbfilename", "rdbcompression"],
        "checkpoints are written when the log has grown; --no-data keeps nothing",
    ),
    (&["include"], "one file is read: --config FILE"),
    (
        &["replicaof", "slaveof"],
        "partitions have their replicas by themselves once several nodes are one: --join TOKEN|ADDRESS",
    ),
    (&["cluster-enabled", "cluster-config-file"], "every node can be one of several: --join TOKEN|ADDRESS"),
    (&["loadmodule"], "there are no modules"),
];

/// Words instead of clap's, if the command line is one of Redis.
pub(super) fn hint(line: &[OsString], error: &Error) -> Option<String> {
    let is_unknown = error.kind() == ErrorKind::UnknownArgument;
    if line.get(1).is_none_or(|word| word != "serve") || !is_unknown {
        return None;
    }
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg) else { return None };
    let instead = match word.strip_prefix("--") {
        Some(flag) => INSTEAD.iter().find(|(names, _)| names.contains(&flag)).map(|(_, instead)| *instead)?,
        None if word.starts_with('-') => return None,
        None => "its own configuration is TOML, see docs/settings.md; it is read from --config FILE",
    };
    let what = if word.starts_with('-') { "has no" } else { "does not read" };
    Some(format!(
        "error: narf serve {what} {word}\n  = {instead}\n  = narf config init writes a narf.toml with all settings; narf serve \
         --help lists them\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expect: Option<&str>) {
        let line: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let error = super::super::tree().try_get_matches_from(&line).unwrap_err();
        let hint = hint(&line, &error);
        match (&hint, expect) {
            (Some(hint), Some(expect)) => assert!(hint.contains(expect), "{hint}"),
            (None, None) => {}
            _ => panic!("{hint:?}: {error}"),
        }
    }

    #[test]
    fn what_redis_takes_is_told_what_to_type_instead() {
        check(
            "narf serve /etc/redis/redis.conf",
            Some("does not read /etc/redis/redis.conf\n  = its own configuration is TOML"),
        );
        check("narf serve --appendonly yes", Some("has no --appendonly\n  = the log is always on"));
        check("narf serve --appendfsync=always", Some("--ack durable"));
        check("narf serve --replicaof h 1", Some("--join"));
        check("narf serve --prot 7000", None);
        check("narf get", None);
        check("narf get k more", None);
    }
}
