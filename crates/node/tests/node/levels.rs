//! Programs that know different levels in one cluster: what a node does that meets a level which it does not know. Worlds of two
//! versions are the simulator's.

use cluster::{Command, Level, Levels};

use crate::cluster_world::World;

fn levels(oldest: u8, newest: u8) -> Levels {
    Levels::new(oldest, newest).unwrap()
}

/// Three that are all at level 2.
fn raised() -> World {
    let mut world = World::of(3, 1);
    let raise = || Command::Raise { level: Level(2) };
    for index in 0..3 {
        let refused = world.ask_fabric(0, raise()).unwrap_err();
        assert!(refused.contains("which knows level 1"), "{refused}");
        world.restart_knowing(index, levels(1, 2));
    }
    assert_eq!(world.ask_fabric(0, raise()), Ok(()));
    world.pass(1000);
    world
}

#[test]
#[should_panic(expected = "node 2 stops: level 2 is in force, and this program knows level 1")]
fn who_is_spoken_to_at_a_level_that_it_does_not_know_stops() {
    let mut world = World::of(3, 1);
    // A sign of life, and the level at which it is given.
    let sender = world.id(0);
    world.turn(2, |worker| worker.peer_frame(sender, &[14, 2]));
}

#[test]
fn a_level_that_all_know_comes_into_force_on_all() {
    let mut world = raised();
    assert!((0..3).all(|index| world.meta(index).level() == Level(2)));
    // And stays, whoever is started again.
    world.kill(1);
    world.restart(1);
    assert_eq!(world.meta(1).level(), Level(2));
}

#[test]
#[should_panic(expected = "node 1 stops: level 2 is in force, and this program knows level 1; use a version")]
fn who_finds_a_level_in_its_log_that_it_does_not_know_stops() {
    raised().restart_knowing(1, levels(1, 1));
}
