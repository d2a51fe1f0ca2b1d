//! Sessions, numbers and bounds of a ledger, taken up as a partition does.

use base::Random;

use super::*;

const DAY: u64 = IDLE_MAX;

fn id(opened: u64, seed: u64) -> SessionId {
    SessionId::new(Millis(opened), [seed, seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)])
}

fn which(session: SessionId, number: u64) -> Numbered {
    Numbered { session, number, digest: number.wrapping_mul(3), version: Version::Resp2 }
}

/// Takes a request up as a partition does: runs it only if it is new; what is answered.
fn run(ledger: &mut Ledger, which: &Numbered, now: u64, reply: &[u8]) -> Result<Vec<u8>, String> {
    let now = Millis(now);
    let answered = match ledger.look(which, now) {
        Verdict::Refused(text) => return Err(text),
        Verdict::Again(reply) => Some(reply.to_vec()),
        Verdict::New => None,
    };
    match answered {
        Some(reply) => {
            ledger.touch(which.session, now);
            Ok(reply)
        }
        None => {
            ledger.keep(which, now, reply);
            Ok(reply.to_vec())
        }
    }
}

#[track_caller]
fn refused(ledger: &mut Ledger, which: &Numbered, now: u64, prefix: &str) {
    let text = run(ledger, which, now, b"ran").unwrap_err();
    assert!(text.starts_with(prefix), "{text}");
}

#[test]
fn ids_read_back_as_they_are_printed_and_say_when_they_were_made() {
    let made = id(1_700_000_000_123, 42);
    let text = made.to_string();
    assert_eq!(SessionId::parse(text.as_bytes()), Some(made));
    assert_eq!(SessionId::parse(text.to_uppercase().as_bytes()), Some(made));
    assert_eq!(made.opened(), Millis(1_700_000_000_123));
    assert_eq!(&text[14..15], "7");
    for wrong in ["", "x", "018bcfe5-687b-4fff-8fff-ffffffffffff", "018bcfe5687b-7fff-8fff-ffff-ffffffffffff"]
    {
        assert_eq!(SessionId::parse(wrong.as_bytes()), None, "{wrong}");
    }
    assert_eq!(SessionId::parse(text.replace('7', "g").as_bytes()), None);
}

#[test]
fn a_request_that_comes_again_gets_the_first_reply() {
    let mut ledger = Ledger::default();
    let one = which(id(5, 1), 1);
    assert_eq!(run(&mut ledger, &one, 10, b":1\r\n"), Ok(b":1\r\n".to_vec()));
    assert_eq!(run(&mut ledger, &one, 11, b":2\r\n"), Ok(b":1\r\n".to_vec()));
    refused(
        &mut ledger,
        &Numbered { digest: 9, ..one },
        12,
        "ERR number 1 of this session was another request",
    );
    refused(&mut ledger, &Numbered { version: Version::Resp3, ..one }, 12, "ERR number 1 was applied before");
    // Another session has numbers of its own; and numbers may come in any order while they are kept.
    assert_eq!(run(&mut ledger, &which(id(5, 2), 1), 12, b":9\r\n"), Ok(b":9\r\n".to_vec()));
    assert_eq!(run(&mut ledger, &which(id(5, 1), 7), 12, b":7\r\n"), Ok(b":7\r\n".to_vec()));
    assert_eq!(run(&mut ledger, &which(id(5, 1), 6), 12, b":6\r\n"), Ok(b":6\r\n".to_vec()));
    ledger.check_invariants();
}

#[test]
fn numbers_below_those_kept_are_refused() {
    let mut ledger = Ledger::default();
    let session = id(5, 1);
    for number in 1..=NUMBERS_MAX as u64 + 10 {
        run(&mut ledger, &which(session, number * 2), 10, b"+OK\r\n").unwrap();
    }
    refused(&mut ledger, &which(session, 20), 10, "SESSIONEXPIRED number 20 is too old");
    refused(&mut ledger, &which(session, 19), 10, "SESSIONEXPIRED");
    assert!(
        run(&mut ledger, &which(session, 23), 10, b"+OK\r\n").is_ok(),
        "above what was dropped, and never ran"
    );
    ledger.check_invariants();
}

#[test]
fn numbers_with_gaps_cost_no_more_than_others_however_far_ahead_they_are() {
    let mut ledger = Ledger::default();
    let (near, far) = (id(5, 1), id(5, 2));
    let (steps, last) = (NUMBERS_MAX as u64 * 4, i64::MAX as u64);
    for step in 1..=steps {
        run(&mut ledger, &which(near, step), 10, b"+OK\r\n").unwrap();
        run(&mut ledger, &which(far, last / steps * step), 10, b"+OK\r\n").unwrap();
        assert_eq!(ledger.sessions[&near].bytes, ledger.sessions[&far].bytes);
    }
    assert_eq!(ledger.sessions[&far].ran.len(), NUMBERS_MAX);
    assert!(ledger.bytes() <= 2 * (SESSION_COST + SESSION_BYTES_MAX));
    // What is left out below those that are kept may have run: it is refused, and so is all below the highest there is.
    refused(&mut ledger, &which(far, last / steps + 1), 10, "SESSIONEXPIRED number");
    for number in last - NUMBERS_MAX as u64..=last {
        run(&mut ledger, &which(far, number), 10, b"+OK\r\n").unwrap();
    }
    refused(&mut ledger, &which(far, last / steps * steps), 10, "SESSIONEXPIRED number");
    assert_eq!(run(&mut ledger, &which(far, last), 10, b""), Ok(b"+OK\r\n".to_vec()));
    ledger.check_invariants();
}

#[test]
fn long_replies_are_not_kept_but_that_they_were_given_is() {
    let mut ledger = Ledger::default();
    let session = id(5, 1);
    let long = vec![b'x'; SESSION_BYTES_MAX];
    run(&mut ledger, &which(session, 1), 10, &long).unwrap();
    refused(&mut ledger, &which(session, 1), 10, "ERR number 1 was applied before; its reply was too long");
    // Two of these are more than a session may keep.
    let part = &long[..SESSION_BYTES_MAX * 2 / 3];
    run(&mut ledger, &which(session, 2), 10, part).unwrap();
    run(&mut ledger, &which(session, 3), 10, part).unwrap();
    refused(&mut ledger, &which(session, 2), 10, "SESSIONEXPIRED");
    assert_eq!(run(&mut ledger, &which(session, 3), 10, b""), Ok(part.to_vec()));
    ledger.check_invariants();
}

#[test]
fn a_session_that_was_idle_for_a_day_is_never_taken_up_again() {
    let mut ledger = Ledger::default();
    let (old, new) = (id(1000, 1), id(2000, 2));
    run(&mut ledger, &which(old, 1), 3000, b"+OK\r\n").unwrap();
    assert!(run(&mut ledger, &which(old, 1), 2000 + DAY, b"").is_ok(), "being asked again is use");
    refused(&mut ledger, &which(old, 1), 2000 + DAY + DAY, "SESSIONEXPIRED");
    refused(&mut ledger, &which(old, 2), 2000 + DAY + DAY, "SESSIONEXPIRED");
    // It is gone once another is used, and refused all the same: its id is older than what was forgotten.
    run(&mut ledger, &which(new, 1), 2000 + 2 * DAY, b"+OK\r\n").unwrap();
    assert_eq!(ledger.sessions(), 1);
    refused(&mut ledger, &which(old, 1), 2000 + 2 * DAY, "SESSIONEXPIRED");
    refused(&mut ledger, &which(id(1000, 7), 1), 2000 + 2 * DAY, "SESSIONEXPIRED");
    // Clocks differ a little; an id of much later would rule out all that are made until then.
    let now = 2000 + 2 * DAY;
    refused(&mut ledger, &which(id(now + AHEAD_MAX + 1, 7), 1), now, "ERR session");
    assert!(run(&mut ledger, &which(id(now + AHEAD_MAX, 7), 1), now, b"+OK\r\n").is_ok());
    ledger.check_invariants();
}

#[test]
fn with_too_many_sessions_the_idlest_is_forgotten() {
    let mut ledger = Ledger::default();
    let count = SESSIONS_MAX as u64 + 5;
    for number in 0..count {
        run(&mut ledger, &which(id(1000 + number, number), 1), 10_000 + number, b"+OK\r\n").unwrap();
    }
    assert_eq!(ledger.sessions(), SESSIONS_MAX);
    refused(&mut ledger, &which(id(1004, 4), 1), 20_000, "SESSIONEXPIRED");
    assert!(run(&mut ledger, &which(id(1005, 5), 1), 20_000, b"").is_ok());
    // Bytes bound them as well.
    let long = vec![b'x'; SESSION_BYTES_MAX / 2];
    for number in 0..200 {
        run(&mut ledger, &which(id(30_000 + number, number), 1), 30_000 + number, &long).unwrap();
        ledger.check_invariants();
    }
    assert!(ledger.sessions() < 200 && ledger.bytes() <= BYTES_MAX);
}

#[test]
fn a_walk_writes_what_was_there_when_it_began_in_pieces_of_bounded_size() {
    let (mut ledger, mut random) = (Ledger::default(), Random::new(4));
    let mut change = |ledger: &mut Ledger, now: u64| {
        let which = which(id(10 + random.below(4), random.below(40)), 1 + random.below(400));
        let _ = run(ledger, &which, now, &vec![b'r'; random.below(600) as usize]);
    };
    (0..1000).for_each(|now| change(&mut ledger, 20 + now));
    let before = ledger.clone();
    let (mut walk, mut read, mut pieces) = (ledger.walk().unwrap(), Ledger::default(), 0);
    loop {
        let mut piece = Vec::new();
        let is_over = walk.next_piece(2000, &mut piece);
        assert!(piece.len() < 2000 + SESSION_BYTES_MAX);
        read.load(&piece).unwrap();
        pieces += 1;
        if is_over {
            break;
        }
        // Sessions are used, made, and one that is not written yet is forgotten.
        (0..50).for_each(|step| change(&mut ledger, 5000 + pieces * 100 + step));
        assert!(ledger.forget_first());
        ledger.check_invariants();
    }
    assert!(pieces > 10);
    read.check_invariants();
    assert!(read == before && ledger != before);
}

#[test]
fn pieces_read_back_as_what_was_written_and_damage_is_told() {
    let (mut ledger, mut random) = (Ledger::default(), Random::new(1));
    assert!(ledger.encode(1000).is_empty());
    for number in 0..2000 {
        let mut which = which(id(10 + random.below(4), random.below(30)), 1 + random.below(400));
        which.version = [Version::Resp2, Version::Resp3][random.below(2) as usize];
        let reply = vec![b'r'; random.below(600) as usize];
        let _ = run(&mut ledger, &which, 20 + number, &reply);
    }
    let pieces = ledger.encode(1000);
    assert!(pieces.len() > 5);
    let mut read = Ledger::default();
    pieces.iter().for_each(|piece| read.load(piece).unwrap());
    read.check_invariants();
    assert_eq!((&read, read.digest()), (&ledger, ledger.digest()));
    assert!(read.load(&pieces[0]).is_err(), "sessions that are there already");
    for cut in 0..pieces[0].len() {
        // A cut between two sessions leaves whole ones.
        let mut read = Ledger::default();
        if read.load(&pieces[0][..cut]).is_ok() {
            assert!(read.sessions() < ledger.sessions());
        }
    }
    let mut newer = pieces[0].clone();
    newer[0] = FORMAT + 1;
    assert_eq!(Ledger::default().load(&newer), Err(RecordError::Newer { version: 2, newest: 1 }));
}
