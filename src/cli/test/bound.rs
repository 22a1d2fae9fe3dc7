//! From a case as it was written to a plan: the project round it, its people with throw-away keys, its hosts.
//!
//! Owns: what a test takes from the project and what it puts in its place. Must not: run anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::cli::project::{self, Room};
use crate::diag::{Diagnostic, Diagnostics, Span};
use crate::id::{Digest, HostName};
use crate::inventory::facts::Facts;
use crate::inventory::selector::glob;
use crate::inventory::{Inventory, hosts};
use crate::key::Signer;
use crate::plan::bind::{BindInput, bind};
use crate::plan::{Plan, PlanItem};
use crate::runbook::change::flag;
use crate::runbook::files::Files as _;
use crate::runbook::policyfile::{Limits, PolicyFile};
use crate::runbook::testfile::{Asked, Case, FactsOf, Machines, Moment, TestFile};
use crate::runbook::{Runbook, Stage, Value, check};
use crate::secret::Secret;

/// Everything that the cases of one file share.
pub struct Shared<'a> {
    /// The test.
    pub file: &'a TestFile,
    /// The project.
    pub room: &'a Room,
    runbook: Runbook,
    inventory: Inventory,
    policy: Option<(PolicyFile, String)>,
    /// Key of each person.
    pub people: Arc<BTreeMap<String, Signer>>,
}

impl<'a> Shared<'a> {
    /// Reads what the cases need. Every complaint is in `diags`.
    pub fn load(
        file: &'a TestFile,
        room: &'a Room,
        args: &project::ProjectArgs,
        diags: &mut Diagnostics,
    ) -> Option<Self> {
        let inventory = match &file.inventory {
            None => project::inventory(args, room, diags),
            Some(Machines::File(path)) => {
                let source = project::read(&room.folder, path, &path.span, diags)?;
                hosts::read(&source, diags)
            }
            Some(Machines::Here(node, source)) => hosts::lower(node, source, diags),
        };
        let path = &file.runbook;
        if let Err(error) = room.folder.read(path) {
            let what = format!("cannot read the runbook `{}`: {error}", path.value);
            let d = Diagnostic::error("PS0123", what, path.span.clone(), "no file of the project");
            diags.push(d.help("`runbook` is a path from the project's folder, such as `runbooks/patch.yml`"));
            return None;
        }
        let mut found = Diagnostics::new();
        let runbook = check::checked(&room.folder, path, &mut found);
        found.0.retain(|d| d.severity == crate::diag::Severity::Error);
        diags.0.extend(found.0);
        let policy = project::policy(room, diags).map(|(policy, _)| policy);
        let people = people(file, policy.as_ref());
        Some(Self {
            file,
            room,
            runbook: runbook?,
            inventory: inventory?,
            policy: policy_of_test(file, policy, &people),
            people: Arc::new(people),
        })
    }

    /// The plan of a case.
    pub fn plan(&self, case: &Case, diags: &mut Diagnostics) -> Option<Plan> {
        let mut change = self.file.change.clone();
        change.overlay(case.change.clone());
        change.runbook = Some(self.file.runbook.clone());
        change.ticket = change.ticket.or_else(|| Some(flag("test", "TEST-1")));
        let mut found = Diagnostics::new();
        let plan = bind(
            &BindInput {
                runbook: &self.runbook,
                path: &self.file.runbook,
                inventory: &self.inventory,
                change: &change,
                policy: self.policy.as_ref().map(|(p, signers)| (p, signers.as_str())),
                providers: &self.room.settings.providers,
                outside: &self.room.settings.outside,
                files: &self.room.folder,
            },
            &mut found,
        );
        found.0.retain(|d| d.severity == crate::diag::Severity::Error);
        let wrong = found.has_errors();
        diags.0.extend(found.0);
        let plan = plan.filter(|_| !wrong)?;
        let mut names = Diagnostics::new();
        known_names(case, &plan, &mut names);
        let good = !names.has_errors();
        diags.0.extend(names.0);
        good.then_some(plan)
    }

    /// What each host of the plan says about itself.
    pub fn facts(&self, case: &Case, plan: &Plan) -> BTreeMap<HostName, Facts> {
        let names = plan.hosts.iter().map(|h| (h.name.clone(), h.os.as_str()));
        let all = names.chain([(HostName::controller(), "linux")]);
        all.map(|(name, os)| {
            let mut facts = sane(&name, os);
            for given in self.file.facts.iter().chain(&case.facts) {
                if glob(&given.on, name.as_str()) {
                    given_facts(&mut facts, given);
                }
            }
            (name, facts)
        })
        .collect()
    }
}

/// A Linux machine as most are.
fn sane(name: &HostName, os: &str) -> Facts {
    Facts {
        os: os.to_owned(),
        family: "debian".to_owned(),
        distro: "debian".to_owned(),
        version: "12".to_owned(),
        kernel: "6.1.0-18-amd64".to_owned(),
        virtual_: "kvm".to_owned(),
        boot: String::new(),
        machine: format!("machine-of-{name}"),
        user: "root".to_owned(),
        host_key: String::new(),
        first_key: String::new(),
        algorithms: String::new(),
        latch: true,
        run_dir: String::new(),
    }
}

fn given_facts(facts: &mut Facts, given: &FactsOf) {
    for (key, value) in &given.fields {
        let field = match *key {
            "os" => &mut facts.os,
            "family" => &mut facts.family,
            "distro" => &mut facts.distro,
            "version" => &mut facts.version,
            "kernel" => &mut facts.kernel,
            "virtual" => &mut facts.virtual_,
            _ => &mut facts.user,
        };
        field.clone_from(value);
    }
    facts.latch = given.latch;
}

/// Everybody who may approve something, and everybody who does.
fn people(file: &TestFile, policy: Option<&PolicyFile>) -> BTreeMap<String, Signer> {
    let groups = policy.map(|p| p.approvers.values().flatten()).into_iter().flatten();
    let mine = file.people.values().flatten();
    let said = file
        .cases
        .iter()
        .flat_map(|c| &c.approvals)
        .filter_map(|a| a.by.as_ref());
    let names = groups.chain(mine).cloned().chain(said.map(|by| by.value.clone()));
    names
        .map(|name| {
            let seed = Digest::of(format!("throw-away key of {name}").as_bytes());
            let mut bytes = [0_u8; 32];
            for (to, from) in bytes.iter_mut().zip(seed.hex().bytes()) {
                *to = from;
            }
            (name, Signer::throw_away(&bytes))
        })
        .collect()
}

/// The project's policy with the test's people. The keys are never the real ones: a test can approve nothing real.
fn policy_of_test(
    file: &TestFile,
    policy: Option<PolicyFile>,
    people: &BTreeMap<String, Signer>,
) -> Option<(PolicyFile, String)> {
    let mut policy = match policy {
        Some(policy) => policy,
        None if file.people.is_empty() => return None,
        None => PolicyFile {
            approvers: BTreeMap::new(),
            allowed_signers: None,
            require_change: Vec::new(),
            require_approval: Vec::new(),
            allow_local: true,
            freeze: Vec::new(),
            limits: Limits::default(),
            content: Value::Map(BTreeMap::new()),
        },
    };
    for (group, people) in &file.people {
        policy.approvers.insert(group.clone(), people.clone());
    }
    let line = |(name, signer): (&String, &Signer)| format!("{name} {}\n", signer.public());
    Some((policy, people.iter().map(line).collect()))
}

/// Values of secrets that are nobody's.
pub fn secrets(plan: &Plan) -> BTreeMap<String, Secret> {
    let dummy = |name: &String| (name.clone(), Secret::new(format!("dummy-secret-{name}")));
    plan.secrets.keys().map(dummy).collect()
}

/// When the run begins: as the case says, else with its window, else on a Monday morning.
pub fn starts(case: &Case, plan: &Plan) -> Timestamp {
    let window = plan.window.as_ref().and_then(|w| w.start);
    let monday = Timestamp::from_second(1_767_603_600).unwrap_or(Timestamp::UNIX_EPOCH);
    case.starts.as_ref().map(|s| s.value).or(window).unwrap_or(monday)
}

/// Every host, gate and step that a case names is one of the plan.
fn known_names(case: &Case, plan: &Plan, diags: &mut Diagnostics) {
    let controller = HostName::controller();
    let names: Vec<&str> = plan.hosts.iter().map(|h| h.name.as_str()).collect();
    let host = |pattern: &str| glob(pattern, controller.as_str()) || names.iter().any(|name| glob(pattern, name));
    let mut hosts: Vec<(&str, &Span)> = case.answers.iter().map(|a| (a.on.value.as_str(), &a.on.span)).collect();
    hosts.dedup_by_key(|(name, _)| *name);
    let wanted = case.expect.hosts.iter();
    hosts.extend(wanted.map(|(on, _)| (on.rsplit_once('/').map_or(on.as_str(), |(_, host)| host), &on.span)));
    hosts.extend(
        case.expect
            .order
            .iter()
            .filter_map(|s| s.host.as_ref())
            .map(|on| (on.value.as_str(), &on.span)),
    );
    for (pattern, span) in hosts.into_iter().filter(|(pattern, _)| !host(pattern)) {
        let what = format!("the plan has no host `{pattern}`");
        let d = Diagnostic::error("PS0713", what, span.clone(), "no host is called so");
        let d = match crate::diag::nearest(pattern, names.iter().copied()) {
            Some(near) => d.help(format!("did you mean `{near}`?")),
            None => d.help(format!(
                "its hosts are {}; the control machine is `controller`",
                names.join(", ")
            )),
        };
        diags.push(d);
    }
    for approval in &case.approvals {
        if let Asked::Gate(id) = &approval.at
            && !is_gate(plan, id)
        {
            let what = format!("the plan has no gate `{}`", id.value);
            let d = Diagnostic::error("PS0714", what, id.span.clone(), "nobody is asked this");
            diags.push(d.help("a rollout's gate is called PHASE/N, after its Nth batch"));
        }
    }
    for signal in &case.signals {
        if let Moment::Step { phase, step, .. } = &signal.at
            && !is_step(plan, phase, step)
        {
            let what = format!("the plan has no step `{phase}/{step}`");
            diags.push(
                Diagnostic::error("PS0715", what, signal.span.clone(), "this moment never comes")
                    .help("write PHASE/STEP with the ids of the runbook; an undo step is PHASE/STEP/1"),
            );
        }
    }
}

fn is_gate(plan: &Plan, id: &str) -> bool {
    plan.items.iter().any(|item| match item {
        PlanItem::Gate(gate) => gate.id == id,
        PlanItem::Phase(phase) => {
            let number = id
                .strip_prefix(phase.id.as_str())
                .and_then(|rest| rest.strip_prefix('/'));
            phase.rollout.gate.is_some() && number.is_some_and(|n| n.parse::<u32>().is_ok())
        }
    })
}

fn is_step(plan: &Plan, phase: &str, step: &str) -> bool {
    const STAGES: [Stage; 6] = [
        Stage::Precheck,
        Stage::Drain,
        Stage::Steps,
        Stage::Verify,
        Stage::Undrain,
        Stage::Cleanup,
    ];
    let owner = step.rsplit_once('/').map_or(step, |(owner, _)| owner);
    STAGES
        .iter()
        .any(|stage| plan.steps(phase, *stage).iter().any(|s| s.id == step || s.id == owner))
}
