//! Random and mutated inputs against the properties in `checks`; the fuzz target runs the same ones for longer.

mod checks;

use base::Random;
use proptest::prelude::*;
use resp::{Reply, Value, ValueDecoder, Version};

const SEEDS: &[&[u8]] = &[
    b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
    b"PING\r\nset \"a\\x41\\n\" 'b\\'c'\r\n\r\n*0\r\n*-1\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01SSH-2.0-x\r\n",
    b"*2\r\n$11\r\n01234567890\r\n$0\r\n\r\n",
    b"%1\r\n+a\r\n*2\r\n:1\r\n~1\r\n_\r\n|1\r\n+t\r\n,1.5\r\n#t\r\n",
    b"=6\r\ntxt:hi\r\n!6\r\nERR no\r\n(123\r\n>1\r\n$-1\r\n*-1\r\n-ERR a\r\n,nan\r\n",
];

#[test]
fn mutated_and_random_bytes_keep_every_property() {
    let mut random = Random::new(0x6e617266);
    let mut below = |limit: usize| (random.next_u64() % limit as u64) as usize;
    for round in 0..20_000 {
        let mut data = vec![below(256) as u8];
        if round % 8 == 0 {
            data.extend((0..below(64)).map(|_| below(256) as u8));
        } else {
            data.extend(SEEDS[below(SEEDS.len())]);
            data.extend(SEEDS[below(SEEDS.len())]);
        }
        for _ in 0..below(4) {
            let at = below(data.len());
            match below(4) {
                0 => data[at] = below(256) as u8,
                1 => data[at] = b"\r\n$*\"'0123456789-\\x "[below(20)],
                2 => drop(data.remove(at)),
                _ => data.insert(at, b"\r\n$*\"'019\\ "[below(11)]),
            }
            if data.is_empty() {
                data.push(0);
            }
        }
        checks::check_bytes(&data);
    }
}

fn value() -> impl Strategy<Value = Value> {
    let line = "[a-zA-Z0-9 ]{0,12}";
    let leaf = prop_oneof![
        line.prop_map(Value::Simple),
        line.prop_map(Value::Error),
        any::<i64>().prop_map(Value::Int),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bulk),
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        any::<f64>().prop_filter("equal to itself", |f| !f.is_nan()).prop_map(Value::Double),
        "-?[0-9]{1,30}".prop_map(Value::BigNumber),
        prop::collection::vec(any::<u8>(), 0..9)
            .prop_map(|text| Value::Verbatim { format: "txt".into(), text }),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Set),
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Push),
            prop::collection::vec((inner.clone(), inner), 0..4).prop_map(Value::Map),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn replies_survive_encode_and_decode_at_any_cut(value in value(), cut in 0usize..200) {
        let mut encoded = Vec::new();
        value.write(&mut Reply::new(&mut encoded, Version::Resp3));
        let mut decoder = ValueDecoder::new();
        let cut = cut.min(encoded.len() - 1);
        prop_assert_eq!(decoder.decode(&encoded[..cut]), Ok(None));
        prop_assert_eq!(decoder.decode(&encoded), Ok(Some((value, encoded.len()))));
    }

    #[test]
    fn requests_survive_encode_and_decode_at_any_cut(
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..20),
        cut: u8,
    ) {
        let mut data = vec![cut];
        resp::write_request(&mut data, &parts);
        checks::check_bytes(&data);
    }
}
