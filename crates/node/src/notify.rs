//! Keyspace notifications: what commands told of keys, published on the channels that Redis names for it.
//!
//! Operations note events where they are applied (`engine::Events`), which for a group of several replicas is where the
//! leader applies what it proposed itself: so each event is published once, by the node that leads the partition, and by
//! nobody if the lead changes before. Published like any message, it reaches subscribers on all nodes.
//!
//! Invariant: events are published in the order in which the worker applied what they tell of, after the answer to the
//! request that caused them and before the next request of its client is taken up.

use base::DbIndex;
use engine::Event;

use crate::pubsub::{ChannelKind, Delivery};
use crate::session::Session;
use crate::worker::Worker;

/// The channel of a key, and that of an event.
fn channels(event: Event, db: DbIndex, key: &[u8]) -> [Vec<u8>; 2] {
    let channel = |of: &str, name: &[u8]| [format!("__{of}@{}__:", db.number()).as_bytes(), name].concat();
    [channel("keyspace", key), channel("keyevent", event.name().as_bytes())]
}

impl Worker {
    /// Notes from now on what the settings ask for.
    pub(crate) fn use_notify_settings(&mut self) {
        self.events.want(self.settings.notify_keyspace_events.wanted());
    }

    /// Publishes what happened to keys. `session` is the one that is taken out, if any.
    #[inline]
    pub(crate) fn tell_events(&mut self, session: Option<&mut Session>) {
        if !self.events.is_empty() {
            self.publish_events(session);
        }
    }

    #[cold]
    fn publish_events(&mut self, mut session: Option<&mut Session>) {
        let mut events = std::mem::take(&mut self.events);
        if self.has_listeners() {
            let notify = self.settings.notify_keyspace_events;
            for (event, db, key) in events.iter() {
                let [of_key, of_event] = channels(event, db, key);
                if notify.keyspace {
                    self.publish_own(&of_key, event.name().as_bytes(), session.as_deref_mut());
                }
                if notify.keyevent {
                    self.publish_own(&of_event, key, session.as_deref_mut());
                }
            }
        }
        events.clear();
        self.events = events;
    }

    /// Whether anybody may listen to any channel.
    fn has_listeners(&self) -> bool {
        self.pubsub.channels().0 > 0 || self.pubsub.patterns() > 0 || self.has_listening_nodes()
    }

    /// Publishes a message of the node itself.
    fn publish_own(&mut self, channel: &[u8], payload: &[u8], session: Option<&mut Session>) {
        let (count, workers) = self.pubsub.reach(ChannelKind::Plain, channel);
        self.tell_listening_nodes(ChannelKind::Plain, channel, payload);
        if count > 0 {
            let delivery = Delivery::new(ChannelKind::Plain, channel, payload);
            self.deliver_to_all(&delivery, session, workers);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_named_as_in_redis() {
        let db = DbIndex::new(11).expect("there are sixteen");
        let names = channels(Event::RenameFrom, db, b"a:b\xff");
        assert_eq!(names, [b"__keyspace@11__:a:b\xff".to_vec(), b"__keyevent@11__:rename_from".to_vec()]);
    }
}
