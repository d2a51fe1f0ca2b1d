//! Writes `docs/compatibility.md`.

use std::fmt::Write;

use super::{RedisCommand, Standing, redis_commands};
use crate::{Run, Spec, all};

/// The groups of Redis in the order of the page, and their titles.
const GROUPS: &[(&str, &str)] = &[
    ("string", "Strings"),
    ("hash", "Hashes"),
    ("set", "Sets"),
    ("list", "Lists"),
    ("sorted-set", "Sorted sets"),
    ("stream", "Streams"),
    ("bitmap", "Bits of strings"),
    ("geo", "Positions on Earth"),
    ("hyperloglog", "HyperLogLogs"),
    ("generic", "Keys of any type"),
    ("connection", "Connection"),
    ("pubsub", "Publish and subscribe"),
    ("transactions", "Transactions"),
    ("scripting", "Scripts and functions"),
    ("server", "Server"),
    ("cluster", "Cluster"),
];

const HEAD: &str = "\
<!-- Written by `cargo xtask docs` from crates/command/src/compatibility. Change it there. -->
# Compatibility with Redis 7.2

Each command of Redis 7.2 with its options, and whether Narf has it. *yes* means the same replies and errors to the
letter, in RESP2 and RESP3. The tables are held to the truth by tests: names, options and what `COMMAND INFO` tells are
compared with a `redis-server`, replies by random commands to both, and what is said to be missing is refused: with
`ERR unknown command …`, as a Redis that does not know it would, and behind that what to use instead. What each command does
and costs is in [commands.md](commands.md).

As a whole:

- Any node answers for any key; it asks the one that leads the key's slot. `MOVED` is sent only to who
  asked for it by `CLIENT REDIRECT on`, or by the setting `redirect`; `ASK` never.
- On several nodes database 0 is spread over them. A request, or a transaction, whose keys lie in several partitions is
  answered `-CROSSSLOT` then, but for those that can be cut key by key (`MGET`, `MSET`, `DEL`, `EXISTS`, `TOUCH`, `UNLINK`).
  Databases 1 to 15 lie whole in one partition each: there requests work on any keys, as on one Redis. The error of a
  transaction says so behind the text of Redis, but for clients that want to be redirected.
- Clients that wait for a key (`BLPOP`, `BLMOVE`, `BZPOPMIN` and their like) may wait on any nodes, and are served in the order
  in which they began, also when several elements come at once. On several nodes a request that does not wait (`LPOP`) may
  come between, and whoever does not answer for a second is passed over. The keys of one may lie in several partitions, but
  those of a move (`BLMOVE`, `BRPOPLPUSH`) must not: `-CROSSSLOT`.
- `KEYS`, `SCAN`, `DBSIZE`, `RANDOMKEY`, `FLUSHDB` and `FLUSHALL` are about all nodes. So are `PUBLISH` and `PUBSUB`, of
  which Redis Cluster counts the clients of one node: each node knows how many clients of the others listen to what, from when
  their subscription is confirmed. Those of a node that cannot be reached are not counted.
- One connection's requests take effect in the order in which they were sent, but for one case: in the moments in which a
  leader has no lease yet, as after an election, a read may see writes that were sent behind it in the same pipeline.
- A write is answered when a majority of its replicas has it in the log. One whose leader is lost meanwhile is answered
  `-UNKNOWNOUTCOME`: it may have been applied or not. [sessions.md](sessions.md) shows how to send it again safely.
- `CLUSTER SLOTS`, `SHARDS` and `NODES` name a master for each slot that takes requests now: who leads it or, while nobody
  does who can be reached, a node that lives and keeps requests until there is a leader again.
- `INFO` and `HELLO` tell of version 7.4.2, which clients look at before they use fields that expire or a cache, and of the
  mode `cluster` on a node that is part of one; its databases can be selected all the same.
- Persistence and replication are Narf's own; there are no RDB and AOF files, and no replica of another server.
";

/// The text of `docs/compatibility.md`.
pub fn compatibility_markdown() -> String {
    let commands: Vec<RedisCommand> = redis_commands().collect();
    let is_here = |command: &&RedisCommand| !matches!(command.standing(), Standing::Missing(_));
    let mut page = String::from(HEAD);
    // Writing to a string cannot fail.
    let _ = writeln!(
        page,
        "\nOf {} commands of Redis 7.2, {} are here.",
        commands.len(),
        commands.iter().filter(is_here).count()
    );
    for (group, title) in GROUPS {
        let _ = writeln!(page, "\n## {title}\n\n| command | options | in Narf |\n|---|---|---|");
        commands.iter().filter(|command| command.group == *group).for_each(|command| row(&mut page, command));
    }
    page.push_str(
        "\n## Newer than Redis 7.2\n\nThese came with later versions of Redis, or with Valkey 9, and do here what they do there.\n\n",
    );
    page.push_str("| command | since |\n|---|---|\n");
    for spec in all().filter(|spec| is_newer(spec)) {
        let _ = writeln!(page, "| `{}` | {} |", spec.usage().replace('|', "\\|"), spec.since);
    }
    page
}

fn row(page: &mut String, command: &RedisCommand) {
    let options = command.options.iter().map(|option| format!("`{}`", option.word)).collect::<Vec<_>>();
    let name = command.name.to_ascii_uppercase().replace('|', " ");
    let _ = writeln!(page, "| `{name}` | {} | {} |", options.join(" "), answer(command));
}

/// How a command is to those of Redis, in a sentence or two.
pub(crate) fn beside_redis(spec: &Spec) -> String {
    if spec.since.starts_with("narf") {
        return "Narf's own.".into();
    }
    let mut names = [Some(spec.name), spec.parent_name()].into_iter().flatten();
    let Some(command) = names.find_map(|name| redis_commands().find(|command| command.name == name)) else {
        return "Newer than Redis 7.2, and does what it does there.".into();
    };
    let more = command.more_options();
    let mut text = match command.standing() {
        Standing::Same => "The same.".into(),
        Standing::Differs(how) => how.to_owned(),
        Standing::Missing(instead) => return format!("Refused here. {instead}"),
    };
    if !more.is_empty() && command.name == spec.name {
        let more: Vec<String> = more.iter().map(|word| format!("`{word}`")).collect();
        let _ = write!(text, " Beyond 7.2: {}.", more.join(" "));
    }
    text
}

fn answer(command: &RedisCommand) -> String {
    let quoted = |words: &[&str]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" ");
    let mut text = match command.standing() {
        Standing::Same => "yes".to_owned(),
        Standing::Differs(how) => format!("yes. {how}"),
        Standing::Missing(instead) => return format!("no. {instead}"),
    };
    let (missing, more) = (command.missing_options(), command.more_options());
    if !missing.is_empty() {
        let _ = write!(text, ", without {}", quoted(&missing));
    }
    if !more.is_empty() {
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let _ = write!(text, "{} {}", if text.ends_with('.') { " Also" } else { ", also" }, quoted(&more));
    }
    text
}

/// Neither of Redis 7.2 nor of our own.
fn is_newer(spec: &Spec) -> bool {
    let is_listed = |name: &str| redis_commands().any(|command| command.name == name);
    spec.run != Run::Container
        && !spec.is_internal()
        && !spec.since.starts_with("narf")
        && !is_listed(spec.name)
        && !spec.parent_name().is_some_and(is_listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_row_for_each_command_of_redis() {
        let page = compatibility_markdown();
        for command in redis_commands() {
            let name = command.name.to_ascii_uppercase().replace('|', " ");
            assert_eq!(page.matches(&format!("\n| `{name}` | ")).count(), 1, "{name}");
        }
        assert!(page.contains("| `ECHO` |  | yes |\n") && page.contains("| `INCREX key "));
    }
}
