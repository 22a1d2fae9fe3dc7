//! The updates that hosts lack: by update, by host, and for few hosts as a matrix of both.
//!
//! Owns: in which order they stand, and what is said of a host. Must not: escape (the formats do), count a host of which nothing is
//! known as up to date.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::after::some_of;
use super::record::{ChangeRecord, Missing, Scanned};
use super::words::{self, Tone};
use crate::plan::page::{Block, Cell, Section, code, count};
use crate::text;

/// The heading, on each page and screen.
pub const TITLE: &str = "Updates that are missing";
/// What the dates mean.
pub const SINCE: &str = "First seen missing: the first of the scans, in a row without a break, that found an update of the package \
                         missing on the host, as far as former runs are kept where this record was made. It is not the day on which \
                         the update came out.";
/// So many updates and hosts are shown; the table for machines has all.
const MOST: usize = 200;
/// So many hosts have a column each.
const FEW: usize = 20;

/// How a host stands. What is worse comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It lacks updates of security.
    Security,
    /// Nobody knows what it lacks.
    NotKnown,
    /// It lacks others.
    Others,
    /// It lacks none of those that were asked for.
    UpToDate,
}

impl Standing {
    /// A shape and a word: nobody has to tell colours apart.
    pub fn words(self) -> (Tone, &'static str) {
        match self {
            Self::Security => (Tone::Bad, "✗ security missing"),
            Self::NotKnown => (Tone::Back, "? not known"),
            Self::Others => (Tone::Warn, "! others missing"),
            Self::UpToDate => (Tone::Ok, "✓ up to date"),
        }
    }

    /// Its word in tables for machines.
    pub fn word(self) -> &'static str {
        match self {
            Self::Security | Self::Others => "missing",
            Self::NotKnown => "not_known",
            Self::UpToDate => "up_to_date",
        }
    }
}

fn is_security(m: &Missing) -> bool {
    m.class == "security"
}

/// How a host stands.
pub fn standing(s: &Scanned) -> Standing {
    match s.at {
        None => Standing::NotKnown,
        Some(_) if s.missing.iter().any(is_security) => Standing::Security,
        Some(_) if !s.missing.is_empty() => Standing::Others,
        // Whoever was asked for some updates only may lack others.
        Some(_) if !s.only.is_empty() => Standing::NotKnown,
        Some(_) => Standing::UpToDate,
    }
}

/// What one must know of how a host stands: why nothing is known, or what it was not asked for, or what is held.
pub fn remark(s: &Scanned) -> String {
    if s.at.is_none() {
        return s.why.clone();
    }
    let mut said = Vec::new();
    let list = |names: &[String]| some_of(&names.iter().map(String::as_str).collect::<Vec<_>>());
    if !s.only.is_empty() {
        said.push(format!("only asked for {}", list(&s.only)));
    }
    if !s.classes.is_empty() {
        said.push(format!("only asked for {} updates", s.classes.join(", ")));
    }
    if !s.except.is_empty() {
        said.push(format!("not asked for {}", list(&s.except)));
    }
    if !s.held.is_empty() {
        let held: Vec<String> = s.held.iter().map(|h| h.package.clone()).collect();
        said.push(format!("held: {}", list(&held)));
    }
    said.join("; ")
}

/// A package, and who lacks an update of it.
pub struct Update<'r> {
    /// Its name.
    pub package: &'r str,
    /// Versions that are offered, the one of most hosts first.
    pub offered: Vec<&'r str>,
    /// The gravest class.
    pub class: &'r str,
    /// When it was first seen to be missing on one of them.
    pub since: Timestamp,
    /// Hosts that lack it, in their order.
    pub hosts: Vec<(&'r str, Timestamp)>,
}

impl Update<'_> {
    /// The versions that are offered.
    pub fn versions(&self) -> String {
        some_of(&self.offered)
    }

    /// The class; a sign where it is of security.
    pub fn class_words(&self) -> (Tone, String) {
        match self.class {
            "security" => (Tone::Bad, "✗ security".to_owned()),
            "" => (Tone::None, "– not told".to_owned()),
            other => (Tone::Warn, format!("! {other}")),
        }
    }

    /// The hosts by name.
    pub fn names(&self) -> String {
        some_of(&self.hosts.iter().map(|(host, _)| *host).collect::<Vec<_>>())
    }
}

/// Hosts and updates.
pub struct Overview<'r> {
    /// The worst first: security, then what most hosts lack.
    pub updates: Vec<Update<'r>>,
    /// The worst first.
    pub hosts: Vec<&'r Scanned>,
}

/// The gravest first.
fn grave(class: &str) -> u8 {
    match class {
        "security" => 0,
        "critical" => 1,
        "" => 3,
        _ => 2,
    }
}

/// The overview; `None` where no host was to be asked.
pub fn overview(r: &ChangeRecord) -> Option<Overview<'_>> {
    let mut of: BTreeMap<&str, Vec<(&str, &Missing)>> = BTreeMap::new();
    for s in &r.scanned {
        for m in &s.missing {
            of.entry(&m.package).or_default().push((s.host.as_str(), m));
        }
    }
    let mut updates: Vec<Update<'_>> = of
        .into_iter()
        .filter_map(|(package, lacking)| {
            let mut versions: BTreeMap<&str, usize> = BTreeMap::new();
            for (_, m) in &lacking {
                *versions.entry(m.new.as_str()).or_default() += 1;
            }
            let mut offered: Vec<(&str, usize)> = versions.into_iter().collect();
            offered.sort_by_key(|(_, hosts)| Reverse(*hosts));
            let class = lacking.iter().map(|(_, m)| m.class.as_str()).min_by_key(|c| grave(c))?;
            Some(Update {
                package,
                offered: offered.into_iter().map(|(version, _)| version).collect(),
                class,
                since: lacking.iter().map(|(_, m)| m.since).min()?,
                hosts: lacking.iter().map(|(host, m)| (*host, m.since)).collect(),
            })
        })
        .collect();
    updates.sort_by_key(|u| (grave(u.class), Reverse(u.hosts.len())));
    let mut hosts: Vec<&Scanned> = r.scanned.iter().collect();
    hosts.sort_by_cached_key(|s| {
        let (security, others) = numbers(s);
        (standing(s), Reverse(security), Reverse(others), oldest(s))
    });
    (!hosts.is_empty()).then_some(Overview { updates, hosts })
}

/// How many updates of security a host lacks, and how many others.
pub fn numbers(s: &Scanned) -> (usize, usize) {
    let security = s.missing.iter().filter(|m| is_security(m)).count();
    (security, s.missing.len() - security)
}

/// When the one that is missing longest was first seen to be missing.
pub fn oldest(s: &Scanned) -> Option<Timestamp> {
    s.missing.iter().map(|m| m.since).min()
}

/// What a page shows of the rest.
fn rest(n: usize, one: &str, many: &str) -> Option<String> {
    let said = || format!("And {}, in the CSV table.", count(n, one, many));
    (n > 0).then(said)
}

impl<'r> Overview<'r> {
    fn with(&self, standing: Standing) -> usize {
        self.hosts.iter().filter(|s| self::standing(s) == standing).count()
    }

    /// The whole in a few words.
    pub fn summary(&self) -> String {
        let hosts = |n: usize, one: &str, many: &str| match n {
            1 => format!("1 host {one}"),
            n => format!("{n} hosts {many}"),
        };
        let (security, others) = (self.with(Standing::Security), self.with(Standing::Others));
        let mut said = Vec::new();
        if security > 0 {
            said.push(hosts(security, "lacks security updates", "lack security updates"));
        }
        if others > 0 {
            said.push(hosts(others, "lacks other updates only", "lack other updates only"));
        }
        let not_known = self.with(Standing::NotKnown);
        if not_known > 0 {
            said.push(format!("of {not_known} it is not known what is missing"));
        }
        let good = self.with(Standing::UpToDate);
        said.push(match (good, good == self.hosts.len()) {
            (1, true) => "the host is up to date".to_owned(),
            (n, true) => format!("all {n} hosts are up to date"),
            (0, _) => "no host is up to date".to_owned(),
            (n, _) => hosts(n, "is up to date", "are up to date"),
        });
        let said = said.join("; ");
        let mut first = said.chars();
        let said: String = first
            .next()
            .into_iter()
            .flat_map(char::to_uppercase)
            .chain(first)
            .collect();
        format!("{said}.")
    }

    /// The updates that are shown, and what is said of the rest.
    pub fn shown(&self) -> (&[Update<'r>], Option<String>) {
        let shown = self.updates.get(..MOST).unwrap_or(&self.updates);
        (
            shown,
            rest(self.updates.len() - shown.len(), "more update", "more updates"),
        )
    }

    /// The hosts with a line of their own: those that are not simply up to date; and what is said of the rest.
    pub fn lines(&self) -> (Vec<&'r Scanned>, Vec<String>) {
        let plain = |s: &&&Scanned| standing(s) == Standing::UpToDate && remark(s).is_empty();
        let good: Vec<&str> = self.hosts.iter().filter(plain).map(|s| s.host.as_str()).collect();
        let others = self.hosts.iter().filter(|s| !plain(s));
        let shown: Vec<&Scanned> = others.clone().take(MOST).copied().collect();
        let mut said: Vec<String> = rest(others.count() - shown.len(), "more host", "more hosts")
            .into_iter()
            .collect();
        if !good.is_empty() {
            said.push(format!("✓ Up to date: {}.", some_of(&good)));
        }
        (shown, said)
    }

    /// Hosts with a column each, in the order of the record's lines; empty where there are too many, or nothing is missing.
    pub fn columns(&self) -> &[&'r Scanned] {
        match self.hosts.len() <= FEW && !self.updates.is_empty() {
            true => &self.hosts,
            false => &[],
        }
    }
}

/// A cell of the matrix.
pub fn mark(r: &ChangeRecord, update: &Update<'_>, s: &Scanned) -> (Tone, String) {
    let missing = s.missing.iter().find(|m| m.package == update.package);
    match missing {
        Some(m) => {
            let (tone, sign) = if is_security(m) {
                (Tone::Bad, '✗')
            } else {
                (Tone::Warn, '!')
            };
            (tone, format!("{sign} {}", words::date(r, m.since)))
        }
        None if s.held.iter().any(|h| h.package == update.package) => (Tone::Warn, "! held".to_owned()),
        None if s.at.is_none() || !covered(s, update) => (Tone::Back, "? not known".to_owned()),
        None => (Tone::Ok, "✓".to_owned()),
    }
}

/// True if the host was asked for each form of this update.
fn covered(s: &Scanned, update: &Update<'_>) -> bool {
    update.offered.iter().all(|new| {
        s.covers(&Missing {
            package: update.package.to_owned(),
            old: String::new(),
            new: (*new).to_owned(),
            class: update.class.to_owned(),
            since: update.since,
        })
    })
}

/// The columns of the table of updates, and those of the table of hosts.
pub const UPDATES: [&str; 6] = [
    "Package",
    "Offered",
    "Class",
    "Hosts",
    "First seen missing",
    "Which hosts",
];
/// The columns of the table of hosts.
pub const HOSTS: [&str; 6] = ["Host", "State", "Security", "Others", "First seen missing", "Note"];
/// What the table of updates shows.
pub const BY_UPDATE: &str = "Missing updates, security first, then by how many hosts lack them";
/// What the matrix shows.
pub const MATRIX: &str = "Which host lacks what, by the day on which it was first seen missing";
/// What the table of hosts shows.
pub const BY_HOST: &str = "Hosts by what they lack, the worst first";

/// As a section of a page.
pub fn section(r: &ChangeRecord) -> Option<Section> {
    let all = overview(r)?;
    let mut blocks = vec![Block::Text(all.summary())];
    let (updates, more) = all.shown();
    if !updates.is_empty() {
        let rows = updates.iter().map(|u| {
            let (package, versions) = (code(u.package), code(u.versions()));
            let since = words::date(r, u.since);
            let class = u.class_words().1;
            let hosts = u.hosts.len().to_string();
            vec![
                package,
                versions,
                class.into(),
                hosts.into(),
                since.into(),
                u.names().into(),
            ]
        });
        blocks.push(Block::table(BY_UPDATE, &UPDATES, rows.collect()));
        blocks.extend(more.map(Block::Text));
        blocks.push(Block::Text(SINCE.to_owned()));
    }
    let columns = all.columns();
    if !columns.is_empty() {
        let hosts = columns.iter().map(|s| s.host.as_str());
        let head: Vec<&str> = std::iter::once("Package").chain(hosts).collect();
        let rows = updates.iter().map(|u| {
            let marks = columns.iter().map(|s| Cell::from(mark(r, u, s).1));
            std::iter::once(code(u.package)).chain(marks).collect()
        });
        blocks.push(Block::table(MATRIX, &head, rows.collect()));
    }
    let (lines, said) = all.lines();
    if !lines.is_empty() {
        let rows = lines.iter().map(|s| line(r, s).map(Cell::from).to_vec());
        blocks.push(Block::table(BY_HOST, &HOSTS, rows.collect()));
    }
    blocks.extend(said.into_iter().map(Block::Text));
    Some(Section::new(TITLE, blocks))
}

/// A line of the table of hosts.
pub fn line(r: &ChangeRecord, s: &Scanned) -> [String; 6] {
    let (security, others) = numbers(s);
    let number = |n: usize| if s.at.is_some() { n.to_string() } else { String::new() };
    [
        s.host.as_str().to_owned(),
        standing(s).words().1.to_owned(),
        number(security),
        number(others),
        oldest(s).map(|since| words::date(r, since)).unwrap_or_default(),
        remark(s),
    ]
}

/// A row for each host and update that it lacks or holds, and one for each host that lacks none or of which nothing is known. Ended by
/// CR LF as RFC 4180 wants.
pub fn csv(r: &ChangeRecord) -> String {
    let mut out = "run,host,state,package,installed,offered,class,first_seen_missing,scanned,note\r\n".to_owned();
    let run = r.id.as_ref().map_or("", |i| i.as_str());
    let mut row = |s: &Scanned, state: &str, of: [&str; 4], since: Option<Timestamp>| {
        let moment = |at: Option<Timestamp>| at.map(|at| format!("{at:.3}")).unwrap_or_default();
        let (since, at, note) = (moment(since), moment(s.at), remark(s));
        let [package, old, new, class] = of;
        let cells = [
            run,
            s.host.as_str(),
            state,
            package,
            old,
            new,
            class,
            &since,
            &at,
            &note,
        ];
        out.push_str(&cells.map(text::csv).join(","));
        out.push_str("\r\n");
    };
    for s in overview(r).map(|all| all.hosts).unwrap_or_default() {
        for m in &s.missing {
            row(s, "missing", [&m.package, &m.old, &m.new, &m.class], Some(m.since));
        }
        if s.missing.is_empty() {
            row(s, standing(s).word(), [""; 4], None);
        }
        for h in &s.held {
            row(s, "held", [&h.package, &h.old, &h.new, ""], None);
        }
    }
    out
}
