//! `policy.yml`: what the owners of a project demand of every plan.
//!
//! Owns: its keys. Must not: judge a plan by it (`plan::bind`) or count approvals (`policy`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::diag::{Diagnostic, Diagnostics, Source, Spanned, nearest};
use crate::runbook::Value;
use crate::runbook::fields::{self, Fields};
use crate::runbook::keys;
use crate::runbook::yaml::{self, Node};

/// The policy as it was written.
#[derive(Clone, Debug)]
pub struct PolicyFile {
    /// Group → principals, in no other order than their names'.
    pub approvers: BTreeMap<String, Vec<String>>,
    /// A file in OpenSSH's `allowed_signers` format.
    pub allowed_signers: Option<Spanned<String>>,
    /// Selectors of hosts that may change only under a change file with a ticket.
    pub require_change: Vec<Spanned<String>>,
    /// Selectors of hosts that may change only under an approved plan.
    pub require_approval: Vec<Spanned<String>>,
    /// Steps may run on the control machine.
    pub allow_local: bool,
    /// Freeze calendars, for every plan of the project.
    pub freeze: Vec<Spanned<String>>,
    /// What no runbook may exceed.
    pub limits: Limits,
    /// The whole file as a value: what its digest is made of, so that comments, line ends and order change none.
    pub content: Value,
}

/// `limits`.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Hosts at work at one time.
    pub parallel: Option<u32>,
    /// Hosts of one batch.
    pub batch: Option<u32>,
    /// Hosts of one plan.
    pub hosts: Option<u32>,
    /// Failed hosts that a phase bears.
    pub max_fail: Option<u32>,
    /// Limit of one attempt of a step.
    pub timeout: Option<Duration>,
    /// Length of the window.
    pub window: Option<Duration>,
}

/// Reads `policy.yml`. Only good if `diags` has no error afterwards.
pub fn read(source: &Arc<Source>, diags: &mut Diagnostics) -> Option<PolicyFile> {
    let root = yaml::read(source, diags)?;
    let mut f = Fields::of(&root, &keys::POLICY, diags)?;
    fields::schema(&mut f);
    let policy = PolicyFile {
        approvers: approvers(&mut f),
        allowed_signers: super::project::path(&mut f, "allowed_signers"),
        require_change: f.texts("require_change"),
        require_approval: f.texts("require_approval"),
        allow_local: f.bool("allow_local").is_some_and(|b| b.value),
        freeze: super::project::paths(&mut f, "freeze"),
        limits: f.node("limits").map(|n| limits(n, diags)).unwrap_or_default(),
        content: fields::value(&root),
    };
    if !policy.approvers.is_empty() && policy.allowed_signers.is_none() && !f.has("allowed_signers") {
        let d = Diagnostic::error(
            "PS0540",
            "a policy with approvers needs `allowed_signers`",
            f.head().clone(),
            "no signature could be checked",
        );
        f.complain(
            d.help("write `allowed_signers: FILE`, one line for each key: `anna@example.com ssh-ed25519 AAAA…`"),
        );
    }
    f.finish(diags);
    Some(policy)
}

fn approvers(f: &mut Fields<'_>) -> BTreeMap<String, Vec<String>> {
    let mut groups = BTreeMap::new();
    for e in f.map("approvers").unwrap_or_default() {
        let people = fields::seq(&e.value, &e.key).and_then(|items| {
            items
                .iter()
                .map(|n| fields::text(n).map(|t| t.value))
                .collect::<Result<Vec<_>, _>>()
        });
        match people {
            Ok(mut people) => {
                people.sort_unstable();
                people.dedup();
                groups.insert(e.key.value.clone(), people);
            }
            Err(d) => f.complain(d),
        }
    }
    groups
}

fn limits(node: &Node, diags: &mut Diagnostics) -> Limits {
    let Some(mut f) = Fields::of(node, &keys::LIMITS, diags) else {
        return Limits::default();
    };
    let limits = Limits {
        parallel: f.count("parallel").map(|n| n.value),
        batch: f.count("batch").map(|n| n.value),
        hosts: f.count("hosts").map(|n| n.value),
        max_fail: f.count("max_fail").map(|n| n.value),
        timeout: f.duration("timeout").map(|d| d.value),
        window: f.duration("window").map(|d| d.value),
    };
    f.finish(diags);
    limits
}

/// A group that the policy does not have.
pub fn unknown_group(group: &Spanned<String>, policy: &PolicyFile) -> Diagnostic {
    let d = Diagnostic::error(
        "PS0541",
        format!("the policy has no group `{}`", group.value),
        group.span.clone(),
        "nobody could approve",
    );
    match nearest(group, policy.approvers.keys().map(String::as_str)) {
        Some(near) => d.help(format!("did you mean `{near}`?")),
        None => d.help("add it to policy.yml, under `approvers`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_and_every_mistake_is_reported() {
        for (text, expected) in [
            (
                "schema: 1\napprovers: { cm: [b, a, a] }\nallowed_signers: signers\nrequire_change: [env=prod]\nrequire_approval: []\nallow_local: true\nlimits: { parallel: 5, max_fail: 2, timeout: 2h, window: 6h }\n",
                vec![],
            ),
            ("schema: 1\napprovers: { cm: [a] }\n", vec!["PS0540"]),
            (
                "schema: 1\napprovers: { cm: a }\nallowed_signers: /x\n",
                vec!["PS0105", "PS0124"],
            ),
            (
                "schema: 1\nfreeze: [/x.ics]\nallow_lokal: true\n",
                vec!["PS0124", "PS0102"],
            ),
            ("schema: 1\nlimits: { max_fail: many }\n", vec!["PS0107"]),
        ] {
            let mut diags = Diagnostics::new();
            let policy = read(&Source::new("policy.yml", text), &mut diags).unwrap();
            let codes: Vec<_> = diags.0.iter().map(|d| d.code).collect();
            assert_eq!(codes, expected, "{text}");
            if expected.is_empty() {
                assert_eq!(policy.approvers["cm"], ["a", "b"]);
                assert_eq!(policy.limits.max_fail, Some(2));
            }
        }
    }
}
