//! Positions, cells and areas: against Redis, and against a look at everything.

use base::Random;

use super::*;

fn at(longitude: f64, latitude: f64) -> Position {
    Position::new(longitude, latitude).expect("within the grid")
}

/// Anywhere, or near a corner of the grid.
fn any_position(random: &mut Random) -> Position {
    let mut part = || random.next_u64() as f64 / u64::MAX as f64 * 2.0 - 1.0;
    let (longitude, latitude) = (part() * LONGITUDE_MAX, part() * LATITUDE_MAX);
    match random.below(12) {
        0 => at(longitude.signum() * LONGITUDE_MAX, latitude),
        1 => at(longitude, latitude.signum() * LATITUDE_MAX),
        2 => at(longitude / 1e4, latitude / 1e4),
        _ => at(longitude, latitude),
    }
}

/// What redis-server 7.0 answers to the same.
#[test]
fn positions_become_the_scores_and_texts_of_redis() {
    for (position, score, text) in [
        (at(13.361389, 38.115556), 3479099956230698.0, b"sqc8b49rny0"),
        (at(15.087269, 37.502669), 3479447370796909.0, b"sqdtr74hyu0"),
        (at(-122.27652, 37.805186), 1367952638197536.0, b"9q9p1d0znt0"),
        (at(0.0, 0.0), 3377699720527872.0, b"s0000000000"),
        (at(-180.0, -85.05112878), 0.0, b"00bh0hbj200"),
    ] {
        assert_eq!(position.score(), score, "{position:?}");
        assert_eq!(&Position::of_score(score).geohash(), text, "{position:?}");
    }
}

#[test]
fn distances_are_those_of_redis() {
    let sicily = [3479099956230698.0, 3479447370796909.0].map(Position::of_score);
    assert_eq!((sicily[0].distance(sicily[1]) * 1e4).round(), 1_662_741_516.0);
    assert_eq!(sicily[0].distance(sicily[0]), 0.0);
    // Half way round, where the square of the sine may be rounded up beyond one.
    let mut random = Random::new(3);
    for _ in 0..10_000 {
        let one = any_position(&mut random);
        let other = at(one.longitude - 180.0 * one.longitude.signum(), -one.latitude);
        let half = one.distance(other);
        assert!((half - EARTH_RADIUS * PI).abs() < 1.0, "{one:?}: {half}");
    }
}

#[test]
fn a_position_lies_in_the_middle_of_its_cell() {
    let mut random = Random::new(1);
    for _ in 0..100_000 {
        let position = any_position(&mut random);
        let score = position.score();
        let middle = Position::of_score(score);
        assert!(position.distance(middle) < 1.0, "{position:?} {middle:?}");
        assert!(
            middle.score() == score
                || position.latitude.abs() == LATITUDE_MAX
                || position.longitude == LONGITUDE_MAX
        );
    }
}

#[test]
fn any_score_is_read_as_a_position() {
    let mut random = Random::new(5);
    let mut scores =
        vec![f64::INFINITY, f64::NEG_INFINITY, -0.0, -1.0, 0.5, 1e300, -1e300, f64::MIN_POSITIVE];
    scores.extend([9.3e18, 1.8446744073709552e19, 9_223_372_036_854_775_808.0, 4_503_599_627_370_496.0]);
    scores.extend((0..10_000).map(|_| f64::from_bits(random.next_u64())).filter(|score| !score.is_nan()));
    for score in scores {
        let Position { longitude, latitude } = Position::of_score(score);
        assert!(Position::new(longitude, latitude).is_some(), "{score}");
    }
    assert_eq!(bits_of(-1.0), u64::MAX);
    assert_eq!(bits_of(1.8446744073709552e19), 0);
    assert_eq!(bits_of(-1e300), 1 << 63);
    assert_eq!(bits_of(1e19), 10_000_000_000_000_000_000);
}

#[test]
fn bits_are_woven_and_unwoven() {
    let mut random = Random::new(2);
    for _ in 0..10_000 {
        let (longitude, latitude) = (random.next_u64() as u32, random.next_u64() as u32);
        let cell = Cell { longitude, latitude, step: 26 };
        let by_bit = (0..32).fold(0, |bits, at| {
            bits | u64::from(latitude >> at & 1) << (2 * at) | u64::from(longitude >> at & 1) << (2 * at + 1)
        });
        assert_eq!(cell.bits(), by_bit);
        assert_eq!(Cell::of_bits(by_bit, 26), cell);
    }
}

/// Whatever the area is, its cells hold what a look at everything finds, each position once. Away from the poles and
/// from the line where longitudes begin anew, that is: there Redis misses some, and so do we.
#[test]
fn the_cells_of_an_area_hold_all_that_lies_within() {
    let mut random = Random::new(4);
    for _ in 0..300 {
        let mut part = || random.next_u64() as f64 / u64::MAX as f64;
        let centre = at(part() * 200.0 - 100.0, part() * 100.0 - 50.0);
        let reach = 10f64.powf(part() * 5.5);
        let shape = match part() < 0.5 {
            true => Shape::Circle { radius: reach },
            false => Shape::Box { width: reach * (0.2 + part()), height: reach * (0.2 + part()) },
        };
        let area = Area { centre, shape, unit: 1.0 };
        let ranges = area.scores();
        assert!(ranges.len() <= 9);
        let degrees = 4.0 * reach / (EARTH_RADIUS * RADIANS);
        for _ in 0..200 {
            let mut part = || (random.next_u64() as f64 / u64::MAX as f64 - 0.5) * degrees;
            let Some(position) = Position::new(centre.longitude + part(), centre.latitude + part()) else {
                continue;
            };
            let score = position.score();
            let holding = ranges.iter().filter(|(first, end)| (*first..*end).contains(&score)).count();
            assert!(holding <= 1, "{area:?} holds {position:?} {holding} times");
            if area.distance(Position::of_score(score)).is_some() {
                assert_eq!(holding, 1, "{area:?} misses {position:?}");
            }
        }
    }
}

#[test]
fn a_great_area_is_searched_in_all_cells_once() {
    let area = Area { centre: at(0.1, 0.1), shape: Shape::Circle { radius: 1e9 }, unit: 1.0 };
    let mut ranges = area.scores();
    ranges.sort_by(|one, other| one.0.total_cmp(&other.0));
    let quarter = 2f64.powi(50);
    let expect: Vec<_> = (0..4).map(|at| (f64::from(at) * quarter, f64::from(at + 1) * quarter)).collect();
    assert_eq!(ranges, expect);
    let nothing = Area { shape: Shape::Circle { radius: 0.0 }, ..area };
    assert_eq!(nothing.scores().len(), 1);
}
