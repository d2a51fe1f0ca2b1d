//! How long a busy worker waits before it looks at its sockets again, so that a turn serves several clients.
//!
//! A worker that is faster than its clients wakes for each request by itself: going to sleep, being woken and the turn's
//! own work then cost as much as the request, for the client's machine as well, which gets each answer alone. With many
//! clients at once some tens of microseconds of patience make one turn out of many. Network cards do the same with
//! interrupts.
//!
//! It must never hold up those who wait for each other. With few clients all of them could be waiting for an answer while the
//! worker waits for requests; so it waits only for as many requests as a quarter of the clients will have sent, by the last
//! span's rate, and not at all if those are too few to be worth a timer. Knows no clock and no socket.

/// Over how long clients and requests are counted.
const SPAN_US: u64 = 1000;
/// Turns do not get cheaper by more than this many requests.
const ENOUGH: u64 = 16;
/// Fewer are not worth going to sleep for.
const FEW: u64 = 3;

/// See the module.
#[derive(Debug)]
pub(crate) struct Gather {
    /// Number of the span; what a connection remembers of when it was last read from.
    span: u32,
    began_us: u64,
    /// Reads from clients in the span, and how many clients they were from.
    reads: u64,
    clients: u64,
    wait_us: u64,
}

impl Gather {
    pub(crate) fn new() -> Gather {
        Gather { span: 1, began_us: 0, reads: 0, clients: 0, wait_us: 0 }
    }

    /// A client was read from; `last` is the span in which it was before, as this left it there.
    pub(crate) fn note(&mut self, last: &mut u32) {
        self.reads += 1;
        if *last != self.span {
            *last = self.span;
            self.clients += 1;
        }
    }

    /// How many microseconds to wait now; `most` is asked for once a span.
    pub(crate) fn wait_us(&mut self, now_us: u64, most_us: impl FnOnce() -> u64) -> u64 {
        let took_us = now_us.saturating_sub(self.began_us);
        if took_us >= SPAN_US {
            self.wait_us = wait_us(self.reads, self.clients, took_us, most_us());
            // Connections begin with 0, which is no span.
            self.span = self.span.checked_add(1).unwrap_or(1);
            (self.began_us, self.reads, self.clients) = (now_us, 0, 0);
        }
        self.wait_us
    }
}

/// See the module. The counts are of the last `took_us` microseconds.
fn wait_us(reads: u64, clients: u64, took_us: u64, most_us: u64) -> u64 {
    let wanted = (clients / 4).min(ENOUGH);
    let (false, Some(needed_us)) = (wanted < FEW, (wanted * took_us).checked_div(reads)) else { return 0 };
    let wait_us = needed_us.min(most_us);
    if wait_us * reads < FEW * took_us { 0 } else { wait_us }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What it comes to after a span in which `clients` sent `each` requests one after the other, for 100 µs at most.
    fn after(clients: usize, each: usize) -> u64 {
        let (mut gather, mut last) = (Gather::new(), vec![0; clients]);
        assert_eq!(gather.wait_us(5000, || 100), 0);
        for _ in 0..each {
            last.iter_mut().for_each(|last| gather.note(last));
        }
        gather.wait_us(6000, || 100)
    }

    #[test]
    fn few_clients_are_never_waited_for() {
        for clients in 0..12 {
            assert_eq!(after(clients, 100), 0, "{clients} clients");
        }
    }

    #[test]
    fn a_quarter_of_many_clients_is_waited_for_and_no_more() {
        // 12 clients with 120 requests a millisecond: 3 of them come in 25 µs.
        assert_eq!(after(12, 10), 25);
        assert_eq!(after(40, 5), 50);
        // Twice as fast, half as long.
        assert_eq!(after(40, 10), 25);
        // 64 and more: as for 16 requests.
        assert_eq!((after(64, 4), after(800, 1)), (62, 20));
    }

    #[test]
    fn the_wait_is_bounded_and_pointless_ones_are_left_out() {
        // 60 requests a millisecond: a quarter of them would take 250 µs, 100 µs bring 6.
        assert_eq!(after(60, 1), 100);
        // 29 a millisecond: not even 3 in 100 µs.
        assert_eq!(after(29, 1), 0);
        assert_eq!(wait_us(1000, 100, 1000, 0), 0);
    }

    #[test]
    fn who_was_quiet_for_a_span_does_not_count() {
        let (mut gather, mut last) = (Gather::new(), vec![0; 50]);
        gather.wait_us(5000, || 100);
        last.iter_mut().for_each(|last| gather.note(last));
        assert!(gather.wait_us(6000, || 100) > 0);
        assert!(gather.wait_us(6999, || 100) > 0, "a span has not passed");
        (0..50).for_each(|_| gather.note(&mut last[7]));
        assert_eq!(gather.wait_us(7000, || 100), 0, "one client alone");
        assert_eq!(gather.wait_us(9000, || 100), 0, "nobody");
    }
}
