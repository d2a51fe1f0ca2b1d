//! Commands on lists, sets, sorted sets, places, HyperLogLogs, bits, hashes, and keys and fields that lapse, of which replicas
//! must make the same; changes of users, which are agreed on by another group; and events of keys, which are told by who
//! proposes a change and make none.
//!
//! What they answer is not judged: that is done elsewhere, on one node. Here they make entries whose effects come from the
//! seed and the time in them, deletions that a leader thinks of, and states to be transferred.

use base::Random;

/// Keys of a kind; few, so that they grow and vanish.
const KEYS: u64 = 3;

/// One of them, by a number.
pub(super) fn line(draw: u64) -> String {
    let mut random = Random::new(draw);
    let mut below = |bound: u64| random.next_u64() % bound;
    // A tag keeps those of one kind together, for the commands on two.
    let (key, other) = (below(KEYS), below(KEYS));
    let (number, small, wide) = (below(1000), below(12), below(400) as usize);
    match below(46) {
        0 => format!("RPUSH {{l}}{key} {number} {number:0>wide$}"),
        1 => format!("LPUSH {{l}}{key} {number:0>wide$} {small} {number}"),
        2 => format!("LPOP {{l}}{key} {small}"),
        3 => format!("LMOVE {{l}}{key} {{l}}{other} LEFT RIGHT"),
        4 => format!("LTRIM {{l}}{key} 0 40"),
        5 => format!("LREM {{l}}{key} 0 {small}"),
        6 => format!("SADD {{s}}{key} {number} {small} m{number}"),
        7 => format!("SADD {{s}}{key} {}", row(number, 200)),
        8 => format!("SPOP {{s}}{key} {small}"),
        9 => format!("SPOP {{s}}{key}"),
        10 => format!("SINTERSTORE {{s}}{key} {{s}}{other} {{s}}{}", small % KEYS),
        11 => format!("SMOVE {{s}}{key} {{s}}{other} {small}"),
        12 => format!("ZADD {{z}}{key} {number} m{small} {small} m{number}"),
        13 => format!("ZINCRBY {{z}}{key} {small} m{small}"),
        14 => format!("ZPOPMIN {{z}}{key} {small}"),
        15 => format!("ZREMRANGEBYSCORE {{z}}{key} {small} {number}"),
        16 => format!("ZUNIONSTORE {{z}}{key} 2 {{z}}{other} {{z}}{}", small % KEYS),
        17 => format!("HSET {{h}}{key} f{small} {number:0>wide$} f{number} x"),
        18 => format!("HINCRBY {{h}}{key} n{small} {number}"),
        19 => format!("HDEL {{h}}{key} f{small} f{number}"),
        23 => format!("HPEXPIRE {{h}}{key} {number} FIELDS 2 f{small} n{small}"),
        24 => format!("HSETEX {{h}}{key} PX {} FIELDS 2 f{small} {number} n{small} {small}", number + 1),
        25 => format!("HSETEX {{h}}{key} PX {} FIELDS 200 {}", number + 1, pairs(number, 200)),
        26 => format!("HGETEX {{h}}{key} PERSIST FIELDS 1 f{small}"),
        27 => format!("HGETDEL {{h}}{key} FIELDS 2 f{small} f{number}"),
        28 => format!("COPY {{h}}{key} {{h}}copy REPLACE"),
        20 => format!("PEXPIRE {{{}}}{key} {number}", ["l", "s", "z", "h"][(small % 4) as usize]),
        21 => format!("SET e{small} {number} PX {}", number + 1),
        22 => format!("GETEX e{small} PX {}", number + 1),
        29 => format!("COPY {{l}}{key} {{l}}copy REPLACE"),
        30 => {
            format!("GEOADD {{g}}{key} {} {} m{small} {small} {small} m{number}", number % 180, number % 85)
        }
        31 => format!("GEOADD {{g}}{key} XX CH {small} {} m{small}", number % 85),
        32 => {
            let place = format!("FROMLONLAT {} {}", number % 180, small);
            format!("GEOSEARCHSTORE {{g}}{key} {{g}}{other} {place} BYRADIUS {} km ASC COUNT 9", number * 10)
        }
        33 => format!("GEORADIUS {{g}}{key} {small} {small} {} km STOREDIST {{g}}{other}", number * 10),
        34 => format!("PFADD {{p}}{key} {number} {small} m{number}"),
        35 => format!("PFADD {{p}}{key} {}", row(number, 300)),
        36 => format!("PFMERGE {{p}}{key} {{p}}{other} {{p}}{}", small % KEYS),
        // A read that may write: it keeps what it counted.
        37 => format!("PFCOUNT {{p}}{key}"),
        38 => format!("SORT {{s}}{key} ALPHA DESC LIMIT 0 {small} STORE {{s}}sorted"),
        39 => format!("SORT {{l}}{key} ALPHA STORE {{l}}{other}"),
        40 => format!("SORT {{z}}{key} BY nosort ALPHA STORE {{z}}sorted"),
        41 => format!("SETRANGE {{b}}{key} {wide} {number}"),
        42 => format!("BITOP XOR {{b}}{key} {{b}}{key} {{b}}{other}"),
        43 => format!("BITFIELD {{b}}{key} OVERFLOW WRAP INCRBY u9 {small} {number}"),
        44 => match small % 3 {
            0 => format!("ACL DELUSER user{key}"),
            1 => format!("ACL SETUSER user{key} on nopass ~u{number}:* +@read"),
            _ => format!("ACL SETUSER user{key} reset off +get %W~{small}"),
        },
        _ => match small % 2 {
            0 => "CONFIG SET notify-keyspace-events KEA".to_owned(),
            _ => "CONFIG SET notify-keyspace-events".to_owned() + " g",
        },
    }
}

/// Whether it changes what the whole fabric goes by: that is refused while another group than that of a key cannot decide.
pub(super) fn changes_the_fabric(draw: u64) -> bool {
    line(draw).starts_with("ACL ") || chooses_events(draw)
}

/// Whether it says which events are told.
pub(super) fn chooses_events(draw: u64) -> bool {
    line(draw).starts_with("CONFIG ")
}

/// Many fields and values in a row.
fn pairs(from: u64, count: u64) -> String {
    (from..from + count).map(|field| format!("f{field} {field}")).collect::<Vec<_>>().join(" ")
}

/// Many members in a row.
fn row(from: u64, count: u64) -> String {
    (from..from + count).map(|member| member.to_string()).collect::<Vec<_>>().join(" ")
}
