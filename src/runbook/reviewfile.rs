//! A review: what people say of a run afterwards, beside what the journal tells.
//!
//! Owns: its keys and the plain values they become. Must not: know a run, or say anything that nobody wrote.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::diag::{Diagnostic, Diagnostics, Source, Spanned};
use crate::runbook::fields::{self, Fields};
use crate::runbook::keys;
use crate::runbook::yaml::{self, Node};

/// What people wrote about a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// The run it is about, if it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// What was pretended to have happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// What it was to show, and what it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Suppliers and other parties that took part or were assumed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub third_parties: Vec<String>,
    /// Who was there, beside those whom the journal names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub participants: Vec<Person>,
    /// What was found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// What was learnt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lessons: Vec<String>,
    /// The verdict of people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conclusion: Option<Conclusion>,
    /// Who has signed it off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sign_off: Vec<SignOff>,
}

/// Somebody who was there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Name.
    pub name: String,
    /// As what.
    pub role: String,
}

/// Something that was found. The same id in a later review is the same finding, as it stands then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Its id, the same in every review.
    pub id: String,
    /// How bad; `None`: nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// What it is.
    pub text: String,
    /// Who sees to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Until when, as `2026-12-31`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    /// How it stands; `None`: nobody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

impl Finding {
    /// True where nobody has said that nothing more is to be done about it.
    pub fn is_open(&self) -> bool {
        !matches!(self.status.as_deref(), Some("done" | "accepted"))
    }
}

/// The verdict of people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conclusion {
    /// Whether it showed what it was to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success: Option<bool>,
    /// In their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Whose word it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
}

/// A signature that was given elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignOff {
    /// Name.
    pub name: String,
    /// As what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// When, as `2026-12-31`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
}

/// Reads a review. Only good if `diags` has no error afterwards.
pub fn read(source: &Arc<Source>, diags: &mut Diagnostics) -> Option<Review> {
    let root = yaml::read(source, diags)?;
    let mut f = Fields::of(&root, &keys::REVIEW, diags)?;
    fields::schema(&mut f);
    let review = Review {
        run: plain(&mut f, "run"),
        scenario: plain(&mut f, "scenario"),
        scope: plain(&mut f, "scope"),
        third_parties: plains(&mut f, "third_parties"),
        participants: each(f.seq("participants"), diags, person),
        findings: findings(f.seq("findings"), diags),
        lessons: plains(&mut f, "lessons"),
        conclusion: f.node("conclusion").and_then(|n| conclusion(n, diags)),
        sign_off: each(f.seq("sign_off"), diags, sign_off),
    };
    f.finish(diags);
    Some(review)
}

fn plain(f: &mut Fields<'_>, key: &'static str) -> Option<String> {
    f.text(key).map(|t| t.value)
}

fn plains(f: &mut Fields<'_>, key: &'static str) -> Vec<String> {
    f.texts(key).into_iter().map(|t| t.value).collect()
}

fn each<T>(items: &[Node], diags: &mut Diagnostics, read: fn(&Node, &mut Diagnostics) -> Option<T>) -> Vec<T> {
    items.iter().filter_map(|n| read(n, diags)).collect()
}

fn person(node: &Node, diags: &mut Diagnostics) -> Option<Person> {
    let mut f = Fields::of(node, &keys::PERSON, diags)?;
    let found = (plain(&mut f, "name"), plain(&mut f, "role"));
    f.finish(diags);
    Some(Person {
        name: found.0?,
        role: found.1?,
    })
}

fn findings(items: &[Node], diags: &mut Diagnostics) -> Vec<Finding> {
    let mut out: Vec<Finding> = Vec::new();
    let mut places: BTreeMap<String, Spanned<String>> = BTreeMap::new();
    for node in items {
        let Some((id, finding)) = finding(node, diags) else {
            continue;
        };
        if let Some(first) = places.get(&id.value) {
            let d = Diagnostic::error(
                "PS0551",
                format!("two findings are called `{}`", id.value),
                id.span.clone(),
                "again",
            );
            let d = d.also(first.span.clone(), "first here");
            diags.push(d.help("give one of them another id: by it the next drill knows what became of it"));
            continue;
        }
        places.insert(id.value.clone(), id);
        out.push(finding);
    }
    out
}

fn finding(node: &Node, diags: &mut Diagnostics) -> Option<(Spanned<String>, Finding)> {
    let mut f = Fields::of(node, &keys::FINDING, diags)?;
    let (id, text) = (f.text("id"), plain(&mut f, "text"));
    let severity = f.choice("severity").map(|w| w.value.to_owned());
    let status = f.choice("status").map(|w| w.value.to_owned());
    let (owner, due) = (plain(&mut f, "owner"), date(&mut f, "due"));
    f.finish(diags);
    let id = id?;
    Some((
        id.clone(),
        Finding {
            id: id.value,
            severity,
            text: text?,
            owner,
            due,
            status,
        },
    ))
}

fn conclusion(node: &Node, diags: &mut Diagnostics) -> Option<Conclusion> {
    let mut f = Fields::of(node, &keys::CONCLUSION, diags)?;
    let found = Conclusion {
        success: f.bool("success").map(|b| b.value),
        note: plain(&mut f, "note"),
        who: plain(&mut f, "who"),
    };
    f.finish(diags);
    Some(found)
}

fn sign_off(node: &Node, diags: &mut Diagnostics) -> Option<SignOff> {
    let mut f = Fields::of(node, &keys::SIGN_OFF, diags)?;
    let (name, role, date) = (plain(&mut f, "name"), plain(&mut f, "role"), date(&mut f, "date"));
    f.finish(diags);
    Some(SignOff {
        name: name?,
        role,
        date,
    })
}

/// A day of the calendar, as it was written.
fn date(f: &mut Fields<'_>, key: &'static str) -> Option<String> {
    let written = f.text(key)?;
    // Only this form: `1.2.` is the first of February to one reader and the second of January to the next.
    let good = written.value.len() == 10 && written.value.parse::<Date>().is_ok();
    if !good {
        let d = Diagnostic::error(
            "PS0550",
            format!("`{}` is no day of the calendar", written.value),
            written.span.clone(),
            "a day is written YEAR-MONTH-DAY",
        );
        f.complain(d.help("write it as `2026-12-31`"));
        return None;
    }
    Some(written.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> (Option<Review>, Vec<&'static str>) {
        let mut diags = Diagnostics::new();
        let review = read(&Source::new("review.yml", text), &mut diags);
        (review, diags.0.iter().map(|d| d.code).collect())
    }

    #[test]
    fn a_review_is_read_as_it_was_written() {
        let (review, wrong) = codes(
            "schema: 1\nscenario: Site A burns\nparticipants: [{ name: Anna, role: lead }]\nfindings:\n  - { id: F-1, text: DNS was slow, severity: major, owner: net, due: 2026-12-31, status: open }\n  - { id: F-2, text: No list of phones }\nlessons: [Print the phones]\nconclusion: { success: yes, note: Good, who: Anna }\nsign_off: [{ name: Bo, date: 2026-12-08 }]\n",
        );
        let (review, none): (Review, Vec<&str>) = (review.unwrap(), Vec::new());
        assert_eq!(wrong, ["PS0106"], "`yes` is no boolean");
        assert_eq!(review.findings.len(), 2);
        assert!(review.findings[1].is_open() && review.findings[1].severity.is_none());
        assert_eq!(review.sign_off[0].date.as_deref(), Some("2026-12-08"));
        assert_eq!(codes("schema: 1\nconclusion: { success: true }\n").1, none);
    }

    #[test]
    fn what_is_wrong_in_a_review_is_named_with_its_place() {
        for (text, expected) in [
            (
                "schema: 1\nfindings: [{ id: a, text: x }, { id: a, text: y }]\n",
                vec!["PS0551"],
            ),
            (
                "schema: 1\nfindings: [{ id: a, text: x, due: 31.12.2026 }]\n",
                vec!["PS0550"],
            ),
            (
                "schema: 1\nfindings: [{ id: a, text: x, due: 2026-02-30 }]\n",
                vec!["PS0550"],
            ),
            ("schema: 1\nfindings: [{ id: a }]\n", vec!["PS0104"]),
            (
                "schema: 1\nfindings: [{ id: a, text: x, severity: awful }]\n",
                vec!["PS0110"],
            ),
            ("schema: 1\nlesson: [x]\n", vec!["PS0102"]),
            ("schema: 2\n", vec!["PS0121"]),
        ] {
            assert_eq!(codes(text).1, expected, "{text}");
        }
    }
}
