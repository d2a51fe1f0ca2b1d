//! Clients that wait for one key on several nodes, when several elements come at once: who came first gets the first,
//! though its node is the slowest.

use crate::cluster_world::World;
use crate::net::show;

/// How long the slow node stands still: less than a turn.
const SLOW_MS: u64 = 300;

/// Clients that wait, in the order in which they began: on the slow node, on a fast one, on the one that leads, on the fast.
struct Line {
    world: World,
    leader: usize,
    slow: usize,
    fast: usize,
    clients: Vec<usize>,
}

impl Line {
    fn of(seed: u64, line: &str) -> Line {
        Line::of_each(seed, &[line; 4])
    }

    /// The slow node stands still from now on.
    fn of_each(seed: u64, lines: &[&str]) -> Line {
        let mut world = World::of(3, seed);
        let leader = (0..3).find(|&node| world.leads(node, "{q}")).unwrap();
        let (slow, fast) = ((leader + 1) % 3, (leader + 2) % 3);
        let nodes = [slow, fast, leader, fast];
        let clients: Vec<usize> = nodes.iter().map(|&node| world.connect(node)).collect();
        for (&client, line) in clients.iter().zip(lines) {
            world.send(client, line);
            world.pass(20);
        }
        world.pause(slow, SLOW_MS);
        Line { world, leader, slow, fast, clients }
    }

    /// One who does not wait, on the node that leads.
    fn ask(&mut self, line: &str) -> String {
        let client = self.world.connect(self.leader);
        self.world.ask(client, line)
    }

    /// What the client with this number is told within so many milliseconds.
    #[track_caller]
    fn check(&mut self, number: usize, millis: u64, expect: &str) {
        let client = self.clients[number];
        for _ in 0..=millis {
            if let Some(answer) = self.world.answers(client).first() {
                return assert_eq!(show(answer), expect, "client {number}");
            }
            self.world.pass(1);
        }
        panic!("client {number} is told nothing within {millis} ms, and should be {expect}");
    }

    #[track_caller]
    fn nobody_has_anything(&mut self) {
        for number in 0..self.clients.len() {
            let answers = self.world.answers(self.clients[number]);
            assert!(answers.is_empty(), "client {number}: {answers:?}");
        }
    }
}

#[test]
fn who_came_first_gets_the_first_though_its_node_is_slow() {
    let cases = [
        ("BLPOP {q} 0", "RPUSH {q} a b c d", "[\"{q}\" \"$\"]"),
        ("BRPOP {q} 0", "LPUSH {q} a b c d", "[\"{q}\" \"$\"]"),
        ("BLMPOP 0 1 {q} LEFT", "RPUSH {q} a b c d", "[\"{q}\" [\"$\"]]"),
        ("BLMOVE {q} {q}to LEFT RIGHT 0", "RPUSH {q} a b c d", "\"$\""),
        ("BRPOPLPUSH {q} {q}to 0", "LPUSH {q} a b c d", "\"$\""),
        ("BZPOPMIN {q} 0", "ZADD {q} 1 a 2 b 3 c 4 d", "[\"{q}\" \"$\" \"#\"]"),
        ("BZPOPMAX {q} 0", "ZADD {q} 4 a 3 b 2 c 1 d", "[\"{q}\" \"$\" \"%\"]"),
        ("BZMPOP 0 1 {q} MIN", "ZADD {q} 1 a 2 b 3 c 4 d", "[\"{q}\" [[\"$\" \"#\"]]]"),
    ];
    for (seed, (wait, push, expect)) in (0..3).flat_map(|seed| cases.map(|case| (seed, case))) {
        let mut line = Line::of(seed, wait);
        assert_eq!(line.ask(push), "4");
        line.world.pass(100);
        line.nobody_has_anything();
        for (number, element) in ["a", "b", "c", "d"].iter().enumerate() {
            let (up, down) = ((number + 1).to_string(), (4 - number).to_string());
            let expect = expect.replace('$', element).replace('#', &up).replace('%', &down);
            line.check(number, SLOW_MS, &expect);
        }
    }
}

#[test]
fn a_slow_node_holds_the_others_up_for_a_turn_and_no_longer() {
    for seed in 0..4 {
        let mut line = Line::of(seed, "BLPOP {q} 0");
        line.world.pause(line.slow, 3000);
        assert_eq!(line.ask("RPUSH {q} a b c d"), "4");
        line.world.pass(950);
        line.nobody_has_anything();
        line.check(1, 100, "[\"{q}\" \"a\"]");
        line.check(2, 10, "[\"{q}\" \"b\"]");
        line.check(3, 10, "[\"{q}\" \"c\"]");
        line.check(0, 4000, "[\"{q}\" \"d\"]");
    }
}

#[test]
fn a_node_that_is_lost_holds_nobody_up() {
    for seed in 0..4 {
        let mut line = Line::of(seed, "BLPOP {q} 0");
        assert_eq!(line.ask("RPUSH {q} a b c d"), "4");
        line.world.pass(50);
        line.nobody_has_anything();
        line.world.kill(line.slow);
        line.check(1, 30, "[\"{q}\" \"a\"]");
        line.check(2, 5, "[\"{q}\" \"b\"]");
        line.check(3, 5, "[\"{q}\" \"c\"]");
        assert_eq!(line.ask("LRANGE {q} 0 -1"), "[\"d\"]");
    }
}

#[test]
fn a_client_that_is_unblocked_before_its_turn_takes_nothing() {
    for seed in 0..4 {
        let mut line = Line::of(seed, "BLPOP {q} 0");
        let other = line.world.connect(line.fast);
        let list = line.world.ask(other, "CLIENT LIST");
        let id = list.split("id=").find(|of| of.contains("flags=b")).unwrap().split(' ').next().unwrap();
        assert_eq!(line.ask("RPUSH {q} a b c d"), "4");
        line.world.pass(50);
        assert_eq!(line.world.ask(other, &format!("CLIENT UNBLOCK {id}")), "1");
        line.check(1, 5, "nil");
        line.nobody_has_anything();
        line.check(0, SLOW_MS, "[\"{q}\" \"a\"]");
        line.check(2, 20, "[\"{q}\" \"b\"]");
        line.check(3, 20, "[\"{q}\" \"c\"]");
    }
}

#[test]
fn a_client_that_is_killed_before_its_turn_takes_nothing() {
    for (seed, is_new) in (0..3).flat_map(|seed| [(seed, false), (seed, true)]) {
        // Either it waits, or it comes when there is something.
        let wait = "BLPOP {q} 0";
        let mut line = Line::of_each(seed, &[wait, wait][..if is_new { 1 } else { 2 }]);
        let id = {
            let other = line.world.connect(line.fast);
            let list = line.world.ask(other, "CLIENT LIST");
            list.split("id=").nth(1).unwrap().split(' ').next().unwrap().to_owned()
        };
        assert_eq!(line.ask("RPUSH {q} a b c"), "3");
        line.world.pass(50);
        if is_new {
            line.world.send(line.clients[1], wait);
            line.world.pass(50);
        }
        line.nobody_has_anything();
        let other = line.world.connect(line.fast);
        assert_eq!(line.world.ask(other, &format!("CLIENT KILL ID {id}")), "1");
        assert!(!line.world.is_open(line.clients[1]));
        line.check(0, SLOW_MS, "[\"{q}\" \"a\"]");
        line.world.pass(100);
        assert_eq!(line.ask("LRANGE {q} 0 -1"), "[\"b\" \"c\"]", "seed {seed}, new {is_new}");
    }
}

#[test]
fn a_wait_whose_time_is_up_before_its_turn_ends_in_time() {
    for seed in 0..4 {
        let lines = ["BLPOP {q} 0", "BLPOP {q} 0.15", "BLPOP {q} 0"];
        let mut line = Line::of_each(seed, &lines);
        assert_eq!(line.ask("RPUSH {q} a b c"), "3");
        line.world.pass(50);
        line.nobody_has_anything();
        line.check(1, 90, "nil");
        line.nobody_has_anything();
        line.check(0, SLOW_MS, "[\"{q}\" \"a\"]");
        line.check(2, 20, "[\"{q}\" \"b\"]");
    }
}

#[test]
fn who_comes_later_takes_what_is_left_when_those_before_have_tried() {
    for seed in 0..4 {
        let mut line = Line::of_each(seed, &["BLPOP {q} 0"]);
        assert_eq!(line.ask("RPUSH {q} a b"), "2");
        line.world.pass(50);
        line.world.send(line.clients[1], "BLPOP {q} 0");
        line.world.send(line.clients[2], "BLPOP {q} 0.1");
        line.world.pass(50);
        line.nobody_has_anything();
        // Two come for one: one of them is refused in time.
        line.check(2, 80, "nil");
        line.check(0, SLOW_MS, "[\"{q}\" \"a\"]");
        line.check(1, 20, "[\"{q}\" \"b\"]");
    }
}

#[test]
fn what_is_kept_in_one_key_does_not_keep_a_client_from_another() {
    for seed in 0..4 {
        let mut line = Line::of_each(seed, &["BLPOP {q} 0"]);
        assert_eq!(line.ask("RPUSH {q} a"), "1");
        line.world.pass(50);
        assert_eq!(line.ask("RPUSH {q}2 x"), "1");
        line.world.send(line.clients[1], "BLPOP {q} {q}2 0");
        line.check(1, 20, "[\"{q}2\" \"x\"]");
        line.check(0, SLOW_MS, "[\"{q}\" \"a\"]");
    }
}

#[test]
fn those_who_were_held_stay_in_order_when_another_node_leads() {
    for seed in 0..6 {
        let mut line = Line::of(seed, "BLPOP {q} 0");
        assert_eq!(line.ask("RPUSH {q} a b c d"), "4");
        line.world.pass(50);
        line.nobody_has_anything();
        // It leads no more before the slow node is awake.
        let (leader, others) = (line.leader, [line.slow, line.fast]);
        let ways: Vec<_> = others.iter().flat_map(|&other| [(leader, other), (other, leader)]).collect();
        line.world.cut = ways;
        line.world.pause(line.slow, 100);
        line.world.pass(1500);
        line.world.cut.clear();
        line.world.pass(4000);
        // Nobody can know what became of a try that was sent to a node that said nothing any more, and whoever tried is
        // told so; nothing is taken twice, and what was not taken is there.
        let mut elements = Vec::new();
        for number in 0..4 {
            let answers = line.world.answers(line.clients[number]);
            let [answer] = answers.as_slice() else { panic!("client {number}, seed {seed}: {answers:?}") };
            let answer = show(answer);
            assert!(
                answer.contains("\"{q}\"")
                    || answer.contains("UNKNOWNOUTCOME")
                    || answer.contains("CLUSTERDOWN"),
                "{answer}"
            );
            elements.extend(answer.split('"').nth(3).map(str::to_owned));
        }
        let left = line.ask("LRANGE {q} 0 -1");
        elements.extend(left.split('"').skip(1).step_by(2).map(str::to_owned));
        assert_eq!(elements, ["a", "b", "c", "d"], "seed {seed}");
    }
}
