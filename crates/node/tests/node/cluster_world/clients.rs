//! The clients of a world: who asks which node, and what they were told.

use base::{ConnId, Now};
use node::{AfterSend, Peer};
use resp::{Value, ValueDecoder};

use super::{Client, World};
use crate::net::show;

impl World {
    /// A client inside the program, who may do anything.
    pub(crate) fn connect(&mut self, node: usize) -> usize {
        self.connect_as(node, Peer::InProcess)
    }

    /// One that says who it is.
    pub(crate) fn connect_from_outside(&mut self, node: usize) -> usize {
        let address = ([127, 0, 0, 1], 1).into();
        self.connect_as(node, Peer::Tcp { remote: address, local: address, tls: None })
    }

    fn connect_as(&mut self, node: usize, peer: Peer) -> usize {
        self.conns += 1;
        let conn = ConnId(self.conns);
        let token = self.turn(node, |worker| worker.accept(conn, peer, 1)).unwrap().unwrap();
        self.clients.push(Client { node, token, received: Vec::new(), open: true });
        self.clients.len() - 1
    }

    pub(crate) fn send(&mut self, client: usize, line: &str) {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let mut bytes = Vec::new();
        resp::write_request(&mut bytes, words.iter());
        let Client { node, token, .. } = self.clients[client];
        self.turn(node, |worker| worker.receive(token, &bytes));
    }

    /// Sends in a turn that began at another time: the process was held up before it took the request.
    pub(crate) fn send_in_a_turn_begun_at(&mut self, began: Now, client: usize, line: &str) {
        let now = self.now;
        let Client { node, token, .. } = self.clients[client];
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let mut bytes = Vec::new();
        resp::write_request(&mut bytes, words.iter());
        self.now = began;
        self.turn(node, |worker| {
            worker.note_clock(now.mono_us);
            worker.receive(token, &bytes);
        });
        self.now = now;
    }

    /// The answers that have come so far.
    pub(crate) fn answers(&mut self, client: usize) -> Vec<Value> {
        let received = std::mem::take(&mut self.clients[client].received);
        let mut decoder = ValueDecoder::new();
        let (mut values, mut at) = (Vec::new(), 0);
        while let Ok(Some((value, len))) = decoder.decode(&received[at..]) {
            values.push(value);
            at += len;
        }
        self.clients[client].received = received[at..].to_vec();
        values
    }

    pub(crate) fn is_open(&self, client: usize) -> bool {
        self.clients[client].open
    }

    /// Asks and waits for the answer, up to seven seconds.
    pub(crate) fn ask(&mut self, client: usize, line: &str) -> String {
        self.send(client, line);
        for _ in 0..7000 {
            let answers = self.answers(client);
            if let Some(value) = answers.first() {
                assert_eq!(answers.len(), 1, "one request has one answer");
                return show(value);
            }
            self.pass(1);
        }
        "no answer".to_owned()
    }

    pub(super) fn flush(&mut self, node: usize, token: u32) {
        let Some(client) = self.clients.iter().position(|c| c.open && c.node == node && c.token == token)
        else {
            return;
        };
        loop {
            let worker = self.machines[node].worker.as_mut().unwrap();
            let bytes = worker.sendable(token).to_vec();
            self.clients[client].received.extend_from_slice(&bytes);
            match worker.sent(token, bytes.len()) {
                AfterSend::More => {}
                AfterSend::Idle => return,
                AfterSend::Close => {
                    self.clients[client].open = false;
                    return worker.closed(token);
                }
            }
        }
    }
}
