//! `FABRIC CLOCK`: how the node's wall clock stands to the system's, and an operator's word that the system's is right.
//!
//! Does not know: what is done about it, which is `base::SteadyWall`'s.

use base::{Args, ClockState};
use resp::Reply;

use crate::host::Clock;
use crate::session::Session;
use crate::worker::Worker;

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
            ClockState::Follows => "follows",
            ClockState::Alarm => "alarm",
            ClockState::Accepted => "slower",
        }
    }

    /// What is wrong and what to do.
    pub(crate) fn finding(self) -> Option<String> {
        let (seconds, way) =
            (self.off_us.unsigned_abs() / 1_000_000, if self.off_us > 0 { "ahead" } else { "behind" });
        self.is_alarmed().then(|| {
            format!(
                "the system's clock of this node is {seconds} s {way} of what it was and is not followed; set it right, or, \
                 if it is right, `narf cluster clock --accept`"
            )
        })
    }
}

impl Worker {
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
        assert!(clock(-3_600_000_000, ClockState::Alarm).unwrap().contains("3600 s behind"));
        assert!(clock(6_500_000, ClockState::Alarm).unwrap().contains("6 s ahead"));
    }
}
