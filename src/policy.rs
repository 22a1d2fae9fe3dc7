//! Who may approve what, and what a runbook may not do: the rules of a policy file as plain values.
//!
//! Owns: the policy's types, whether a gate has people enough, the rule about `local`. Must not: read files, or count approvals
//! (`approval` does).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// A policy file's content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Group → principals, as `allowed_signers` names them.
    pub approvers: BTreeMap<String, Vec<String>>,
    /// Path of the file with their keys, in OpenSSH's format.
    pub allowed_signers: Option<String>,
    /// Selectors: hosts that only a change file may touch.
    pub require_change: Vec<String>,
    /// Selectors: hosts that only an approved plan may touch.
    pub require_approval: Vec<String>,
    /// Steps may run on the control machine.
    pub allow_local: bool,
    /// Paths of freeze calendars.
    pub freeze: Vec<String>,
    /// What a runbook may not exceed.
    pub limits: Limits,
}

/// Upper limits; `None`: no limit. The same type says what a plan asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Hosts at work at one time.
    pub parallel: Option<u64>,
    /// Hosts of one batch.
    pub batch: Option<u64>,
    /// Hosts of one plan.
    pub hosts: Option<u64>,
    /// Failed hosts that a phase bears.
    pub max_fail: Option<u64>,
    /// Limit of one step, milliseconds.
    pub timeout_ms: Option<u64>,
    /// Length of the window, milliseconds.
    pub window_ms: Option<u64>,
}

/// A limit that a plan does not keep.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the policy allows `{what}` at most {limit}, the plan asks for {asked}")]
pub struct Exceeded {
    /// The limit's key.
    pub what: &'static str,
    /// What is allowed.
    pub limit: u64,
    /// What is asked for.
    pub asked: u64,
}

impl Limits {
    /// Every limit that `asked` goes over.
    pub fn exceeded_by(&self, asked: &Self) -> Vec<Exceeded> {
        let pairs = [
            ("parallel", self.parallel, asked.parallel),
            ("batch", self.batch, asked.batch),
            ("hosts", self.hosts, asked.hosts),
            ("max_fail", self.max_fail, asked.max_fail),
            ("timeout", self.timeout_ms, asked.timeout_ms),
            ("window", self.window_ms, asked.window_ms),
        ];
        let over = |(what, limit, asked): (&'static str, Option<u64>, Option<u64>)| match (limit, asked) {
            (Some(limit), Some(asked)) if asked > limit => Some(Exceeded { what, limit, asked }),
            _ => None,
        };
        pairs.into_iter().filter_map(over).collect()
    }
}

/// Whether steps may run on the control machine: with a policy it says so; without one only where every target is local.
pub fn local_allowed(policy: Option<&Policy>, every_target_is_local: bool) -> bool {
    match policy {
        Some(policy) => policy.allow_local,
        None => every_target_is_local,
    }
}

/// A gate that its own policy can never let pass.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// `approvers` names a group that the policy does not have.
    #[error("the policy has no group `{group}`")]
    UnknownGroup {
        /// The name.
        group: String,
    },
    /// `need` is 0.
    #[error("`need` must be at least 1")]
    NeedsNobody,
    /// Fewer people than `need`.
    #[error("{need} people are needed, and the groups have only {have} who may approve")]
    TooFew {
        /// How many are needed.
        need: u32,
        /// How many there are.
        have: usize,
    },
}

/// The different people of some groups together. A person in two groups is one.
///
/// # Errors
/// A group that does not exist.
fn people<'a>(
    approvers: &'a BTreeMap<String, Vec<String>>,
    groups: &[String],
) -> Result<BTreeSet<&'a str>, Impossible> {
    let mut out = BTreeSet::new();
    for group in groups {
        let members = approvers
            .get(group)
            .ok_or_else(|| Impossible::UnknownGroup { group: group.clone() })?;
        out.extend(members.iter().map(String::as_str));
    }
    Ok(out)
}

/// Whether `need` can be met at all. `operator`: the one who may not be counted, where that is known already.
///
/// # Errors
/// No such group, nobody needed, or too few people.
pub fn can_pass(
    approvers: &BTreeMap<String, Vec<String>>,
    groups: &[String],
    need: u32,
    operator: Option<&str>,
) -> Result<(), Impossible> {
    if need == 0 {
        return Err(Impossible::NeedsNobody);
    }
    let have = people(approvers, groups)?
        .into_iter()
        .filter(|p| Some(*p) != operator)
        .count();
    if have < need as usize {
        return Err(Impossible::TooFew { need, have });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups() -> BTreeMap<String, Vec<String>> {
        let list = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        BTreeMap::from([
            ("ops".to_owned(), list(&["ana", "bo"])),
            ("cab".to_owned(), list(&["bo", "cy"])),
        ])
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn a_person_in_two_groups_is_one_person() {
        assert_eq!(people(&groups(), &names(&["ops", "cab"])).unwrap().len(), 3);
        assert_eq!(people(&groups(), &names(&["ops", "ops"])).unwrap().len(), 2);
    }

    #[test]
    fn fewer_people_than_need_can_never_pass() {
        let both = names(&["ops", "cab"]);
        assert_eq!(can_pass(&groups(), &both, 3, None), Ok(()));
        assert_eq!(
            can_pass(&groups(), &both, 4, None),
            Err(Impossible::TooFew { need: 4, have: 3 })
        );
        assert_eq!(
            can_pass(&groups(), &both, 3, Some("bo")),
            Err(Impossible::TooFew { need: 3, have: 2 })
        );
        assert_eq!(can_pass(&groups(), &both, 0, None), Err(Impossible::NeedsNobody));
        let unknown = Impossible::UnknownGroup {
            group: "oops".to_owned(),
        };
        assert_eq!(can_pass(&groups(), &names(&["oops"]), 1, None), Err(unknown));
    }

    #[test]
    fn local_steps_need_the_policys_word_or_only_local_targets() {
        let no = Policy::default();
        let yes = Policy {
            allow_local: true,
            ..Policy::default()
        };
        assert!(local_allowed(None, true));
        assert!(!local_allowed(None, false));
        assert!(!local_allowed(Some(&no), true));
        assert!(local_allowed(Some(&yes), false));
    }

    #[test]
    fn every_limit_that_is_exceeded_is_told() {
        let limits = Limits {
            parallel: Some(5),
            hosts: Some(10),
            ..Limits::default()
        };
        let asked = Limits {
            parallel: Some(6),
            hosts: Some(10),
            window_ms: Some(1),
            ..Limits::default()
        };
        let over = Exceeded {
            what: "parallel",
            limit: 5,
            asked: 6,
        };
        assert_eq!(limits.exceeded_by(&asked), vec![over]);
    }
}
