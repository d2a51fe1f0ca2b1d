//! A node inside a program: two threads share a counter, a third listens to a channel.
//!
//! Run with `cargo run --release -p narf --example embedded`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]
#![expect(clippy::disallowed_methods, reason = "an example has threads")]

use std::time::Duration;

use narf::{Node, Value};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::builder().workers(2).start()?;
    let mut listener = node.client();
    listener.send(&["SUBSCRIBE", "done"]);
    listener.next_push(Duration::from_secs(5))?;

    let counters: Vec<_> = (0..2)
        .map(|_| {
            let mut client = node.client();
            std::thread::spawn(move || {
                (0..1000).try_for_each(|_| client.request(&["INCR", "hits"]).map(drop))
            })
        })
        .collect();
    for counter in counters {
        counter.join().map_err(|_| "a thread panicked")??;
    }

    let mut client = node.client();
    client.request(&["PUBLISH", "done", "all counted"])?;
    println!("{:?}", listener.next_push(Duration::from_secs(5))?);
    assert_eq!(client.request(&["GET", "hits"])?, Value::Bulk(b"2000".to_vec()));
    node.stop()?;
    Ok(())
}
