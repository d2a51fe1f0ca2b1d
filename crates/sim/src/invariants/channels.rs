//! A subscriber hears each publisher in order, and all of it while its subscription stands.
//!
//! Source: publish and subscribe is at most once, in order per channel; what is published after a subscription was
//! confirmed reaches the subscriber unless its connection goes. Messages carry their publisher and a number.

use std::collections::BTreeMap;

/// Who publishes: a client's connection.
type Publisher = u64;

/// A message that was published.
struct Published {
    asked_at: u64,
    answered: bool,
}

/// All channels.
#[derive(Default)]
pub(crate) struct Channels {
    published: BTreeMap<(usize, Publisher), BTreeMap<u64, Published>>,
    heard: BTreeMap<(u64, usize), Subscription>,
}

/// One subscriber's connection and channel.
struct Subscription {
    since: u64,
    last: BTreeMap<Publisher, u64>,
}

impl Channels {
    /// A message is asked to be published.
    pub(crate) fn ask(&mut self, channel: usize, publisher: Publisher, number: u64, event: u64) {
        let message = Published { asked_at: event, answered: false };
        self.published.entry((channel, publisher)).or_default().insert(number, message);
    }

    /// It was.
    pub(crate) fn answered(&mut self, channel: usize, publisher: Publisher, number: u64) {
        let messages = self.published.entry((channel, publisher)).or_default();
        if let Some(message) = messages.get_mut(&number) {
            message.answered = true;
        }
    }

    /// A subscription was confirmed.
    pub(crate) fn subscribed(&mut self, link: u64, channel: usize, event: u64) {
        self.heard.insert((link, channel), Subscription { since: event, last: BTreeMap::new() });
    }

    /// A connection has gone.
    pub(crate) fn gone(&mut self, link: u64) {
        self.heard.retain(|(of, _), _| *of != link);
    }

    /// A subscriber hears a message.
    pub(crate) fn heard(
        &mut self,
        link: u64,
        channel: usize,
        publisher: Publisher,
        number: u64,
    ) -> Result<(), String> {
        let heard = self.heard.get_mut(&(link, channel));
        let heard = heard.ok_or_else(|| format!("channels: link {link} hears channel {channel} unasked"))?;
        let last = heard.last.insert(publisher, number);
        let messages = self.published.entry((channel, publisher)).or_default();
        if !messages.contains_key(&number) {
            return Err(format!("channels: message {number} of {publisher} was never published"));
        }
        if last.is_some_and(|last| last >= number) {
            return Err(format!("channels: link {link} hears {number} of {publisher} after {last:?}"));
        }
        let from = last.map_or(0, |last| last + 1);
        let missed = messages.range(from..number).find(|(_, m)| m.answered && m.asked_at > heard.since);
        match missed {
            Some((missed, _)) => Err(format!(
                "channels: link {link} hears {number} of {publisher} on channel {channel} but not {missed}, published after the subscription was confirmed"
            )),
            None => Ok(()),
        }
    }

    /// Everything that was sent has arrived: whoever still listens must have heard all.
    pub(crate) fn check_all_heard(&self) -> Result<(), String> {
        for (&(link, channel), heard) in &self.heard {
            for (&(_, publisher), messages) in self.published.iter().filter(|(key, _)| key.0 == channel) {
                let from = heard.last.get(&publisher).map_or(0, |last| last + 1);
                let missed = messages.range(from..).find(|(_, m)| m.answered && m.asked_at > heard.since);
                if let Some((missed, _)) = missed {
                    return Err(format!(
                        "channels: link {link} never heard {missed} of {publisher} on channel {channel}"
                    ));
                }
            }
        }
        Ok(())
    }
}
