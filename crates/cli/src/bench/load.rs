//! Makes the load: threads, each with its share of connections in one poll loop.
//!
//! Without a rate each connection sends its next batch when the last reply has come (a closed loop). With a rate,
//! batches are due at fixed times whatever the server does, and their latency counts from then, so that a server
//! that stalls cannot hide it by not being asked.

use std::io;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use client::{ClientError, Options, Target};
use hdrhistogram::Histogram;
use mio::{Events, Poll};

use super::replies::next_reply;
use super::socket::Socket;
use super::workload::{Numbers, Request};
use crate::Failure;
use crate::danger::grouped;

/// One run against one server.
pub(super) struct Load<'a> {
    pub(super) target: &'a Target,
    pub(super) options: Options,
    pub(super) request: Request,
    pub(super) numbers: Numbers,
    pub(super) clients: u32,
    pub(super) threads: u32,
    pub(super) pipeline: u32,
    pub(super) requests: u64,
    pub(super) duration: Option<Duration>,
    pub(super) rate: Option<u32>,
    /// What to call the run while it is shown on the terminal.
    pub(super) progress: Option<&'static str>,
}

/// What was measured.
pub(super) struct Outcome {
    pub(super) requests: u64,
    pub(super) errors: u64,
    pub(super) first_error: Option<String>,
    pub(super) elapsed: Duration,
    /// Nanoseconds from a request, or from when it was due, to its reply.
    pub(super) latency: Histogram<u64>,
    /// What the server used meanwhile, if it says.
    pub(super) server_cpu: Option<Duration>,
}

/// Longest latency told apart from others.
const LATENCY_MAX: Duration = Duration::from_secs(60);

/// A server that has said nothing for so long has stopped.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// What the threads of a run share.
struct Shared {
    start: Barrier,
    /// Requests not yet taken by a thread.
    left: AtomicU64,
    done: AtomicU64,
    failed: AtomicBool,
}

impl Load<'_> {
    pub(super) fn run(mut self) -> Result<Outcome, Failure> {
        let mut threads = Vec::new();
        for index in 0..self.threads {
            let clients = self.clients / self.threads + u32::from(index < self.clients % self.threads);
            threads.push(Thread::open(&self, clients as usize)?);
        }
        threads.iter_mut().for_each(|thread| thread.numbers = self.numbers.fork());
        let shared = Shared {
            start: Barrier::new(threads.len() + 1),
            left: AtomicU64::new(self.requests),
            done: AtomicU64::new(0),
            failed: AtomicBool::new(false),
        };
        let main = std::thread::current();
        std::thread::scope(|scope| {
            let running: Vec<_> = threads
                .into_iter()
                .map(|thread| {
                    let (load, shared, main) = (&self, &shared, &main);
                    scope.spawn(move || {
                        let result = thread.run(load, shared);
                        shared.failed.fetch_or(result.is_err(), Relaxed);
                        main.unpark();
                        result
                    })
                })
                .collect();
            shared.start.wait();
            let start = Instant::now();
            while running.iter().any(|thread| !thread.is_finished()) {
                std::thread::park_timeout(Duration::from_millis(200));
                self.show_progress(&shared, start);
            }
            let mut outcome = Outcome::new();
            for thread in running {
                // A panic of a thread is ours, and goes on.
                outcome.add(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?, start);
            }
            Ok(outcome)
        })
    }

    fn show_progress(&self, shared: &Shared, start: Instant) {
        let Some(name) = self.progress else { return };
        let (done, elapsed) = (shared.done.load(Relaxed), start.elapsed().as_secs_f64());
        let share = match self.duration {
            Some(duration) => elapsed / duration.as_secs_f64(),
            None => done as f64 / self.requests as f64,
        };
        let rate = grouped((done as f64 / elapsed.max(1e-9)) as u64);
        use std::io::Write;
        let _ = write!(io::stderr(), "\r\x1b[K{name} {:.0} % {rate} req/s\r\x1b[K", share.min(1.0) * 100.0);
    }
}

impl Outcome {
    fn new() -> Outcome {
        Outcome {
            requests: 0,
            errors: 0,
            first_error: None,
            elapsed: Duration::ZERO,
            latency: histogram(),
            server_cpu: None,
        }
    }

    fn add(&mut self, part: Part, start: Instant) {
        self.requests += part.latency.len();
        self.errors += part.errors;
        self.first_error = self.first_error.take().or(part.first_error);
        self.elapsed = self.elapsed.max(part.end.saturating_duration_since(start));
        self.latency += part.latency;
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, LATENCY_MAX.as_nanos() as u64, 3).expect("these bounds are in order")
}

/// What one thread measured.
struct Part {
    errors: u64,
    first_error: Option<String>,
    end: Instant,
    latency: Histogram<u64>,
}

struct Thread {
    poll: Poll,
    clients: Vec<Client>,
    numbers: Numbers,
    part: Part,
}

struct Client {
    socket: Socket,
    /// Requests of a whole batch in wire form, written over in place.
    batch: Vec<u8>,
    to_send: std::ops::Range<usize>,
    input: Vec<u8>,
    /// Bytes read and not yet taken as a reply.
    unread: std::ops::Range<usize>,
    waiting: usize,
    /// When the batch was sent, or was due.
    began: Instant,
}

impl Thread {
    fn open(load: &Load<'_>, clients: usize) -> Result<Thread, Failure> {
        let poll = Poll::new()?;
        let now = Instant::now();
        let mut opened = Vec::with_capacity(clients);
        for token in 0..clients {
            let mut socket = Socket::open(load.target, &load.options)?;
            socket.register(poll.registry(), token)?;
            opened.push(Client {
                socket,
                batch: load.request.bytes.repeat(load.pipeline as usize),
                to_send: 0..0,
                input: vec![0; 16 << 10],
                unread: 0..0,
                waiting: 0,
                began: now,
            });
        }
        let part = Part { errors: 0, first_error: None, end: now, latency: histogram() };
        Ok(Thread { poll, clients: opened, numbers: load.numbers.clone(), part })
    }

    fn run(mut self, load: &Load<'_>, shared: &Shared) -> Result<Part, Failure> {
        shared.start.wait();
        let start = Instant::now();
        let end = load.duration.map(|duration| start + duration);
        let mut schedule = Schedule::new(load, start);
        let mut events = Events::with_capacity(1024);
        let mut idle: Vec<usize> = (0..self.clients.len()).collect();
        let mut last_reply = start;
        loop {
            let now = Instant::now();
            let mut closing = end.is_some_and(|end| now >= end) || shared.failed.load(Relaxed);
            while !closing && !idle.is_empty() {
                let Some(began) = schedule.next(now) else { break };
                let count = take(&shared.left, u64::from(load.pipeline));
                if count == 0 {
                    closing = true;
                } else if let Some(index) = idle.pop() {
                    self.start_batch(index, load, count as usize, began)?;
                }
            }
            if closing && idle.len() == self.clients.len() {
                self.part.end = last_reply;
                return Ok(self.part);
            }
            let wait = if closing { None } else { schedule.wait(now, idle.is_empty()) };
            self.poll.poll(&mut events, Some(wait.unwrap_or(Duration::from_secs(1))))?;
            let now = Instant::now();
            for event in &events {
                let index = event.token().0;
                let client = &mut self.clients[index];
                client.send().map_err(|source| lost(load, source))?;
                let replies = client.receive(now, &mut self.part).map_err(|source| lost(load, source))?;
                if replies > 0 {
                    last_reply = now;
                    shared.done.fetch_add(replies, Relaxed);
                    if client.waiting == 0 {
                        idle.push(index);
                    }
                }
            }
            if idle.len() < self.clients.len() && now.duration_since(last_reply) > SILENCE_MAX {
                let address = load.target.endpoint.to_string();
                return Err(ClientError::TimedOut { address, after: SILENCE_MAX }.into());
            }
        }
    }

    fn start_batch(
        &mut self,
        index: usize,
        load: &Load<'_>,
        count: usize,
        began: Instant,
    ) -> Result<(), Failure> {
        let client = &mut self.clients[index];
        self.numbers.write_into(&mut client.batch, &load.request, count);
        client.to_send = 0..count * load.request.bytes.len();
        client.waiting = count;
        client.began = began;
        client.send().map_err(|source| lost(load, source))
    }
}

impl Client {
    fn send(&mut self) -> io::Result<()> {
        while !self.to_send.is_empty() {
            match self.socket.write(&self.batch[self.to_send.clone()])? {
                Some(count) => self.to_send.start += count,
                None => break,
            }
        }
        Ok(())
    }

    /// Reads all there is; the number of replies. Readiness is told once, so reading stops only at its end.
    fn receive(&mut self, now: Instant, part: &mut Part) -> io::Result<u64> {
        let mut replies = 0;
        loop {
            self.make_room();
            match self.socket.read(&mut self.input[self.unread.end..])? {
                Some(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Some(count) => self.unread.end += count,
                None => break,
            }
            while let Some(reply) = next_reply(&self.input[self.unread.clone()]) {
                if reply.is_error {
                    self.note_error(reply.len, part);
                }
                self.unread.start += reply.len;
                self.waiting = self.waiting.saturating_sub(1);
                replies += 1;
            }
        }
        if replies > 0 {
            let nanos = now.saturating_duration_since(self.began).as_nanos() as u64;
            part.latency.saturating_record_n(nanos, replies);
        }
        Ok(replies)
    }

    fn note_error(&self, len: usize, part: &mut Part) {
        part.errors += 1;
        let text = &self.input[self.unread.start + 1..self.unread.start + len - 2];
        part.first_error.get_or_insert_with(|| String::from_utf8_lossy(text).into_owned());
    }

    fn make_room(&mut self) {
        if self.unread.is_empty() {
            self.unread = 0..0;
        } else if self.unread.end == self.input.len() {
            self.input.copy_within(self.unread.clone(), 0);
            self.unread = 0..self.unread.len();
            if self.unread.end == self.input.len() {
                self.input.resize(self.input.len() * 2, 0);
            }
        }
    }
}

/// When batches are due.
struct Schedule {
    /// `None`: as soon as a connection is idle.
    interval: Option<Duration>,
    due: Instant,
}

impl Schedule {
    fn new(load: &Load<'_>, start: Instant) -> Schedule {
        let interval = load.rate.map(|rate| {
            Duration::from_secs_f64(f64::from(load.pipeline) * f64::from(load.threads) / f64::from(rate))
        });
        Schedule { interval, due: start }
    }

    /// When the next batch began or was due, `None` if none is due yet.
    fn next(&mut self, now: Instant) -> Option<Instant> {
        let Some(interval) = self.interval else { return Some(now) };
        if self.due > now {
            return None;
        }
        let began = self.due;
        self.due += interval;
        Some(began)
    }

    /// How long to wait for events. The poll is only precise to a millisecond, so the last one is spent asking.
    fn wait(&self, now: Instant, all_busy: bool) -> Option<Duration> {
        self.interval?;
        if all_busy {
            return None;
        }
        let wait = self.due.saturating_duration_since(now);
        Some(wait.saturating_sub(Duration::from_millis(2)))
    }
}

/// Takes up to `wanted` of what is left.
fn take(left: &AtomicU64, wanted: u64) -> u64 {
    let mut taken = 0;
    let _ = left.fetch_update(Relaxed, Relaxed, |left| {
        taken = left.min(wanted);
        Some(left - taken)
    });
    taken
}

fn lost(load: &Load<'_>, source: io::Error) -> Failure {
    let address = load.target.endpoint.to_string();
    match source.kind() {
        io::ErrorKind::UnexpectedEof => ClientError::Closed { address }.into(),
        _ => ClientError::Lost { address, source }.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::workload::Workload;
    use resp::{Decoded, Decoder, Limits};
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    /// Answers every request of every connection with `answer`; the port.
    fn serve(answer: &'static [u8]) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                std::thread::spawn(move || answer_all(stream, answer));
            }
        });
        port
    }

    fn answer_all(mut stream: TcpStream, answer: &[u8]) {
        let (mut decoder, mut received, mut piece) = (Decoder::new(Limits::CLIENT), Vec::new(), [0; 4096]);
        while let Ok(count @ 1..) = stream.read(&mut piece) {
            received.extend_from_slice(&piece[..count]);
            while let Ok(Decoded::Request { len }) = decoder.decode(&received) {
                received.drain(..len);
                let _ = stream.write_all(answer);
            }
        }
    }

    fn load(target: &Target) -> Load<'_> {
        Load {
            target,
            options: Options::default(),
            request: Workload::Set.request(8),
            numbers: Numbers::random(100, 0),
            clients: 5,
            threads: 2,
            pipeline: 3,
            requests: 1000,
            duration: None,
            rate: None,
            progress: None,
        }
    }

    #[test]
    fn every_request_is_sent_and_counted_once() {
        let target = Target::tcp("127.0.0.1", serve(b"+OK\r\n"));
        let outcome = load(&target).run().unwrap();
        assert_eq!((outcome.requests, outcome.latency.len(), outcome.errors), (1000, 1000, 0));
        assert!(outcome.elapsed > Duration::ZERO);
    }

    #[test]
    fn a_rate_is_kept_for_the_duration() {
        let target = Target::tcp("127.0.0.1", serve(b"+OK\r\n"));
        let duration = Some(Duration::from_millis(200));
        let outcome = Load { rate: Some(3000), duration, requests: u64::MAX, ..load(&target) }.run().unwrap();
        // What was due in 200 ms, and one more batch of each thread for the one that is due at once.
        assert!((1..=606).contains(&outcome.requests), "{} requests of 600", outcome.requests);
    }

    #[test]
    fn error_replies_are_counted_and_the_first_is_kept() {
        let target = Target::tcp("127.0.0.1", serve(b"-ERR no\r\n"));
        let outcome = load(&target).run().unwrap();
        assert_eq!((outcome.errors, outcome.first_error.as_deref()), (1000, Some("ERR no")));
    }

    #[test]
    fn nothing_listening_is_said_before_any_load() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let target = Target::tcp("127.0.0.1", port);
        let failure = load(&target).run().err().unwrap();
        assert_eq!(failure.exit(), crate::Exit::Unreachable);
    }
}
