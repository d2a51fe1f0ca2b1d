//! What a client sends, cut into requests.
//!
//! Bytes are taken up as they come; what cannot be taken up yet, because it is no whole request or one before it is waited
//! for, is kept with the session. Does not know: sockets, what a request does.

use resp::{Decoded, Decoder, Limits, ProtocolError, Reply};

use crate::dispatch::Taken;
use crate::session::{Session, gate};
use crate::window::{Ahead, End, Window};
use crate::wire::WireRequest;
use crate::worker::Worker;

/// Bytes of waiting requests that one client may have taken up in one turn; the rest is for the next.
const TURN_INPUT_MAX: usize = 1 << 20;

/// Who has sent so much that is not taken up, since what it sent before is not done, need not be read from meanwhile: it
/// waits, as at any server that is slower than its clients, and is not cut off for it. With what a shell reads at once, this
/// is less than the least limit of what may wait.
const UNREAD_MAX: usize = 512 << 10;

impl Worker {
    /// Whether more is to be read from a client. From one that is blocked, always: that it has gone is seen by reading.
    pub fn wants_input(&self, token: u32) -> bool {
        let wants = |session: &Session| {
            session.stall.is_none() || session.is_blocked || session.unread() < UNREAD_MAX
        };
        self.sessions.get(token).is_none_or(wants)
    }

    /// Whether a client that sends no more is still to be answered what it sent. One that is blocked waits for what it may never
    /// get: it is taken for gone.
    pub fn owes_answers(&self, token: u32) -> bool {
        self.sessions.get(token).is_some_and(|session| {
            let output = &session.output;
            let has_more = session.stall.is_some() && session.unread() > 0;
            !session.is_blocked && (output.is_waiting() || !output.sendable().is_empty() || has_more)
        })
    }

    /// Whether a client of a node that stops may be cut off: it was answered all that it sent, and nothing is being taken out
    /// for it. One that only waits for what may come waits at another node; how far its writes have come it is told.
    pub fn may_part(&self, token: u32) -> bool {
        let Some(conn) = self.sessions.get(token).map(|session| session.at.conn) else { return true };
        !self.owes_answers(token) && !self.blocks.is_trying(conn) && !self.waits.has(conn)
    }

    /// The limits of a client that has authenticated, or has not.
    pub(crate) fn limits(&self, authenticated: bool) -> Limits {
        if authenticated {
            let bulk_max = usize::try_from(self.settings.proto_max_bulk_len).unwrap_or(usize::MAX);
            Limits { bulk_max, ..Limits::CLIENT }
        } else {
            Limits::BEFORE_AUTH
        }
    }

    /// Bytes came from a client.
    pub fn receive(&mut self, token: u32, bytes: &[u8]) {
        let Some(mut session) = self.sessions.take(token) else { return };
        session.active = self.now.mono_millis();
        session.bytes_in += bytes.len() as u64;
        self.stats.reads += 1;
        self.stats.net_input_bytes += bytes.len() as u64;
        if session.closing {
            return self.sessions.put_back(session);
        }
        if session.input.is_empty() && session.stall.is_none() {
            let taken = self.take_requests(&mut session, bytes);
            self.go_on_later(&session, taken);
            session.input.extend_from_slice(&bytes[taken..]);
        } else {
            session.input.extend_from_slice(bytes);
            self.take_input(&mut session);
        }
        self.after_requests(session);
    }

    /// Takes up requests that wait in the session's own buffer.
    pub(crate) fn take_input(&mut self, session: &mut Session) {
        if session.stall.is_some() || session.closing {
            return;
        }
        // The buffer is taken out, so that requests can borrow from it while the session changes.
        let mut input = std::mem::take(&mut session.input);
        let start = std::mem::take(&mut session.input_start);
        let taken = start + self.take_requests(session, &input[start..]);
        self.go_on_later(session, taken - start);
        if taken == input.len() {
            input.clear();
            input.shrink_to(64 * 1024);
        } else if taken >= input.len() / 2 {
            // Moving the rest only when half is gone costs each byte one move, however many small steps it takes.
            input.drain(..taken);
        } else {
            session.input_start = taken;
        }
        session.input = input;
    }

    /// A session that has had its share of the turn goes on in the next.
    fn go_on_later(&mut self, session: &Session, taken: usize) {
        if taken >= TURN_INPUT_MAX && session.stall.is_none() && !session.closing {
            self.later.push(session.at);
        }
    }

    /// Takes up whole requests from the front of `bytes` and returns how many bytes they took.
    fn take_requests(&mut self, session: &mut Session, bytes: &[u8]) -> usize {
        // Decoder and window hold the spans of the arguments; they are taken out so that the rest can change.
        let Some(mut decoder) = session.decoder.take() else { return 0 };
        let mut window = std::mem::take(&mut self.window);
        let mut taken = 0;
        while taken < bytes.len().min(TURN_INPUT_MAX) && session.stall.is_none() && !session.closing {
            if session.has_gate(gate::UNAUTHENTICATED) {
                // Before the rest of what a stranger sent in one go makes more refusals.
                self.check_output_limit(session);
                if session.closing {
                    break;
                }
            }
            if bytes[taken] != b'*' {
                match self.take_inline(session, &mut decoder, &bytes[taken..]) {
                    Some(len) => taken += len,
                    None => break,
                }
                continue;
            }
            let end = self.fill_window(&mut window, &mut decoder, (session.db, bytes, taken));
            let all = self.run_window(session, &mut decoder, &window, bytes, &mut taken);
            // What lies where the bytes lay is something else soon.
            self.ahead = Ahead::NONE;
            match end {
                _ if !all => {}
                End::Full => {}
                End::Incomplete => break,
                End::Broken(error) => self.refuse_bytes(session, &error),
            }
        }
        self.window = window;
        session.decoder = Some(decoder);
        if session.closing { bytes.len() } else { taken }
    }

    /// Runs the requests of a window in order. False if it stopped early, because one must wait or what follows
    /// must be decoded anew.
    #[inline]
    fn run_window(
        &mut self,
        session: &mut Session,
        decoder: &mut Decoder,
        window: &Window,
        bytes: &[u8],
        taken: &mut usize,
    ) -> bool {
        for index in 0..window.len() {
            let (framed, args, raw) = window.get(index, bytes);
            self.ahead = framed.ahead;
            if !args.is_empty() && self.dispatch(session, framed.lookup, args, raw) == Taken::Later {
                decoder.restart();
                return false;
            }
            *taken = framed.start + framed.len;
            let new_limits = session.new_limits.take();
            if new_limits.is_some() || session.stall.is_some() || session.closing {
                // What was decoded ahead is decoded again when its turn comes, by the limits of then.
                decoder.restart();
                if let Some(limits) = new_limits {
                    decoder.set_limits(limits);
                }
                return false;
            }
        }
        true
    }

    /// Takes up an inline command: it is put into wire form first, for that is what the log holds. Its length,
    /// or `None` if it is not whole, must wait, or broke the connection.
    #[cold]
    fn take_inline(&mut self, session: &mut Session, decoder: &mut Decoder, bytes: &[u8]) -> Option<usize> {
        match decoder.decode(bytes) {
            Ok(Decoded::Request { len }) => {
                let parts: Vec<&[u8]> = decoder.args(&bytes[..len]).iter().collect();
                if parts.is_empty() {
                    return Some(len);
                }
                let request = WireRequest::encode(&parts);
                let lookup = command::lookup(request.args());
                let taken = self.dispatch(session, lookup, request.args(), request.raw());
                if let Some(limits) = session.new_limits.take() {
                    decoder.set_limits(limits);
                }
                (taken == Taken::Done).then_some(len)
            }
            Ok(Decoded::Incomplete) => None,
            Err(error) => {
                self.refuse_bytes(session, &error);
                None
            }
        }
    }

    #[cold]
    fn refuse_bytes(&mut self, session: &mut Session, error: &ProtocolError) {
        if let ProtocolError::CrossProtocol(protocol) = error {
            self.stats.cross_protocol += 1;
            self.host.note_foreign(&session.peer, *protocol);
            self.outbox.close.push(session.at.token);
        } else {
            let text = format!("ERR {error}");
            Reply::new(session.output.end(), session.version).error(text);
        }
        session.closing = true;
    }
}
