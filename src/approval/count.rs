//! The counting rule: how many different people of the right groups said yes, and did one say no.
//!
//! Owns: that rule, pure. Must not: check signatures (votes are proven before they come here) or read files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::{Decision, Vote};

/// What a gate or a plan asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// How many different people; at least one, whatever is written.
    pub need: u32,
    /// The groups that may approve, all together.
    pub approvers: Vec<String>,
    /// Who started or resumed the run may not approve.
    pub not_operator: bool,
    /// Who started or resumed the run.
    pub operators: Vec<String>,
}

/// The result of a count.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// One vote of each person who counts.
    pub approved_by: Vec<Vote>,
    /// People who may approve and said no: one is enough.
    pub rejected_by: Vec<Vote>,
    /// How many people still have to approve.
    pub missing: u32,
    /// Votes that count for nothing, and why.
    pub ignored: Vec<(PathBuf, String)>,
}

impl Tally {
    /// Enough people said yes and nobody said no.
    pub fn passed(&self) -> bool {
        self.missing == 0 && self.rejected_by.is_empty()
    }
}

/// Counts people, not keys or files.
///
/// `groups` are the policy's; `used` holds the nonces that counted somewhere before. One key counts for one person only, even
/// where `allowed_signers` gives it to several.
pub fn count(
    requirement: &Requirement,
    groups: &BTreeMap<String, Vec<String>>,
    votes: &[Vote],
    used: &BTreeSet<String>,
) -> Tally {
    let may: BTreeSet<&str> = requirement
        .approvers
        .iter()
        .filter_map(|group| groups.get(group))
        .flatten()
        .map(String::as_str)
        .collect();
    let mut tally = Tally::default();
    for vote in votes {
        let person = vote.statement.principal.as_str();
        let same_key = |other: &&Vote| other.fingerprint == vote.fingerprint;
        let ignored = if used.contains(&vote.statement.nonce) {
            "it was used before".to_owned()
        } else if !may.contains(person) {
            let groups = requirement.approvers.join(", ");
            format!("{person} is in none of the groups {groups}")
        } else if requirement.not_operator && requirement.operators.iter().any(|operator| operator == person) {
            format!("{person} operates this run and may not approve it")
        } else if vote.statement.decision == Decision::Reject {
            if !named(&tally.rejected_by, person) {
                tally.rejected_by.push(vote.clone());
                continue;
            }
            format!("{person} has rejected already")
        } else if named(&tally.approved_by, person) {
            format!("{person} has approved already")
        } else if let Some(other) = tally.approved_by.iter().find(same_key) {
            format!("its key already counts for {}", other.statement.principal)
        } else {
            tally.approved_by.push(vote.clone());
            continue;
        };
        tally.ignored.push((vote.file.clone(), ignored));
    }
    let people = u32::try_from(tally.approved_by.len()).unwrap_or(u32::MAX);
    tally.missing = requirement.need.max(1).saturating_sub(people);
    tally
}

fn named(votes: &[Vote], person: &str) -> bool {
    votes.iter().any(|vote| vote.statement.principal == person)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approval::{Statement, Subject};
    use crate::id::Digest;

    fn vote(person: &str, key: &str, decision: Decision) -> Vote {
        let expires = "2026-12-06T03:00:00Z".parse().unwrap();
        Vote {
            file: PathBuf::from(format!("{person}-{key}.json")),
            statement: Statement::new(Digest::of(b"plan"), Subject::Plan, decision, person, expires).unwrap(),
            fingerprint: key.to_owned(),
        }
    }

    fn yes(person: &str, key: &str) -> Vote {
        vote(person, key, Decision::Approve)
    }

    /// Two of dba and leads; Olga operates. Olga is in `leads`, Eve in a group that is not asked.
    fn counted(votes: &[Vote]) -> (Vec<String>, u32, Vec<String>) {
        let tally = tally(votes, &BTreeSet::new());
        (
            tally
                .approved_by
                .iter()
                .map(|vote| vote.statement.principal.clone())
                .collect(),
            tally.missing,
            tally.ignored.into_iter().map(|(_, reason)| reason).collect(),
        )
    }

    fn tally(votes: &[Vote], used: &BTreeSet<String>) -> Tally {
        let group = |people: &[&str]| people.iter().map(|p| (*p).to_owned()).collect();
        let groups = BTreeMap::from([
            ("dba".to_owned(), group(&["anna", "boris"])),
            ("leads".to_owned(), group(&["boris", "olga", "carl"])),
            ("guests".to_owned(), group(&["eve"])),
        ]);
        let requirement = Requirement {
            need: 2,
            approvers: vec!["dba".to_owned(), "leads".to_owned()],
            not_operator: true,
            operators: vec!["olga".to_owned()],
        };
        count(&requirement, &groups, votes, used)
    }

    #[test]
    fn need_counts_different_people_out_of_all_groups_together() {
        let (who, missing, ignored) = counted(&[yes("anna", "k1"), yes("carl", "k2")]);
        assert_eq!((who.len(), missing, ignored.len()), (2, 0, 0));
        let (who, missing, _) = counted(&[]);
        assert_eq!((who.len(), missing), (0, 2));
    }

    #[test]
    fn two_keys_of_one_person_are_one_person() {
        let (who, missing, ignored) = counted(&[yes("boris", "k1"), yes("boris", "k2")]);
        assert_eq!((who, missing), (vec!["boris".to_owned()], 1));
        assert_eq!(ignored, ["boris has approved already"]);
    }

    #[test]
    fn one_key_of_two_people_is_one_person() {
        let (who, missing, ignored) = counted(&[yes("anna", "k1"), yes("boris", "k1")]);
        assert_eq!((who, missing), (vec!["anna".to_owned()], 1));
        assert_eq!(ignored, ["its key already counts for anna"]);
    }

    #[test]
    fn operators_and_strangers_do_not_count() {
        let (who, missing, ignored) = counted(&[yes("olga", "k1"), yes("eve", "k2"), yes("nobody", "k3")]);
        assert_eq!((who.len(), missing), (0, 2));
        assert_eq!(
            ignored,
            [
                "olga operates this run and may not approve it",
                "eve is in none of the groups dba, leads",
                "nobody is in none of the groups dba, leads"
            ]
        );
    }

    #[test]
    fn one_rejection_by_a_person_who_may_approve_ends_it() {
        let enough = [yes("anna", "k1"), yes("boris", "k2")];
        let with = |person: &str| {
            let mut votes = enough.to_vec();
            votes.push(vote(person, "k3", Decision::Reject));
            tally(&votes, &BTreeSet::new())
        };
        assert!(tally(&enough, &BTreeSet::new()).passed());
        assert!(!with("carl").passed());
        assert!(!with("anna").passed(), "also by one who had approved");
        assert!(with("eve").passed(), "a stranger's no is no vote");
        assert!(with("olga").passed(), "an operator stops the run, but has no vote");
    }

    #[test]
    fn an_approval_counts_once() {
        let anna = yes("anna", "k1");
        let used = BTreeSet::from([anna.statement.nonce.clone()]);
        let tally_used = tally(&[anna.clone(), yes("boris", "k2")], &used);
        assert_eq!(tally_used.missing, 1);
        assert_eq!(tally_used.ignored[0].1, "it was used before");
        let copy = tally(&[anna.clone(), anna], &BTreeSet::new());
        assert_eq!((copy.approved_by.len(), copy.ignored.len()), (1, 1));
    }

    #[test]
    fn without_groups_nobody_may_approve_and_a_need_of_zero_is_one() {
        let nobody = Requirement {
            need: 0,
            approvers: Vec::new(),
            not_operator: false,
            operators: Vec::new(),
        };
        let tally = count(&nobody, &BTreeMap::new(), &[yes("anna", "k1")], &BTreeSet::new());
        assert_eq!((tally.missing, tally.passed()), (1, false));
    }
}
