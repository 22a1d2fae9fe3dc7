//! The keys of every map of every file: these tables are the language's vocabulary, written once.
//!
//! Owns: which keys a map has, what stands behind each, which must be there, and one line about it. [`Fields`](super::fields)
//! reads maps by them; schemas, messages and help are made of them. Must not: read a file, or judge more than a single map.

mod action;
mod check;
mod runbook;
mod site;
mod step;
mod test;

pub use action::*;
pub use check::*;
pub use runbook::*;
pub use site::*;
pub use step::*;
pub use test::*;

/// A map of the language.
#[derive(Debug)]
pub struct Shape {
    /// What messages call it: `a step`.
    pub what: &'static str,
    /// Its keys; lists, so that maps can share some.
    pub keys: &'static [&'static [Key]],
    /// If not empty: exactly one of these sets is used, by at least one of its keys.
    pub one_of: &'static [&'static [&'static str]],
}

/// A key of a map.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What stands behind it.
    pub kind: Kind,
    /// True if it must be there.
    pub required: bool,
    /// One line for people.
    pub doc: &'static str,
}

/// What stands behind a key.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// The version of the language.
    Version,
    /// A text. A number or a boolean is taken as it was written.
    Text,
    /// A text in which `{{ … }}` is rendered.
    Template,
    /// A bare expression.
    Expression,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `true` or `false`.
    Bool,
    /// A whole number between these.
    Int(i64, i64),
    /// A number between these.
    Number(f64, f64),
    /// `1h30m`.
    Duration,
    /// A number of hosts or a percentage, from this on.
    Size(u32),
    /// A file mode in octal digits.
    Mode,
    /// A range as monitoring plugins write it: `10`, `10:`, `~:10`, `10:20`, `@10:20`.
    Range,
    /// `true` (root), `false`, or a user.
    User,
    /// This kind, or a text with `{{ … }}` that gives it.
    Rendered(&'static Kind),
    /// A list.
    List(&'static Kind),
    /// A map of this shape.
    Map(&'static Shape),
    /// A map from names to this kind.
    Named(&'static Kind),
    /// A list of steps ([`STEP`]) and of files that hold some ([`INCLUDE`]).
    Steps,
    /// One of these kinds.
    Either(&'static [Kind]),
    /// Nothing: a key without a value.
    Empty,
    /// Any value.
    Any,
}

/// The files of a project that have keys, by the word that names them.
pub const FILES: &[(&str, &Shape)] = &[
    ("runbook", &RUNBOOK),
    ("fragment", &FRAGMENT),
    ("change", &CHANGE),
    ("inventory", &INVENTORY),
    ("policy", &POLICY),
    ("project", &PROJECT),
    ("test", &TEST),
    ("review", &REVIEW),
];

/// The largest number of a count.
pub(crate) const MANY: i64 = u32::MAX as i64;
/// What [`Kind::Range`] looks like.
pub const RANGE: &str = r"^@?((-?[0-9]+(\.[0-9]+)?|~)?:)?(-?[0-9]+(\.[0-9]+)?)?$";
/// What [`Kind::Duration`] looks like.
pub const DURATION: &str = r"^([0-9]+d)? *([0-9]+h)? *([0-9]+m)? *([0-9]+s)? *([0-9]+ms)?$";
const TEXTS: Kind = Kind::List(&Kind::Text);
const TEMPLATES: Kind = Kind::List(&Kind::Template);
const COUNT: Kind = Kind::Int(1, MANY);
/// The first key of every file.
const VERSION: Key = need("schema", Kind::Version, "Version of the language: 1");

const fn key(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key {
        name,
        kind,
        required: false,
        doc,
    }
}

const fn need(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key {
        name,
        kind,
        required: true,
        doc,
    }
}

impl Shape {
    /// All its keys.
    pub fn all(&self) -> impl Iterator<Item = &'static Key> + Clone + use<> {
        self.keys.iter().flat_map(|keys| keys.iter())
    }

    /// The key with this name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.all().find(|key| key.name == name)
    }
}

impl Kind {
    /// True if a single text can stand behind the key.
    pub(super) fn is_text(self) -> bool {
        match self {
            Self::Text
            | Self::Template
            | Self::Expression
            | Self::Word(_)
            | Self::Mode
            | Self::Range
            | Self::Number(..) => true,
            Self::Rendered(_) | Self::Any => true,
            Self::Either(kinds) => kinds.iter().any(|k| k.is_text()),
            Self::Version | Self::User | Self::Bool | Self::Int(..) | Self::Duration | Self::Size(_) => false,
            Self::List(_) | Self::Map(_) | Self::Named(_) | Self::Steps | Self::Empty => false,
        }
    }

    /// True if it is read by one of the getters for single values or lists of texts, and so never as a bare node.
    pub(super) fn has_getter(self) -> bool {
        matches!(
            self,
            Self::Text
                | Self::Template
                | Self::Expression
                | Self::Word(_)
                | Self::Bool
                | Self::Int(..)
                | Self::Duration
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reachable(kind: &Kind, found: &mut Vec<&'static Shape>) {
        match *kind {
            Kind::Map(shape) if !found.iter().any(|s| std::ptr::eq(*s, shape)) => {
                found.push(shape);
                shape.all().for_each(|key| reachable(&key.kind, found));
            }
            Kind::Steps => [&STEP, &INCLUDE]
                .iter()
                .for_each(|shape| reachable(&Kind::Map(shape), found)),
            Kind::Rendered(kind) | Kind::List(kind) | Kind::Named(kind) => reachable(kind, found),
            Kind::Either(kinds) => kinds.iter().for_each(|kind| reachable(kind, found)),
            _ => {}
        }
    }

    fn shapes() -> Vec<&'static Shape> {
        let mut found = Vec::new();
        FILES
            .iter()
            .for_each(|(_, shape)| reachable(&Kind::Map(shape), &mut found));
        found
    }

    #[test]
    fn a_key_stands_once_in_its_map_and_has_a_line_about_it() {
        for shape in shapes() {
            let mut names: Vec<_> = shape.all().map(|key| key.name).collect();
            names.sort_unstable();
            assert!(
                names.windows(2).all(|pair| pair[0] != pair[1]),
                "{}: {names:?}",
                shape.what
            );
            for key in shape.all() {
                assert!(
                    key.doc.len() > 5 && !key.doc.ends_with('.'),
                    "{}: {}",
                    shape.what,
                    key.name
                );
            }
            for name in shape.one_of.iter().copied().flatten() {
                assert!(shape.key(name).is_some(), "{}: {name}", shape.what);
            }
        }
    }

    #[test]
    fn every_table_belongs_to_a_file() {
        let tables: Vec<String> = [
            include_str!("keys/action.rs"),
            include_str!("keys/check.rs"),
            include_str!("keys/runbook.rs"),
            include_str!("keys/site.rs"),
            include_str!("keys/step.rs"),
            include_str!("keys/test.rs"),
        ]
        .iter()
        .flat_map(|text| text.lines().filter(|line| line.contains(": Shape = ")))
        .map(str::to_owned)
        .collect();
        assert!(tables.len() > 30, "{tables:?}");
        assert_eq!(tables.len(), shapes().len(), "{tables:#?}");
    }

    #[test]
    fn a_step_has_one_action_of_all_there_are() {
        let mut written: Vec<&str> = STEP.one_of.iter().copied().flatten().copied().collect();
        let mut actions: Vec<&str> = ACTIONS.iter().chain(PLATFORMS).map(|key| key.name).collect();
        written.sort_unstable();
        actions.sort_unstable();
        assert_eq!(written, actions);
    }
}
