//! What a row of the table says: names, kind, default, when it can be given, and what help calls it.
//!
//! Does not know: which rows there are (`table`).

use super::Settings;
use super::kind::Kind;

/// When a setting can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// At any time, by `CONFIG SET` too.
    Running,
    /// When the node starts.
    Start,
    /// When the data folder is made; later starts must say the same.
    FirstStart,
    /// Never; it is a fact.
    Never,
}

/// The chapters of the reference page, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Where clients connect.
    Network,
    /// Who may.
    Security,
    /// The node and its threads.
    Node,
    /// Other nodes.
    Cluster,
    /// What is kept, where, and when a write is answered.
    Data,
    /// Bounds on what a client may take.
    Limits,
    /// Small encodings of values.
    Encoding,
    /// Logs and diagnosis.
    Diagnosis,
    /// What Redis lets one choose and is fixed here.
    Fixed,
}

impl Section {
    /// All of them.
    pub const ALL: &'static [Section] = &[
        Section::Network,
        Section::Security,
        Section::Node,
        Section::Cluster,
        Section::Data,
        Section::Limits,
        Section::Encoding,
        Section::Diagnosis,
        Section::Fixed,
    ];

    /// Its heading.
    pub fn title(self) -> &'static str {
        match self {
            Section::Network => "Network",
            Section::Security => "Security",
            Section::Node => "Node",
            Section::Cluster => "Cluster",
            Section::Data => "Data",
            Section::Limits => "Limits",
            Section::Encoding => "Encoding",
            Section::Diagnosis => "Logs and diagnosis",
            Section::Fixed => "Redis's names for what is fixed here",
        }
    }
}

/// One row.
pub struct Setting {
    /// What `CONFIG GET` and `CONFIG SET` call it: Redis's name where Redis has the setting.
    pub name: &'static str,
    /// What people write: the key of the file, the `--flag`, and `NARF_` with capitals. Mostly `name`.
    pub key: &'static str,
    /// Older Redis names; `CONFIG GET` lists them too.
    pub aliases: &'static [&'static str],
    /// Kind, bounds and field.
    pub kind: Kind,
    /// The value when nobody says anything, as a person would write it.
    pub default: &'static str,
    /// When it can be given.
    pub change: Change,
    /// Its chapter.
    pub section: Section,
    /// It says what the whole fabric does, so one that is set by `CONFIG SET` is set on all nodes.
    pub shared: bool,
    /// Not shown in lists; answers to its exact name.
    pub hidden: bool,
    /// A line or two for `--help` and the reference page.
    pub help: &'static str,
}

impl Setting {
    pub(super) const fn new(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        help: &'static str,
    ) -> Setting {
        let change = if matches!(kind, Kind::Fact { .. }) { Change::Never } else { Change::Start };
        let section = Section::Network;
        Setting {
            name,
            key: name,
            aliases: &[],
            kind,
            default,
            change,
            section,
            shared: false,
            hidden: false,
            help,
        }
    }

    pub(super) const fn key(self, key: &'static str) -> Setting {
        Setting { key, ..self }
    }

    pub(super) const fn aliases(self, aliases: &'static [&'static str]) -> Setting {
        Setting { aliases, ..self }
    }

    pub(super) const fn running(self) -> Setting {
        Setting { change: Change::Running, ..self }
    }

    pub(super) const fn first_start(self) -> Setting {
        Setting { change: Change::FirstStart, ..self }
    }

    pub(super) const fn shared(self) -> Setting {
        Setting { shared: true, ..self.running() }
    }

    pub(super) const fn hidden(self) -> Setting {
        Setting { hidden: true, ..self }
    }

    pub(super) const fn within(self, section: Section) -> Setting {
        Setting { section, ..self }
    }

    /// The value now, as `CONFIG GET` shows it: secrets are hidden.
    pub fn format(&self, settings: &Settings) -> String {
        self.kind.format(settings)
    }

    /// The value now as TOML for the operator's own file: secrets are in clear.
    pub fn format_toml(&self, settings: &Settings) -> String {
        self.kind.format_toml(settings)
    }

    /// What values it takes, for help.
    pub fn values(&self) -> String {
        self.kind.describe()
    }

    /// One word for its value in a usage line.
    pub fn value_name(&self) -> &'static str {
        match self.kind {
            Kind::Bool(_) => "yes|no",
            Kind::Integer { .. } => "N",
            Kind::Mode(_) => "MODE",
            Kind::Bytes { .. } => "SIZE",
            Kind::Seconds { .. } | Kind::Span { .. } => "TIME",
            Kind::Word { .. } => "WORD",
            Kind::Text(_) => "TEXT",
            Kind::Path(_) | Kind::OptionalPath(_) => "PATH",
            Kind::List(_) => "LIST",
            Kind::Secret(_) => "SECRET",
            Kind::OutputLimits(_) => "LIMITS",
            Kind::Notify(_) => "LETTERS",
            Kind::Percentiles(_) => "NUMBERS",
            Kind::Fact { .. } => "FACT",
        }
    }

    /// Whether it is a password or the like, which no listing and no command line may hold.
    pub fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret(_))
    }

    /// Whether it is yes or no, so that a flag needs no value.
    pub fn is_bool(&self) -> bool {
        matches!(self.kind, Kind::Bool(_))
    }

    /// Whether nobody can set it.
    pub fn is_fact(&self) -> bool {
        matches!(self.kind, Kind::Fact { .. })
    }

    /// Whether `CONFIG SET` refuses it whatever the value. Facts that Redis lets clients set may be set to what they
    /// are.
    pub(super) fn is_immutable(&self) -> bool {
        match self.change {
            Change::Running => false,
            Change::Start | Change::FirstStart => true,
            Change::Never => ["databases", "cluster-enabled"].contains(&self.name),
        }
    }

    /// Its environment variable.
    pub fn env(&self) -> String {
        format!("NARF_{}", self.key.replace('-', "_").to_ascii_uppercase())
    }
}
