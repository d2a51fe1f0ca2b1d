//! What earlier versions wrote, read by this one: whoever upgrades has such files on the disk.
//!
//! `tests/earlier` holds checkpoints and log of small nodes as text, the requests that were made then, and their answers. No
//! file in it is ever changed; the form of files around them is tested in `narf-log`.

use crate::net::{Net, key_in};

/// Of a version that knew no numbered requests.
const WITHOUT_LEDGERS: &str = include_str!("../earlier/without-ledgers.txt");

#[test]
fn what_was_written_before_there_were_ledgers_is_read() {
    for workers in 1..=3 {
        let mut net = Net::on_text(WITHOUT_LEDGERS, workers);
        let client = net.connect(0);
        let lines: Vec<&str> = WITHOUT_LEDGERS.lines().collect();
        let mut count = 0;
        for pair in lines.windows(2) {
            if let (Some(line), Some(answer)) =
                (pair[0].strip_prefix("asked "), pair[1].strip_prefix("answer "))
            {
                assert_eq!(net.ask(client, line), answer, "{line}");
                count += 1;
            }
        }
        assert!(count >= 20, "{count} were asked");
        for partition in 0..8 {
            assert_eq!(
                net.ask(client, &format!("GET {}", key_in(partition, "of:"))),
                format!("\"{partition}\"")
            );
        }
        // And goes on from there.
        let number = "CLIENT SESSION SEQ 018bcfe5-67ff-7000-8000-000000000001 1";
        assert_eq!(net.talk(client, &[number, "INCR n", number, "INCR n"]), ["OK", "44", "OK", "44"]);
    }
}
