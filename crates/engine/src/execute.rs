//! From a data command and its arguments to its effect and its reply.
//!
//! One table, matched to the end: a command without an operation does not compile. Every path is total: whatever
//! the arguments are, the answer is a reply or a [`RequestError`], never a panic.

use base::Args;
use command::DataCommand;
use resp::Reply;

use crate::family::bitfield::BitField;
use crate::family::bitmap::{BitCount, BitOp, BitPos, GetBit, SetBit};
use crate::family::blocking::{
    BPop, BZPop, parse_list_pop, parse_move, parse_move_many, parse_right_to_left, parse_zset_pop,
};
use crate::family::compare::{DelEx, Digest, MSetEx};
use crate::family::dump::{Dump, Restore};
use crate::family::expire::{Expire, Persist, Told, Ttl};
use crate::family::generic::{CopyKey, Count, Each, MoveKey, Rename, TypeOf};
use crate::family::geo::{GeoAdd, GeoDist, GeoHash, GeoPos};
use crate::family::geo_search::GeoSearch;
use crate::family::hash::{
    HCount, HDel, HGet, HIncrBy, HIncrByFloat, HList, HMGet, HRandField, HScan, HSet, HSetNx, Half,
};
use crate::family::hash_expire::{HExpire, HGetDel, HGetEx, HPersist, HSetEx, HTtl};
use crate::family::hyperloglog::{PfAdd, PfCount, PfDebug, PfMerge};
use crate::family::increx::IncrEx;
use crate::family::internal::{NarfEvict, NarfExpire, NarfFlush, NarfPut};
use crate::family::list::{LIndex, LInsert, LLen, LPos, LRange, LRem, LSet, LTrim, Pop, Push};
use crate::family::list_move::{LMPop, LMove, LMoveM};
use crate::family::object::{Fact, MemoryUsage, Object};
use crate::family::once::NarfOnce;
use crate::family::options::{Since, Unit};
use crate::family::set::{SAdd, SCount, SMIsMember, SMembers, SMove, SPop, SRandMember, SRem, SScan};
use crate::family::set_algebra::{SCombine, SCombineCard, algebra_of};
use crate::family::sort::Sort;
use crate::family::string::{
    Append, Get, GetDel, GetEx, GetRange, IncrBy, IncrByFloat, MGet, MSet, Set, SetPlainly, SetRange, StrLen,
};
use crate::family::zset::{ZAdd, ZCard, ZRandMember, ZRank, ZRem, ZScan, ZScore};
use crate::family::zset_algebra::{ZCombine, ZInterCard};
use crate::family::zset_bounds::By;
use crate::family::zset_pop::{ZMPop, ZPop};
use crate::family::zset_range::{ZCount, ZRange, ZRemRange};
use crate::family::{
    Operation,
    debug::{DebugDigestValue, DebugObject},
    lcs::Lcs,
};
use crate::{RequestError, Store};

/// Runs `$then` with the operation that `$args` says, of a type of its own for each kind of command.
macro_rules! with_operation {
    ($command:expr, $args:expr, $operation:ident => $then:expr) => {{
        let (command, args) = ($command, $args);
        macro_rules! run {
            ($parsed:expr) => {{
                let $operation = $parsed?;
                $then
            }};
        }
        match command {
            DataCommand::Get => run!(Get::parse(args)),
            // What nearly all are.
            DataCommand::Set if args.len() == 3 => run!(SetPlainly::parse(args)),
            DataCommand::Set => run!(Set::parse(args)),

            DataCommand::Append => run!(Append::parse(args)),
            DataCommand::Decr => run!(IncrBy::fixed(args, -1)),
            DataCommand::DecrBy => run!(IncrBy::negated(args)),
            DataCommand::DelEx => run!(DelEx::parse(args)),
            DataCommand::DelIfEq => run!(DelEx::if_equal(args)),
            DataCommand::Digest => run!(Digest::parse(args)),
            DataCommand::GetDel => run!(GetDel::parse(args)),
            DataCommand::GetEx => run!(GetEx::parse(args)),
            DataCommand::GetRange | DataCommand::Substr => run!(GetRange::parse(args)),
            DataCommand::GetSet => run!(Set::and_get(args)),
            DataCommand::Incr => run!(IncrBy::fixed(args, 1)),
            DataCommand::IncrBy => run!(IncrBy::parse(args)),
            DataCommand::IncrByFloat => run!(IncrByFloat::parse(args)),
            DataCommand::IncrEx => run!(IncrEx::parse(args)),
            DataCommand::Lcs => run!(Lcs::parse(args)),
            DataCommand::MGet => run!(MGet::parse(args)),
            DataCommand::MSet => run!(MSet::parse(args)),
            DataCommand::MSetEx => run!(MSetEx::parse(args)),
            DataCommand::MSetNx => run!(MSet::if_absent(args)),
            DataCommand::PSetEx => run!(Set::with_lifetime(args, Unit::Millis, command)),
            DataCommand::SetEx => run!(Set::with_lifetime(args, Unit::Seconds, command)),
            DataCommand::SetNx => run!(Set::if_absent(args)),
            DataCommand::SetRange => run!(SetRange::parse(args)),
            DataCommand::StrLen => run!(StrLen::parse(args)),

            DataCommand::HDel => run!(HDel::parse(args)),
            DataCommand::HExists => run!(HCount::exists(args)),
            DataCommand::HGet => run!(HGet::parse(args)),
            DataCommand::HGetAll => run!(HList::parse(args, Half::Both)),
            DataCommand::HIncrBy => run!(HIncrBy::parse(args)),
            DataCommand::HIncrByFloat => run!(HIncrByFloat::parse(args)),
            DataCommand::HKeys => run!(HList::parse(args, Half::Fields)),
            DataCommand::HLen => run!(HCount::fields(args)),
            DataCommand::HMGet => run!(HMGet::parse(args)),
            DataCommand::HMSet => run!(HSet::and_ok(args)),
            DataCommand::HRandField => run!(HRandField::parse(args)),
            DataCommand::HScan => run!(HScan::parse(args)),
            DataCommand::HSet => run!(HSet::parse(args)),
            DataCommand::HSetNx => run!(HSetNx::parse(args)),
            DataCommand::HStrLen => run!(HCount::value_len(args)),
            DataCommand::HExpire => run!(HExpire::parse(args, Unit::Seconds, Since::Now, command)),
            DataCommand::HExpireAt => run!(HExpire::parse(args, Unit::Seconds, Since::Epoch, command)),
            DataCommand::HExpireTime => run!(HTtl::parse(args, Unit::Seconds, Told::Moment)),
            DataCommand::HGetDel => run!(HGetDel::parse(args)),
            DataCommand::HGetEx => run!(HGetEx::parse(args)),
            DataCommand::HPersist => run!(HPersist::parse(args)),
            DataCommand::HPExpire => run!(HExpire::parse(args, Unit::Millis, Since::Now, command)),
            DataCommand::HPExpireAt => run!(HExpire::parse(args, Unit::Millis, Since::Epoch, command)),
            DataCommand::HPExpireTime => run!(HTtl::parse(args, Unit::Millis, Told::Moment)),
            DataCommand::HPTtl => run!(HTtl::parse(args, Unit::Millis, Told::Remaining)),
            DataCommand::HSetEx => run!(HSetEx::parse(args)),
            DataCommand::HTtl => run!(HTtl::parse(args, Unit::Seconds, Told::Remaining)),
            DataCommand::HVals => run!(HList::parse(args, Half::Values)),

            DataCommand::SAdd => run!(SAdd::parse(args)),
            DataCommand::SCard => run!(SCount::all(args)),
            DataCommand::SDiff | DataCommand::SInter | DataCommand::SUnion => {
                run!(SCombine::parse(args, algebra_of(command)))
            }
            DataCommand::SDiffStore | DataCommand::SInterStore | DataCommand::SUnionStore => {
                run!(SCombine::and_store(args, algebra_of(command)))
            }
            DataCommand::SDiffCard | DataCommand::SInterCard | DataCommand::SUnionCard => {
                run!(SCombineCard::parse(args, algebra_of(command)))
            }
            DataCommand::SIsMember => run!(SCount::one(args)),
            DataCommand::SMembers => run!(SMembers::parse(args)),
            DataCommand::SMIsMember => run!(SMIsMember::parse(args)),
            DataCommand::SMove => run!(SMove::parse(args)),
            DataCommand::SPop => run!(SPop::parse(args)),
            DataCommand::SRandMember => run!(SRandMember::parse(args)),
            DataCommand::SRem => run!(SRem::parse(args)),
            DataCommand::SScan => run!(SScan::parse(args)),

            DataCommand::BLMPop => run!(parse_list_pop(args)),
            DataCommand::BLMove => run!(parse_move(args)),
            DataCommand::BLMoveM => run!(parse_move_many(args)),
            DataCommand::BLPop | DataCommand::BRPop => run!(BPop::parse(args, command)),
            DataCommand::BRPopLPush => run!(parse_right_to_left(args)),
            DataCommand::LIndex => run!(LIndex::parse(args)),
            DataCommand::LInsert => run!(LInsert::parse(args)),
            DataCommand::LLen => run!(LLen::parse(args)),
            DataCommand::LMove => run!(LMove::parse(args)),
            DataCommand::LMoveM => run!(LMoveM::parse(args)),
            DataCommand::LMPop => run!(LMPop::parse(args)),
            DataCommand::LPop | DataCommand::RPop => run!(Pop::parse(args, command)),
            DataCommand::LPos => run!(LPos::parse(args)),
            DataCommand::LPush | DataCommand::LPushX | DataCommand::RPush | DataCommand::RPushX => {
                run!(Push::parse(args, command))
            }
            DataCommand::LRange => run!(LRange::parse(args)),
            DataCommand::LRem => run!(LRem::parse(args)),
            DataCommand::LSet => run!(LSet::parse(args)),
            DataCommand::LTrim => run!(LTrim::parse(args)),
            DataCommand::RPopLPush => run!(LMove::right_to_left(args)),

            DataCommand::BZMPop => run!(parse_zset_pop(args)),
            DataCommand::BZPopMax | DataCommand::BZPopMin => run!(BZPop::parse(args, command)),
            DataCommand::ZAdd => run!(ZAdd::parse(args)),
            DataCommand::ZCard => run!(ZCard::parse(args)),
            DataCommand::ZCount => run!(ZCount::parse(args, By::Score)),
            DataCommand::ZDiff | DataCommand::ZInter | DataCommand::ZUnion => {
                run!(ZCombine::parse(args, command))
            }
            DataCommand::ZDiffStore | DataCommand::ZInterStore | DataCommand::ZUnionStore => {
                run!(ZCombine::and_store(args, command))
            }
            DataCommand::ZIncrBy => run!(ZAdd::increment(args)),
            DataCommand::ZInterCard => run!(ZInterCard::parse(args)),
            DataCommand::ZLexCount => run!(ZCount::parse(args, By::Lex)),
            DataCommand::ZMPop => run!(ZMPop::parse(args)),
            DataCommand::ZMScore => run!(ZScore::of_several(args)),
            DataCommand::ZPopMax | DataCommand::ZPopMin => run!(ZPop::parse(args, command)),
            DataCommand::ZRandMember => run!(ZRandMember::parse(args)),
            DataCommand::ZRange
            | DataCommand::ZRangeByLex
            | DataCommand::ZRangeByScore
            | DataCommand::ZRevRange
            | DataCommand::ZRevRangeByLex
            | DataCommand::ZRevRangeByScore => run!(ZRange::parse(args, command)),
            DataCommand::ZRangeStore => run!(ZRange::and_store(args)),
            DataCommand::ZRank | DataCommand::ZRevRank => run!(ZRank::parse(args, command)),
            DataCommand::ZRem => run!(ZRem::parse(args)),
            DataCommand::ZRemRangeByLex => run!(ZRemRange::parse(args, By::Lex)),
            DataCommand::ZRemRangeByRank => run!(ZRemRange::parse(args, By::Rank)),
            DataCommand::ZRemRangeByScore => run!(ZRemRange::parse(args, By::Score)),
            DataCommand::ZScan => run!(ZScan::parse(args)),
            DataCommand::ZScore => run!(ZScore::parse(args)),

            DataCommand::BitCount => run!(BitCount::parse(args)),
            DataCommand::BitField => run!(BitField::parse(args)),
            DataCommand::BitFieldRo => run!(BitField::read_only(args)),
            DataCommand::BitOp => run!(BitOp::parse(args)),
            DataCommand::BitPos => run!(BitPos::parse(args)),
            DataCommand::GetBit => run!(GetBit::parse(args)),
            DataCommand::SetBit => run!(SetBit::parse(args)),

            DataCommand::GeoAdd => run!(GeoAdd::parse(args)),
            DataCommand::GeoDist => run!(GeoDist::parse(args)),
            DataCommand::GeoHash => run!(GeoHash::parse(args)),
            DataCommand::GeoPos => run!(GeoPos::parse(args)),
            DataCommand::GeoRadius
            | DataCommand::GeoRadiusByMember
            | DataCommand::GeoRadiusByMemberRo
            | DataCommand::GeoRadiusRo
            | DataCommand::GeoSearch
            | DataCommand::GeoSearchStore => run!(GeoSearch::parse(args, command)),

            DataCommand::PfAdd => run!(PfAdd::parse(args)),
            DataCommand::PfCount => run!(PfCount::parse(args)),
            DataCommand::PfDebug => run!(PfDebug::parse(args)),
            DataCommand::PfMerge => run!(PfMerge::parse(args)),
            DataCommand::NarfPfAdd => run!(PfAdd::with_limit(args)),
            DataCommand::NarfPfMerge => run!(PfMerge::with_limit(args)),

            DataCommand::Copy => run!(CopyKey::parse(args)),
            DataCommand::Del | DataCommand::Unlink => run!(Count::parse(args, Each::Delete)),
            DataCommand::Dump => run!(Dump::parse(args)),
            DataCommand::Exists => run!(Count::parse(args, Each::Exists)),
            DataCommand::Move => run!(MoveKey::parse(args)),
            DataCommand::Rename => run!(Rename::parse(args)),
            DataCommand::RenameNx => run!(Rename::if_absent(args)),
            DataCommand::Restore => run!(Restore::parse(args)),
            DataCommand::Sort => run!(Sort::parse(args)),
            DataCommand::SortRo => run!(Sort::read_only(args)),
            DataCommand::Touch => run!(Count::parse(args, Each::Touch)),
            DataCommand::Type => run!(TypeOf::parse(args)),

            DataCommand::Expire => run!(Expire::parse(args, Unit::Seconds, Since::Now, command)),
            DataCommand::ExpireAt => run!(Expire::parse(args, Unit::Seconds, Since::Epoch, command)),
            DataCommand::ExpireTime => run!(Ttl::parse(args, Unit::Seconds, Told::Moment)),
            DataCommand::Persist => run!(Persist::parse(args)),
            DataCommand::PExpire => run!(Expire::parse(args, Unit::Millis, Since::Now, command)),
            DataCommand::PExpireAt => run!(Expire::parse(args, Unit::Millis, Since::Epoch, command)),
            DataCommand::PExpireTime => run!(Ttl::parse(args, Unit::Millis, Told::Moment)),
            DataCommand::PTtl => run!(Ttl::parse(args, Unit::Millis, Told::Remaining)),
            DataCommand::Ttl => run!(Ttl::parse(args, Unit::Seconds, Told::Remaining)),

            DataCommand::ObjectEncoding => run!(Object::parse(args, Fact::Encoding)),
            DataCommand::ObjectFreq => run!(Object::parse(args, Fact::Frequency)),
            DataCommand::ObjectIdleTime => run!(Object::parse(args, Fact::IdleTime)),
            DataCommand::ObjectRefCount => run!(Object::parse(args, Fact::RefCount)),
            DataCommand::MemoryUsage => run!(MemoryUsage::parse(args)),
            DataCommand::DebugObject => run!(DebugObject::parse(args)),
            DataCommand::DebugDigestValue => run!(DebugDigestValue::parse(args)),

            DataCommand::NarfEvict => run!(NarfEvict::parse(args)),
            DataCommand::NarfExpire => run!(NarfExpire::parse(args)),
            DataCommand::NarfOnce => run!(NarfOnce::parse(args)),
            DataCommand::NarfPut => run!(NarfPut::parse(args)),
            DataCommand::NarfFlush => run!(NarfFlush::parse(args)),
        }
    }};
}

/// Carries out a request and writes its reply; whether that is an error. A wrong request is answered and changes nothing.
///
/// The number of arguments was checked against the table before; if it was not, missing ones read as empty.
#[inline]
pub fn execute(command: DataCommand, args: Args<'_>, store: &mut Store<'_>, reply: &mut Reply<'_>) -> bool {
    let Err(error) = try_execute(command, args, store, reply) else { return false };
    error.write(reply);
    true
}

/// Whether a request is right as far as that can be told without looking at any key.
pub fn check(command: DataCommand, args: Args<'_>) -> Result<(), RequestError<'_>> {
    with_operation!(command, args, operation => {
        // Only that it can be made was asked.
        let _ = operation;
        Ok(())
    })
}

#[inline]
fn try_execute<'a>(
    command: DataCommand,
    args: Args<'a>,
    store: &mut Store<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), RequestError<'a>> {
    with_operation!(command, args, operation => operation.apply(store, reply))
}
