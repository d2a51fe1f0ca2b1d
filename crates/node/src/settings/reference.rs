//! `docs/settings.md`, written from the table.

use super::rows::SETTINGS;
use super::setting::{Change, Section, Setting};

/// The whole page. A test compares it with the file in `docs`.
pub fn reference_markdown() -> String {
    let mut page = String::from(HEAD);
    for &section in Section::ALL {
        let rows = SETTINGS.iter().filter(|row| row.section == section && !row.hidden);
        page.push_str(&format!("\n## {}\n\n", section.title()));
        page.push_str("| Setting | Values | Default | Change | Meaning |\n|---|---|---|---|---|\n");
        rows.for_each(|row| page.push_str(&line(row)));
    }
    page
}

const HEAD: &str = "\
<!-- Written by `cargo xtask docs` from the rows in crates/node/src/settings/table. Change them there. -->
# Settings

Each setting has one name. `maxclients`, say, is `maxclients = 10000` in the file, `--maxclients 10000` as a flag,
`NARF_MAXCLIENTS=10000` in the environment, and `CONFIG SET maxclients 10000` from a client. Where Redis calls it
differently, its name stands in brackets: that is what `CONFIG` uses; the file takes both.

A flag wins over the environment, the environment over the file, the file over the default. The file is the one
named by `--config`, else the first of `./narf.toml`, `~/.config/narf/config.toml` and `/etc/narf/narf.toml`.
`narf config show --origin` tells where each value comes from, and `narf config check` reads the file without
starting anything. `CONFIG REWRITE` writes what `CONFIG SET` changed into that file and leaves the rest of it alone.

Settings are those of one node, `maxmemory` too, for how much memory there is is its machine's: on several nodes, set each
one's, by its file or by asking it. Those that say what becomes of the data are *shared*: `CONFIG SET` of one, on any node,
holds on all of them, on nodes that join later, and after restarts. Until one is set by `CONFIG SET`, each node goes by its
configuration, so give it to all; from then on by what was set, whatever stands there. For the password of `default` see
`CONFIG SET requirepass` in docs/users.md.

Sizes take `kb mb gb` (powers of 1024) and `k m g` (powers of 1000); durations take `us ms s m h d`. *Change* says
when: *running* settings take effect at once by `CONFIG SET`, *shared* ones as well
and on all nodes, *start* ones need a restart, *first start* ones are
fixed when the data folder is made, *fact* is only there to be asked for.
";

fn line(row: &Setting) -> String {
    let mut name = format!("`{}`", row.key);
    if row.key != row.name {
        name.push_str(&format!(" (`{}`)", row.name));
    }
    for alias in row.aliases {
        name.push_str(&format!(" (`{alias}`)"));
    }
    let default = if row.default.is_empty() { "none".to_owned() } else { format!("`{}`", row.default) };
    let change = match row.change {
        Change::Running if row.shared => "shared",
        Change::Running => "running",
        Change::Start => "start",
        Change::FirstStart => "first start",
        Change::Never => "fact",
    };
    format!("| {name} | {} | {default} | {change} | {} |\n", row.values(), row.help)
}
