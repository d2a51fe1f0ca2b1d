//! Groups in which nothing or little happens: what they say, that their leaders may read, and that they are missed.

use crate::cluster::client_of_leader;
use crate::cluster_world::World;
use crate::net::show;

fn quiet(partitions: u16) -> World {
    let mut world = World::with_partitions(3, true, partitions);
    world.join();
    world.join();
    world.settle();
    let client = world.connect(0);
    for key in 0..40 {
        assert_eq!(world.ask(client, &format!("SET key:{key} value")), "OK");
    }
    world.pass(2000);
    world
}

#[test]
fn more_groups_have_no_more_to_say() {
    let said = |partitions| {
        let mut world = quiet(partitions);
        let before = world.items;
        world.pass(10_000);
        world.items - before
    };
    let (few, many) = (said(4), said(32));
    // Each of the others is told every 120 ms and answers; the meta group, signs of life and who leads what come on top.
    assert!(few > 3 * 2 * 2 * 83, "{few}");
    // Who leads what is said once a second for each group, to both others.
    let leads = (32 - 4) * 2 * 11;
    assert!(many < few + leads + few / 4, "{few} items of 4 groups, {many} of 32");
}

#[test]
fn a_leader_of_quiet_groups_reads_alone() {
    let mut world = quiet(8);
    for step in 0..200 {
        world.pass(7);
        let node = step % 3;
        let key = (0..40).map(|key| format!("key:{key}")).find(|key| world.leads(node, key));
        let Some(key) = key else { continue };
        let client = world.connect(node);
        world.send(client, &format!("GET {key}"));
        // Nothing was delivered, so nobody was asked.
        assert_eq!(world.answers(client).len(), 1, "step {step}, node {node}, {key}");
    }
}

#[test]
fn a_leader_of_quiet_groups_is_missed_as_soon_as_any() {
    for seed in 0..5 {
        let mut world = quiet(8);
        world.pass(seed * 13);
        let victim = (seed % 3) as usize;
        let led: Vec<String> =
            (0..40).map(|key| format!("key:{key}")).filter(|key| world.leads(victim, key)).collect();
        assert!(!led.is_empty(), "leads are spread");
        // Cut off, not killed: nobody is told.
        for other in (0..3).filter(|node| *node != victim) {
            world.cut.extend([(victim, other), (other, victim)]);
        }
        world.pass(1500);
        let client = world.connect((victim + 1) % 3);
        for key in &led {
            assert_eq!(world.ask(client, &format!("SET {key} other")), "OK", "seed {seed}");
        }
        let cut_off = world.connect(victim);
        world.send(cut_off, &format!("GET {}", led[0]));
        for answer in world.answers(cut_off) {
            let told = show(&answer);
            let is_refusal = told.starts_with("(CLUSTERDOWN partition ");
            assert!(is_refusal, "seed {seed}: a lease that outlived its group's next leader: {told}");
        }
    }
}

#[test]
fn a_follower_that_comes_back_is_told_of_quiet_groups() {
    let mut world = quiet(8);
    world.kill(1);
    let client = world.connect(0);
    for key in 0..40 {
        assert_eq!(world.ask(client, &format!("SET key:{key} later")), "OK");
    }
    world.pass(1000);
    world.restart(1);
    world.pass(3000);
    let digest = world.digest(0);
    assert_eq!(world.digest(1), digest);
    assert_eq!(world.digest(2), digest);
}

#[test]
fn followers_apply_a_lone_write_in_some_milliseconds_or_at_once_if_its_client_waits_for_them() {
    for (level, is_at_once) in [("quorum", false), ("all", true)] {
        let mut world = World::of(3, 7);
        let (client, followers) = client_of_leader(&mut world, "k");
        let reader = world.connect(followers[0]);
        assert_eq!(world.ask(reader, "READONLY"), "OK");
        assert_eq!(world.ask(client, &format!("CLIENT ACK {level}")), "OK");
        let mut at_once = 0;
        for n in 0..20 {
            assert_eq!(world.ask(client, &format!("SET k {n}")), "OK");
            let value = format!("\"{n}\"");
            at_once += usize::from(world.ask(reader, "GET k") == value);
            world.pass(10);
            assert_eq!(world.ask(reader, "GET k"), value, "{level}: some milliseconds later");
        }
        assert!(if is_at_once { at_once == 20 } else { at_once < 10 }, "{level}: {at_once} of 20");
    }
}

/// A worker that has something under way and something to tell waits for the one, and does not turn round and round meanwhile.
#[test]
fn a_leader_that_waits_for_its_followers_has_nothing_to_do() {
    let mut world = World::of(3, 9);
    let (client, followers) = client_of_leader(&mut world, "k");
    let leader = (0..3).find(|node| !followers.contains(node)).unwrap();
    let mut dues = 0;
    for n in 0..20 {
        // The second is committed within the rest that follows the telling of the first.
        assert_eq!(world.ask(client, &format!("SET k {n}")), "OK");
        assert_eq!(world.ask(client, &format!("SET k {n}")), "OK");
        followers.iter().for_each(|node| world.pause(*node, 30));
        world.send(client, &format!("SET k {n}"));
        world.pass(15);
        assert!(world.answers(client).is_empty(), "it is under way");
        dues += usize::from(world.is_due(leader));
        world.pass(200);
        assert_eq!(world.answers(client).len(), 1);
    }
    assert_eq!(dues, 0);
}

#[test]
fn a_follower_that_is_late_applies_a_write_within_a_step_of_time_after_it_has_it() {
    let mut world = World::of(3, 7);
    let (client, followers) = client_of_leader(&mut world, "k");
    let reader = world.connect(followers[0]);
    assert_eq!(world.ask(reader, "READONLY"), "OK");
    for n in 0..20 {
        world.pause(followers[0], 60);
        assert_eq!(world.ask(client, &format!("SET k {n}")), "OK");
        world.pass(110);
        assert_eq!(world.ask(reader, "GET k"), format!("\"{n}\""), "write {n}");
    }
}

#[test]
fn a_leader_keeps_its_lead_while_all_that_it_said_waits_for_something_large() {
    let mut world = quiet(8);
    let keys: Vec<String> = (0..40).map(|key| format!("key:{key}")).collect();
    let leads = |world: &World| -> Vec<bool> {
        (0..3)
            .flat_map(|node| keys.iter().map(move |key| (node, key)))
            .map(|(n, key)| world.leads(n, key))
            .collect()
    };
    let before = leads(&world);
    let client = world.connect(0);
    world.crowd(true);
    // Their entries are on their way for longer than any follower waits for a sign of life, and no longer than clients wait.
    let sets: Vec<String> = keys.iter().map(|key| format!("SET {key} later")).collect();
    sets.iter().for_each(|line| world.send(client, line));
    world.pass(900);
    assert!(leads(&world) == before, "a leader was lost, or elected");
    assert_eq!(world.answers(client).len(), 0, "nothing was decided");
    world.crowd(false);
    world.pass(500);
    let answers = world.answers(client);
    assert!(
        answers.len() == keys.len() && answers.iter().all(|answer| format!("{answer:?}").contains("OK")),
        "{answers:?}"
    );
    assert!(leads(&world) == before, "nor is one afterwards");
}
