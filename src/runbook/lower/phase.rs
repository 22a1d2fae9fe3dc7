//! Phases, their stages, lists of steps, and the files that lists include.

use super::step::stand_in;
use super::{Cx, MAX_STEPS};
use crate::diag::{Diagnostic, Spanned};
use crate::runbook::fields::{self, Fields};
use crate::runbook::keys;
use crate::runbook::yaml::{Entry, Node, NodeKind};
use crate::runbook::{Item, OnFailure, Phase, RolloutRef, Stage, Stages, Step};

const ON_FAILURE: &[(&str, OnFailure)] = &[
    ("rollback_host", OnFailure::RollbackHost),
    ("rollback_run", OnFailure::RollbackRun),
    ("hold", OnFailure::Hold),
    ("ask", OnFailure::Ask),
];

/// Where a list of steps stands.
#[derive(Clone, Copy)]
pub(super) struct Place<'p> {
    /// The stage.
    pub stage: Stage,
    /// What made ids begin with: the stage, or `STEP-undo`.
    pub prefix: &'p str,
}

impl Cx<'_> {
    pub(super) fn items(&mut self, node: &Node) -> Vec<Item> {
        let Some(nodes) = self.keep(fields::seq(node, "phases")) else {
            return Vec::new();
        };
        if nodes.is_empty() {
            self.diags.push(Diagnostic::error(
                "PS0128",
                "a runbook has at least one phase",
                node.span.clone(),
                "this list is empty",
            ));
        }
        nodes.iter().filter_map(|n| self.item(n)).collect()
    }

    fn item(&mut self, node: &Node) -> Option<Item> {
        let f = Fields::of(node, &keys::PHASE, self.diags)?;
        match (f.has("phase"), f.has("gate")) {
            (true, false) => self.phase(node).map(|p| Item::Phase(Box::new(p))),
            (false, true) => self.gate(node, false).map(|g| Item::Gate(Box::new(g))),
            (both, _) => {
                let label = if both { "this has both" } else { "this has neither" };
                let d = Diagnostic::error(
                    "PS0128",
                    "an item of `phases` is a phase or a gate",
                    f.head().clone(),
                    label,
                );
                self.diags.push(d.help("begin it with `- phase: ID` or `- gate: ID`"));
                None
            }
        }
    }

    fn phase(&mut self, node: &Node) -> Option<Phase> {
        let mut f = Fields::of(node, &keys::PHASE, self.diags)?;
        let id = f.text("phase");
        let title = f.text("title");
        let targets = f.text("targets");
        let rollout = f.node("rollout").and_then(|n| self.rollout_ref(n));
        let when = f.text("when");
        let only_in = f.texts("only_in");
        let on_failure = f.word("on_failure", ON_FAILURE);
        let steady_state = f.node("steady_state").map(|n| self.steady(n)).unwrap_or_default();
        let mut stage = |key: &'static str, stage: Stage| {
            let prefix = stage.as_str();
            f.node(key)
                .map(|n| self.steps(n, Place { stage, prefix }))
                .unwrap_or_default()
        };
        let mut stages = Stages {
            precheck: stage("precheck", Stage::Precheck),
            drain: stage("drain", Stage::Drain),
            steps: stage("steps", Stage::Steps),
            verify: stage("verify", Stage::Verify),
            undrain: stage("undrain", Stage::Undrain),
            cleanup: stage("cleanup", Stage::Cleanup),
        };
        let span = f.head().clone();
        if !f.finish(self.diags) {
            // A misspelt stage: the phase is not empty.
            stages.steps.push(stand_in("misspelt".to_owned(), span.clone()));
        }
        Some(Phase {
            id: id.unwrap_or_else(|| Spanned::new(String::new(), span.clone())),
            title: title.map(|t| t.value).unwrap_or_default(),
            targets,
            rollout,
            when,
            only_in,
            on_failure,
            steady_state,
            stages,
            span,
        })
    }

    fn rollout_ref(&mut self, node: &Node) -> Option<RolloutRef> {
        if let NodeKind::Map(_) = node.kind {
            let name = Spanned::new(String::new(), node.span.clone());
            return self.rollout(name, node).map(|r| RolloutRef::Inline(Box::new(r)));
        }
        self.keep(fields::text(node)).map(RolloutRef::Named)
    }

    pub(super) fn steady(&mut self, node: &Node) -> Vec<Step> {
        self.steps(
            node,
            Place {
                stage: Stage::Steady,
                prefix: "steady",
            },
        )
    }

    /// A list of steps, with those of included files in their place.
    pub(super) fn steps(&mut self, node: &Node, place: Place<'_>) -> Vec<Step> {
        let mut out = Vec::new();
        self.steps_into(node, place, &mut out);
        out
    }

    pub(super) fn steps_into(&mut self, node: &Node, place: Place<'_>, out: &mut Vec<Step>) {
        let made = |out: &Vec<Step>| format!("{}-{}", place.prefix, out.len() + 1);
        let NodeKind::Seq(nodes) = &node.kind else {
            let what = place.stage.as_str();
            let label = format!("this is {}", node.what());
            let d = Diagnostic::error(
                "PS0105",
                format!("`{what}` is a list of steps"),
                node.span.clone(),
                label,
            );
            self.diags
                .push(d.help("begin each step with `- name: …`, its action below it"));
            out.push(stand_in(made(out), node.span.clone()));
            return;
        };
        for node in nodes {
            self.steps_left = self.steps_left.saturating_sub(1);
            if self.steps_left == 0 {
                let d = Diagnostic::error(
                    "PS0002",
                    format!("the runbook has more than {MAX_STEPS} steps"),
                    node.span.clone(),
                    "reading ended here",
                );
                self.diags
                    .push(d.help("files that include files several times multiply their steps"));
                return;
            }
            if let Some(entry) = include_of(node) {
                self.include(node, entry, place, out);
            } else {
                let step = self.step(node, place.stage, made(out));
                out.push(step.unwrap_or_else(|| stand_in(made(out), node.span.clone())));
            }
        }
    }
}

/// The `include` of an item, if it is one.
fn include_of(node: &Node) -> Option<&Entry> {
    let NodeKind::Map(entries) = &node.kind else {
        return None;
    };
    entries.iter().find(|e| e.key.value == "include")
}
