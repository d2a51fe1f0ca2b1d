//! Rows of the commands on positions: members of sorted sets whose scores say where they are.

use super::prelude::*;
use crate::DataCommand::*;

rows_of!(Group::Geo; data);

/// What a search goes through, in the words of all their costs.
const SEARCH_COST: &str = "O(N + log(M) + R*log(R)), N the members in the cells of the grid that cover the area, M the \
                           size of the sorted set, R the members found";

pub(super) const ROWS: &[Row] = &[
    data(GeoAdd, "geoadd", -5, WRITE | DENYOOM)
        .since("3.2.0")
        .keys(&[key(1, 1, 1, RW | UPDATE)])
        .syntax("key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]")
        .cost("O(log N) a member added, N the size of the sorted set")
        .summary("Adds members with their positions, or gives those that are there new ones."),
    data(GeoDist, "geodist", -4, READONLY)
        .since("3.2.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key member1 member2 [M | KM | FT | MI]")
        .cost("O(1)")
        .summary("Returns the distance between two members."),
    data(GeoHash, "geohash", -2, READONLY)
        .since("3.2.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key [member [member ...]]")
        .cost("O(N), N the number of members asked for")
        .summary("Returns the positions of members as geohash texts of eleven characters."),
    data(GeoPos, "geopos", -2, READONLY)
        .since("3.2.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax("key [member [member ...]]")
        .cost("O(N), N the number of members asked for")
        .summary("Returns the longitudes and latitudes of members."),
    data(GeoRadius, "georadius", -6, WRITE | DENYOOM)
        .since("3.2.0")
        .keys(&[key(1, 1, 1, RO | ACCESS), behind("STORE", 6, OW | UPDATE), behind("STOREDIST", 6, OW | UPDATE)])
        .syntax(
            "key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] \
             [ASC | DESC] [STORE key | STOREDIST key]",
        )
        .cost(SEARCH_COST)
        .summary("Returns or stores the members within a distance of a point.")
        .deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument"),
    data(GeoRadiusRo, "georadius_ro", -6, READONLY)
        .since("3.2.10")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax(
            "key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] \
             [ASC | DESC]",
        )
        .cost(SEARCH_COST)
        .summary("Returns the members within a distance of a point.")
        .deprecated("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument"),
    data(GeoRadiusByMember, "georadiusbymember", -5, WRITE | DENYOOM)
        .since("3.2.0")
        .keys(&[key(1, 1, 1, RO | ACCESS), behind("STORE", 5, OW | UPDATE), behind("STOREDIST", 5, OW | UPDATE)])
        .syntax(
            "key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC] \
             [STORE key | STOREDIST key]",
        )
        .cost(SEARCH_COST)
        .summary("Returns or stores the members within a distance of a member.")
        .deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments"),
    data(GeoRadiusByMemberRo, "georadiusbymember_ro", -5, READONLY)
        .since("3.2.10")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax(
            "key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]",
        )
        .cost(SEARCH_COST)
        .summary("Returns the members within a distance of a member.")
        .deprecated("6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments"),
    data(GeoSearch, "geosearch", -7, READONLY)
        .since("6.2.0")
        .keys(&[key(1, 1, 1, RO | ACCESS)])
        .syntax(
            "key <FROMMEMBER member | FROMLONLAT longitude latitude> <BYRADIUS radius <M | KM | FT | MI> | BYBOX width \
             height <M | KM | FT | MI>> [ASC | DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]",
        )
        .cost(SEARCH_COST)
        .summary("Returns the members within a circle or a box around a point or a member."),
    data(GeoSearchStore, "geosearchstore", -8, WRITE | DENYOOM)
        .since("6.2.0")
        .keys(&[key(1, 1, 1, OW | UPDATE), key(2, 2, 1, RO | ACCESS)])
        .syntax(
            "destination source <FROMMEMBER member | FROMLONLAT longitude latitude> <BYRADIUS radius <M | KM | FT | \
             MI> | BYBOX width height <M | KM | FT | MI>> [ASC | DESC] [COUNT count [ANY]] [STOREDIST]",
        )
        .cost(SEARCH_COST)
        .summary("Stores the members within a circle or a box, and returns how many they are."),
];
