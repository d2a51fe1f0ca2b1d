//! A node whose program knows one level more than this one: what the next version will be to its neighbours. For trying how a
//! cluster is brought to another version, before there is one; the black-box suite does.
//!
//! Takes the command line of `narf serve` with the program's name before it: `next_level narf serve --port 6380`.

use server::config::{self, FlagValue, Flags};
use server::{Hooks, Levels};

fn main() -> anyhow::Result<()> {
    let mut values: Vec<FlagValue> = Vec::new();
    // Behind the names of both programs and of the command. A flag without a value is a switch.
    for word in std::env::args().skip(3) {
        match (word.strip_prefix("--"), values.last_mut()) {
            (Some(key), _) => {
                let (key, value) = (key.to_owned(), "yes".to_owned());
                values.push(FlagValue { flag: word, key, value });
            }
            (None, Some(last)) => last.value = word,
            (None, None) => anyhow::bail!("`{word}` is no flag"),
        }
    }
    let resolved = config::resolve(&Flags { values, ..Flags::default() })?;
    let known = Levels::default();
    let levels = Levels::new(known.oldest().0, known.newest().0 + 1);
    let levels = levels.ok_or_else(|| anyhow::anyhow!("there is no further level"))?;
    server::serve(resolved, Hooks { ready: Box::new(drop), allocator: None, levels })
}
