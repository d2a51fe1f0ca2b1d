//! Who stands at the door for nodes: how many there may be, and who gives way when there are more.
//!
//! Who says nothing may stand there for as long as a handshake may take, and places are few. When all are taken, the source with
//! the most connections gives up its oldest for one from a source with fewer: strangers at one address do not keep members at
//! others out. For another of the same source, as all on one machine are, the oldest gives way once it has had the time that a
//! handshake takes. A member that has shown who it is keeps its place.
//!
//! Does not know: what is said at the door.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::failures::network;
use crate::shared::lock;
use crate::timed::Bounded;

/// Places; who comes beyond is turned away, or has another give way.
const PLACES: usize = 48;
/// Connections that were ended and whose threads have not noticed yet, at most.
const ENDING_MAX: usize = 16;
/// Connections at once.
pub(crate) const KNOCKS_MAX: usize = PLACES + ENDING_MAX;
/// What a handshake has before it gives way to another of the same source.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is said that there were too many.
const COMPLAINTS_EVERY: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Default)]
pub(crate) struct Knocks(Mutex<Places>);

#[derive(Default)]
struct Places {
    guests: BTreeMap<u64, Guest>,
    next: u64,
    /// Since it was last said, and when that was.
    too_many: u64,
    said: Option<Instant>,
}

struct Guest {
    since: Instant,
    claim: Claim,
}

enum Claim {
    /// It gives way if need be.
    Source(IpAddr, Arc<TcpStream>),
    /// It is known.
    Kept,
    /// It has given way; its thread is about to notice.
    Ending,
}

/// A place, until it is dropped.
pub(crate) struct Place {
    knocks: Arc<Knocks>,
    number: u64,
}

impl Knocks {
    /// A place for a connection from another machine, or none.
    pub(crate) fn take(self: &Arc<Knocks>, source: IpAddr, stream: &Arc<TcpStream>) -> Option<Place> {
        self.take_at(Claim::Source(network(source), Arc::clone(stream)), Instant::now())
    }

    /// A place for one whom the system knows.
    pub(crate) fn take_known(self: &Arc<Knocks>) -> Option<Place> {
        self.take_at(Claim::Kept, Instant::now())
    }

    fn take_at(self: &Arc<Knocks>, claim: Claim, now: Instant) -> Option<Place> {
        let mut places = lock(&self.0);
        if places.guests.values().filter(|guest| !matches!(guest.claim, Claim::Ending)).count() >= PLACES {
            places.complain(now);
            let gives_way = places.who_gives_way(&claim, now)?;
            if let Some(guest) = places.guests.get_mut(&gives_way)
                && let Claim::Source(_, stream) = std::mem::replace(&mut guest.claim, Claim::Ending)
            {
                // One whose other end is gone ends by itself.
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
        if places.guests.len() >= KNOCKS_MAX {
            return None;
        }
        let number = places.next;
        places.next += 1;
        places.guests.insert(number, Guest { since: now, claim });
        Some(Place { knocks: Arc::clone(self), number })
    }
}

impl Places {
    fn who_gives_way(&self, claim: &Claim, now: Instant) -> Option<u64> {
        let mut held: BTreeMap<IpAddr, usize> = BTreeMap::new();
        let sources = || {
            self.guests.iter().filter_map(|(number, guest)| match guest.claim {
                Claim::Source(source, _) => Some((*number, source, guest.since)),
                Claim::Kept | Claim::Ending => None,
            })
        };
        sources().for_each(|(_, source, _)| *held.entry(source).or_default() += 1);
        let (greedy, most) =
            held.iter().max_by_key(|(_, count)| **count).map(|(source, count)| (*source, *count))?;
        let own = match claim {
            Claim::Source(source, _) => held.get(source).copied().unwrap_or_default(),
            Claim::Kept | Claim::Ending => 0,
        };
        let mut oldest_first = sources();
        // Numbers are given in the order of time.
        match most > own + 1 {
            true => oldest_first.find(|(_, source, _)| *source == greedy),
            false => {
                oldest_first.next().filter(|(.., since)| now.saturating_duration_since(*since) >= PATIENCE)
            }
        }
        .map(|(number, ..)| number)
    }

    fn complain(&mut self, now: Instant) {
        self.too_many += 1;
        if self.said.is_none_or(|said| now.saturating_duration_since(said) >= COMPLAINTS_EVERY) {
            self.said = Some(now);
            let connections = std::mem::take(&mut self.too_many);
            tracing::warn!(connections, "too many handshakes at once at the port for nodes");
        }
    }
}

impl Place {
    /// From now on it gives way to nobody; or it has done so.
    pub(crate) fn keep(&self) -> io::Result<()> {
        match lock(&self.knocks.0).guests.get_mut(&self.number) {
            Some(Guest { claim: Claim::Ending, .. }) | None => {
                Err(io::Error::other("it gave way to another connection"))
            }
            Some(guest) => {
                guest.claim = Claim::Kept;
                Ok(())
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.knocks.0).guests.remove(&self.number);
    }
}

/// A socket that its place can end.
pub(crate) struct Guarded(pub(crate) Arc<TcpStream>);

impl Guarded {
    /// The socket, which nobody else has once its place is kept.
    pub(crate) fn into_inner(self) -> io::Result<TcpStream> {
        Arc::into_inner(self.0).ok_or_else(|| io::Error::other("its place is not kept"))
    }
}

impl Read for Guarded {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(bytes)
    }
}

impl Write for Guarded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Bounded for Guarded {
    fn bound(&self, wait: Duration) -> io::Result<()> {
        self.0.bound(wait)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    struct Street {
        knocks: Arc<Knocks>,
        listener: TcpListener,
    }

    impl Street {
        fn new() -> Street {
            Street { knocks: Arc::default(), listener: TcpListener::bind("127.0.0.1:0").unwrap() }
        }

        fn knock(&self, source: u8, now: Instant) -> Option<Place> {
            let stream = TcpStream::connect(self.listener.local_addr().unwrap()).unwrap();
            let source = IpAddr::from([10, 0, 0, source]);
            self.knocks.take_at(Claim::Source(source, Arc::new(stream)), now)
        }
    }

    #[test]
    fn a_source_that_takes_all_places_gives_them_to_others() {
        let (street, start) = (Street::new(), Instant::now());
        let strangers: Vec<Place> = (0..PLACES).map(|_| street.knock(1, start).unwrap()).collect();
        assert!(street.knock(1, start).is_none(), "it has all there are");
        let member = street.knock(2, start).unwrap();
        assert!(strangers[0].keep().is_err(), "the oldest gave way");
        assert!(strangers[1].keep().is_ok());
        drop(strangers);
        assert!(member.keep().is_ok());
    }

    #[test]
    fn of_one_source_the_oldest_gives_way_when_it_had_its_time() {
        let (street, start) = (Street::new(), Instant::now());
        let places: Vec<Place> = (0..PLACES).map(|_| street.knock(1, start).unwrap()).collect();
        places[0].keep().unwrap();
        assert!(street.knock(1, start + PATIENCE - Duration::from_millis(1)).is_none());
        let late = street.knock(1, start + PATIENCE).unwrap();
        assert!(places[0].keep().is_ok(), "who is known stays");
        assert!(places[1].keep().is_err());
        assert!(late.keep().is_ok());
    }

    #[test]
    fn sources_that_have_their_share_do_not_drive_each_other_out() {
        let (street, start) = (Street::new(), Instant::now());
        let _places: Vec<Place> = (0..PLACES).map(|n| street.knock((n / 4) as u8, start).unwrap()).collect();
        let _fresh = street.knock(100, start).unwrap();
        let _second = street.knock(100, start).unwrap();
        let _third = street.knock(100, start).unwrap();
        assert!(street.knock(100, start).is_none());
    }

    #[test]
    fn there_are_never_more_connections_than_descriptors_are_kept_for() {
        let (street, start) = (Street::new(), Instant::now());
        let all: Vec<Place> =
            (0..2 * KNOCKS_MAX).filter_map(|n| street.knock(n as u8, start + PATIENCE * n as u32)).collect();
        assert_eq!(all.len(), KNOCKS_MAX);
    }
}
