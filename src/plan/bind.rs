//! Runbook + change + inventory + policy → [`Plan`].
//!
//! Owns: the order in which a plan is made, and everything that is decided then. Must not: read the disk (bytes come through
//! [`Files`]), open a connection, ask the clock. The same input gives the same plan to the byte.
//!
//! The runbook has passed `check`; what only the change, the inventory or the policy can show wrong is found here, and all of
//! it is reported at once.

mod back;
mod call;
mod each;
mod gate;
mod message;
mod modes;
mod names;
mod only;
mod params;
mod phase;
mod place;
mod rehearse;
mod skip;
mod step;
mod targets;
mod trust;
mod unusable;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::canon;
use crate::diag::{Diagnostic, Diagnostics, Span, Spanned, nearest};
use crate::id::{Digest, HostName};
use crate::inventory::{Host, Inventory, Transport};
use crate::plan::{
    FileRef, Plan, PlanItem, PlannedHost, PlannedObjective, PlannedPhase, PlannedPolicy, PlannedStep, SCHEMA,
    TransportKind, Value,
};
use crate::runbook::change::Change;
use crate::runbook::files::Files;
use crate::runbook::outside::Outside;
use crate::runbook::policyfile::PolicyFile;
use crate::runbook::{Fragment, Gate, Item, Phase, Runbook, SecretSource, Step, Undo};

pub use gate::gate_faults;
pub use params::{may_be, missing_parameters, why_not};
pub use targets::unknown_host;

/// Everything a plan is made of.
#[derive(Clone, Copy)]
pub struct BindInput<'a> {
    /// What was written.
    pub runbook: &'a Runbook,
    /// The runbook's path in the project.
    pub path: &'a str,
    /// The machines.
    pub inventory: &'a Inventory,
    /// The occasion: change file and flags.
    pub change: &'a Change,
    /// The policy file and the text of its `allowed_signers`; `None`: the project has none.
    pub policy: Option<(&'a PolicyFile, &'a str)>,
    /// Secret providers of `pitstop.yml`.
    pub providers: &'a BTreeMap<String, Vec<String>>,
    /// Monitoring, and what sends messages, of `pitstop.yml`.
    pub outside: &'a Outside,
    /// The project, for the files that steps use.
    pub files: &'a dyn Files,
}

/// Makes the plan. `None` where an error was reported.
pub fn bind(input: &BindInput<'_>, diags: &mut Diagnostics) -> Option<Plan> {
    let before = diags.0.len();
    let mut found = Diagnostics::new();
    let plan = Binder::new(*input, &mut found).plan();
    crate::runbook::check::said_where_included(input.runbook, &mut found);
    let bad = found.has_errors();
    diags.0.extend(found.0);
    debug_assert!(diags.0.len() >= before);
    plan.filter(|_| !bad)
}

/// Values by name.
type Params = BTreeMap<String, Value>;

/// What every part of the making is given.
struct Binder<'a, 'd> {
    input: BindInput<'a>,
    diags: &'d mut Diagnostics,
    mode: Option<String>,
    /// What `params` means where the binder stands: the runbook's, or an included file's.
    params: BTreeMap<String, Value>,
    /// The runbook's.
    own_params: BTreeMap<String, Value>,
    /// Those of included files, each include once; `None`: a value of it is wrong, which is told.
    fragments: Vec<(Arc<Fragment>, Option<Params>)>,
    targets: BTreeMap<String, Vec<HostName>>,
    /// Names that steps register: what reads them is late.
    registered: BTreeSet<&'a str>,
    /// Positions in the inventory of hosts that the plan can touch.
    used: BTreeSet<usize>,
    files: BTreeMap<String, FileRef>,
    skips: skip::Skips,
    skipped: BTreeMap<String, String>,
    emptied: Vec<String>,
    /// Hosts that `limit` leaves out, by phase.
    excluded: BTreeMap<String, Vec<HostName>>,
}

/// A phase that stays, with its hosts.
struct Kept<'a> {
    phase: &'a Phase,
    hosts: Vec<HostName>,
}

enum KeptItem<'a> {
    Phase(Kept<'a>),
    Gate(&'a Gate),
}

impl<'a, 'd> Binder<'a, 'd> {
    fn new(input: BindInput<'a>, diags: &'d mut Diagnostics) -> Self {
        Self {
            input,
            diags,
            mode: None,
            params: BTreeMap::new(),
            own_params: BTreeMap::new(),
            fragments: Vec::new(),
            targets: BTreeMap::new(),
            registered: all_steps(input.runbook)
                .filter_map(|s| s.register.as_ref())
                .map(|r| r.value.as_str())
                .collect(),
            used: BTreeSet::new(),
            files: BTreeMap::new(),
            skips: skip::Skips::default(),
            skipped: BTreeMap::new(),
            emptied: Vec::new(),
            excluded: BTreeMap::new(),
        }
    }

    fn plan(mut self) -> Option<Plan> {
        let (runbook, change) = (self.input.runbook, self.input.change);
        self.choose_mode();
        self.bind_params();
        self.own_params = self.params.clone();
        // Without parameters and mode every template would be one more complaint about the same thing.
        if self.diags.has_errors() {
            return None;
        }
        self.bind_targets();
        self.bind_skips();
        self.bind_only();
        let limit = self.limit();
        let hosts_unclear = self.diags.has_errors();
        let window = self.window();
        // What follows from wrong sets would be blamed on the phases.
        if hosts_unclear {
            return None;
        }
        let kept = self.kept(limit.as_ref());
        self.check_reads(&kept);
        let steady_state = self.steady(&runbook.steady_state);
        let mut items: Vec<PlanItem> = kept.iter().filter_map(|item| self.item(item)).collect();
        self.rehearse(&mut items, &kept);
        self.check_only(&items);
        let policy = self.policy();
        let objectives = self.objectives();
        let (mut secrets, mut providers) = self.secrets();
        let silences = self.silences();
        let silencers = self.silencers(&mut secrets, &mut providers);
        let notices = self.notices();
        let notifiers = self.notifiers(&mut secrets, &mut providers);
        let other_modes = self.other_modes();
        let mut plan = Plan {
            schema: SCHEMA.to_owned(),
            language: 1,
            runbook: runbook.id.value.clone(),
            path: self.input.path.to_owned(),
            title: runbook.title.clone(),
            owner: runbook.owner.clone(),
            description: runbook.description.clone(),
            kind: runbook.kind.value,
            change: runbook.change.clone(),
            ticket: change.ticket.as_ref().map(|t| t.value.clone()),
            reason: change.reason.as_ref().map(|t| t.value.clone()),
            mode: self.mode.take(),
            params: std::mem::take(&mut self.params),
            secrets,
            providers,
            notifiers,
            inventory_command: self.input.inventory.printed_by.clone(),
            silencers,
            silences,
            notices,
            hosts: Vec::new(),
            targets: std::mem::take(&mut self.targets),
            window,
            freeze: None,
            policy,
            approval: None,
            steady_state,
            objectives,
            items,
            files: std::mem::take(&mut self.files),
            skipped: std::mem::take(&mut self.skipped),
            emptied: std::mem::take(&mut self.emptied),
            limit: change.limit.as_ref().map(|l| l.value.clone()),
            rehearsal: change.rehearse.is_some(),
            excluded: std::mem::take(&mut self.excluded),
            other_modes,
            index: Default::default(),
            inventory: self.input.inventory.name.clone(),
        };
        plan.hosts = self.hosts(&plan.secrets);
        self.check_unusable(&plan);
        self.check_trust(&mut plan);
        self.freezes(&mut plan);
        Some(plan)
    }

    fn choose_mode(&mut self) {
        let (modes, given) = (&self.input.runbook.modes, self.input.change.mode.as_ref());
        let names = || modes.iter().map(|m| m.value.as_str());
        let d = match (given, modes.is_empty()) {
            (None, true) => return,
            (Some(mode), _) if names().any(|m| m == mode.value) => {
                self.mode = Some(mode.value.clone());
                return;
            }
            (Some(mode), true) => Diagnostic::error(
                "PS0605",
                "this runbook has no modes",
                mode.span.clone(),
                "nothing to choose",
            )
            .help("leave the mode out"),
            (Some(mode), false) => {
                let d = Diagnostic::error(
                    "PS0605",
                    format!("the runbook has no mode `{}`", mode.value),
                    mode.span.clone(),
                    "not one of its modes",
                );
                d.help(match nearest(mode, names()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("write one of: {}", names().collect::<Vec<_>>().join(", ")),
                })
            }
            (None, false) => {
                let span = modes
                    .first()
                    .map_or_else(|| self.input.runbook.span.clone(), |m| m.span.clone());
                Diagnostic::error("PS0605", "a mode must be chosen", span, "the runbook has modes").help(format!(
                    "write `mode:` in the change, or --mode with one of: {}",
                    names().collect::<Vec<_>>().join(", ")
                ))
            }
        };
        self.diags.push(d);
    }

    /// True if something with these `only_in` belongs to the chosen mode.
    fn in_mode(&self, only_in: &[Spanned<String>]) -> bool {
        only_in.is_empty()
            || self
                .mode
                .as_ref()
                .is_some_and(|mode| only_in.iter().any(|m| m.value == *mode))
    }

    /// Phases and gates that stay.
    fn kept(&mut self, limit: Option<&BTreeSet<HostName>>) -> Vec<KeptItem<'a>> {
        let mut kept: Vec<KeptItem<'a>> = Vec::new();
        for item in &self.input.runbook.items {
            match item {
                Item::Gate(gate) if self.in_mode(&gate.only_in) => kept.push(KeptItem::Gate(gate)),
                Item::Phase(phase) if self.in_mode(&phase.only_in) => {
                    if let Some(hosts) = self.phase_hosts(phase, limit) {
                        kept.push(KeptItem::Phase(Kept { phase, hosts }));
                    }
                }
                Item::Gate(_) | Item::Phase(_) => {}
            }
        }
        if let (false, Some(at)) = (
            kept.iter().any(|k| matches!(k, KeptItem::Phase(_))) || self.emptied.is_empty(),
            self.limited_at(),
        ) {
            self.diags.push(
                Diagnostic::error(
                    "PS0612",
                    "the limit leaves no host at all",
                    at.clone(),
                    "nothing would be done",
                )
                .help("widen it, or see `pitstop hosts` for what each host is called and labelled"),
            );
        }
        kept
    }

    fn item(&mut self, item: &KeptItem<'a>) -> Option<PlanItem> {
        match item {
            KeptItem::Gate(gate) => Some(PlanItem::Gate(self.gate(gate, None))),
            KeptItem::Phase(kept) => self.phase(kept).map(|p| PlanItem::Phase(Box::new(p))),
        }
    }

    /// The policy as the plan keeps it.
    fn policy(&self) -> Option<PlannedPolicy> {
        let (policy, signers) = self.input.policy?;
        // A value of our own types is always JSON; without a digest there is no policy and no gate passes.
        let digest: Digest = canon::digest(&policy.content).ok()?;
        Some(PlannedPolicy {
            digest,
            approvers: policy.approvers.clone(),
            allowed_signers: signers.trim_start_matches('\u{feff}').replace("\r\n", "\n"),
        })
    }

    fn secrets(&mut self) -> (BTreeMap<String, SecretSource>, BTreeMap<String, Vec<String>>) {
        let (mut secrets, mut providers) = (BTreeMap::new(), BTreeMap::new());
        for decl in &self.input.runbook.secrets {
            self.provider(&decl.from, &decl.name.span, &mut providers);
            secrets.insert(decl.name.value.clone(), decl.from.clone());
        }
        (secrets, providers)
    }

    /// The command that a secret comes from. `at`: what asks for the secret.
    fn provider(&mut self, from: &SecretSource, at: &Span, providers: &mut BTreeMap<String, Vec<String>>) {
        let SecretSource::Provider { provider, .. } = from else {
            return;
        };
        match self.input.providers.get(provider) {
            Some(argv) => {
                providers.insert(provider.clone(), argv.clone());
            }
            None => {
                let d = Diagnostic::error(
                    "PS0650",
                    format!("pitstop.yml has no provider `{provider}`"),
                    at.clone(),
                    "this secret comes from it",
                );
                let names = self.input.providers.keys().map(String::as_str);
                self.diags.push(match nearest(provider, names) {
                    Some(near) => d.help(format!("did you mean `{near}`?")),
                    None => d.help(format!(
                        "write `providers: {{ {provider}: [PROGRAM, ARGUMENT] }}` in pitstop.yml"
                    )),
                });
            }
        }
    }

    fn objectives(&mut self) -> Vec<PlannedObjective> {
        let runbook = self.input.runbook;
        let mut marks: BTreeSet<&str> = BTreeSet::new();
        for phase in runbook_phases(runbook).filter(|p| self.in_mode(&p.only_in)) {
            for step in phase_steps(phase).filter(|s| self.in_mode(&s.only_in)) {
                let set = step.mark.iter().chain(&step.mark_start);
                marks.extend(set.map(|m| m.name.value.as_str()));
            }
        }
        for objective in &runbook.objectives {
            for mark in [&objective.from, &objective.to] {
                if !marks.contains(mark.value.as_str()) {
                    let when = self
                        .mode
                        .as_ref()
                        .map_or_else(String::new, |m| format!(" in mode `{m}`"));
                    let d = Diagnostic::error(
                        "PS0660",
                        format!("no step sets the mark `{}`{when}", mark.value),
                        mark.span.clone(),
                        format!("the objective `{}` could never be met", objective.name.value),
                    );
                    self.diags.push(match nearest(mark, marks.iter().copied()) {
                        Some(near) => d.help(format!("did you mean `{near}`?")),
                        None => d.help(format!("write `mark: {}` at the step whose end it is", mark.value)),
                    });
                }
            }
        }
        let objectives = runbook.objectives.iter().map(|o| PlannedObjective {
            name: o.name.value.clone(),
            from: o.from.value.clone(),
            to: o.to.value.clone(),
            max_ms: millis(o.max),
            less_waiting: o.less_waiting,
        });
        objectives.collect()
    }

    /// The hosts that the plan can touch, with the bastions on the way, in the inventory's order.
    fn hosts(&mut self, secrets: &BTreeMap<String, SecretSource>) -> Vec<PlannedHost> {
        let inventory = self.input.inventory;
        let mut todo: Vec<usize> = self.used.iter().copied().collect();
        while let Some(n) = todo.pop() {
            let jump = inventory.hosts().get(n).and_then(|h| h.jump.as_ref());
            if let Some(bastion) = jump.and_then(|j| inventory.position(j))
                && self.used.insert(bastion)
            {
                todo.push(bastion);
            }
        }
        let mut told = BTreeSet::new();
        let mut hosts = Vec::with_capacity(self.used.len());
        for host in self.used.iter().filter_map(|n| inventory.hosts().get(*n)) {
            for name in host.password.iter().chain(&host.become_password) {
                if !secrets.contains_key(&name.value) && told.insert(name.span.start) {
                    let d = Diagnostic::error(
                        "PS0650",
                        format!("the secret `{}` is not declared", name.value),
                        name.span.clone(),
                        format!("host `{}` needs it", host.name.value),
                    );
                    self.diags.push(d.help(format!(
                        "write under `secrets` of the runbook: `{}: {{ from: env, name: VAR }}`",
                        name.value
                    )));
                }
            }
            hosts.push(planned_host(host));
        }
        hosts
    }
}

/// A host as a plan freezes it.
pub fn planned_host(h: &Host) -> PlannedHost {
    PlannedHost {
        name: h.name.value.clone(),
        address: h.address.clone(),
        port: h.port,
        transport: match h.transport {
            Transport::Ssh => TransportKind::Ssh,
            Transport::Local => TransportKind::Local,
            Transport::Winrm => TransportKind::Winrm,
            Transport::Script => TransportKind::Script,
        },
        os: h.os.as_str().to_owned(),
        user: h.user.clone(),
        password: h.password.as_ref().map(|p| p.value.clone()),
        identity: h.identity.clone(),
        known_hosts: h.known_hosts.clone(),
        jump: h.jump.as_ref().map(|j| j.value.clone()),
        become_method: h.become_method.clone(),
        become_password: h.become_password.as_ref().map(|p| p.value.clone()),
        become_user: h.become_user.clone(),
        become_exact: h.become_exact,
        shell: h.shell.clone(),
        winrm: h.winrm.clone(),
        connect_timeout_ms: h.connect_timeout.map(millis),
        labels: h.labels.clone(),
        vars: h.vars.clone(),
        groups: h.groups.clone(),
    }
}

fn millis(d: std::time::Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}

fn runbook_phases(runbook: &Runbook) -> impl Iterator<Item = &Phase> {
    runbook.items.iter().filter_map(|i| match i {
        Item::Phase(p) => Some(p.as_ref()),
        Item::Gate(_) => None,
    })
}

/// All steps of a phase, its undo steps included.
fn phase_steps(phase: &Phase) -> impl Iterator<Item = &Step> {
    let of_stages = phase.stages.each().into_iter().flat_map(|(_, steps)| steps);
    phase.steady_state.iter().chain(of_stages).flat_map(with_undo)
}

fn with_undo(step: &Step) -> impl Iterator<Item = &Step> {
    let undo: &[Step] = match &step.undo {
        Undo::Steps(list) => list,
        _ => &[],
    };
    std::iter::once(step).chain(undo)
}

fn all_steps(runbook: &Runbook) -> impl Iterator<Item = &Step> {
    runbook
        .steady_state
        .iter()
        .chain(runbook_phases(runbook).flat_map(phase_steps))
}

/// The steps of a planned phase, each list in its order, undo steps behind the step they take back (not behind a skipped one).
fn planned_steps(phase: &PlannedPhase) -> impl Iterator<Item = &PlannedStep> {
    let of_stages = phase.stages.each().into_iter().flat_map(|(_, steps)| steps);
    phase.steady_state.iter().chain(of_stages).flat_map(|step| {
        let undo: &[PlannedStep] = match &step.undo {
            crate::plan::PlannedUndo::Steps(list) => list,
            _ => &[],
        };
        std::iter::once(step).chain(undo)
    })
}

#[cfg(test)]
pub(in crate::plan) mod tests;
