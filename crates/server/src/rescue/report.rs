//! What a rescue has found, in words.
//!
//! Does not know: how it was found.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use base::{DbIndex, Millis, NodeId, PartitionId};
use node::{Doubt, Rescue, Router, Standing};

/// What became of a rescue.
pub struct Report {
    /// The cluster that is gone, and its name, which the new one has too.
    pub old_cluster: u128,
    /// See above.
    pub cluster_name: String,
    /// The new cluster.
    pub cluster: u128,
    /// The name of its only node.
    pub node: String,
    /// The folder of that.
    pub into: PathBuf,
    /// The folders that were read.
    pub folders: Vec<FolderReport>,
    /// Partitions of the cluster.
    pub partitions: usize,
    /// Those of which nothing was found.
    pub missing: usize,
    /// Keys of all databases, lapsed ones included.
    pub keys: u64,
    /// Users that were listed.
    pub users: usize,
    /// What is or may be missing, a sentence each; nothing if nothing that was acknowledged can be.
    pub lacks: Vec<String>,
    /// When it was made.
    pub now: Millis,
}

/// What was in a folder.
pub struct FolderReport {
    /// The folder.
    pub path: PathBuf,
    /// The node that it is of.
    pub node: NodeId,
    /// It votes and holds no data.
    pub is_witness: bool,
    /// Of how many partitions it has a replica.
    pub replicas: usize,
    /// Of how many it has the best one.
    pub chosen: usize,
    /// The time of the last entry of any.
    pub last: Millis,
    /// Its machine lost its power since, or nobody can tell.
    pub is_in_doubt: bool,
    /// The node was stopped in order.
    pub is_closed: bool,
}

impl FolderReport {
    pub(super) fn new(path: PathBuf, node: NodeId) -> FolderReport {
        FolderReport {
            path,
            node,
            is_witness: false,
            replicas: 0,
            chosen: 0,
            last: Millis::default(),
            is_in_doubt: false,
            is_closed: false,
        }
    }

    /// How its node came to its end, as far as the log can tell.
    pub fn end(&self) -> &'static str {
        match (self.is_witness, self.is_closed, self.is_in_doubt) {
            (true, ..) => "a witness, which holds no data",
            (_, true, _) => "stopped in order",
            (_, _, true) => "its machine lost its power or was restarted, or this is a copy from another one",
            (_, _, false) => "killed",
        }
    }
}

impl Report {
    /// What to type next.
    pub fn next(&self) -> String {
        let path = self.into.display().to_string();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,@%:".contains(c);
        match path.chars().all(is_plain) {
            true => format!("narf serve --data {path}"),
            false => format!("narf serve --data '{}'", path.replace('\'', "'\\''")),
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for folder in &self.folders {
            let _ = writeln!(text, "{}: {}", folder.path.display(), folder.end());
            if !folder.is_witness {
                let written = match folder.last.0 {
                    0 => "nothing was written".to_owned(),
                    last => {
                        let age = age(self.now.0.saturating_sub(last));
                        format!("last written at {}, {age} ago", utc(folder.last))
                    }
                };
                let _ = writeln!(
                    text,
                    "  replicas of {} of {} partitions, {} of them used; {written}",
                    folder.replicas, self.partitions, folder.chosen
                );
            }
        }
        let _ = writeln!(
            text,
            "{} keys and {} users rescued into {}",
            self.keys,
            self.users,
            self.into.display()
        );
        match self.lacks.as_slice() {
            [] => {
                text.push_str("nothing that was acknowledged is missing: a majority of the replicas of each partition is here\n");
            }
            lacks => {
                text.push_str("what may be missing:\n");
                for lack in lacks {
                    let _ = writeln!(text, "  {lack}");
                }
            }
        }
        let _ = writeln!(
            text,
            "a new cluster, {:032x}, instead of {:032x}; no node of that can be part of it",
            self.cluster, self.old_cluster
        );
        let _ = writeln!(text, "next: {}", self.next());
        text
    }
}

/// `2026-11-30 08:14:35 UTC`.
pub(super) fn utc(at: Millis) -> String {
    let (days, seconds) = (at.0 / 86_400_000, at.0 / 1000 % 86_400);
    // Years that begin in March have their leap day last, and 400 of them are as long as any other 400.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// `12 s`, `3 min`, `5 h`, `8 days`.
fn age(millis: u64) -> String {
    match millis / 1000 {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7200 => format!("{} min", seconds / 60),
        seconds @ ..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// Something that is or may be missing.
pub(super) struct Lack {
    pub(super) text: String,
    /// It is more than what only lost nodes had, and has to be accepted.
    pub(super) is_loss: bool,
}

/// What is or may be missing, the worst last.
pub(super) fn lacks(rescue: &Rescue, standings: &BTreeMap<PartitionId, Standing>) -> Vec<Lack> {
    let mut by_standing: BTreeMap<Standing, Vec<PartitionId>> = BTreeMap::new();
    for (id, standing) in standings {
        by_standing.entry(*standing).or_default().push(*id);
    }
    let router = Router::new(standings.len() as u16, 1);
    let tell = |(standing, ids): (Standing, Vec<PartitionId>)| {
        let what = match standing {
            Standing::Whole => return None,
            Standing::Longest => {
                "all replicas are here, and machines of some lost their power: what was not synced then is missing, of the \
                 last second at most"
                    .to_owned()
            }
            Standing::Partial => "what was acknowledged by the other replicas and never reached these nodes".to_owned(),
            Standing::Doubtful(Doubt::LostPower) => {
                "the machine of the best replica lost its power or was restarted, or this is a copy from another one: also \
                 what it had acknowledged in the last second before"
                    .to_owned()
            }
            Standing::Doubtful(Doubt::NoVoter) => {
                "the best replica was still being brought up and did not vote: any number of writes".to_owned()
            }
            Standing::Doubtful(Doubt::Replaced) => {
                "other nodes were to take the place of the one that has the best replica, which may be old: any number of \
                 writes"
                    .to_owned()
            }
            Standing::Missing => format!("nothing was found, to start empty; {}", holders(rescue, &ids)),
        };
        let is_loss = matches!(standing, Standing::Doubtful(_) | Standing::Missing);
        Some(Lack { text: format!("{}: {what}", partitions(router, &ids)), is_loss })
    };
    by_standing.into_iter().filter_map(tell).collect()
}

/// Who is to have these partitions.
fn holders(rescue: &Rescue, ids: &[PartitionId]) -> String {
    let Some(state) = rescue.fabric() else { return "nobody here knows who had it".to_owned() };
    let nodes = ids.iter().flat_map(|id| state.voters_of(*id));
    let mut names: Vec<&str> =
        nodes.filter_map(|node| state.member(*node)).map(|member| &*member.name).collect();
    names.sort_unstable();
    names.dedup();
    format!("was to be on {}", names.join(", "))
}

/// `partitions 3, 5-7 (slots 768-1023, 1280-2047; database 5)`.
fn partitions(router: Router, ids: &[PartitionId]) -> String {
    let mut runs: Vec<(PartitionId, PartitionId)> = Vec::new();
    for &id in ids {
        match runs.last_mut() {
            Some((_, last)) if last.0 + 1 == id.0 => *last = id,
            _ => runs.push((id, id)),
        }
    }
    let run = |(first, last): (u16, u16)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    let join = |items: Vec<String>| items.join(", ");
    let numbers = join(runs.iter().map(|(first, last)| run((first.0, last.0))).collect());
    if ids.len() == usize::from(router.partitions()) {
        return format!("all partitions ({numbers})");
    }
    let slots = runs.iter().map(|(first, last)| (router.slots_of(*first).0, router.slots_of(*last).1));
    let slots = join(slots.map(run).collect());
    let word = if ids.len() == 1 { "partition" } else { "partitions" };
    let is_here = |db: &DbIndex| ids.contains(&router.partition_of_db(*db));
    let dbs: Vec<String> = (1..DbIndex::COUNT)
        .filter_map(DbIndex::new)
        .filter(is_here)
        .map(|db| db.number().to_string())
        .collect();
    let dbs = match dbs.len() {
        0 => String::new(),
        1 => format!("; database {}", dbs[0]),
        _ => format!("; databases {}", dbs.join(", ")),
    };
    format!("{word} {numbers} (slots {slots}{dbs})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_told_with_all_that_they_hold() {
        let router = Router::new(64, 1);
        let tell =
            |ids: &[u16]| partitions(router, &ids.iter().map(|id| PartitionId(*id)).collect::<Vec<_>>());
        assert_eq!(tell(&[0]), "partition 0 (slots 0-255)");
        assert_eq!(tell(&[3, 5, 6, 7]), "partitions 3, 5-7 (slots 768-1023, 1280-2047)");
        assert_eq!(tell(&[20]), "partition 20 (slots 5120-5375; database 5)");
        let all: Vec<u16> = (0..64).collect();
        assert_eq!(tell(&all), "all partitions (0-63)");
    }

    #[test]
    fn what_to_type_next_can_be_typed() {
        let next = |into: &str| {
            let into = into.into();
            let cluster_name = String::new();
            let (folders, lacks, node) = (Vec::new(), Vec::new(), String::new());
            let (old_cluster, cluster, partitions, missing, keys, users) = (1, 2, 8, 0, 0, 0);
            Report {
                old_cluster,
                cluster_name,
                cluster,
                node,
                into,
                folders,
                partitions,
                missing,
                keys,
                users,
                lacks,
                now: Millis(0),
            }
            .next()
        };
        assert_eq!(next("/var/lib/narf-new"), "narf serve --data /var/lib/narf-new");
        assert_eq!(next("Ada's data"), r"narf serve --data 'Ada'\''s data'");
    }

    #[test]
    fn moments_are_dates() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (951_868_800, "2000-03-01 00:00:00 UTC"),
            (1_735_689_599, "2024-12-31 23:59:59 UTC"),
            (1_796_026_480, "2026-11-30 08:14:40 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(utc(Millis(seconds * 1000)), text);
        }
    }

    #[test]
    fn ages_are_in_a_unit_that_one_can_grasp() {
        for (millis, text) in [
            (0, "0 s"),
            (119_000, "119 s"),
            (3_600_000, "60 min"),
            (86_400_000, "24 h"),
            (900_000_000, "10 days"),
        ] {
            assert_eq!(age(millis), text);
        }
    }
}
