//! What the files of a project say about each other: selectors and the inventory, gates and the policy, a change and its runbook.
//!
//! Owns: which of them are held against which. Must not: have rules of its own; it asks those of `inventory` and `plan::bind`.

use std::collections::BTreeMap;

use crate::diag::{Diagnostic, Diagnostics, Severity, Spanned};
use crate::inventory::Inventory;
use crate::inventory::selector::{Selector, SelectorError};
use crate::key::AllowedSigners;
use crate::plan::bind::{BindInput, bind, gate_faults};
use crate::runbook::builtin::BuiltIn;
use crate::runbook::change::Change;
use crate::runbook::expr::Template;
use crate::runbook::files::{Files as _, Folder};
use crate::runbook::outside::Outside;
use crate::runbook::policyfile::PolicyFile;
use crate::runbook::project::InventoryFrom;
use crate::runbook::yaml::inside;
use crate::runbook::{Action, Gate, Item, Phase, RolloutRef, Runbook, Step, Undo};

use crate::cli::project::{self, ProjectArgs, Room};

/// The files that others refer to, where they are sound. What is wrong with them is told when they themselves are checked.
pub(super) struct Site {
    folder: Folder,
    /// False: a file that stands alone has no policy that it could break.
    is_project: bool,
    policy: Option<(PolicyFile, String)>,
    /// False where a policy is there and wrong.
    policy_known: bool,
    inventory: Option<Inventory>,
    /// What was said of the inventory.
    said: Diagnostics,
    providers: BTreeMap<String, Vec<String>>,
    outside: Outside,
}

impl Site {
    pub(super) fn of(args: &ProjectArgs, room: &Room) -> Self {
        let mut wrong = Diagnostics::new();
        let policy = project::policy(room, &mut wrong);
        let policy_known = !wrong.has_errors();
        let mut wrong = Diagnostics::new();
        // A command of `pitstop.yml` is not run to check a file: its inventory is not known then.
        let printed = args.inventory.is_none() && matches!(room.settings.inventory, Some(InventoryFrom::Command(_)));
        let inventory = if printed {
            None
        } else {
            project::inventory(args, room, &mut wrong)
        };
        let sound = !wrong.has_errors();
        Self {
            folder: room.folder.clone(),
            is_project: room.found,
            policy: policy.filter(|_| policy_known),
            policy_known,
            inventory: inventory.filter(|i| sound && !i.hosts().is_empty()),
            said: wrong,
            providers: room.settings.providers.clone(),
            outside: room.settings.outside.clone(),
        }
    }

    /// The inventory at this path with what was said of it, if it is the project's own and good: it need not be read again.
    pub(super) fn own(&self, path: &str) -> Option<(&Inventory, &Diagnostics)> {
        let inventory = self.inventory.as_ref()?;
        (inventory.name == path).then_some((inventory, &self.said))
    }

    /// What of a sound runbook this project can never do.
    pub(super) fn runbook(&self, runbook: &Runbook, diags: &mut Diagnostics) {
        for set in &runbook.targets {
            set.select
                .iter()
                .for_each(|text| self.selector(text, Severity::Warning, diags));
            set.hosts.iter().for_each(|name| self.host(name, diags));
        }
        for item in &runbook.items {
            match item {
                Item::Gate(gate) => self.gate(&format!("the gate `{}`", gate.id.value), gate, diags),
                Item::Phase(phase) => self.phase(runbook, phase, diags),
            }
        }
        runbook.steady_state.iter().for_each(|step| self.file(step, diags));
    }

    fn phase(&self, runbook: &Runbook, phase: &Phase, diags: &mut Diagnostics) {
        let rollout = match &phase.rollout {
            Some(RolloutRef::Named(name)) => runbook.rollouts.iter().find(|r| r.name.value == name.value),
            Some(RolloutRef::Inline(rollout)) => Some(&**rollout),
            None => None,
        };
        if let Some(gate) = rollout.and_then(|r| r.gate.as_ref()) {
            self.gate(&format!("the gate in the rollout of `{}`", phase.id.value), gate, diags);
        }
        let of_stages = phase.stages.each().into_iter().flat_map(|(_, steps)| steps);
        for step in phase.steady_state.iter().chain(of_stages) {
            self.file(step, diags);
            if let Undo::Steps(undo) = &step.undo {
                undo.iter().for_each(|step| self.file(step, diags));
            }
        }
    }

    fn gate(&self, what: &str, gate: &Gate, diags: &mut Diagnostics) {
        if self.is_project && self.policy_known {
            let policy = self.policy.as_ref().map(|(policy, _)| policy);
            gate_faults(policy, what, gate).into_iter().for_each(|d| diags.push(d));
        }
    }

    /// A file that a step sends to its host.
    fn file(&self, step: &Step, diags: &mut Diagnostics) {
        let path = match &step.action.value {
            Action::Script { file: path, .. } | Action::Upload { src: path, .. } => path,
            Action::BuiltIn {
                what: BuiltIn::Check(check),
                texts,
            } => {
                let file = check.script();
                let Some(text) = texts.iter().find(|t| !t.command && Some(t.text.value.as_str()) == file) else {
                    return;
                };
                &text.text
            }
            _ => return,
        };
        let plain = Template::parse(path).is_ok_and(|t| t.is_plain());
        if plain && !self.folder.root().join(&path.value).exists() {
            let d = Diagnostic::error(
                "PS0123",
                format!("cannot read `{}`: there is no such file", path.value),
                path.span.clone(),
                "this file",
            );
            diags.push(d.help("paths are relative to the project, the folder that holds pitstop.yml"));
        }
    }

    fn host(&self, name: &Spanned<String>, diags: &mut Diagnostics) {
        let Some(inventory) = &self.inventory else { return };
        if name.contains("{{") || inventory.host(name).is_some() {
            return;
        }
        let d = Diagnostic::warning(
            "PS0610",
            format!("the inventory has no host `{}`", name.value),
            name.span.clone(),
            format!("not in {}", inventory.name),
        );
        let group = inventory.group(name).is_some();
        let near = crate::diag::nearest(name, inventory.hosts().iter().map(|h| h.name.value.as_str()));
        diags.push(match near {
            _ if group => d.help(format!("it is a group: write `select: \"group={}\"`", name.value)),
            Some(near) => d.help(format!("did you mean `{near}`?")),
            None => d.help("another inventory can be named with -i"),
        });
    }

    /// The syntax of a selector, and its names where the project has an inventory: another one may be given at `plan`.
    fn selector(&self, text: &Spanned<String>, unknown: Severity, diags: &mut Diagnostics) {
        if !Template::parse(text).is_ok_and(|t| t.is_plain()) {
            return;
        }
        let told = |error: SelectorError, severity| {
            let d = Diagnostic::error(error.code, error.message, inside(text, error.at), "in this selector");
            Diagnostic { severity, ..d }.help(error.help)
        };
        match Selector::parse(text) {
            Err(error) => diags.push(told(error, Severity::Error)),
            Ok(selector) => {
                let names = self.inventory.iter().flat_map(|i| selector.unknown(i));
                names.for_each(|error| diags.push(told(error, unknown)));
            }
        }
    }

    /// Every diagnostic that planning this change would give, but what a terminal is asked for.
    pub(super) fn change(&self, change: &Change, path: &str, runbook: &Runbook, diags: &mut Diagnostics) {
        change
            .limit
            .iter()
            .for_each(|text| self.selector(text, Severity::Error, diags));
        let Some(inventory) = self
            .inventory
            .as_ref()
            .filter(|_| self.policy_known && !diags.has_errors())
        else {
            return;
        };
        let input = BindInput {
            runbook,
            path,
            inventory,
            change,
            policy: self.policy.as_ref().map(|(p, signers)| (p, signers.as_str())),
            providers: &self.providers,
            outside: &self.outside,
            files: &self.folder,
        };
        let mut found = Diagnostics::new();
        bind(&input, &mut found);
        found.0.retain(|d| d.code != "PS0602");
        found.0.into_iter().for_each(|d| diags.push(d));
    }

    /// A policy's selectors, its file of keys, and whether everybody who may approve has one.
    pub(super) fn policy(&self, policy: &PolicyFile, diags: &mut Diagnostics) {
        for text in policy.require_change.iter().chain(&policy.require_approval) {
            self.selector(text, Severity::Warning, diags);
        }
        let Some(path) = &policy.allowed_signers else { return };
        let text = match self.folder.read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => {
                let message = format!("cannot read `{}`: {error}", path.value);
                let d = Diagnostic::error("PS0123", message, path.span.clone(), "this file");
                diags.push(d.help("it holds one line for each key: `anna@example.com ssh-ed25519 AAAA…`"));
                return;
            }
        };
        let (signers, _) = AllowedSigners::parse(&text, path);
        for (group, people) in &policy.approvers {
            for person in people.iter().filter(|p| !signers.knows(p, crate::approval::NAMESPACE)) {
                let d = Diagnostic::warning(
                    "PS0262",
                    format!("`{person}` of `{group}` has no key to approve with"),
                    path.span.clone(),
                    "in this file",
                );
                diags.push(d.help(format!(
                    "add a line: `{person} namespaces=\"pitstop-approval\" ssh-ed25519 AAAA…`"
                )));
            }
        }
    }
}
