//! Commands on positions.

use narf_tests::{Server, on_one_and_two_workers};

on_one_and_two_workers!(
    positions_are_members_with_scores,
    distances_come_in_four_units,
    members_in_a_circle_are_found,
    members_in_a_box_are_found,
    searches_tell_more_and_less,
    what_is_found_is_stored,
    searches_are_stored_over_partitions,
    older_searches_do_the_same,
    keys_to_store_at_are_found,
    resp3_gives_coordinates_as_doubles,
    wrong_geo_requests_are_refused,
    positions_come_back_after_a_reload,
);

const SICILY: &str = "GEOADD Sicily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania";

fn positions_are_members_with_scores(node: &Server) {
    let mut c = node.client();
    c.check(SICILY, ":2");
    c.check_all(
        r#"
        ZRANGE Sicily 0 -1 WITHSCORES => ["Palermo", "3479099956230698", "Catania", "3479447370796909"]
        TYPE Sicily => +zset
        GEOHASH Sicily Palermo none Catania => ["sqc8b49rny0", nil, "sqdtr74hyu0"]
        GEOPOS Sicily Palermo none => [["13.36138933897018433", "38.11555639549629859"], nil*]
        GEOPOS none a b => [nil*, nil*]
        GEOHASH none a => [nil]
        GEOPOS Sicily => []
        GEOHASH none => []
        GEOADD Sicily NX 0 0 Palermo 14 37.3 Agrigento => :1
        GEOADD Sicily XX CH 13.6 37.3 Agrigento 1 1 other => :1
        GEOADD Sicily XX 1 1 other => :0
        GEOADD Sicily CH 13.6 37.3 Agrigento => :0
        ZCARD Sicily => :3
        GEOADD none XX 1 1 a => :0
        EXISTS none => :0
        GEOADD edge 180 85.05112878 ne -180 -85.05112878 sw => :2
        GEOPOS edge ne sw => [["180", "85.0511287799999991"], ["-179.99999731779098511", "-85.05112751263942528"]]
        ZADD scores -1 a 1.5 b 1e300 c inf d => :4
        GEOPOS scores a d => [["180", "85.0511287799999991"], ["-179.99999731779098511", "-85.05112751263942528"]]
        "#,
    );
}

fn distances_come_in_four_units(node: &Server) {
    let mut c = node.client();
    c.check(SICILY, ":2");
    c.check_all(
        r#"
        GEODIST Sicily Palermo Catania => "166274.1516"
        GEODIST Sicily Palermo Catania km => "166.2742"
        GEODIST Sicily Catania Palermo MI => "103.3182"
        GEODIST Sicily Palermo Catania ft => "545518.8700"
        GEODIST Sicily Palermo Palermo => "0.0000"
        GEODIST Sicily Palermo none => nil
        GEODIST none a b => nil
        GEOADD poles 0 85 a 180 -85 b => :2
        GEODIST poles a b => "20020733.7314"
        "#,
    );
}

fn members_in_a_circle_are_found(node: &Server) {
    let mut c = node.client();
    c.check(SICILY, ":2");
    c.check_all(
        r#"
        GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km ASC => ["Catania", "Palermo"]
        GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 100 km => ["Catania"]
        GEOSEARCH Sicily BYRADIUS 200 KM FROMLONLAT 15 37 DESC => ["Palermo", "Catania"]
        GEOSEARCH Sicily FROMMEMBER Palermo BYRADIUS 0 m => ["Palermo"]
        GEOSEARCH Sicily FROMMEMBER Palermo BYRADIUS 104 mi ASC => ["Palermo", "Catania"]
        GEOSEARCH Sicily FROMLONLAT 0 0 BYRADIUS 1 m => []
        GEOSEARCH Sicily FROMLONLAT 0 0 BYRADIUS inf m ASC => ["Catania", "Palermo"]
        GEOSEARCH none FROMMEMBER any BYRADIUS 1 m => []
        "#,
    );
}

fn members_in_a_box_are_found(node: &Server) {
    let mut c = node.client();
    c.check(SICILY, ":2");
    c.check_all(
        r#"
        GEOADD Sicily 12.758489 38.788135 edge1 17.241510 38.788135 edge2 => :2
        GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 400 400 km ASC => ["Catania", "Palermo", "edge2", "edge1"]
        GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 400 300 km ASC => ["Catania", "Palermo"]
        GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 200 400 km => ["Catania"]
        GEOSEARCH Sicily FROMMEMBER Catania BYBOX 0 0 ft => ["Catania"]
        "#,
    );
}

fn searches_tell_more_and_less(node: &Server) {
    let mut c = node.client();
    c.check(SICILY, ":2");
    c.check_all(
        r#"
        GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km ASC WITHDIST => [["Catania", "56.4413"], ["Palermo", "190.4424"]]
        GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km COUNT 1 => ["Catania"]
        GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km DESC COUNT 1 WITHHASH => [["Palermo", :3479099956230698]]
        GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km COUNT 1 ANY => ["Palermo"]
        GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 200 km COUNT 9 ANY ASC => ["Catania", "Palermo"]
        GEOSEARCH Sicily FROMMEMBER Palermo BYRADIUS 1 km WITHCOORD WITHHASH WITHDIST => [["Palermo", "0.0000", :3479099956230698, ["13.36138933897018433", "38.11555639549629859"]]]
        "#,
    );
    // So many that they take the other form, in a grid of half a degree.
    for row in 0..20 {
        let places: Vec<String> = (0..20)
            .map(|column| {
                format!("{} {} {row}-{column}", 10.0 + f64::from(column) / 2.0, 40.0 + f64::from(row) / 2.0)
            })
            .collect();
        c.check(&format!("GEOADD grid {}", places.join(" ")), ":20");
    }
    c.check("OBJECT ENCODING grid", "\"skiplist\"");
    c.check(
        "GEOSEARCH grid FROMMEMBER 9-9 BYBOX 85 112 km ASC",
        r#"["9-9", "9-8", "9-10", "8-9", "10-9", "10-8", "10-10", "8-8", "8-10"]"#,
    );
    let all = c.run("GEOSEARCH grid FROMLONLAT 14 44 BYRADIUS 3000 km");
    assert_eq!(all.items().len(), 400);
    let some = c.run("GEOSEARCH grid FROMLONLAT 14 44 BYRADIUS 3000 km COUNT 7 ANY");
    assert_eq!(some.items().len(), 7);
}

fn what_is_found_is_stored(node: &Server) {
    let mut c = node.client();
    c.check("GEOADD {s}icily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania", ":2");
    c.check_all(
        r#"
        GEOSEARCHSTORE {s}to {s}icily FROMLONLAT 15 37 BYRADIUS 200 km => :2
        ZRANGE {s}to 0 -1 WITHSCORES => ["Palermo", "3479099956230698", "Catania", "3479447370796909"]
        GEOSEARCHSTORE {s}to {s}icily FROMLONLAT 15 37 BYBOX 400 400 km COUNT 1 => :1
        ZRANGE {s}to 0 -1 => ["Catania"]
        GEOSEARCHSTORE {s}to {s}icily FROMLONLAT 15 37 BYRADIUS 200 km STOREDIST => :2
        ZRANGEBYSCORE {s}to 56.4412 56.4413 => ["Catania"]
        ZRANGEBYSCORE {s}to 190.4424 190.4425 => ["Palermo"]
        SET {s}text x => +OK
        GEOSEARCHSTORE {s}text {s}icily FROMMEMBER Palermo BYRADIUS 1 m => :1
        TYPE {s}text => +zset
        GEOSEARCHSTORE {s}text {s}icily FROMLONLAT 0 0 BYRADIUS 1 m => :0
        EXISTS {s}text => :0
        GEOSEARCHSTORE {s}to {s}none FROMMEMBER any BYRADIUS 1 m => :0
        EXISTS {s}to => :0
        GEOSEARCHSTORE {s}icily {s}icily FROMMEMBER Palermo BYRADIUS 1 km => :1
        ZRANGE {s}icily 0 -1 => ["Palermo"]
        "#,
    );
}

/// Source and destination in several partitions, of several workers.
fn searches_are_stored_over_partitions(node: &Server) {
    let mut c = node.client();
    for key in 0..16 {
        c.check(&format!("GEOADD from{key} 10.{key} 50 a 10.{key} 50.1 b 11.5 52 far"), ":3");
        c.check(&format!("GEOSEARCHSTORE to{key} from{key} FROMMEMBER a BYRADIUS 20 km"), ":2");
        c.check(&format!("ZRANGE to{key} 0 -1"), r#"["a", "b"]"#);
        c.check(&format!("GEORADIUS from{key} 10.{key} 50 20 km STOREDIST dist{key}"), ":2");
        c.check(&format!("GEORADIUSBYMEMBER from{key} far 1 m STORE to{key}"), ":1");
        c.check(&format!("ZRANGE to{key} 0 -1"), r#"["far"]"#);
        c.check(&format!("GEORADIUSBYMEMBER none far 1 m STORE to{key}"), ":0");
        c.check(&format!("EXISTS to{key} dist{key}"), ":1");
    }
}

fn older_searches_do_the_same(node: &Server) {
    let mut c = node.client();
    c.check("GEOADD {s}icily 13.361389 38.115556 Palermo 15.087269 37.502669 Catania", ":2");
    c.check_all(
        r#"
        GEORADIUS {s}icily 15 37 200 km ASC => ["Catania", "Palermo"]
        GEORADIUS {s}icily 15 37 200 km WITHDIST DESC => [["Palermo", "190.4424"], ["Catania", "56.4413"]]
        GEORADIUS_RO {s}icily 15 37 200 km COUNT 1 ANY WITHHASH => [["Palermo", :3479099956230698]]
        GEORADIUSBYMEMBER {s}icily Palermo 200 km DESC => ["Catania", "Palermo"]
        GEORADIUSBYMEMBER_RO {s}icily Palermo 100 km => ["Palermo"]
        GEORADIUS {s}icily 15 37 200 km STORE {s}to => :2
        GEORADIUS {s}icily 15 37 200 km STOREDIST {s}x STORE {s}to COUNT 1 => :1
        EXISTS {s}x => :0
        ZRANGE {s}to 0 -1 WITHSCORES => ["Catania", "3479447370796909"]
        GEORADIUSBYMEMBER {s}icily Palermo 200 km STOREDIST {s}to => :2
        ZSCORE {s}to Palermo => "0"
        GEORADIUSBYMEMBER {s}none x y z => []
        GEORADIUSBYMEMBER {s}none x y z STORE {s}to => :0
        EXISTS {s}to => :0
        "#,
    );
}

fn keys_to_store_at_are_found(node: &Server) {
    let mut c = node.client();
    c.check_all(
        r#"
        COMMAND GETKEYS GEORADIUS k 1 1 1 m STORE a => ["k", "a"]
        COMMAND GETKEYS GEORADIUS k 1 1 1 m STOREDIST b STORE a => ["k", "a", "b"]
        COMMAND GETKEYS GEORADIUS k 1 1 1 m COUNT 1 => ["k"]
        COMMAND GETKEYS GEORADIUSBYMEMBER k STORE 1 m storedist b => ["k", "b"]
        COMMAND GETKEYS GEORADIUS_RO k 1 1 1 m STORE a => ["k"]
        COMMAND GETKEYS GEOSEARCHSTORE a b FROMMEMBER m BYRADIUS 1 m => ["a", "b"]
        COMMAND GETKEYSANDFLAGS GEORADIUS k 1 1 1 m STORE a => [["k", [+RO, +access]], ["a", [+OW, +update]]]
        "#,
    );
}

fn resp3_gives_coordinates_as_doubles(node: &Server) {
    let mut c = node.client();
    c.hello3();
    c.check(SICILY, ":2");
    c.check_all(
        r#"
        GEOPOS Sicily Palermo none => [[,13.36138933897018433, ,38.11555639549629859], null]
        GEODIST Sicily Palermo Catania km => "166.2742"
        GEOHASH Sicily none => [null]
        GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 100 km WITHDIST WITHCOORD WITHHASH => [["Catania", "56.4413", :3479447370796909, [,15.08726745843887329, ,37.50266842333162032]]]
        "#,
    );
}

fn wrong_geo_requests_are_refused(node: &Server) {
    let mut c = node.client();
    c.check(SICILY, ":2");
    c.check_all(
        r#"
        SET text x => +OK
        GEOADD g 200 0 a => -ERR invalid longitude,latitude pair 200.000000,0.000000
        GEOADD g 0 inf a => -ERR invalid longitude,latitude pair 0.000000,inf
        GEOADD g 1 1 a 0 -85.06 b => -ERR invalid longitude,latitude pair 0.000000,-85.060000
        EXISTS g => :0
        GEOADD g x 0 a => -ERR value is not a valid float
        GEOADD g 1 1 a 2 => -ERR syntax error
        GEOADD g NX XX 1 1 a => -ERR syntax error
        GEOADD g NX CH XX => -ERR syntax error
        GEOADD g GT 1 1 a => -ERR syntax error
        GEOADD text 1 1 a => -WRONGTYPE Operation against a key holding the wrong kind of value
        GEOPOS text a => -WRONGTYPE Operation against a key holding the wrong kind of value
        GEOSEARCH text x => -ERR wrong number of arguments for 'geosearch' command
        GEOSEARCH text FROMLONLAT x y BYRADIUS x y => -WRONGTYPE Operation against a key holding the wrong kind of value
        GEODIST Sicily Palermo Catania yd => -ERR unsupported unit provided. please use M, KM, FT, MI
        GEODIST Sicily Palermo Catania m m => -ERR syntax error
        GEOSEARCH Sicily FROMMEMBER none BYRADIUS 1 m => -ERR could not decode requested zset member
        GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS -1 m => -ERR radius cannot be negative
        GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS x m => -ERR need numeric radius
        GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX x 1 m => -ERR need numeric width
        GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 1 x m => -ERR need numeric height
        GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 1 -1 m => -ERR height or width cannot be negative
        GEOSEARCH Sicily FROMLONLAT 15 37 BYBOX 1 1 yd => -ERR unsupported unit provided. please use M, KM, FT, MI
        GEOSEARCH Sicily FROMLONLAT 15 37 FROMMEMBER Palermo BYRADIUS 1 m => -ERR syntax error
        GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 1 m BYBOX 1 1 m => -ERR syntax error
        GEOSEARCH Sicily FROMLONLAT 15 37 ASC ASC => -ERR exactly one of BYRADIUS and BYBOX can be specified for GEOSEARCH
        geosearch Sicily BYRADIUS 1 m ASC ASC => -ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for geosearch
        GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 1 m ANY => -ERR the ANY argument requires COUNT argument
        GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 1 m COUNT 0 => -ERR COUNT must be > 0
        GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 1 m COUNT x => -ERR value is not an integer or out of range
        GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 1 m STORE to => -ERR syntax error
        GEOSEARCH Sicily FROMLONLAT 15 37 BYRADIUS 1 m STOREDIST => -ERR syntax error
        GEOSEARCHSTORE Sicily Sicily FROMLONLAT 15 37 BYRADIUS 1 m WITHDIST => -ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options
        GEORADIUS Sicily 15 37 1 m WITHDIST STORE Sicily => -ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options
        GEORADIUS_RO Sicily 15 37 1 m STORE Sicily => -ERR syntax error
        GEORADIUS Sicily 15 37 1 m STORE => -ERR syntax error
        GEORADIUS Sicily 15 37 1 m FROMMEMBER Palermo => -ERR syntax error
        "#,
    );
}

fn positions_come_back_after_a_reload(node: &Server) {
    let mut c = node.client();
    c.check(SICILY, ":2");
    c.check("GEOSEARCHSTORE {Sicily}far Sicily FROMLONLAT 15 37 BYRADIUS 200 km STOREDIST", ":2");
    let before = c.run("DEBUG DIGEST-VALUE Sicily {Sicily}far");
    c.check("DEBUG RELOAD", "+OK");
    assert_eq!(c.run("DEBUG DIGEST-VALUE Sicily {Sicily}far"), before);
    c.check("GEODIST Sicily Palermo Catania", "\"166274.1516\"");
}
