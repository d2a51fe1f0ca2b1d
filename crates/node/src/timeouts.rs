//! Clients that idle, do not authenticate, or do not read what they are sent.

use crate::session::{Session, gate};
use crate::settings::OutputLimit;
use crate::worker::Worker;

/// What a stranger may have waiting to be sent. The output of any client is looked at when there is more.
pub(crate) const OUTPUT_BEFORE_AUTH: usize = 16 * 1024;

/// What a stranger may have in our memory in all: what it sent and we could not take up, and our answers.
pub(crate) const MEMORY_BEFORE_AUTH: usize = 32 * 1024;

impl Worker {
    /// Closes the clients whose time is up. Called a few times a second.
    pub(crate) fn check_timeouts(&mut self) {
        let now = self.now.mono_millis();
        let idle = self.settings.timeout.as_millis() as u64;
        let auth = self.settings.auth_timeout.as_millis() as u64;
        for token in self.sessions.tokens() {
            let Some(mut session) = self.sessions.take(token) else { continue };
            let stranger = session.has_gate(gate::UNAUTHENTICATED);
            let idled = idle > 0 && now.since(session.active) > idle && may_time_out(&session);
            if idled || (stranger && auth > 0 && now.since(session.created) > auth) {
                self.close_now(&mut session);
            }
            self.check_output_limit(&mut session);
            self.sessions.put_back(session);
        }
    }

    /// Closes a client that has too much waiting, at once or after a while, by the limits of its class.
    #[cold]
    pub(crate) fn check_output_limit(&mut self, session: &mut Session) {
        let waiting = session.output.backlog();
        let limit = self.output_limit(session);
        let now = self.now.mono_millis();
        if limit.soft_bytes > 0 && waiting as u64 > limit.soft_bytes {
            let since = *session.over_soft_limit.get_or_insert(now);
            if now.since(since) >= limit.soft_time.as_millis() as u64 {
                self.stats.output_disconnections += 1;
                self.close_now(session);
            }
        } else {
            session.over_soft_limit = None;
        }
        if limit.hard_bytes > 0 && waiting as u64 > limit.hard_bytes {
            self.stats.output_disconnections += 1;
            self.close_now(session);
        }
    }

    fn output_limit(&self, session: &Session) -> OutputLimit {
        if session.has_gate(gate::UNAUTHENTICATED) {
            return OutputLimit::new(OUTPUT_BEFORE_AUTH as u64, 0, 0);
        }
        match session.subscriptions.count() {
            0 => self.settings.output_limits.normal,
            _ => self.settings.output_limits.pubsub,
        }
    }

    pub(crate) fn close_now(&mut self, session: &mut Session) {
        // One that was to close after its last answer may be closed by force.
        session.closing = true;
        self.outbox.close.push(session.at.token);
    }

    /// Uses these settings from now on.
    pub(crate) fn use_settings(&mut self, settings: std::sync::Arc<crate::settings::Settings>) {
        self.settings = settings;
        self.slowlog.set(&self.settings);
        self.latency.set(&self.settings);
        self.stats.set(&self.settings);
        for place in &mut self.places {
            if let Some(partition) = &mut place.partition {
                partition.tune(&self.settings);
            }
        }
        self.use_memory_settings();
        self.use_notify_settings();
        self.expiry.set(self.settings.active_expire);
        // What `requirepass` says may be all that is known of `default`.
        self.use_users();
        for token in self.sessions.tokens() {
            let Some(mut session) = self.sessions.take(token) else { continue };
            let limits = self.limits(!session.has_gate(gate::UNAUTHENTICATED));
            if let Some(decoder) = &mut session.decoder {
                decoder.set_limits(limits);
            }
            self.sessions.put_back(session);
        }
    }
}

/// Clients that wait for messages are idle by nature; one whose request is held waits for us.
fn may_time_out(session: &Session) -> bool {
    session.subscriptions.count() == 0 && !session.has_gate(gate::MONITOR) && session.stall.is_none()
}
