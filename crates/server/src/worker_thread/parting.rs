//! A worker of a node that stops: it hands over what it leads, then parts from its clients.
//!
//! A client is answered what it had sent, and told by the end of the stream that no more comes. It is heard out then for a
//! moment: a socket that closes with bytes unread takes back what the client has not read yet. Who sends without a pause is
//! taken from for only so long, or it would never have been answered all.

use std::io;

use base::Millis;

use super::{Connection, WorkerThread};
use crate::socket::Socket;
use crate::stopping::Stage;

/// For so long clients are read from once they are to go: what they sent before has come by then.
const INPUT_MS: u64 = 100;
/// For so long a client may take to close, once it was told that no more comes.
const CLOSE_MS: u64 = 200;

impl WorkerThread {
    /// The node is about to stop.
    pub(super) fn begin_stage(&mut self, stage: Stage) {
        self.stage = Some(stage);
        match stage {
            Stage::HandOver => self.worker.hand_over(),
            Stage::Part => {
                self.worker.begin_to_part();
                self.input_until = self.after(INPUT_MS);
                self.listeners = None;
                self.waiting.clear();
                // What they have sent until now is looked at before they are parted from.
                (0..self.connections.len()).for_each(|token| self.list(token));
            }
        }
    }

    /// Says how much is left to do before the node stops, and does of it what can be done.
    pub(super) fn go_on_with_stage(&mut self) {
        let Some(stage) = self.stage else { return };
        let left = match stage {
            Stage::HandOver => self.worker.leads_to_hand_over(),
            Stage::Part => {
                (0..self.connections.len()).for_each(|token| self.part(token));
                let clients = self.connections.iter().flatten().count();
                clients + self.worker.work_under_way()
            }
        };
        if let Some(fabric) = &self.shared.fabric {
            fabric.stopping.say(self.id, stage, left);
        }
    }

    /// Parts from a client that was answered all it sent.
    fn part(&mut self, token: usize) {
        let (now, until) = (self.after(0), self.after(CLOSE_MS));
        let is_heard = self.input_until > now;
        let Some(Some(connection)) = self.connections.get_mut(token) else { return };
        match connection.parted_until {
            Some(until) if until <= now => self.close(token),
            Some(_) => {}
            None => {
                let is_read = !(is_heard && connection.listed);
                let is_told = is_read && !connection.stuck && !connection.goes_on;
                if is_told && self.worker.may_part(token as u32) {
                    self.say_good_bye(token, until);
                }
            }
        }
    }

    fn say_good_bye(&mut self, token: usize, until: Millis) {
        let Some(Some(Connection { socket, parted_until, .. })) = self.connections.get_mut(token) else {
            return;
        };
        match socket {
            Socket::Local(_) => self.close(token),
            socket => {
                socket.end();
                *parted_until = Some(until);
            }
        }
    }

    /// Whether what a client sends is not looked at any more.
    pub(super) fn is_heard_no_more(&self, token: usize) -> bool {
        let is_parted = |c: &Connection| c.parted_until.is_some();
        let connection = self.connections.get(token).and_then(Option::as_ref);
        self.input_until <= self.after(0) || connection.is_some_and(is_parted)
    }

    /// Reads once from a client that is heard no more; how many bytes.
    pub(super) fn discard(&mut self, token: usize) -> usize {
        let Some(Some(connection)) = self.connections.get_mut(token) else { return 0 };
        match connection.socket.read(&mut self.buffer, &mut self.sealed) {
            Ok((0, _)) if connection.parted_until.is_none() && self.worker.owes_answers(token as u32) => {
                connection.listed = true;
                self.ended.push(token);
            }
            Ok((0, _)) => self.close(token),
            Ok((count, has_more)) => {
                if has_more || connection.ends {
                    self.list(token);
                }
                return count;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.list(token),
            Err(_) => self.close(token),
        }
        0
    }

    /// A time of the steady clock.
    fn after(&self, millis: u64) -> Millis {
        Millis(self.shared.mono_us() / 1000 + millis)
    }
}
