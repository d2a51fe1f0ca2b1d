//! Users on all workers of a node and on all nodes, through restarts and while nodes stand still.

use crate::cluster_world::World;
use crate::net::{Net, on_all, show};

/// SHA-256 of `alice`: a test that hashes for itself takes long.
const ALICE: &str = "#2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90";
const NO_SET: &str = "(NOPERM User ada has no permissions to run the 'set' command)";

#[test]
fn a_change_binds_every_worker_when_it_is_answered() {
    on_all(|net| {
        let root = net.connect(0);
        let clients = [net.connect(0), net.connect(1), net.connect(2)];
        assert_eq!(net.ask(root, &format!("ACL SETUSER ada on {ALICE} ~* &* +@all")), "OK");
        for client in clients {
            assert_eq!(net.talk(client, &["AUTH ada alice", "SET k 1"]), ["OK", "OK"]);
        }
        // In one go with what follows, and from another worker than theirs.
        let queued = net.connect(1);
        net.talk(queued, &["AUTH ada alice", "MULTI", "SET k 2", "GET k"]);
        assert_eq!(net.ask(root, "ACL SETUSER ada -set"), "OK");
        for client in clients {
            assert_eq!(net.talk(client, &["SET k 2", "GET k", "ACL WHOAMI"]), [NO_SET, "\"1\"", "\"ada\""]);
        }
        let exec = net.ask(queued, "EXEC");
        assert!(exec.starts_with("[(NOPERM ACLs rules changed") && exec.ends_with("\"1\"]"), "{exec}");
        assert_eq!(net.ask(root, "ACL DELUSER ada"), "1");
        for client in clients {
            assert!(!net.is_open(client));
        }
    });
}

#[test]
fn requests_behind_a_change_in_one_pipeline_see_it() {
    on_all(|net| {
        let root = net.connect(1);
        let replies = net.talk(
            root,
            &[
                "ACL SETUSER ada on nopass",
                "ACL USERS",
                "AUTH ada x",
                "PING",
                "AUTH default x",
                "ACL DELUSER ada",
                "ACL USERS",
            ],
        );
        let no_ping = "(NOPERM User ada has no permissions to run the 'ping' command)";
        assert_eq!(replies, ["OK", "[\"ada\" \"default\"]", "OK", no_ping, "OK", "1", "[\"default\"]"]);
        let replies =
            net.talk(root, &["MULTI", "ACL SETUSER eve on nopass", "ACL USERS", "EXEC", "ACL USERS"]);
        assert_eq!(replies[0], "OK");
        assert_eq!(replies[4], "[\"default\" \"eve\"]", "{replies:?}");
        assert!(replies[3].starts_with("[OK "), "{replies:?}");
    });
}

#[test]
fn users_of_a_node_on_its_own_are_in_its_log() {
    for with_checkpoints in [false, true] {
        let mut net = Net::new(2, 3);
        let root = net.connect(1);
        net.ask(root, &format!("ACL SETUSER ada on {ALICE} ~a:* +@read (+set ~w)"));
        net.ask(root, "ACL SETUSER default -flushall");
        let list = net.ask(root, "ACL LIST");
        net.ask(root, "SET k v");
        if with_checkpoints {
            net.begin_checkpoints();
            net.pass(2000);
        }
        let mut net = net.restarted(with_checkpoints);
        let client = net.connect(0);
        assert_eq!(net.ask(client, "ACL LIST"), list);
        let denied = "(NOPERM User default has no permissions to run the 'flushall' command)";
        assert_eq!(net.ask(client, "FLUSHALL"), denied);
    }
}

/// Lets time pass until a client was answered; what with.
fn answer(world: &mut World, client: usize) -> String {
    for _ in 0..20_000 {
        if let Some(value) = world.answers(client).first() {
            return show(value);
        }
        world.pass(1);
    }
    panic!("no answer");
}

#[test]
fn changes_on_several_nodes_at_once_all_hold() {
    for seed in 0..6 {
        let mut world = World::of(3, seed);
        let clients: Vec<usize> = (0..3).map(|node| world.connect(node)).collect();
        let mut held = Vec::new();
        for round in 0..8 {
            if round == 4 {
                // The leader, perhaps: what is asked of it meanwhile waits, or fails and says so.
                world.pause(seed as usize % 3, 1500);
            }
            for (node, client) in clients.iter().enumerate() {
                world.send(*client, &format!("ACL SETUSER many ~n{node}:r{round}"));
            }
            for (node, client) in clients.iter().enumerate() {
                if answer(&mut world, *client) == "OK" {
                    held.push(format!("~n{node}:r{round} "));
                    // Whoever was told sees it.
                    let list = world.ask(*client, "ACL LIST");
                    assert!(list.contains(held.last().unwrap()), "seed {seed}: {list}");
                }
            }
        }
        world.pass(3000);
        let lists: Vec<String> = clients.iter().map(|client| world.ask(*client, "ACL LIST")).collect();
        assert!(lists.iter().all(|list| *list == lists[0]), "seed {seed}: {lists:?}");
        assert!(held.len() >= 20, "seed {seed}: {held:?}");
        for pattern in held {
            assert!(lists[0].contains(&pattern), "seed {seed}: {pattern} is not in {}", lists[0]);
        }
    }
}

#[test]
fn who_is_no_user_any_more_is_none_on_a_node_that_begins_anew_alone() {
    for node in 0..3 {
        let mut world = World::of(3, 2);
        let root = world.connect(0);
        assert_eq!(world.ask(root, &format!("ACL SETUSER ada on {ALICE} ~* &* +@all")), "OK");
        assert_eq!(world.ask(root, "ACL DELUSER ada"), "1");
        world.pass(200);
        (0..3).for_each(|node| world.kill(node));
        world.restart(node);
        world.pass(10);
        let client = world.connect(node);
        assert!(world.ask(client, "AUTH ada alice").starts_with("(WRONGPASS"), "node {node}");
    }
}

#[test]
fn rights_bind_on_other_nodes_and_in_transactions_that_another_node_runs() {
    let mut world = World::of(3, 1);
    let root = world.connect(0);
    assert_eq!(world.ask(root, &format!("ACL SETUSER ada on {ALICE} ~* &* +@all")), "OK");
    world.pass(200);
    let clients: Vec<usize> = (0..3).map(|node| world.connect(node)).collect();
    for client in &clients {
        for (request, expect) in
            [("AUTH ada alice", "OK"), ("MULTI", "OK"), ("SET {t} 1", "QUEUED"), ("GET {t}", "QUEUED")]
        {
            assert_eq!(world.ask(*client, request), expect);
        }
    }
    assert_eq!(world.ask(root, "ACL SETUSER ada -set"), "OK");
    world.pass(200);
    for client in &clients {
        let exec = world.ask(*client, "EXEC");
        assert!(exec.starts_with("[(NOPERM ACLs rules changed") && exec.ends_with(" nil]"), "{exec}");
        assert_eq!(world.ask(*client, "SET k 1"), NO_SET);
    }
    world.kill(1);
    world.restart(1);
    world.pass(3000);
    let client = world.connect(1);
    assert_eq!(world.ask(client, "AUTH ada alice"), "OK");
    assert_eq!(world.ask(client, "SET k 1"), NO_SET);
    assert_eq!(world.ask(root, "ACL DELUSER ada"), "1");
    world.pass(200);
    assert!(!world.is_open(client) && !world.is_open(clients[2]));
}

#[test]
fn a_password_that_the_others_cannot_agree_on_changes_nothing_here() {
    let mut world = World::of(3, 3);
    let hash =
        "$argon2id$v=19$m=19456,t=2,p=1$c3Nzc3Nzc3Nzc3Nzc3Nzcw$aGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGg";
    let root = world.connect(0);
    let settings = |world: &mut World| world.ask(root, "CONFIG GET requirepass slowlog-max-len");
    let before = settings(&mut world);
    world.kill(1);
    world.kill(2);
    world.send(root, &format!("CONFIG SET requirepass {hash} slowlog-max-len 7"));
    let refused = answer(&mut world, root);
    assert!(refused.starts_with('('), "{refused}");
    assert_eq!(settings(&mut world), before);
    assert!(world.ask(root, "ACL LIST").contains("default on nopass"));
    // And with them it is so on all, with all that was asked for.
    world.restart(1);
    world.pass(3000);
    world.send(root, &format!("CONFIG SET requirepass {hash} slowlog-max-len 7"));
    assert_eq!(answer(&mut world, root), "OK");
    let now = settings(&mut world);
    assert!(now.contains("(redacted)") && now.contains("\"7\""), "{now}");
    for node in 0..2 {
        let client = world.connect(node);
        let list = world.ask(client, "ACL LIST");
        assert!(list.contains(hash), "node {node}: {list}");
        assert!(world.ask(client, "CONFIG GET requirepass").contains("(redacted)"), "node {node}");
    }
    assert_eq!(world.ask(root, "ACL SETUSER default nopass"), "OK");
    world.pass(100);
    for node in 0..2 {
        let client = world.connect(node);
        assert_eq!(world.ask(client, "CONFIG GET requirepass"), "[\"requirepass\" \"\"]", "node {node}");
    }
}
