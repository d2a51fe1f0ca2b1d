//! The body of the fuzz target, from seeds.

use base::Random;

#[path = "../checks/mod.rs"]
mod checks;

#[test]
fn damaged_logs_are_refused_or_read_right_and_never_panic() {
    let mut random = Random::new(1);
    for _ in 0..2000 {
        let edits = 1 + random.below(4) as usize;
        let data: Vec<u8> = (0..1 + edits * 6).map(|_| random.next_u64() as u8).collect();
        checks::check_bytes(&data);
    }
}

#[test]
fn any_bytes_say_a_level_or_none() {
    let mut random = Random::new(2);
    for round in 0..2000 {
        let mut data: Vec<u8> = (0..4096 + 128 + random.below(9))
            .map(|_| if random.chance(1, 2) { 0 } else { random.next_u64() as u8 })
            .collect();
        // A form that is known, so that what is behind it is read.
        if round % 2 == 0 {
            [0, 4096].iter().for_each(|slot| data[slot + 8..slot + 12].copy_from_slice(&1u32.to_le_bytes()));
        }
        data.truncate(random.below(data.len() as u64 + 1).max(random.below(4300)) as usize);
        checks::check_level(&data);
    }
}

/// Found by the fuzzer: no slot of the watermark is whole, the second segment has lost its header and the later
/// ones all of their bytes. The frames left in the second segment were written before anything was synced, so
/// they prove nothing, and synced frames were cut for a torn tail.
#[rustfmt::skip]
const CUT_WITHOUT_WATERMARK: [[u8; 6]; 16] = [
    [63, 148, 4, 224, 249, 253],
    [161, 161, 161, 161, 161, 187],
    [190, 3, 0, 0, 0, 0],
    [0, 0, 0, 198, 198, 198],
    [198, 198, 198, 198, 198, 198],
    [198, 198, 198, 198, 198, 198],
    [198, 198, 198, 198, 198, 198],
    [198, 198, 198, 198, 198, 198],
    [198, 198, 198, 198, 198, 198],
    [198, 198, 198, 198, 198, 198],
    [198, 198, 198, 198, 198, 198],
    [198, 0, 0, 0, 0, 1],
    [2, 255, 35, 0, 255, 255],
    [11, 63, 0, 224, 0, 59],
    [148, 96, 255, 255, 176, 86],
    [0, 0, 0, 0, 185, 77],
];

#[test]
fn without_a_watermark_nothing_is_cut() {
    let damage = [cut(0, 108), flip(0, 0, 0), flip(2, 35, 7), cut(3, 4), cut(4, 0), cut(5, 0)];
    for mode in [0, 2] {
        check(mode, &CUT_WITHOUT_WATERMARK);
        check(mode, &damage);
    }
}

/// Found by the fuzzer: the newest slot of the watermark zeroed and the older one moved to its place.
#[test]
fn a_misplaced_slot_of_the_watermark_is_none() {
    let swap = |file, at: u16, with| edit(file, 2, at, with);
    let damage = [edit(4, 1, 0, 0), edit(0, 1, 0, 0), swap(0, 0, 8), cut(4, 1172)];
    check(0, &damage);
    check(2, &damage);
}

/// Found by the fuzzer: a bit behind the last frame of a segment that another one follows.
#[test]
fn what_stands_behind_a_segment_that_another_follows_is_no_frame() {
    let damage = [
        [179, 223, 64, 48, 186, 135],
        [226, 75, 255, 255, 255, 255],
        [0, 37, 34, 49, 1, 0],
        [0, 0, 0, 0, 0, 255],
    ];
    check(0xf6, &damage);
    check(0xf4, &damage);
}

#[test]
fn every_pair_of_damages_leaves_no_witness_unheard() {
    // What takes a witness away: either slot of the watermark, or both; a segment's header or all of it.
    let slots = [vec![flip(0, 0, 0)], vec![flip(0, 4096, 0)], vec![cut(0, 0)]];
    for slots in slots {
        for file in 1..6 {
            for at in (0..4096).step_by(448) {
                for damage in [flip(file, at, 0), cut(file, at)] {
                    check(0, &[slots.clone(), vec![damage]].concat());
                    check(2, &[slots.clone(), vec![damage]].concat());
                }
            }
        }
    }
}

fn check(mode: u8, edits: &[[u8; 6]]) {
    checks::check_bytes(&[&[mode], edits.concat().as_slice()].concat());
}

fn flip(file: u8, at: u16, bit: u8) -> [u8; 6] {
    edit(file, 0, at, bit)
}

fn cut(file: u8, at: u16) -> [u8; 6] {
    edit(file, 3, at, 0)
}

/// As the checks take it: file (0 is the watermark), kind, place, argument, byte.
fn edit(file: u8, kind: u8, at: u16, argument: u8) -> [u8; 6] {
    let [low, high] = at.to_le_bytes();
    [file, kind, low, high, argument, 0]
}
