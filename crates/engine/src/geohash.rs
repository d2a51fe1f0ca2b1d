//! Positions on Earth as scores of sorted sets, the distances between them, and the cells that cover an area.
//!
//! A position is kept as a cell of a grid of 2^26 by 2^26: the score is its number, the bits of longitude and latitude
//! in turn. Cells of a coarser grid are runs of such numbers, so what lies in one is a range of scores; an area is
//! searched in the cell of its centre and the eight around it. Grid, rounding and order are those of Redis 7.2.
//!
//! Everything here gives the same bits on every machine: sines are those of the crate `libm`, for the standard library
//! takes the platform's, and what `STOREDIST` stores must be the same on all replicas. (The last bit of one distance in
//! fifty is another than glibc's; the four decimals that clients see are not.)
//!
//! Knows no sorted set.

use std::f64::consts::PI;

/// Longitudes go from minus this to this.
const LONGITUDE_MAX: f64 = 180.0;
/// Latitudes of the grid go from minus this to this: where the map of Mercator is cut off to be a square.
const LATITUDE_MAX: f64 = 85.051_128_78;
/// Bits of a longitude or latitude.
const STEP_MAX: u32 = 26;
/// Metres.
const EARTH_RADIUS: f64 = 6_372_797.560_856;
/// Half the circumference of the map of Mercator, in metres.
const MERCATOR_MAX: f64 = 20_037_726.37;
const RADIANS: f64 = PI / 180.0;

/// A place on Earth, in degrees. Invariant: within the grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Position {
    pub(crate) longitude: f64,
    pub(crate) latitude: f64,
}

impl Position {
    /// `None` if it lies outside of the grid.
    pub(crate) fn new(longitude: f64, latitude: f64) -> Option<Position> {
        let is_within = |value: f64, max: f64| (-max..=max).contains(&value);
        (is_within(longitude, LONGITUDE_MAX) && is_within(latitude, LATITUDE_MAX))
            .then_some(Position { longitude, latitude })
    }

    /// The middle of the cell that a score is. Any score is one: what is no number of a cell is read as Redis reads it.
    pub(crate) fn of_score(score: f64) -> Position {
        let cell = Cell::of_bits(bits_of(score), STEP_MAX);
        let middle = |(min, max): (f64, f64), end: f64| ((min + max) / 2.0).clamp(-end, end);
        Position {
            longitude: middle(cell.longitudes(), LONGITUDE_MAX),
            latitude: middle(cell.latitudes(), LATITUDE_MAX),
        }
    }

    /// The cell it lies in, as a score.
    pub(crate) fn score(self) -> f64 {
        Cell::of(self, LATITUDE_MAX, STEP_MAX).bits() as f64
    }

    /// Its geohash, the text that other systems know: of a grid whose latitudes go up to the poles. The last character
    /// has no bits left and is always `0`.
    pub(crate) fn geohash(self) -> [u8; 11] {
        const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        let bits = Cell::of(self, 90.0, STEP_MAX).bits();
        let mut text = [b'0'; 11];
        for (at, character) in text[..10].iter_mut().enumerate() {
            *character = ALPHABET[(bits >> (47 - 5 * at)) as usize & 31];
        }
        text
    }

    /// Metres to another position, over the surface.
    pub(crate) fn distance(self, other: Position) -> f64 {
        let half_sine = |one: f64, other: f64| libm::sin((other * RADIANS - one * RADIANS) / 2.0);
        let across = half_sine(self.longitude, other.longitude);
        if across == 0.0 {
            return latitude_distance(self.latitude, other.latitude);
        }
        let along = half_sine(self.latitude, other.latitude);
        let cosine = |latitude: f64| libm::cos(latitude * RADIANS);
        let square = along * along + cosine(self.latitude) * cosine(other.latitude) * across * across;
        // Of antipodes it may be rounded to more than one, which is the sine of nothing.
        2.0 * EARTH_RADIUS * libm::asin(square.min(1.0).sqrt())
    }
}

fn latitude_distance(one: f64, other: f64) -> f64 {
    EARTH_RADIUS * (other * RADIANS - one * RADIANS).abs()
}

/// The number of the cell that a score is: what x86-64 makes of a C `double` that is cast to 64 bits without sign.
fn bits_of(score: f64) -> u64 {
    const HALF: f64 = (1u64 << 63) as f64;
    let signed = |value: f64| if value.abs() < HALF { value as i64 } else { i64::MIN };
    if score >= HALF { signed(score - HALF) as u64 ^ 1 << 63 } else { signed(score) as u64 }
}

/// A cell of the grid of 2^`step` by 2^`step`, counted from the south west. Invariant: `step` is 1 to 26.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    longitude: u32,
    latitude: u32,
    step: u32,
}

impl Cell {
    /// The cell of a position in a grid up to this latitude. At its very end lies a cell more.
    fn of(position: Position, latitude_max: f64, step: u32) -> Cell {
        let place = |value: f64, max: f64| ((value + max) / (max + max) * (1u64 << step) as f64) as u32;
        Cell {
            longitude: place(position.longitude, LONGITUDE_MAX),
            latitude: place(position.latitude, latitude_max),
            step,
        }
    }

    fn of_bits(bits: u64, step: u32) -> Cell {
        Cell { longitude: every_second(bits >> 1), latitude: every_second(bits), step }
    }

    fn bits(self) -> u64 {
        spread(self.latitude) | spread(self.longitude) << 1
    }

    fn bounds(self, place: u32, max: f64) -> (f64, f64) {
        let bound = |place: u32| -max + f64::from(place) / (1u64 << self.step) as f64 * (max + max);
        (bound(place), bound(place.wrapping_add(1)))
    }

    fn longitudes(self) -> (f64, f64) {
        self.bounds(self.longitude, LONGITUDE_MAX)
    }

    fn latitudes(self) -> (f64, f64) {
        self.bounds(self.latitude, LATITUDE_MAX)
    }

    /// The cell so far to the east and to the north. The grid has no edges: it goes on at the other side.
    fn neighbour(self, east: i32, north: i32) -> Cell {
        let moved = |place: u32, by: i32| match by {
            0 => place,
            _ => place.wrapping_add_signed(by) & ((1 << self.step) - 1),
        };
        Cell { longitude: moved(self.longitude, east), latitude: moved(self.latitude, north), ..self }
    }

    /// The scores of all positions in it, the last one not included.
    fn scores(self) -> (f64, f64) {
        let shift = 2 * (STEP_MAX - self.step);
        ((self.bits() << shift) as f64, ((self.bits() + 1) << shift) as f64)
    }
}

/// Puts a zero before each bit.
fn spread(value: u32) -> u64 {
    let mut bits = u64::from(value);
    for (shift, mask) in [
        (16, 0x0000_FFFF_0000_FFFF),
        (8, 0x00FF_00FF_00FF_00FF),
        (4, 0x0F0F_0F0F_0F0F_0F0F),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ] {
        bits = (bits | bits << shift) & mask;
    }
    bits
}

/// The bits at even places, brought together.
fn every_second(bits: u64) -> u32 {
    let mut bits = bits & 0x5555_5555_5555_5555;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0F0F_0F0F_0F0F_0F0F),
        (4, 0x00FF_00FF_00FF_00FF),
        (8, 0x0000_FFFF_0000_FFFF),
        (16, 0x0000_0000_FFFF_FFFF),
    ] {
        bits = (bits | bits >> shift) & mask;
    }
    bits as u32
}

/// The form of an area.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shape {
    Circle { radius: f64 },
    Box { width: f64, height: f64 },
}

/// An area around a position. Invariant: lengths and the unit are not negative and no NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Area {
    pub(crate) centre: Position,
    pub(crate) shape: Shape,
    /// What the lengths are counted in, in metres.
    pub(crate) unit: f64,
}

impl Area {
    /// Metres from the centre to a position, if that lies within.
    pub(crate) fn distance(&self, position: Position) -> Option<f64> {
        let Area { centre, shape, unit } = *self;
        match shape {
            Shape::Circle { radius } => {
                let distance = centre.distance(position);
                (distance <= radius * unit).then_some(distance)
            }
            Shape::Box { width, height } => {
                if latitude_distance(position.latitude, centre.latitude) > height * unit / 2.0 {
                    return None;
                }
                let beside = Position { longitude: centre.longitude, ..position };
                if position.distance(beside) > width * unit / 2.0 {
                    return None;
                }
                Some(centre.distance(position))
            }
        }
    }

    /// Ranges of scores in which all positions of the area lie; the end of each is not included. At most nine, in the
    /// order in which Redis looks through them.
    pub(crate) fn scores(&self) -> Vec<(f64, f64)> {
        let mut step = self.step();
        let mut cell = Cell::of(self.centre, LATITUDE_MAX, step);
        let edges = self.edges();
        if step > 1 && !edges.are_covered_around(cell) {
            step -= 1;
            cell = Cell::of(self.centre, LATITUDE_MAX, step);
        }
        let mut cells = vec![cell];
        let around = [(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];
        for (east, north) in around {
            if step >= 2 && edges.are_within(cell, east, north) {
                continue;
            }
            let neighbour = cell.neighbour(east, north);
            // A grid of few cells has the same one on both sides.
            if cells.len() == 1 || cells.last() != Some(&neighbour) {
                cells.push(neighbour);
            }
        }
        cells.into_iter().map(Cell::scores).collect()
    }

    /// Half of the longest way through the area, in metres.
    fn reach(&self) -> f64 {
        let radius = match self.shape {
            Shape::Circle { radius } => radius,
            Shape::Box { width, height } => {
                ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt()
            }
        };
        radius * self.unit
    }

    /// The finest grid of which nine cells mostly cover the area. Towards the poles cells get narrow.
    fn step(&self) -> u32 {
        let (mut range, mut step, latitude) = (self.reach(), 1i32, self.centre.latitude.abs());
        if range == 0.0 {
            return STEP_MAX;
        }
        while range < MERCATOR_MAX {
            range *= 2.0;
            step += 1;
        }
        step -= 2 + i32::from(latitude > 66.0) + i32::from(latitude > 80.0);
        step.clamp(1, STEP_MAX as i32).unsigned_abs()
    }

    /// The edges of a box around the area.
    fn edges(&self) -> Edges {
        let (width, height) = match self.shape {
            Shape::Circle { radius } => (radius, radius),
            Shape::Box { width, height } => (width / 2.0, height / 2.0),
        };
        let Position { longitude, latitude } = self.centre;
        let north = self.unit * height / EARTH_RADIUS / RADIANS;
        // Of the two edges the one nearer to a pole spans more degrees.
        let edge = if latitude < 0.0 { latitude - north } else { latitude + north };
        let east = self.unit * width / EARTH_RADIUS / libm::cos(edge * RADIANS) / RADIANS;
        Edges {
            west: longitude - east,
            east: longitude + east,
            south: latitude - north,
            north: latitude + north,
        }
    }
}

/// The edges of a box, in degrees.
struct Edges {
    west: f64,
    east: f64,
    south: f64,
    north: f64,
}

impl Edges {
    /// Whether the cells around `cell` reach as far as the box in the four directions.
    fn are_covered_around(&self, cell: Cell) -> bool {
        cell.neighbour(0, 1).latitudes().1 >= self.north
            && cell.neighbour(0, -1).latitudes().0 <= self.south
            && cell.neighbour(1, 0).longitudes().1 >= self.east
            && cell.neighbour(-1, 0).longitudes().0 <= self.west
    }

    /// Whether the box ends within `cell` in one of the directions, so that nothing is to be found further there.
    fn are_within(&self, cell: Cell, east: i32, north: i32) -> bool {
        let ((west_end, east_end), (south_end, north_end)) = (cell.longitudes(), cell.latitudes());
        north < 0 && south_end < self.south
            || north > 0 && north_end > self.north
            || east < 0 && west_end < self.west
            || east > 0 && east_end > self.east
    }
}

#[cfg(test)]
mod tests;
