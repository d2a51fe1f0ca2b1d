//! What travels on a link, cut so that a sign of life need not wait for the end of a large frame.
//!
//! A long frame goes in pieces, and between two pieces the urgent lane goes first. The other frames keep their order, and one
//! that is no longer than a piece is what it would be without lanes. Format: docs/formats/link.md.
//!
//! Invariants: frames of one lane arrive whole and in the order in which they were sent; bytes that were offered and not
//! taken are offered again, as [`tls::Stream::write`] asks. Does not know: sockets, what is in a frame.

use std::collections::VecDeque;
use std::io;

use tls::CHUNK_BYTES;

/// Longest frame that is taken: the largest value, with room around it.
const FRAME_BYTES_MAX: usize = (1 << 30) + (1 << 20);
/// The head of a piece: its length, and in the highest bits what it is.
const HEAD_BYTES: usize = 4;
/// It is of the urgent lane, and a whole frame.
const URGENT: u32 = 1 << 31;
/// The frame goes on with the next piece of its lane.
const GOES_ON: u32 = 1 << 30;
/// With its head it is sealed in one go.
pub(crate) const PIECE_BYTES_MAX: usize = CHUNK_BYTES - HEAD_BYTES;
/// A buffer that grew beyond this is not kept: what one turn takes off a link fits.
const KEPT_BYTES: usize = 2 << 20;

/// Where a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// In the order in which they are sent.
    Plain,
    /// Before all that waits there.
    Urgent,
}

/// What is to be sent.
#[derive(Default)]
pub(crate) struct Outgoing {
    /// Whole pieces that are being sent, and how many bytes of them are.
    run: Vec<u8>,
    sent: usize,
    /// Pieces that come next.
    urgent: Vec<u8>,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
}

enum Waiting {
    /// Frames that are a piece each.
    Pieces(Vec<u8>),
    /// A long frame, cut when its turn comes, and how much of it was.
    Long(Vec<u8>, usize),
}

impl Outgoing {
    /// Takes a frame, and gives its buffer back if it was a short one.
    pub(crate) fn push(&mut self, lane: Lane, frame: Vec<u8>) -> Vec<u8> {
        if frame.len() > PIECE_BYTES_MAX {
            self.waiting_bytes += frame.len();
            self.waiting.push_back(Waiting::Long(frame, 0));
            return Vec::new();
        }
        let may_go = self.run.is_empty();
        match lane {
            Lane::Urgent if may_go => put(&frame, URGENT, &mut self.run),
            Lane::Urgent => put(&frame, URGENT, &mut self.urgent),
            Lane::Plain if may_go && self.waiting.is_empty() => put(&frame, 0, &mut self.run),
            Lane::Plain => {
                self.waiting_bytes += HEAD_BYTES + frame.len();
                match self.waiting.back_mut() {
                    Some(Waiting::Pieces(pieces))
                        if pieces.len() + HEAD_BYTES + frame.len() <= CHUNK_BYTES =>
                    {
                        put(&frame, 0, pieces);
                    }
                    _ => {
                        let mut pieces = Vec::with_capacity(HEAD_BYTES + frame.len());
                        put(&frame, 0, &mut pieces);
                        self.waiting.push_back(Waiting::Pieces(pieces));
                    }
                }
            }
        }
        frame
    }

    /// Whether something of the urgent lane waits for the end of a piece.
    pub(crate) fn has_urgent(&self) -> bool {
        !self.urgent.is_empty()
    }

    /// Bytes that wait.
    pub(crate) fn len(&self) -> usize {
        self.run.len() - self.sent + self.urgent.len() + self.waiting_bytes
    }

    /// Bytes that wait beside the largest frame: however large one is, it may wait.
    pub(crate) fn len_beside_one(&self) -> usize {
        let left = |waiting: &Waiting| match waiting {
            Waiting::Long(frame, cut) => frame.len() - cut,
            Waiting::Pieces(_) => 0,
        };
        self.len() - self.waiting.iter().map(left).max().unwrap_or(0)
    }

    /// Sends what `write` takes, about `limit` bytes of it at most; whether there is more that it may take.
    pub(crate) fn send(
        &mut self,
        limit: usize,
        mut write: impl FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<bool> {
        let mut count = 0;
        while self.load() {
            if count >= limit {
                return Ok(true);
            }
            match write(self.run.get(self.sent..).unwrap_or_default()) {
                Ok(taken) => (self.sent, count) = (self.sent + taken, count + taken),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Makes ready what is to be sent next; false if there is nothing.
    fn load(&mut self) -> bool {
        if self.sent < self.run.len() {
            return true;
        }
        self.run.clear();
        self.sent = 0;
        if !self.urgent.is_empty() {
            std::mem::swap(&mut self.run, &mut self.urgent);
            return true;
        }
        match self.waiting.front_mut() {
            None => return false,
            Some(Waiting::Pieces(pieces)) => {
                self.run = std::mem::take(pieces);
                self.waiting_bytes -= self.run.len();
                self.waiting.pop_front();
            }
            Some(Waiting::Long(frame, cut)) => {
                let rest = frame.get(*cut..).unwrap_or_default();
                let (piece, goes_on) = match rest.split_at_checked(PIECE_BYTES_MAX) {
                    Some((piece, more)) if !more.is_empty() => (piece, true),
                    _ => (rest, false),
                };
                put(piece, if goes_on { GOES_ON } else { 0 }, &mut self.run);
                *cut += piece.len();
                self.waiting_bytes -= piece.len();
                if !goes_on {
                    self.waiting.pop_front();
                }
            }
        }
        true
    }
}

fn put(piece: &[u8], flags: u32, out: &mut Vec<u8>) {
    let length = u32::try_from(piece.len()).expect("a piece is short");
    out.extend_from_slice(&(length | flags).to_le_bytes());
    out.extend_from_slice(piece);
}

struct Head {
    length: usize,
    is_urgent: bool,
    goes_on: bool,
}

impl Head {
    fn read(bytes: [u8; HEAD_BYTES]) -> Head {
        let word = u32::from_le_bytes(bytes);
        let length = (word & !(URGENT | GOES_ON)) as usize;
        Head { length, is_urgent: word & URGENT != 0, goes_on: word & GOES_ON != 0 }
    }
}

/// What has arrived of frames that are not whole.
#[derive(Default)]
pub(crate) struct Incoming {
    received: Vec<u8>,
    /// The pieces of a frame of the plain lane so far.
    begun: Vec<u8>,
}

impl Incoming {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// Bytes that are no piece yet.
    pub(crate) fn len(&self) -> usize {
        self.received.len()
    }

    /// Gives out whole frames; false if the peer breaks the rules.
    pub(crate) fn take_frames(&mut self, mut take: impl FnMut(&[u8])) -> bool {
        let mut start = 0;
        while let Some((head, rest)) = self.received.get(start..).and_then(|rest| rest.split_first_chunk()) {
            let Head { length, is_urgent, goes_on } = Head::read(*head);
            let has_room = length <= PIECE_BYTES_MAX && self.begun.len() + length <= FRAME_BYTES_MAX;
            if !has_room || is_urgent && goes_on {
                return false;
            }
            let Some(piece) = rest.get(..length) else { break };
            if goes_on {
                self.begun.extend_from_slice(piece);
            } else if is_urgent || self.begun.is_empty() {
                take(piece);
            } else {
                self.begun.extend_from_slice(piece);
                take(&self.begun);
                self.begun.clear();
                self.begun.shrink_to(KEPT_BYTES);
            }
            start += HEAD_BYTES + length;
        }
        self.received.drain(..start);
        self.received.shrink_to(KEPT_BYTES);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends through a socket that takes so many bytes at a time, with an urgent frame asked for after `after` bytes.
    fn travel(frames: &[Vec<u8>], step: usize, after: usize) -> Vec<Vec<u8>> {
        let (mut out, mut wire) = (Outgoing::default(), Vec::new());
        for frame in frames {
            out.push(Lane::Plain, frame.clone());
        }
        let (mut is_asked, mut offered) = (false, Vec::new());
        while out.len() > 0 {
            if wire.len() >= after && !std::mem::replace(&mut is_asked, true) {
                out.push(Lane::Urgent, b"urgent".to_vec());
            }
            let mut has_room = true;
            out.send(usize::MAX, |bytes: &[u8]| {
                assert!(bytes.starts_with(&offered), "offered again as it was");
                if !std::mem::take(&mut has_room) {
                    offered = bytes.to_vec();
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                let taken = step.min(bytes.len());
                offered = Vec::new();
                wire.extend_from_slice(&bytes[..taken]);
                Ok(taken)
            })
            .unwrap();
        }
        let (mut incoming, mut arrived) = (Incoming::default(), Vec::new());
        for bytes in wire.chunks(step) {
            incoming.push(bytes);
            assert!(incoming.take_frames(|frame| arrived.push(frame.to_vec())));
        }
        arrived
    }

    fn frame(number: u8, len: usize) -> Vec<u8> {
        vec![number; len]
    }

    #[test]
    fn an_urgent_frame_comes_between_the_pieces_of_a_large_one_and_all_others_stay_whole_and_in_order() {
        let lengths = [10, 0, PIECE_BYTES_MAX, PIECE_BYTES_MAX + 1, 3 * PIECE_BYTES_MAX, 300_000, 7];
        let frames: Vec<Vec<u8>> =
            lengths.into_iter().enumerate().map(|(number, len)| frame(number as u8, len)).collect();
        for step in [7919, CHUNK_BYTES, 1 << 20] {
            let arrived = travel(&frames, step, 2 * PIECE_BYTES_MAX);
            let place = arrived.iter().position(|frame| frame == b"urgent").unwrap();
            assert!(place <= 4, "it waits for a piece, not for frames: {place}");
            let plain: Vec<Vec<u8>> = arrived.into_iter().filter(|frame| frame != b"urgent").collect();
            assert!(plain == frames, "step {step}");
        }
    }

    #[test]
    fn a_turn_sends_no_more_than_its_share() {
        let mut out = Outgoing::default();
        out.push(Lane::Plain, frame(1, 10 << 20));
        let mut count = 0;
        let mut write = |bytes: &[u8]| {
            count += bytes.len();
            Ok(bytes.len())
        };
        assert!(out.send(1 << 20, &mut write).unwrap());
        assert!(((1 << 20)..(1 << 20) + CHUNK_BYTES).contains(&count), "{count}");
    }

    #[test]
    fn a_peer_that_breaks_the_rules_is_found_out() {
        for head in [PIECE_BYTES_MAX as u32 + 1, URGENT | GOES_ON | 1, u32::MAX] {
            let mut incoming = Incoming::default();
            incoming.push(&head.to_le_bytes());
            assert!(!incoming.take_frames(|_| panic!("no frame")), "{head:x}");
        }
    }
}
