//! What is written is read back, whatever is in it.

use base::Random;

use super::*;

fn piece(random: &mut Random) -> Vec<u8> {
    match random.below(8) {
        0..=3 => (random.next_u64() as i64 >> random.below(64)).to_string().into_bytes(),
        4 => vec![b'x'; [0, 63, 64, 4095, 4096, 70_000][random.below(6) as usize]],
        5 => {
            [&b"-0"[..], b"+1", b"01", b"9223372036854775808", b"1.5", b""][random.below(6) as usize].to_vec()
        }
        _ => (0..random.below(20)).map(|_| random.next_u64() as u8).collect(),
    }
}

fn written(write: impl FnOnce(&mut Writer)) -> Value {
    let mut writer = Writer::default();
    write(&mut writer);
    let bytes = writer.into_bytes();
    for len in 0..bytes.len().min(100) {
        assert_eq!(decode_value(&bytes[..len]), Err(BadValue), "cut to {len} bytes");
    }
    decode_value(&bytes).unwrap()
}

fn row(pieces: &[Vec<u8>]) -> Row {
    let mut row = Row::default();
    pieces.iter().for_each(|piece| row.push(piece));
    row
}

#[test]
fn what_is_written_is_read() {
    let mut random = Random::new(3);
    for _ in 0..300 {
        let len = 2 * (1 + random.below(40) as usize);
        let pieces: Vec<Vec<u8>> = (0..len).map(|_| piece(&mut random)).collect();
        let slices = || pieces.iter().map(Vec::as_slice);
        let pairs = || pieces.chunks(2).map(|pair| (&*pair[0], &*pair[1]));
        assert_eq!(written(|writer| writer.string(&pieces[0])), Value::String(pieces[0].clone()));
        assert_eq!(written(|writer| writer.list(slices())), Value::List(row(&pieces)));
        let set = written(|writer| {
            writer.begin_set(len);
            slices().for_each(|member| writer.member(member));
        });
        assert_eq!(set, Value::Set(row(&pieces)));
        assert_eq!(written(|writer| writer.small_hash(pairs())), Value::Hash(row(&pieces)));
        assert_eq!(written(|writer| writer.hash(len / 2, pairs())), Value::Hash(row(&pieces)));
        let scores: Vec<f64> = (0..len)
            .map(|n| match random.below(6) {
                0 => f64::INFINITY,
                1 => f64::NEG_INFINITY,
                2 => n as f64,
                _ => f64::from_bits(random.next_u64() & !(1 << 62)),
            })
            .collect();
        let scored = || slices().zip(scores.iter().copied());
        let both =
            slices().zip(&scores).flat_map(|(member, score)| [member.to_vec(), score.to_le_bytes().into()]);
        let expect = Value::ZSet(row(&both.collect::<Vec<_>>()));
        assert_eq!(written(|writer| writer.zset(len, scored())), expect);
        assert_eq!(written(|writer| writer.small_zset(scored())), expect);
        let first = Millis(1_700_000_000_000);
        let deadlines: Vec<Option<Millis>> = (0..len / 2)
            .map(|n| (n % 3 != 1).then(|| Millis(first.0 + random.below(1 << 40) * u64::from(n > 0))))
            .collect();
        let fields = || pairs().zip(&deadlines).map(|((field, value), deadline)| (field, value, *deadline));
        let Value::VolatileHash(read) = written(|writer| writer.volatile_hash(len / 2, first, fields()))
        else {
            unreachable!("a hash with deadlines")
        };
        assert!(read.fields().eq(fields()));
        let mut numbers: Vec<i64> = (0..len).map(|_| random.next_u64() as i64 >> random.below(64)).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let texts: Vec<Vec<u8>> = numbers.iter().map(|number| number.to_string().into_bytes()).collect();
        assert_eq!(written(|writer| writer.int_set(numbers.iter().copied())), Value::Set(row(&texts)));
    }
}

#[test]
fn a_listpack_counts_no_further_than_two_bytes_go() {
    for len in [65_534, 65_535, 65_536, 200_000] {
        let mut pack = compact::Listpack::new();
        (0..len).for_each(|n| pack.push(&[n as u8, 0xFE]));
        let mut found = 0;
        let seen = compact::each_of_listpack(&pack.end(), &mut |_| {
            found += 1;
            Ok(())
        });
        assert_eq!((seen, found), (Ok(()), len));
    }
}
