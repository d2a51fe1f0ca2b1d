//! Members of a sorted set that lie in an area: `GEOSEARCH`, `GEOSEARCHSTORE` and the older `GEORADIUS` and its kin.
//!
//! Only the cells of the grid that cover the area are looked through. All arguments stay text until the key was looked
//! at, as in Redis: a key of another type is refused first, and of a member its position is needed.

use base::Args;
use command::DataCommand;
use resp::Reply;

use super::geo::{position, unit, write_distance, write_position};
use super::options::{integer, is_word};
use super::zset::find_zset;
use super::zset_range::store_scored;
use super::{Applied, Operation, Parsed};
use crate::geohash::{Area, Position, Shape};
use crate::{Event, RequestError, Store, ZSetRef, double};

/// `GEOSEARCH` and its kin.
pub(crate) struct GeoSearch<'a> {
    args: Args<'a>,
    dialect: Dialect,
}

/// How a command is told of its area, and what it may do with what it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    /// `GEORADIUS`: a position and a radius at fixed places.
    Radius { stores: bool },
    /// `GEORADIUSBYMEMBER`: a member and a radius at fixed places.
    RadiusByMember { stores: bool },
    /// `GEOSEARCH`: by options.
    Search,
    /// `GEOSEARCHSTORE`: by options, behind the key to store at.
    SearchStore,
}

impl Dialect {
    fn of(command: DataCommand) -> Dialect {
        match command {
            DataCommand::GeoRadius => Dialect::Radius { stores: true },
            DataCommand::GeoRadiusRo => Dialect::Radius { stores: false },
            DataCommand::GeoRadiusByMember => Dialect::RadiusByMember { stores: true },
            DataCommand::GeoRadiusByMemberRo => Dialect::RadiusByMember { stores: false },
            DataCommand::GeoSearchStore => Dialect::SearchStore,
            _ => Dialect::Search,
        }
    }

    /// Whether the area is said by options.
    fn searches(self) -> bool {
        matches!(self, Dialect::Search | Dialect::SearchStore)
    }

    /// Whether the options `STORE` and `STOREDIST` name a key.
    fn stores(self) -> bool {
        matches!(self, Dialect::Radius { stores: true } | Dialect::RadiusByMember { stores: true })
    }

    fn options_at(self) -> usize {
        match self {
            Dialect::Radius { .. } => 6,
            Dialect::RadiusByMember { .. } => 5,
            Dialect::Search => 2,
            Dialect::SearchStore => 3,
        }
    }
}

/// What was said of the centre of a search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum From {
    #[default]
    Nowhere,
    Member,
    Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    NearestFirst,
    FarthestFirst,
}

/// What is asked for.
#[derive(Default)]
struct Query<'a> {
    from: From,
    /// `None` also if there is nothing to search, so that the member at the centre is not there.
    centre: Option<Position>,
    shape: Option<(Shape, f64)>,
    order: Option<Order>,
    count: Option<usize>,
    any: bool,
    with_distance: bool,
    with_hash: bool,
    with_position: bool,
    store_at: Option<&'a [u8]>,
    stores_distances: bool,
}

impl<'a> Query<'a> {
    fn parse(args: Args<'a>, dialect: Dialect, zset: Option<ZSetRef<'_>>) -> Parsed<'a, Query<'a>> {
        let mut query = Query::default();
        match (dialect, zset) {
            (Dialect::Radius { .. }, _) => {
                query.centre = Some(position(args.at(2), args.at(3))?);
                query.shape = Some(circle(args.at(4), args.at(5))?);
            }
            // Nothing to search: Redis reads the options, for the form of its answer, but not the area.
            (Dialect::RadiusByMember { .. }, None) => {}
            (Dialect::RadiusByMember { .. }, Some(zset)) => {
                query.centre = Some(position_of(zset, args.at(2))?);
                query.shape = Some(circle(args.at(3), args.at(4))?);
            }
            (Dialect::Search, _) => {}
            (Dialect::SearchStore, _) => query.store_at = Some(args.at(1)),
        }
        let mut at = dialect.options_at();
        while at < args.len() {
            at += 1 + query.option(args.tail(at), dialect, zset)?;
        }
        query.check(args.at(0), dialect)?;
        Ok(query)
    }

    /// Reads the option at the front; how many arguments belong to it.
    fn option(&mut self, args: Args<'a>, dialect: Dialect, zset: Option<ZSetRef<'_>>) -> Parsed<'a, usize> {
        let (word, follow) = (args.at(0), args.len() - 1);
        match word {
            _ if is_word(word, "WITHDIST") => self.with_distance = true,
            _ if is_word(word, "WITHHASH") => self.with_hash = true,
            _ if is_word(word, "WITHCOORD") => self.with_position = true,
            _ if is_word(word, "ANY") => self.any = true,
            _ if is_word(word, "ASC") => self.order = Some(Order::NearestFirst),
            _ if is_word(word, "DESC") => self.order = Some(Order::FarthestFirst),
            _ if is_word(word, "COUNT") && follow >= 1 => {
                let count = integer(args.at(1))?;
                if count <= 0 {
                    return Err(RequestError::CountTooSmall);
                }
                self.count = Some(usize::try_from(count).unwrap_or(usize::MAX));
                return Ok(1);
            }
            _ if dialect == Dialect::SearchStore && is_word(word, "STOREDIST") => {
                self.stores_distances = true
            }
            _ if dialect.searches() => return self.area_option(args, zset),
            _ if dialect.stores() && follow >= 1 => {
                self.stores_distances = match word {
                    _ if is_word(word, "STORE") => false,
                    _ if is_word(word, "STOREDIST") => true,
                    _ => return Err(RequestError::Syntax),
                };
                self.store_at = Some(args.at(1));
                return Ok(1);
            }
            _ => return Err(RequestError::Syntax),
        }
        Ok(0)
    }

    /// The same of an option that says where to search. The two ways to say a centre exclude each other, and so do the
    /// two ways to say a shape; one may be said again.
    fn area_option(&mut self, args: Args<'a>, zset: Option<ZSetRef<'_>>) -> Parsed<'a, usize> {
        let (word, follow) = (args.at(0), args.len() - 1);
        let is_box = matches!(self.shape, Some((Shape::Box { .. }, _)));
        let is_circle = matches!(self.shape, Some((Shape::Circle { .. }, _)));
        match word {
            _ if follow >= 1 && self.from != From::Place && is_word(word, "FROMMEMBER") => {
                if let Some(zset) = zset {
                    self.centre = Some(position_of(zset, args.at(1))?);
                }
                self.from = From::Member;
                Ok(1)
            }
            _ if follow >= 2 && self.from != From::Member && is_word(word, "FROMLONLAT") => {
                self.centre = Some(position(args.at(1), args.at(2))?);
                self.from = From::Place;
                Ok(2)
            }
            _ if follow >= 2 && !is_box && is_word(word, "BYRADIUS") => {
                self.shape = Some(circle(args.at(1), args.at(2))?);
                Ok(2)
            }
            _ if follow >= 3 && !is_circle && is_word(word, "BYBOX") => {
                self.shape = Some(rectangle(args.at(1), args.at(2), args.at(3))?);
                Ok(3)
            }
            _ => Err(RequestError::Syntax),
        }
    }

    /// Refuses options that do not go together.
    fn check(&self, name: &'a [u8], dialect: Dialect) -> Parsed<'a, ()> {
        let is_told_more = self.with_distance || self.with_hash || self.with_position;
        if self.store_at.is_some() && is_told_more {
            return Err(match dialect {
                Dialect::SearchStore => RequestError::GeoSearchStoreWith,
                _ => RequestError::GeoRadiusStoreWith,
            });
        }
        if dialect.searches() && self.from == From::Nowhere {
            return Err(RequestError::NoCentre(name));
        }
        if dialect.searches() && self.shape.is_none() {
            return Err(RequestError::NoShape(name));
        }
        if self.any && self.count.is_none() {
            return Err(RequestError::AnyWithoutCount);
        }
        Ok(())
    }

    /// What lies in the area, as much as is asked for, in order.
    fn run<'s>(&self, zset: Option<ZSetRef<'s>>) -> Vec<Found<'s>> {
        let (Some(zset), Some(centre), Some((shape, unit))) = (zset, self.centre, self.shape) else {
            return Vec::new();
        };
        let enough = if self.any { self.count } else { None };
        let mut found = search(zset, &Area { centre, shape, unit }, enough.unwrap_or(usize::MAX));
        // Of all the nearest are meant; of any it does not matter.
        let order = self.order.or((self.count.is_some() && !self.any).then_some(Order::NearestFirst));
        match order {
            None => {}
            Some(Order::NearestFirst) => found.sort_by(|one, other| one.distance.total_cmp(&other.distance)),
            Some(Order::FarthestFirst) => found.sort_by(|one, other| other.distance.total_cmp(&one.distance)),
        }
        found.truncate(self.count.unwrap_or(usize::MAX));
        found.iter_mut().for_each(|found| found.distance /= unit);
        found
    }

    fn write(&self, found: &[Found<'_>], reply: &mut Reply<'_>) {
        let more = [self.with_distance, self.with_hash, self.with_position];
        let more = more.into_iter().filter(|is_asked| *is_asked).count();
        reply.array(found.len());
        for found in found {
            if more > 0 {
                reply.array(1 + more);
            }
            reply.bulk(found.member);
            if self.with_distance {
                write_distance(found.distance, reply);
            }
            if self.with_hash {
                reply.int(found.score as i64);
            }
            if self.with_position {
                write_position(Position::of_score(found.score), reply);
            }
        }
    }
}

impl<'a> GeoSearch<'a> {
    pub(crate) fn parse(args: Args<'a>, command: DataCommand) -> Parsed<'a, GeoSearch<'a>> {
        Ok(GeoSearch { args, dialect: Dialect::of(command) })
    }
}

impl<'a> Operation<'a> for GeoSearch<'a> {
    fn apply(self, store: &mut Store<'_>, reply: &mut Reply<'_>) -> Applied<'a> {
        let key = self.args.at(if self.dialect == Dialect::SearchStore { 2 } else { 1 });
        // Refuses a key of another type and notes the use.
        find_zset(store, key)?;
        let (destination, scored) = {
            let zset = store.view(key).and_then(|entry| entry.value().zset());
            let query = Query::parse(self.args, self.dialect, zset)?;
            let found = query.run(zset);
            let Some(destination) = query.store_at else {
                query.write(&found, reply);
                return Ok(());
            };
            // What is searched may be what is stored over.
            let score = |found: &Found<'_>| if query.stores_distances { found.distance } else { found.score };
            let scored: Vec<(Vec<u8>, f64)> =
                found.iter().map(|found| (found.member.to_vec(), score(found))).collect();
            (destination, scored)
        };
        let db = store.db;
        store.keyspace_of(db, destination).ok_or(RequestError::CrossSlot)?;
        let event = if self.dialect.searches() { Event::GeoSearchStore } else { Event::GeoRadiusStore };
        store_scored(store, destination, &scored, event, reply);
        Ok(())
    }
}

/// A member in the area.
struct Found<'s> {
    member: &'s [u8],
    score: f64,
    /// From the centre.
    distance: f64,
}

/// Members in the area, in the order of the cells that cover it and of the scores in each, until there are `enough`.
fn search<'s>(zset: ZSetRef<'s>, area: &Area, enough: usize) -> Vec<Found<'s>> {
    let mut found = Vec::new();
    for (first, end) in area.scores() {
        let start = zset.count_before(|score, _| score < first);
        let inside = zset.range(start, zset.len()).take_while(|(_, score)| *score < end);
        for (member, score) in inside {
            if found.len() >= enough {
                return found;
            }
            let distance = area.distance(Position::of_score(score));
            found.extend(distance.map(|distance| Found { member, score, distance }));
        }
    }
    found
}

/// The position of a member, which must be there.
fn position_of<'a>(zset: ZSetRef<'_>, member: &[u8]) -> Parsed<'a, Position> {
    zset.score(member).map(Position::of_score).ok_or(RequestError::NoSuchMember)
}

/// A circle by its radius, and the metres of its unit.
fn circle<'a>(radius: &[u8], unit_word: &[u8]) -> Parsed<'a, (Shape, f64)> {
    let radius = double::parse(radius).ok_or(RequestError::NotRadius)?;
    if radius < 0.0 {
        return Err(RequestError::NegativeRadius);
    }
    Ok((Shape::Circle { radius }, unit(unit_word)?))
}

/// A box by its width and height, and the metres of their unit.
fn rectangle<'a>(width: &[u8], height: &[u8], unit_word: &[u8]) -> Parsed<'a, (Shape, f64)> {
    let width = double::parse(width).ok_or(RequestError::NotWidth)?;
    let height = double::parse(height).ok_or(RequestError::NotHeight)?;
    if width < 0.0 || height < 0.0 {
        return Err(RequestError::NegativeBox);
    }
    Ok((Shape::Box { width, height }, unit(unit_word)?))
}
