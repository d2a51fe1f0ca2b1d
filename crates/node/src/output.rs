//! What a connection will be sent, in the order of its requests.
//!
//! A reply that is known at once goes to the end. A reply that comes later (from another worker, or when a
//! sync is done) gets a *slot* where it belongs; whatever follows waits behind it. As soon as the front slots
//! are filled, everything up to the next open one becomes ready.
//!
//! Invariants: bytes in `ready` may be sent now; `tail` is empty unless a slot is open; slots are in order of
//! their place. Does not know: sockets, requests, limits.

use std::collections::VecDeque;

/// Names a slot of one connection. Wraps around; never compared across connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u32);

struct Slot {
    /// Bytes of `tail` that go before this slot.
    at: usize,
    /// Its answer is thrown away.
    muted: bool,
    /// Where in `filled` the answer lies, once it is there.
    answer: Option<(usize, usize)>,
}

/// The ordered output of one connection.
#[derive(Default)]
pub(crate) struct Output {
    ready: Vec<u8>,
    /// How much of `ready` the shell has sent already.
    sent: usize,
    tail: Vec<u8>,
    /// How much of `tail` has moved to `ready` already.
    tail_moved: usize,
    filled: Vec<u8>,
    slots: VecDeque<Slot>,
    first: u32,
    /// Replies are thrown away: `CLIENT REPLY OFF`.
    muted: bool,
    thrown_away: Vec<u8>,
}

impl Output {
    /// Tickets count up to here and begin again; far more than can be open at once.
    const TICKET_MASK: u32 = u32::MAX >> 1;
    /// Throws away replies that are begun from now on, or no longer; whether it did so before.
    pub(crate) fn set_muted(&mut self, muted: bool) -> bool {
        self.thrown_away = Vec::new();
        std::mem::replace(&mut self.muted, muted)
    }

    /// Where the next reply is to be written.
    #[inline]
    pub(crate) fn end(&mut self) -> &mut Vec<u8> {
        if self.muted {
            self.thrown_away.clear();
            return &mut self.thrown_away;
        }
        self.push_end()
    }

    /// How much was written so far; see [`Output::since`].
    pub(crate) fn mark(&self) -> (usize, usize) {
        (self.ready.len(), self.tail.len())
    }

    /// What was written at the end since `mark`, if nothing was sent and no reply came late meanwhile that others waited
    /// behind.
    pub(crate) fn since(&self, (ready, tail): (usize, usize)) -> &[u8] {
        let behind = self.tail.get(tail..).filter(|bytes| !bytes.is_empty());
        behind.or_else(|| self.ready.get(ready..)).unwrap_or_default()
    }

    /// Where a message that answers no request is to be written: it is sent to a muted client too.
    #[inline]
    pub(crate) fn push_end(&mut self) -> &mut Vec<u8> {
        #[cfg(narf_plant)]
        if base::plant::is(base::plant::Plant::ReplyOrder) {
            return &mut self.ready;
        }
        if self.slots.is_empty() { &mut self.ready } else { &mut self.tail }
    }

    /// Keeps a place for a reply that comes later. A reply that nobody wants has one too, for what follows may
    /// have to wait until the request is done.
    pub(crate) fn open(&mut self) -> Ticket {
        let ticket = Ticket(self.first.wrapping_add(self.slots.len() as u32) & Output::TICKET_MASK);
        self.slots.push_back(Slot { at: self.tail.len(), muted: self.muted, answer: None });
        ticket
    }

    /// Whether a reply is still to come.
    #[inline]
    pub(crate) fn is_waiting(&self) -> bool {
        !self.slots.is_empty()
    }

    /// How many replies are still to come, or are behind one that is.
    pub(crate) fn waiting(&self) -> usize {
        self.slots.len()
    }

    /// Puts the reply of `ticket` in its place.
    pub(crate) fn fill(&mut self, ticket: Ticket, reply: &[u8]) {
        let index = (ticket.0.wrapping_sub(self.first) & Output::TICKET_MASK) as usize;
        let Some(slot) = self.slots.get_mut(index) else {
            debug_assert!(false, "a slot is filled once, and only after it was opened");
            return;
        };
        debug_assert!(slot.answer.is_none(), "a slot is filled once");
        let reply = if slot.muted { b"" } else { reply };
        if index == 0 {
            // The reply that is due next, as most are: it need not be kept.
            let at = slot.at;
            self.ready.extend_from_slice(&self.tail[self.tail_moved..at]);
            self.ready.extend_from_slice(reply);
            self.tail_moved = at;
            self.pop_front();
            self.advance();
            return;
        }
        let start = self.filled.len();
        self.filled.extend_from_slice(reply);
        slot.answer = Some((start, self.filled.len()));
    }

    fn pop_front(&mut self) {
        self.slots.pop_front();
        self.first = self.first.wrapping_add(1) & Output::TICKET_MASK;
    }

    fn advance(&mut self) {
        while let Some((at, (start, end))) = self.slots.front().and_then(|s| Some((s.at, s.answer?))) {
            self.ready.extend_from_slice(&self.tail[self.tail_moved..at]);
            self.ready.extend_from_slice(&self.filled[start..end]);
            self.tail_moved = at;
            self.pop_front();
        }
        if self.slots.is_empty() {
            self.ready.extend_from_slice(&self.tail[self.tail_moved..]);
            self.tail.clear();
            self.filled.clear();
            self.tail_moved = 0;
        }
    }

    /// Bytes that may be sent now.
    #[inline]
    pub(crate) fn sendable(&self) -> &[u8] {
        &self.ready[self.sent..]
    }

    /// Notes that the first `count` sendable bytes were sent.
    #[inline]
    pub(crate) fn mark_sent(&mut self, count: usize) {
        self.sent += count;
        if self.sent >= self.ready.len() {
            self.ready.clear();
            self.sent = 0;
            self.shrink();
        } else if self.sent >= (1 << 20) && self.sent * 2 >= self.ready.len() {
            // Half of a long backlog is gone: give its memory back, at a cost that halving amortises.
            self.ready.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// A buffer that was once large is not kept for the life of an idle connection.
    fn shrink(&mut self) {
        const KEPT: usize = 64 * 1024;
        if self.ready.capacity() > KEPT {
            self.ready = Vec::new();
        }
        if self.slots.is_empty() && self.tail.capacity() > KEPT {
            self.tail = Vec::new();
            self.filled = Vec::new();
        }
    }

    /// Bytes held in all, sent or not yet sendable.
    #[inline]
    pub(crate) fn backlog(&self) -> usize {
        self.ready.len() - self.sent + self.tail.len() - self.tail_moved + self.filled.len()
    }

    /// Heap bytes reserved.
    pub(crate) fn memory(&self) -> usize {
        self.ready.capacity() + self.tail.capacity() + self.filled.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Random;

    fn drain(output: &mut Output) -> Vec<u8> {
        let bytes = output.sendable().to_vec();
        output.mark_sent(bytes.len());
        bytes
    }

    #[test]
    fn what_follows_an_open_slot_waits_for_it() {
        let mut output = Output::default();
        output.end().push(b'1');
        let second = output.open();
        output.end().push(b'3');
        let fourth = output.open();
        output.end().push(b'5');
        assert_eq!(drain(&mut output), b"1");
        output.fill(fourth, b"4");
        assert_eq!(drain(&mut output), b"");
        output.fill(second, b"2");
        assert_eq!(drain(&mut output), b"2345");
        assert!(!output.is_waiting());
        assert_eq!(output.backlog(), 0);
    }

    #[test]
    fn muted_replies_are_awaited_and_thrown_away_but_messages_are_sent() {
        let mut output = Output::default();
        output.set_muted(true);
        output.end().push(b'1');
        let second = output.open();
        output.push_end().push(b'm');
        output.set_muted(false);
        output.end().push(b'3');
        assert!(output.is_waiting());
        assert_eq!(drain(&mut output), b"");
        output.fill(second, b"2");
        assert_eq!(drain(&mut output), b"m3");
    }

    /// Slots filled in any order, with sends in between, give the bytes in order.
    #[test]
    fn replies_are_in_order_whatever_the_order_of_answers() {
        for seed in 0..200 {
            let mut random = Random::new(seed);
            let (mut output, mut open, mut sent) = (Output::default(), Vec::new(), Vec::new());
            let mut expect = Vec::new();
            for n in 0..60u8 {
                expect.extend_from_slice(&[n; 3]);
                if random.chance(1, 2) {
                    open.push((output.open(), n));
                } else {
                    output.end().extend_from_slice(&[n; 3]);
                }
                if !open.is_empty() && random.chance(1, 3) {
                    let (ticket, n) = open.swap_remove(random.below(open.len() as u64) as usize);
                    output.fill(ticket, &[n; 3]);
                }
                if random.chance(1, 4) {
                    sent.extend(drain(&mut output));
                }
            }
            while !open.is_empty() {
                let (ticket, n) = open.swap_remove(random.below(open.len() as u64) as usize);
                output.fill(ticket, &[n; 3]);
            }
            sent.extend(drain(&mut output));
            assert_eq!(sent, expect, "seed {seed}");
        }
    }
}
