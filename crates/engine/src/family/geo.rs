//! Positions of members of sorted sets: given, told, and how far apart. What lies in an area is in `geo_search`.

use base::Args;
use resp::Reply;

use super::options::is_word;
use super::zset::{ZAdd, find_zset};
use super::{Applied, Operation, Parsed};
use crate::extended::Extended;
use crate::geohash::Position;
use crate::{RequestError, Store, double};

/// The position that two arguments say.
pub(super) fn position<'a>(longitude: &'a [u8], latitude: &'a [u8]) -> Parsed<'a, Position> {
    let degrees = |text| double::parse(text).ok_or(RequestError::NotFloat);
    let outside = RequestError::InvalidPosition(longitude, latitude);
    Position::new(degrees(longitude)?, degrees(latitude)?).ok_or(outside)
}

/// The metres that a unit has.
pub(super) fn unit<'a>(word: &[u8]) -> Parsed<'a, f64> {
    match word {
        _ if is_word(word, "M") => Ok(1.0),
        _ if is_word(word, "KM") => Ok(1000.0),
        _ if is_word(word, "FT") => Ok(0.3048),
        _ if is_word(word, "MI") => Ok(1609.34),
        _ => Err(RequestError::UnknownUnit),
    }
}

/// Writes a distance, with the four decimals that make sense of it in any unit.
pub(super) fn write_distance(distance: f64, reply: &mut Reply<'_>) {
    // At most half of the circumference of Earth, in feet.
    let scaled = (distance * 10_000.0).round_ties_even() as u64;
    reply.bulk(format!("{}.{:04}", scaled / 10_000, scaled % 10_000).as_bytes());
}

/// Writes a longitude and a latitude.
pub(super) fn write_position(position: Position, reply: &mut Reply<'_>) {
    reply.array(2);
    reply.double_text(&Extended::of_double(position.longitude).text());
    reply.double_text(&Extended::of_double(position.latitude).text());
}

/// `GEOADD`: a `ZADD` of scores that are positions.
pub(crate) struct GeoAdd<'a>(ZAdd<'a>);

impl<'a> GeoAdd<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, GeoAdd<'a>> {
        let score = |longitude, latitude| Ok(position(longitude, latitude)?.score());
        Ok(GeoAdd(ZAdd::of_positions(args, score)?))
    }
}

impl<'a> Operation<'a> for GeoAdd<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        self.0.apply(store, reply)
    }
}

/// `GEODIST`.
pub(crate) struct GeoDist<'a> {
    key: &'a [u8],
    members: [&'a [u8]; 2],
    unit: f64,
}

impl<'a> GeoDist<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, GeoDist<'a>> {
        let unit = match args.get(4) {
            None => 1.0,
            Some(_) if args.len() > 5 => return Err(RequestError::Syntax),
            Some(word) => unit(word)?,
        };
        Ok(GeoDist { key: args.at(1), members: [args.at(2), args.at(3)], unit })
    }
}

impl<'a> Operation<'a> for GeoDist<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let zset = find_zset(store, self.key)?;
        let position = |member| zset?.score(member).map(Position::of_score);
        match self.members.map(position) {
            [Some(one), Some(other)] => write_distance(one.distance(other) / self.unit, reply),
            _ => reply.null(),
        }
        Ok(())
    }
}

/// `GEOHASH`.
pub(crate) struct GeoHash<'a> {
    key: &'a [u8],
    members: Args<'a>,
}

impl<'a> GeoHash<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, GeoHash<'a>> {
        Ok(GeoHash { key: args.at(1), members: args.tail(2) })
    }
}

impl<'a> Operation<'a> for GeoHash<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let zset = find_zset(store, self.key)?;
        reply.array(self.members.len());
        for member in self.members.iter() {
            match zset.and_then(|zset| zset.score(member)) {
                Some(score) => reply.bulk(&Position::of_score(score).geohash()),
                None => reply.null(),
            }
        }
        Ok(())
    }
}

/// `GEOPOS`.
pub(crate) struct GeoPos<'a> {
    key: &'a [u8],
    members: Args<'a>,
}

impl<'a> GeoPos<'a> {
    pub(crate) fn parse(args: Args<'a>) -> Parsed<'a, GeoPos<'a>> {
        Ok(GeoPos { key: args.at(1), members: args.tail(2) })
    }
}

impl<'a> Operation<'a> for GeoPos<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let zset = find_zset(store, self.key)?;
        reply.array(self.members.len());
        for member in self.members.iter() {
            match zset.and_then(|zset| zset.score(member)) {
                Some(score) => write_position(Position::of_score(score), reply),
                None => reply.null_array(),
            }
        }
        Ok(())
    }
}
