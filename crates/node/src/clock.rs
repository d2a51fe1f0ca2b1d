//! What time it is: asked of other nodes when this one starts, and compared with theirs from then on; and `FABRIC CLOCK`, how
//! the node's wall clock stands to the system's, and an operator's word that the system's is right.
//!
//! Invariant: until a node knows what time it is, it stands for no election of a partition, and serves none that it has alone:
//! what it wrote could have another time than what was written before.
//! Does not know: what is made of what others say, which is `base::CommonWall`'s.

use base::{Args, ClockState, Company, NodeId, TimeWord};
use cluster::{Member, Meta};
use resp::Reply;

use crate::host::Clock;
use crate::partition::Partition;
use crate::peer_frame::Item;
use crate::session::Session;
use crate::worker::Worker;

/// An answer that was longer on its way says too little: half of that may be taken for what is the other way.
const ROUND_US_MAX: u64 = 1_000_000;

impl Clock {
    /// How far the system's clock is ahead, in milliseconds.
    pub(crate) fn off_ms(self) -> i64 {
        self.off_us / 1000
    }

    /// Whether somebody should look.
    pub(crate) fn is_alarmed(self) -> bool {
        self.state == ClockState::Alarm
    }

    fn word(self) -> &'static str {
        match self.state {
            ClockState::Waits => "waits",
            ClockState::Follows => "follows",
            ClockState::Alarm => "alarm",
            ClockState::Accepted => "slower",
        }
    }

    /// What is wrong and what to do.
    fn finding(self) -> Option<String> {
        let (seconds, way) = apart(self.off_us);
        self.is_alarmed().then(|| {
            format!(
                "the system's clock of this node is {seconds} s {way} the node's time and is not followed; set it right, or, \
                 if it is right, `narf cluster clock --accept`, here and on each other node whose system's clock is not followed"
            )
        })
    }
}

/// So many seconds, to the nearest, and which way.
fn apart(us: i64) -> (u64, &'static str) {
    ((us.unsigned_abs() + 500_000) / 1_000_000, if us > 0 { "ahead of" } else { "behind" })
}

/// What is wrong with clocks, here and elsewhere.
pub(crate) fn findings(worker: &Worker) -> Vec<String> {
    let facts = worker.host.facts();
    let name = |node: u64| {
        let member = worker.fabric.meta.member_of_replica(node).filter(|_| worker.fabric.is_heard(node));
        member.map(|member| member.name.as_str())
    };
    let mut found = Vec::from_iter(facts.clock.finding());
    found.extend(facts.clocks_alarmed.into_iter().filter_map(name).map(|name| {
        format!("the system's clock of node {name} is not followed; `narf cluster clock` there says more")
    }));
    found.extend(facts.clocks_apart.into_iter().filter_map(|(node, ahead_us)| {
        let (name, (seconds, way)) = (name(node)?, apart(ahead_us));
        Some(format!(
            "the time of node {name} is {seconds} s {way} this node's, so keys live longer or shorter when the lead of \
             theirs changes; restart the one that is wrong: it takes the time of the others"
        ))
    }));
    found
}

/// Who is there beside a node when it starts, by what it knows of its fabric, if it is in one.
pub fn company(meta: Option<&Meta>, node: NodeId, partitions: &[Box<Partition>]) -> Company {
    let is_other = |member: &Member| member.node != node;
    match meta.is_some_and(|meta| meta.live_members().any(is_other)) {
        false => Company::Alone,
        true => {
            let decides_alone = partitions.iter().any(|partition| partition.decides_alone());
            Company::Others { decides_alone }
        }
    }
}

impl Worker {
    /// Looks whether it is known by now what time it is, and takes it for this turn.
    pub(crate) fn learn_time(&mut self) {
        if let Some(wall_us) = self.host.settled_time(self.now) {
            self.fabric.knows_time = true;
            self.now.wall_us = wall_us;
        }
    }

    /// Asks all others what time it is, if that is not known.
    pub(crate) fn ask_time_until_known(&mut self) {
        if !self.fabric.knows_time {
            self.fabric.tell_all(&Item::AskTime { stamp_us: self.now.mono_us });
        }
    }

    /// Asks all others what time it is, so that a difference is noticed: one worker for all.
    pub(crate) fn ask_time_to_compare(&mut self) {
        if self.id == base::WorkerId(0) {
            self.fabric.tell_all(&Item::AskTime { stamp_us: self.now.mono_us });
        }
    }

    /// A node asks what time it is.
    pub(crate) fn tell_time(&mut self, to: u64, stamp_us: u64) {
        let word = self.host.time_word(self.now);
        self.fabric.tell(to, &Item::Time { stamp_us, word });
    }

    /// A node says what time it is, as it was asked when our steady clock was there.
    pub(crate) fn hear_time(&mut self, from: u64, stamp_us: u64, word: TimeWord) {
        // A stamp of the future is of an earlier life, whose clock began elsewhere.
        let round_us = self.now.mono_us.checked_sub(stamp_us).filter(|round_us| *round_us <= ROUND_US_MAX);
        let Some(round_us) = round_us else { return };
        let later = |wall_us: u64| wall_us.saturating_add(round_us / 2);
        let word = TimeWord { wall_us: later(word.wall_us), least_us: later(word.least_us), ..word };
        self.host.hear_time(from, word, self.now, self.fabric.meta.live_members().count());
        if !self.fabric.knows_time {
            self.learn_time();
        }
    }

    /// `FABRIC CLOCK`.
    pub(crate) fn fabric_clock(&mut self, session: &mut Session, args: Args<'_>) {
        let accepts = args.len() == 3 && args.at(2).eq_ignore_ascii_case(b"accept");
        if args.len() != 2 && !accepts {
            return Reply::new(session.output.end(), session.version).error("ERR syntax error");
        }
        if accepts {
            self.host.accept_clock();
        }
        let clock = self.host.facts().clock;
        let mut reply = Reply::new(session.output.end(), session.version);
        reply.map(3);
        reply.bulk(b"state");
        reply.bulk(clock.word().as_bytes());
        reply.bulk(b"offset-ms");
        reply.int(clock.off_ms());
        reply.bulk(b"time-ms");
        reply.int(self.now.millis().0.cast_signed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_found_and_nothing_else() {
        let clock = |off_us, state| Clock { off_us, state }.finding();
        assert_eq!(clock(4_000_000, ClockState::Follows), None);
        assert_eq!(clock(-3_600_000_000, ClockState::Accepted), None);
        assert!(clock(-3_600_000_000, ClockState::Alarm).unwrap().contains("3600 s behind the"));
        assert!(clock(6_500_000, ClockState::Alarm).unwrap().contains("7 s ahead"));
    }
}
