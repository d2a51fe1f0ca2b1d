//! Two-word names for nodes, such as `quiet-otter`: easier to say and to tell apart than an id. Not unique; the id is.

/// The name that these random bits stand for.
pub fn mint(bits: u64) -> String {
    let (first, second) = (bits as u32 as usize, (bits >> 32) as usize);
    format!("{}-{}", FIRST[first % FIRST.len()], SECOND[second % SECOND.len()])
}

// Powers of two, so that every name is as likely as any other.
const FIRST: [&str; 64] = [
    "amber", "bold", "brave", "breezy", "bright", "brisk", "calm", "candid", "cheery", "clever", "cosmic",
    "cosy", "crisp", "curious", "daring", "dewy", "eager", "early", "fair", "fancy", "fleet", "frosty",
    "gentle", "glad", "golden", "grand", "happy", "hardy", "honest", "humble", "icy", "jolly", "keen",
    "kind", "lively", "loyal", "lucky", "lunar", "mellow", "merry", "misty", "neat", "nimble", "noble",
    "patient", "plucky", "proud", "quick", "quiet", "rapid", "rosy", "royal", "rustic", "silent", "silver",
    "snowy", "solar", "steady", "sunny", "swift", "tidy", "vivid", "warm", "witty",
];

const SECOND: [&str; 64] = [
    "adder", "badger", "bear", "beaver", "bison", "bobcat", "camel", "cobra", "condor", "coyote", "crane",
    "crow", "deer", "dingo", "dolphin", "dove", "eagle", "egret", "elk", "falcon", "ferret", "finch", "fox",
    "gecko", "gibbon", "goose", "hare", "hawk", "heron", "ibex", "iguana", "jackal", "jaguar", "kestrel",
    "kite", "koala", "lemur", "lion", "llama", "lynx", "marmot", "marten", "mole", "moose", "newt", "ocelot",
    "orca", "osprey", "otter", "owl", "panda", "puffin", "puma", "raven", "robin", "seal", "stork", "swan",
    "tapir", "tiger", "toad", "walrus", "wolf", "wren",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_two_plain_words_and_each_has_its_own_bits() {
        let mut names: Vec<String> =
            (0..64).flat_map(|first| (0..64).map(move |second| mint(first | second << 32))).collect();
        assert_eq!(mint(48 | 48 << 32), "quiet-otter");
        for name in &names {
            let (first, second) = name.split_once('-').unwrap();
            assert!(
                [first, second].iter().all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase())),
                "{name}"
            );
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 64 * 64);
    }
}
