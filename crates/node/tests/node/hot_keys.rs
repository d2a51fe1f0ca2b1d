//! Keys that are asked for most: counted while somebody asks, on all workers, in bounded space.

use resp::Value;

use crate::net::{ClientId, Net, on_all};

/// A key, its reads and writes a second, and its command.
type Hot = (String, f64, f64, String);

/// Requests a second in all, and the keys.
#[track_caller]
fn hot(net: &mut Net, client: ClientId, line: &str) -> (f64, Vec<Hot>) {
    net.send(client, &[line]);
    net.settle();
    let told = net.take_values(client).pop().expect("an answer");
    let Value::Array(pairs) = &told else { panic!("{told:?}") };
    let [_, rate, _, Value::Array(keys)] = pairs.as_slice() else { panic!("{told:?}") };
    let text = |value: &Value| String::from_utf8(value.as_bytes().unwrap().to_vec()).unwrap();
    let number = |value: &Value| text(value).parse::<f64>().unwrap();
    let key = |key: &Value| {
        let fields = key.as_slice().unwrap();
        (text(&fields[1]), number(&fields[5]), number(&fields[7]), text(&fields[9]))
    };
    (number(rate), keys.iter().map(key).collect())
}

fn repeat(net: &mut Net, client: ClientId, line: &str, times: usize) {
    net.send(client, &vec![line; times]);
    net.settle();
    net.take(client);
}

#[test]
fn keys_are_counted_from_the_first_question_until_some_time_after_the_last() {
    on_all(|net| {
        let (watcher, other) = (net.connect(0), net.connect(1));
        repeat(net, other, "GET before", 50);
        assert_eq!(hot(net, watcher, "FABRIC HOTKEYS"), (0.0, Vec::new()));
        for client in [watcher, other] {
            repeat(net, client, "GET a", 30);
            repeat(net, client, "INCR a", 10);
            repeat(net, client, "MGET b c", 10);
            repeat(net, client, "PING", 10);
        }
        // What is queued is asked for, too, and once.
        net.talk(other, &["MULTI", "SET d 1", "EXEC"]);
        net.pass(1000);
        let (rate, keys) = hot(net, watcher, "FABRIC HOTKEYS");
        let names: Vec<&str> = keys.iter().map(|key| key.0.as_str()).collect();
        assert_eq!(names, ["a", "b", "c", "d"], "{keys:?}");
        assert_eq!((keys[0].3.as_str(), keys[1].3.as_str()), ("get", "mget"));
        // 121 in a second or a little more.
        assert!((60.0..=121.0).contains(&rate), "{rate}");
        let ratio = |part: f64, whole: f64| (part / rate * 121.0 - whole).abs() < 0.5;
        assert!(ratio(keys[0].1, 60.0) && ratio(keys[0].2, 20.0) && ratio(keys[3].2, 1.0), "{keys:?}");
        assert_eq!(hot(net, watcher, "FABRIC HOTKEYS 1").1.len(), 1);
        for line in ["FABRIC HOTKEYS 0", "FABRIC HOTKEYS 129", "FABRIC HOTKEYS x", "FABRIC HOTKEYS 1 1"] {
            assert!(net.ask(watcher, line).contains("FABRIC HOTKEYS takes how many"), "{line}");
        }
        // Nobody asks any more.
        net.pass(11_000);
        repeat(net, other, "GET after", 50);
        assert_eq!(hot(net, watcher, "FABRIC HOTKEYS"), (0.0, Vec::new()));
    });
}

#[test]
fn what_was_long_ago_fades() {
    let mut net = Net::new(1, 1);
    let client = net.connect(0);
    hot(&mut net, client, "FABRIC HOTKEYS");
    repeat(&mut net, client, "GET old", 1000);
    for _ in 0..8 {
        net.pass(2000);
        repeat(&mut net, client, "GET new", 100);
        hot(&mut net, client, "FABRIC HOTKEYS");
    }
    let (_, keys) = hot(&mut net, client, "FABRIC HOTKEYS");
    assert_eq!(keys[0].0, "new");
    let old = keys.iter().find(|key| key.0 == "old").map_or(0.0, |key| key.1);
    assert!(old < keys[0].1 / 20.0, "{keys:?}");
}

#[test]
fn a_busy_key_is_found_among_any_number_of_others_and_space_is_bounded() {
    let mut net = Net::new(2, 3);
    let (watcher, client) = (net.connect(0), net.connect(1));
    hot(&mut net, watcher, "FABRIC HOTKEYS");
    let long = "x".repeat(1000);
    // More than are counted one by one: a twentieth is for the one key, and as many for a long one.
    for round in 0..200 {
        let lines: Vec<String> = (0..100)
            .map(|number| match number % 20 {
                0 => "GET hot".to_owned(),
                1 => format!("SET {long} 1"),
                _ => format!("GET key:{}", round * 100 + number),
            })
            .collect();
        net.send(client, &lines.iter().map(String::as_str).collect::<Vec<_>>());
        net.settle();
    }
    net.take(client);
    net.pass(500);
    let (rate, keys) = hot(&mut net, watcher, "FABRIC HOTKEYS 128");
    assert!(keys.len() <= 128);
    let share = |name: &str| {
        let key = keys.iter().find(|key| key.0 == name).unwrap_or_else(|| panic!("{name} is not told of"));
        (key.1 + key.2) / rate
    };
    for name in ["hot", &long[..256]] {
        assert!((0.03..0.08).contains(&share(name)), "{name}: {}", share(name));
    }
    assert!(keys[..2].iter().all(|key| key.0 == "hot" || key.0.starts_with('x')), "{:?}", &keys[..3]);
    assert!(keys.iter().map(|key| key.1 + key.2).sum::<f64>() <= rate * 1.01, "nothing is told twice");
}
