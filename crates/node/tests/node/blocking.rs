//! Clients that wait for something in a list or a sorted set: on one node, whatever worker they are on and wherever
//! their keys are, and on several.

use crate::cluster_world::{PARTITIONS, World};
use crate::net::{Net, key_in, on_all, on_all_with, show};

/// The replies of a client once time has passed.
fn after(net: &mut Net, client: crate::net::ClientId, millis: u64) -> Vec<String> {
    net.pass(millis);
    net.settle();
    net.take(client)
}

#[test]
fn who_came_first_is_served_first_and_the_pusher_sees_it_done() {
    on_all(|net| {
        let waiting: Vec<_> = (0..6).map(|at| net.connect(at % 3)).collect();
        let pusher = net.connect(1);
        for (at, &client) in waiting.iter().enumerate() {
            net.send(client, &[&format!("BLPOP q{} 0", at % 2)]);
            net.settle();
            net.pass(1);
        }
        // Both keys, and what is left of them, in one pipeline: the pops come before what follows the push.
        let lines = ["RPUSH q0 a b", "LLEN q0", "MULTI", "RPUSH q1 c d", "LLEN q1", "EXEC", "LRANGE q1 0 -1"];
        let replies = net.talk(pusher, &lines);
        assert_eq!(replies, ["2", "0", "OK", "QUEUED", "QUEUED", "[2 2]", "[]"]);
        let got: Vec<String> = waiting.iter().flat_map(|&client| net.take(client)).collect();
        let expect = [r#"["q0" "a"]"#, r#"["q1" "c"]"#, r#"["q0" "b"]"#, r#"["q1" "d"]"#];
        assert_eq!(got, expect, "the last two go on waiting");
        assert_eq!(net.talk(pusher, &["RPUSH q0 e", "RPUSH q1 f"]), ["1", "1"]);
        assert_eq!(net.take(waiting[4]), [r#"["q0" "e"]"#]);
        assert_eq!(net.take(waiting[5]), [r#"["q1" "f"]"#]);
    });
}

#[test]
fn what_comes_after_a_client_was_killed_is_not_for_it() {
    for (workers, seed) in (1..=3).flat_map(|workers| (0..300).map(move |seed| (workers, seed))) {
        let mut net = Net::new(workers, seed);
        let key = key_in((seed % 8) as u16, "m");
        let (client, killer) = (net.connect(seed as usize / 8), net.connect(seed as usize / 24));
        net.send(client, &[&format!("BLPOP {key} 0")]);
        // Its first try may still be on its way.
        match seed % 2 {
            0 => net.settle(),
            _ => assert!(net.step()),
        }
        let kill = format!("CLIENT KILL ID {}", net.id_of(client));
        net.send(killer, &[&kill]);
        // As soon as it is answered, whatever else is still under way.
        let answer = loop {
            assert!(net.step(), "an answer");
            let answer = net.take(killer);
            if !answer.is_empty() {
                break answer;
            }
        };
        assert_eq!(answer, ["1"]);
        let (push, pop) = (format!("RPUSH {key} 1"), format!("LPOP {key}"));
        assert_eq!(net.talk(killer, &[&push, &pop, &kill]), ["1", "\"1\"", "0"], "{workers}: seed {seed}");
    }
}

#[test]
fn who_is_unblocked_takes_nothing_and_who_takes_something_was_not_unblocked() {
    for (workers, seed) in (1..=3).flat_map(|workers| (0..300).map(move |seed| (workers, seed))) {
        let mut net = Net::new(workers, seed);
        let (near, far) = (key_in((seed % 8) as u16, "m"), key_in(((seed + 3) % 8) as u16, "m"));
        let keys = if seed % 2 == 0 { near.clone() } else { format!("{near} {far}") };
        let [client, pusher, first, second] = [1, 8, 24, 72].map(|step| net.connect(seed as usize / step));
        net.send(client, &[&format!("BLPOP {keys} 0")]);
        // It may be about to try, to be registered, or long in line.
        (0..seed % 12).all(|_| net.step());
        let id = net.id_of(client);
        net.send(pusher, &[&format!("RPUSH {near} v")]);
        net.send(first, &[&format!("CLIENT UNBLOCK {id}")]);
        net.send(second, &[&format!("CLIENT UNBLOCK {id} ERROR")]);
        net.settle();
        let told = [first, second].map(|asker| net.take(asker).concat());
        let (got, left) = (net.take(client).concat(), net.talk(pusher, &[&format!("LLEN {near}")]).concat());
        let expect = match told.each_ref().map(String::as_str) {
            ["0", "0"] => (format!("[\"{near}\" \"v\"]"), "10"),
            ["1", "0"] => ("nil".to_owned(), "11"),
            ["0", "1"] => ("(UNBLOCKED client unblocked via CLIENT UNBLOCK)".to_owned(), "11"),
            _ => panic!("{workers} workers, seed {seed}: {told:?} though it is let go once"),
        };
        assert_eq!((got, left.as_str()), expect, "{workers} workers, seed {seed}: {told:?}");
    }
}

#[test]
fn word_that_an_earlier_wait_has_ended_does_not_end_the_next() {
    for seed in 0..300 {
        let mut net = Net::new(3, seed);
        let (client, pusher) = (net.connect(0), net.connect(1));
        let (here, near, far) = (key_in(0, "k"), key_in(3, "k"), key_in(7, "k"));
        net.send(client, &[&format!("BLPOP {near} {far} 0"), &format!("BLPOP {here} {far} 0")]);
        net.settle();
        assert_eq!(net.ask(pusher, &format!("RPUSH {near} v")), "1");
        net.settle();
        assert_eq!(net.take(client), [format!("[\"{near}\" \"v\"]")], "seed {seed}: the second waits");
        assert_eq!(net.ask(pusher, &format!("RPUSH {far} w")), "1");
        net.settle();
        assert_eq!(net.take(client), [format!("[\"{far}\" \"w\"]")], "seed {seed}");
    }
}

#[test]
fn a_client_that_waits_for_keys_of_several_partitions_gets_one_element() {
    on_all(|net| {
        let (client, pusher) = (net.connect(0), net.connect(2));
        let keys: Vec<String> = (0..8).map(|partition| key_in(partition, "m")).collect();
        for round in 0..8 {
            net.send(client, &[&format!("BLPOP {} 0", keys.join(" ")), "PING"]);
            net.settle();
            assert!(net.take(client).is_empty(), "replies keep their order");
            let key = &keys[(round * 3) % 8];
            net.send(
                pusher,
                &[&format!("RPUSH {key} {round} more"), &format!("RPUSH {} other", keys[round])],
            );
            net.settle();
            let got = net.take(client);
            assert!(
                got[0].starts_with(&format!("[\"{key}\" \"{round}\"]")) || got[0].contains("other"),
                "{got:?}"
            );
            assert_eq!(got[1..], ["PONG"]);
            let lens: Vec<String> = keys.iter().map(|key| format!("LLEN {key}")).collect();
            let lens = net.talk(pusher, &lens.iter().map(String::as_str).collect::<Vec<_>>());
            let left: u64 = lens[lens.len() - 8..].iter().map(|len| len.parse::<u64>().unwrap()).sum();
            assert_eq!(left, 2, "one of three was taken");
            net.talk(pusher, &[&format!("DEL {}", keys.join(" "))]);
        }
    });
}

#[test]
fn a_move_over_partitions_waits_and_passes_on_what_others_wait_for() {
    on_all(|net| {
        let (mover, reader, pusher) = (net.connect(0), net.connect(1), net.connect(2));
        let (source, destination) = (key_in(0, "s"), key_in(5, "d"));
        net.send(reader, &[&format!("BRPOP {destination} 0")]);
        net.settle();
        net.send(mover, &[&format!("BLMOVE {source} {destination} LEFT RIGHT 0")]);
        net.settle();
        assert_eq!(net.ask(pusher, &format!("RPUSH {source} v")), "1");
        net.settle();
        assert_eq!(net.take(mover), ["\"v\""]);
        assert_eq!(net.take(reader), [format!("[\"{destination}\" \"v\"]")]);
        assert_eq!(net.ask(pusher, &format!("EXISTS {source} {destination}")), "0");
    });
}

#[test]
fn who_waits_for_much_is_in_nobodys_way_and_gets_all_of_it_at_once() {
    on_all(|net| {
        let (mover, reader, pusher) = (net.connect(0), net.connect(1), net.connect(2));
        // In one partition, and from one to another.
        for (source, destination) in [(key_in(0, "s"), key_in(0, "d")), (key_in(2, "s"), key_in(5, "d"))] {
            net.send(mover, &[&format!("BLMOVEM {source} {destination} LEFT LEFT 0 EXACTLY 3 OBO")]);
            net.settle();
            net.pass(1);
            assert_eq!(net.ask(pusher, &format!("RPUSH {source} a b")), "2");
            net.send(reader, &[&format!("BLPOP {source} 0")]);
            net.settle();
            assert_eq!(net.take(reader), [format!("[\"{source}\" \"a\"]")]);
            assert_eq!(after(net, mover, 3000), Vec::<String>::new());
            assert_eq!(net.ask(pusher, &format!("RPUSH {source} c")), "2");
            assert_eq!(after(net, mover, 1), Vec::<String>::new());
            assert_eq!(net.ask(pusher, &format!("RPUSH {source} d e")), "4");
            net.settle();
            assert_eq!(net.take(mover), [r#"["d" "c" "b"]"#]);
            assert_eq!(net.ask(pusher, &format!("LRANGE {destination} 0 -1")), r#"["d" "c" "b"]"#);
            assert_eq!(net.ask(pusher, &format!("LPOP {source}")), "\"e\"");
        }
    });
}

#[test]
fn a_wait_ends_in_time_and_by_word_of_others() {
    on_all(|net| {
        let (client, other) = (net.connect(0), net.connect(1));
        let (here, there) = (key_in(1, "k"), key_in(6, "k"));
        for keys in [here.clone(), format!("{here} {there}")] {
            net.send(client, &[&format!("BLPOP {keys} 0.25")]);
            net.settle();
            assert_eq!(after(net, client, 249), Vec::<String>::new());
            assert_eq!(after(net, client, 3), ["nil"]);
            net.send(client, &[&format!("BZPOPMAX {keys} 0")]);
            assert_eq!(after(net, client, 100_000), Vec::<String>::new());
            let id = net.id_of(client);
            assert_eq!(net.ask(other, &format!("CLIENT UNBLOCK {id}")), "1");
            assert_eq!(after(net, client, 0), ["nil"]);
            assert_eq!(net.ask(other, &format!("CLIENT UNBLOCK {id}")), "0");
            net.send(client, &[&format!("BLMPOP 0 {} {keys} LEFT", keys.split(' ').count())]);
            net.settle();
            assert_eq!(net.ask(other, &format!("CLIENT UNBLOCK {id} ERROR")), "1");
            assert_eq!(after(net, client, 0), ["(UNBLOCKED client unblocked via CLIENT UNBLOCK)"]);
            // Nothing is left of it: the next push is for whoever comes.
            assert_eq!(net.ask(other, &format!("RPUSH {here} v")), "1");
            assert_eq!(net.ask(other, &format!("LPOP {here}")), "\"v\"");
        }
    });
}

#[test]
fn the_end_of_one_wait_does_not_end_the_next() {
    on_all(|net| {
        let (client, pusher) = (net.connect(0), net.connect(2));
        for partition in 0..8 {
            let (here, there) = (key_in(partition, "k"), key_in((partition + 3) % 8, "k"));
            // Taking the first out of its lines is still under way when the next stands in one of them.
            net.send(client, &[&format!("BLPOP {here} {there} 0.01"), &format!("BLPOP {here} 0")]);
            net.settle();
            assert_eq!(after(net, client, 15), ["nil"]);
            assert_eq!(after(net, client, 1000), Vec::<String>::new());
            assert_eq!(net.ask(pusher, &format!("RPUSH {here} v w")), "2");
            net.settle();
            assert_eq!(net.take(client), [format!("[\"{here}\" \"v\"]")]);
            assert_eq!(net.ask(pusher, &format!("LRANGE {here} 0 -1")), "[\"w\"]");
            net.talk(pusher, &[&format!("DEL {here}")]);
        }
    });
}

#[test]
fn a_client_that_has_gone_takes_nothing() {
    on_all(|net| {
        let (gone, next, pusher) = (net.connect(0), net.connect(1), net.connect(2));
        let (key, other) = (key_in(3, "k"), key_in(4, "k"));
        net.send(gone, &[&format!("BLPOP {key} {other} 0")]);
        net.settle();
        net.pass(1);
        net.send(next, &[&format!("BLPOP {key} 0")]);
        net.settle();
        net.hang_up(gone);
        net.settle();
        assert_eq!(net.ask(pusher, &format!("RPUSH {key} v w")), "2");
        net.settle();
        assert_eq!(net.take(next), [format!("[\"{key}\" \"v\"]")]);
        assert_eq!(net.ask(pusher, &format!("LRANGE {key} 0 -1")), "[\"w\"]");
    });
}

#[test]
fn a_transaction_does_not_wait_and_wakes_others_only_when_it_is_whole() {
    on_all(|net| {
        let (waiting, client) = (net.connect(0), net.connect(1));
        net.send(waiting, &["BLPOP q 0"]);
        net.settle();
        let lines = ["MULTI", "RPUSH q a", "BLPOP q 0", "BLPOP q 0", "RPUSH q b", "EXEC", "LLEN q"];
        let replies = net.talk(client, &lines);
        assert_eq!(replies[5], r#"[1 ["q" "a"] nil 1]"#);
        net.settle();
        assert_eq!(net.take(waiting), [r#"["q" "b"]"#]);
        assert_eq!(net.ask(client, "EXISTS q"), "0");
    });
}

#[test]
fn what_is_kept_for_one_who_was_told_is_not_given_to_who_comes_later() {
    on_all(|net| {
        let first = net.connect(0);
        for (partition, worker) in (0..8).flat_map(|partition| (0..3).map(move |worker| (partition, worker)))
        {
            let (key, other) = (key_in(partition, "k"), key_in((partition + 3) % 8, "k"));
            net.send(first, &[&format!("BLPOP {other} {key} 0")]);
            net.settle();
            net.pass(1);
            let (pusher, later) = (net.connect(worker), net.connect(worker));
            net.send_now(pusher, &format!("RPUSH {key} v"));
            net.send_now(later, &format!("BLPOP {key} 0"));
            net.settle();
            assert_eq!(net.take(first), [format!("[\"{key}\" \"v\"]")], "{partition} from {worker}");
            assert_eq!(net.talk(pusher, &[&format!("RPUSH {key} w")]), ["1", "1"]);
            net.settle();
            assert_eq!(net.take(later), [format!("[\"{key}\" \"w\"]")]);
        }
    });
}

#[test]
fn a_turn_that_ends_while_the_partition_is_lent_is_over_when_it_comes_home() {
    let mut net = Net::new(3, 1);
    let (key, other) = (key_in(0, "k"), key_in(7, "k"));
    let (pusher, slow, next, borrower) = (net.connect(0), net.connect(1), net.connect(0), net.connect(2));
    net.send(slow, &[&format!("BLPOP {other} {key} 0")]);
    net.settle();
    net.pass(1);
    // It is told to try and does not hear it.
    net.held.push((0, 1));
    net.send(pusher, &[&format!("RPUSH {key} v")]);
    net.send(next, &[&format!("BLPOP {key} 0")]);
    net.settle();
    net.send_now(borrower, &format!("MSET {} 1 {} 1", key_in(0, "x"), key_in(7, "x")));
    net.step_until_lent(0, 2);
    net.held.push((2, 0));
    net.pass(1500);
    assert_eq!(net.take(next), [""; 0], "its partition is away");
    net.held.retain(|pair| *pair != (2, 0));
    net.settle();
    net.pass(100);
    assert_eq!(net.take(next), [format!("[\"{key}\" \"v\"]")]);
}

#[test]
fn who_is_refused_a_loan_goes_on_waiting() {
    for seed in 0..20 {
        let mut net = Net::new(3, seed);
        let (client, pusher) = (net.connect(0), net.connect(1));
        let keys: Vec<String> = (0..8).map(|partition| key_in(partition, "k")).collect();
        net.send_now(client, &format!("BLPOP {} 0", keys.join(" ")));
        assert_eq!(net.refuse_loans(), 1);
        net.settle();
        assert_eq!(net.ask(pusher, &format!("RPUSH {} v", keys[5])), "1");
        net.settle();
        assert_eq!(net.take(client), [format!("[\"{}\" \"v\"]", keys[5])], "seed {seed}");
        // And its time ends as any other's.
        net.send_now(client, &format!("BLPOP {} 0.1", keys.join(" ")));
        net.refuse_loans();
        assert_eq!(after(&mut net, client, 200), ["nil"]);
        for key in &keys {
            assert_eq!(net.ask(pusher, &format!("LLEN {key}")), "0", "each partition is at home");
        }
    }
}

#[test]
fn what_was_taken_for_a_client_is_durable_if_it_asked_for_that() {
    on_all_with(&[("ack", "durable")], |net| {
        let (waiting, pusher) = (net.connect(0), net.connect(1));
        for keys in ["q".to_owned(), format!("{} {} q", key_in(1, "x"), key_in(2, "x"))] {
            net.send(waiting, &[&format!("BLPOP {keys} 0")]);
            net.settle();
            net.send(pusher, &["RPUSH q v"]);
            net.settle();
            net.sync();
            net.settle();
            assert_eq!(net.take(waiting), [r#"["q" "v"]"#]);
            net.take(pusher);
        }
    });
}

#[test]
fn blocked_clients_are_counted_and_shown() {
    on_all(|net| {
        let (waiting, other) = (net.connect(0), net.connect(1));
        net.send(waiting, &["BLPOP q 0"]);
        net.settle();
        assert!(net.ask(other, "INFO clients").contains("blocked_clients:1"));
        let list = net.ask(other, &format!("CLIENT LIST ID {}", net.id_of(waiting)));
        assert!(list.contains("flags=b") && list.contains("cmd=blpop"), "{list}");
        net.talk(other, &["RPUSH q v"]);
        net.settle();
        assert!(net.ask(other, "INFO clients").contains("blocked_clients:0"));
    });
}

// ---- several nodes ------------------------------------------------------------------------------------------------

fn wait_for(world: &mut World, client: usize, millis: u64) -> Option<String> {
    (0..=millis).find_map(|_| {
        let answer = world.answers(client).first().map(show);
        if answer.is_none() {
            world.pass(1);
        }
        answer
    })
}

#[test]
fn any_node_serves_who_waits_on_any_other_in_the_order_they_came() {
    for seed in 0..4 {
        let mut world = World::of(3, seed);
        let waiting: Vec<usize> = (0..6).map(|at| world.connect(at % 3)).collect();
        for &client in &waiting {
            world.send(client, "BLPOP q 0");
            world.pass(20);
        }
        let pusher = world.connect(1);
        for (number, &client) in waiting.iter().enumerate() {
            assert_eq!(world.ask(pusher, &format!("RPUSH q {number}")), "1");
            let got = wait_for(&mut world, client, 200);
            assert_eq!(got, Some(format!("[\"q\" \"{number}\"]")), "seed {seed}");
        }
        // Several at once.
        for &client in &waiting {
            world.send(client, "BRPOP q 0");
            world.pass(20);
        }
        assert_eq!(world.ask(pusher, "RPUSH q a b c d e f g h"), "8");
        let got: Vec<String> =
            waiting.iter().map(|&client| wait_for(&mut world, client, 200).unwrap()).collect();
        let expect: Vec<String> = "hgfedc".chars().map(|c| format!("[\"q\" \"{c}\"]")).collect();
        assert_eq!(got, expect, "seed {seed}");
        assert_eq!(world.ask(pusher, "LRANGE q 0 -1"), "[\"a\" \"b\"]");
    }
}

#[test]
fn keys_of_several_partitions_of_a_fabric_are_tried_in_order() {
    let mut world = World::of(3, 5);
    let (client, pusher) = (world.connect(0), world.connect(2));
    let keys: Vec<String> = (0..12).map(|number| format!("key:{number}")).collect();
    assert_eq!(world.ask(pusher, "RPUSH key:7 a"), "1");
    assert_eq!(world.ask(pusher, "RPUSH key:3 b"), "1");
    let line = format!("BLPOP {} 0", keys.join(" "));
    assert_eq!(world.ask(client, &line), "[\"key:3\" \"b\"]");
    assert_eq!(world.ask(client, &line), "[\"key:7\" \"a\"]");
    world.send(client, &line);
    assert_eq!(wait_for(&mut world, client, 500), None);
    assert_eq!(world.ask(pusher, "RPUSH key:9 c d"), "2");
    assert_eq!(wait_for(&mut world, client, 200).as_deref(), Some("[\"key:9\" \"c\"]"));
    // The line of every key is free again.
    let next = world.connect(1);
    world.send(next, "BLPOP key:9 0");
    assert_eq!(wait_for(&mut world, next, 200).as_deref(), Some("[\"key:9\" \"d\"]"));
    assert!(world.ask(client, "BLMOVE key:1 key:2 LEFT LEFT 0").contains("CROSSSLOT"));
    world.send(client, "BLPOP key:1 key:2 key:3 0.2");
    assert_eq!(wait_for(&mut world, client, 190), None);
    assert_eq!(wait_for(&mut world, client, 30).as_deref(), Some("nil"));
}

#[test]
fn on_a_fabric_who_asks_to_unblock_a_client_that_tries_is_told_what_came_of_it() {
    for (seed, has_element) in (0..6).flat_map(|seed| [(seed, true), (seed, false)]) {
        let mut world = World::of(3, seed);
        let leader = (0..3).find(|&node| world.leads(node, "q")).unwrap();
        let node = (leader + 1) % 3;
        let (client, other) = (world.connect(node), world.connect(node));
        if has_element {
            assert_eq!(world.ask(other, "RPUSH q v"), "1");
        }
        let id = world.ask(client, "CLIENT ID");
        world.send(client, "BLPOP q q2 q3 0");
        world.send(other, &format!("CLIENT UNBLOCK {id}"));
        let told = wait_for(&mut world, other, 200);
        let expect = if has_element { ("0", "[\"q\" \"v\"]") } else { ("1", "nil") };
        assert_eq!(told.as_deref(), Some(expect.0), "seed {seed}");
        assert_eq!(wait_for(&mut world, client, 200).as_deref(), Some(expect.1), "seed {seed}");
        assert_eq!(world.ask(other, "RPUSH q w"), "1");
        assert_eq!(world.ask(other, "LPOP q"), "\"w\"");
    }
}

#[test]
fn each_partition_is_sent_only_those_keys_that_it_has() {
    let mut world = World::of(3, 3);
    let (client, pusher) = (world.connect(0), world.connect(1));
    let keys: Vec<String> = (0..200).map(|number| format!("{}:{number}", "k".repeat(200))).collect();
    for (request, element) in [
        (format!("BLPOP {} 0", keys.join(" ")), "[\"{key}\" \"v\"]"),
        (format!("BLMPOP 0 200 {} LEFT COUNT 2", keys.join(" ")), "[\"{key}\" [\"v\"]]"),
    ] {
        let before = world.bytes;
        world.send(client, &request);
        world.pass(3000);
        // Each key once for the try and once for its line, and what nodes say anyhow.
        let sent = world.bytes - before;
        assert!(sent < 2 * request.len(), "{sent} bytes for a request of {}", request.len());
        assert_eq!(world.ask(pusher, &format!("RPUSH {} v", keys[150])), "1");
        let got = wait_for(&mut world, client, 2000);
        assert_eq!(got, Some(element.replace("{key}", &keys[150])));
    }
}

#[test]
fn who_waits_for_much_on_a_fabric_tries_only_when_there_is_so_much() {
    for seed in 0..4 {
        let mut world = World::of(3, seed);
        let (mover, reader, pusher) = (world.connect(0), world.connect(1), world.connect(2));
        world.send(mover, "BLMOVEM {q}from {q}to RIGHT RIGHT 0 EXACTLY 3 OBO");
        world.pass(20);
        world.send(reader, "BLPOP {q}from 0");
        world.pass(20);
        assert_eq!(world.ask(pusher, "RPUSH {q}from a b c"), "3");
        assert_eq!(wait_for(&mut world, mover, 200).as_deref(), Some(r#"["c" "b" "a"]"#), "seed {seed}");
        assert_eq!(wait_for(&mut world, reader, 50), None);
        world.send(mover, "BLMOVEM {q}from {q}to RIGHT RIGHT 0 EXACTLY 2 BULK");
        world.pass(20);
        assert_eq!(world.ask(pusher, "RPUSH {q}from d"), "1");
        assert_eq!(wait_for(&mut world, reader, 200).as_deref(), Some(r#"["{q}from" "d"]"#), "seed {seed}");
        assert_eq!(world.ask(pusher, "RPUSH {q}from e"), "1");
        assert_eq!(wait_for(&mut world, mover, 5000), None);
        assert_eq!(world.ask(pusher, "RPUSH {q}from f"), "2");
        assert_eq!(wait_for(&mut world, mover, 200).as_deref(), Some(r#"["e" "f"]"#), "seed {seed}");
    }
}

#[test]
fn who_waits_is_served_by_the_next_leader() {
    for seed in 0..6 {
        let mut world = World::of(3, seed);
        let leader = (0..3).find(|&node| world.leads(node, "q")).unwrap();
        let others: Vec<usize> = (0..3).filter(|node| *node != leader).collect();
        let clients: Vec<usize> = others.iter().map(|&node| world.connect(node)).collect();
        for &client in &clients {
            world.send(client, "BLPOP q other 0");
            world.pass(20);
        }
        world.kill(leader);
        world.pass(3000);
        for &client in &clients {
            assert!(world.answers(client).is_empty(), "seed {seed}: it is as if nothing had happened");
        }
        let pusher = world.connect(others[0]);
        assert_eq!(world.ask(pusher, "RPUSH q a"), "1");
        assert_eq!(wait_for(&mut world, clients[0], 500).as_deref(), Some("[\"q\" \"a\"]"), "seed {seed}");
        assert_eq!(world.ask(pusher, "RPUSH other b"), "1");
        assert_eq!(
            wait_for(&mut world, clients[1], 500).as_deref(),
            Some("[\"other\" \"b\"]"),
            "seed {seed}"
        );
    }
}

#[test]
fn a_client_whose_node_is_lost_holds_up_nobody() {
    for seed in 0..4 {
        let mut world = World::of(3, seed);
        let leader = (0..3).find(|&node| world.leads(node, "q")).unwrap();
        let others: Vec<usize> = (0..3).filter(|node| *node != leader).collect();
        let lost = world.connect(others[0]);
        world.send(lost, "BLPOP q 0");
        world.pass(50);
        let next = world.connect(leader);
        world.send(next, "BLPOP q 0");
        world.pass(50);
        world.kill(others[0]);
        let pusher = world.connect(others[1]);
        assert_eq!(world.ask(pusher, "RPUSH q a"), "1");
        let got = wait_for(&mut world, next, 2000);
        assert_eq!(got.as_deref(), Some("[\"q\" \"a\"]"), "seed {seed}");
    }
}

#[test]
fn a_move_that_waits_on_a_lone_node_ends_when_others_get_a_part() {
    let mut world = World::new(3, true);
    let (mover, pusher) = (world.connect(0), world.connect(0));
    // Key by key: which of the others is in another partition is not known here.
    let moves: Vec<(String, usize)> = (0..6).map(|n| (format!("d:{n}"), world.connect(0))).collect();
    for (destination, client) in &moves {
        world.send(*client, &format!("BLMOVE s {destination} LEFT LEFT 0"));
    }
    world.send(mover, "BLMOVE s s LEFT LEFT 0");
    world.join();
    world.join();
    assert_eq!(world.ask(pusher, "RPUSH s a b c d e f g"), "7");
    world.pass(1000);
    let mut moved = 0;
    for (destination, client) in &moves {
        let answer = wait_for(&mut world, *client, 100).unwrap();
        let is_moved = !answer.contains("CROSSSLOT");
        assert_eq!(
            world.ask(pusher, &format!("LLEN {destination}")),
            u8::from(is_moved).to_string(),
            "{answer}"
        );
        moved += usize::from(is_moved);
    }
    assert!(moved < moves.len(), "some are in another partition");
    assert_eq!(world.ask(pusher, "LLEN s"), (7 - moved).to_string());
    assert_eq!(wait_for(&mut world, mover, 100).map(|answer| answer.len()), Some(3));
}

/// Five nodes, of which two die: the client's, the leader's of a key that goes on, those that die, that key, and one whose
/// partition loses its majority.
fn with_one_partition_lost(world: &mut World) -> (usize, usize, [usize; 2], String, String) {
    let router = node::Router::new(PARTITIONS, 1);
    let meta = world.meta(0);
    let voters = |key: &str| meta.voters_of(router.partition_of_slot(base::slot_of(key.as_bytes()))).to_vec();
    let keys: Vec<String> = (0..20).map(|n| format!("key:{n}")).collect();
    let left_of = |world: &World, key: &str, dead: [usize; 2]| {
        voters(key).iter().filter(|node| !dead.map(|dead| world.id(dead)).contains(node)).count()
    };
    for dead in (0..5).flat_map(|one| (one + 1..5).map(move |other| [one, other])) {
        let goes_on = keys.iter().find(|key| left_of(world, key, dead) == 3);
        let is_lost = keys.iter().find(|key| left_of(world, key, dead) == 1);
        if let (Some(goes_on), Some(is_lost)) = (goes_on, is_lost) {
            let leader = (0..5).find(|&node| world.leads(node, goes_on)).unwrap();
            let client = (0..5).find(|node| *node != leader && !dead.contains(node)).unwrap();
            return (client, leader, dead, goes_on.clone(), is_lost.clone());
        }
    }
    panic!("no partition goes on while another is lost");
}

/// The client waits for both. Shortly before it is told that one is lost, `push` milliseconds after the deaths, the other
/// gets something, and so many frames later its leader stands still for a moment. What the client is told after how many
/// milliseconds, and how much there is then.
fn told_while_it_tries(push: Option<(u64, usize)>) -> (u64, String, String) {
    let mut world = World::of(5, 4);
    let (node, leader, dead, goes_on, is_lost) = with_one_partition_lost(&mut world);
    let (client, pusher) = (world.connect(node), world.connect(leader));
    world.send(client, &format!("BLPOP {goes_on} {is_lost} 0"));
    world.pass(100);
    dead.iter().for_each(|&node| world.kill(node));
    for millis in 0..9000 {
        if let Some((_, frames)) = push.filter(|(at, _)| *at == millis) {
            world.send(pusher, &format!("RPUSH {goes_on} v"));
            world.deliver_some(frames);
            world.pause(leader, 100);
        }
        if let Some(answer) = world.answers(client).first() {
            world.pass(500);
            world.answers(pusher);
            return (millis, show(answer), world.ask(pusher, &format!("LLEN {goes_on}")));
        }
        world.pass(1);
    }
    panic!("the client was told nothing");
}

#[test]
fn nothing_is_taken_out_for_one_who_was_told_that_a_key_cannot_be_served() {
    let (told_at, answer, _) = told_while_it_tries(None);
    assert!(answer.contains("CLUSTERDOWN"), "{answer}");
    for frames in 0..12 {
        let (_, answer, left) = told_while_it_tries(Some((told_at - 20, frames)));
        match answer.contains("CLUSTERDOWN") {
            true => assert_eq!(left, "1", "after {frames} frames: {answer}"),
            false => assert_eq!(left, "0", "after {frames} frames: {answer}"),
        }
    }
}

#[test]
fn without_a_majority_who_waits_is_told_so() {
    let mut world = World::of(3, 2);
    let client = world.connect(0);
    world.send(client, "BLPOP q 0");
    world.pass(50);
    world.kill(1);
    world.kill(2);
    let answer = wait_for(&mut world, client, 12_000).unwrap();
    assert!(answer.contains("CLUSTERDOWN"), "{answer}");
}
