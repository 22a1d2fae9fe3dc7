//! A plan into the facts of the approver's page.
//!
//! Owns: what an approver must know, section by section. Must not: format.

use std::collections::BTreeMap;

use super::super::{
    AfterBatch, Call, OnFailure, Otherwise, Place, Plan, PlanItem, PlannedGate, PlannedPhase, PlannedStep, PlannedUndo,
    Requirement, SecretSource, Size, Stage, TransportKind,
};
use super::batches::who;
use super::learnt::{learnt, way_back};
use super::proven::last_proven;
use super::risk::{changing, counted, risk, rollback, unknown_if_cut};
use super::time::{former_times, freezes, open_ms, time};
use super::words::{count, duration, each_words, plain_call, shown};
use super::{Block, Cell, Figure, Outside, Page, Section, code};
use crate::id::{Digest, HostName};
use crate::plan::estimate::worst_phase_ms;

/// The six stages in order.
pub(super) const STAGES: [Stage; 6] = [
    Stage::Precheck,
    Stage::Drain,
    Stage::Steps,
    Stage::Verify,
    Stage::Undrain,
    Stage::Cleanup,
];

/// The page of a plan.
pub fn facts(plan: &Plan, digest: &Digest, outside: &Outside) -> Page {
    let mut sections: Vec<Section> = super::unbuilt::in_the_way(&outside.in_the_way).into_iter().collect();
    sections.extend([hosts(plan), time(plan, outside), freezes(plan)]);
    for item in &plan.items {
        sections.push(match item {
            PlanItem::Phase(p) => phase(plan, p),
            PlanItem::Gate(g) => Section::new(&format!("Gate {}", g.id), vec![Block::Facts(gate(plan, g))]),
        });
    }
    sections.extend([
        rollback(plan, outside.undone.as_deref()),
        people(plan),
        power(plan),
        risk(plan, outside),
    ]);
    sections.extend(super::unbuilt::messages(plan));
    sections.extend(super::unbuilt::unbuilt(plan));
    sections.extend(left_out(plan));
    sections.extend(way_back(plan, outside.learnt.as_ref()));
    sections.extend(outside.learnt.as_ref().map(|l| learnt(plan, l)));
    sections.push(outside_digest(plan, digest, outside));
    Page {
        kicker: kicker(plan),
        title: plan.title.clone(),
        lede: lede(plan),
        figures: figures(plan, outside),
        summary: summary(plan, digest),
        sections,
    }
}

fn kicker(plan: &Plan) -> String {
    let kind = serde_json::to_value(plan.kind).ok();
    let kind = kind
        .as_ref()
        .and_then(|k| k.as_str())
        .unwrap_or("change")
        .replace('_', " ");
    let first = if plan.rehearsal { "Plan of a rehearsal" } else { "Plan" };
    let parts = [first.to_owned(), kind].into_iter();
    let mode = plan.mode.as_ref().map(|m| format!("mode {m}"));
    parts
        .chain(mode)
        .chain(plan.ticket.clone())
        .collect::<Vec<_>>()
        .join(" · ")
}

fn lede(plan: &Plan) -> Vec<String> {
    let targets = plan.worked_hosts();
    let work = changing(plan).count();
    let around = plan.phases().flat_map(all_steps).filter(|s| !s.read_only).count() - work;
    let what = if plan.changes() {
        let around = match around {
            0 => String::new(),
            n => format!(", and {n} more around them (drain, undrain, cleanup)"),
        };
        format!(
            "It changes {} with {}{around}.",
            count(targets.len(), "host", "hosts"),
            count(work, "changing step", "changing steps")
        )
    } else {
        format!(
            "It reads {} and changes nothing.",
            count(targets.len(), "host", "hosts")
        )
    };
    let mut out = vec![what];
    if plan.rehearsal {
        out.push("A rehearsal: when all of it is done, or at the first failure, all of it is taken back and proven to be as before.".to_owned());
    }
    out.extend(plan.reason.as_ref().map(|r| format!("Why: {r}")));
    out
}

fn figures(plan: &Plan, outside: &Outside) -> Vec<Figure> {
    let targets = plan.worked_hosts();
    let batches: usize = plan.phases().map(|p| who(plan, p).len()).sum();
    let mut out = vec![Figure::new(
        "Hosts",
        targets.len().to_string(),
        format!("in {}", count(batches, "batch", "batches")),
    )];
    let all = changing(plan).count();
    if all > 0 {
        let can = changing(plan)
            .filter(|(_, s)| !matches!(s.undo, PlannedUndo::None(_)))
            .count();
        let note = match (can == all, last_proven(plan, outside.undone.as_deref())) {
            (true, Some(at)) => format!("undo last proven on {at}"),
            (true, None) => "no point of no return".to_owned(),
            (false, _) => "with a point of no return".to_owned(),
        };
        out.push(Figure::new("Can be taken back", format!("{can} of {all}"), note));
    }
    let longest = plan.phases().map(worst_phase_ms).fold(0, u64::saturating_add);
    let at_most = format!("at most {} by its limits", duration(longest));
    match &plan.window {
        Some(w) => {
            let open = open_ms(plan).unwrap_or(w.duration_ms);
            let cut = if open < w.duration_ms { ", cut by a freeze" } else { "" };
            out.push(Figure::new("Window", duration(open), format!("{at_most}{cut}")));
        }
        None => out.push(Figure::new("Window", "any time", at_most)),
    }
    let (level, score, _) = counted(plan, outside);
    out.push(Figure::new(
        "Risk",
        level,
        count(usize::try_from(score).unwrap_or(0), "point", "points"),
    ));
    out
}

fn summary(plan: &Plan, digest: &Digest) -> Vec<(String, Cell)> {
    let mut f: Vec<(String, Cell)> = Vec::new();
    let mut say = |name: &str, value: &Option<String>| {
        if let Some(v) = value {
            f.push((name.to_owned(), v.as_str().into()));
        }
    };
    say("Ticket", &plan.ticket);
    say("Owner", &plan.owner);
    say("About", &plan.description);
    say("Type", &plan.change.type_);
    say("Impact", &plan.change.impact);
    say("Back-out", &plan.change.backout);
    say("Test", &plan.change.test);
    say("Risk, in the author's words", &plan.change.risk);
    f.push(("Runbook".to_owned(), code(&plan.path)));
    for (name, value) in &plan.params {
        f.push((format!("Parameter {name}"), code(shown(value))));
    }
    f.push(("Plan digest".to_owned(), code(digest.to_string())));
    f
}

fn hosts(plan: &Plan) -> Section {
    let mut blocks = Vec::new();
    let rows = plan.targets.iter().map(|(name, hosts)| {
        let names = hosts.iter().map(HostName::as_str).collect::<Vec<_>>().join(", ");
        vec![code(name), hosts.len().to_string().into(), names.into()]
    });
    blocks.push(Block::table("Target sets", &["Set", "Hosts", "Names"], rows.collect()));
    let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
    let targets = plan.worked_hosts();
    for h in plan.hosts.iter().filter(|h| targets.contains(&h.name)) {
        for g in &h.groups {
            *groups.entry(g).or_default() += 1;
        }
    }
    if !groups.is_empty() {
        let list = groups
            .iter()
            .map(|(g, n)| format!("{g} {n}"))
            .collect::<Vec<_>>()
            .join(", ");
        blocks.push(Block::Text(format!("By group: {list}.")));
    }
    let others: Vec<&str> = plan
        .hosts
        .iter()
        .filter(|h| !targets.contains(&h.name))
        .map(|h| h.name.as_str())
        .collect();
    if !others.is_empty() {
        blocks.push(Block::Text(format!("Also used, not a target: {}.", others.join(", "))));
    }
    Section::new("Hosts", blocks)
}

fn phase(plan: &Plan, p: &PlannedPhase) -> Section {
    let batches = who(plan, p);
    let mut how = vec![format!(
        "{} in {}, at most {} at a time.",
        count(p.hosts.len(), "host", "hosts"),
        count(batches.len(), "batch", "batches"),
        p.rollout.parallel
    )];
    if let Some(label) = &p.rollout.apart {
        how.push(format!("A batch never mixes different values of {label}."));
    }
    if let Some(last) = &p.rollout.last {
        how.push(format!("Last of all, one at a time: hosts for which `{last}`. The run learns which; the batches below do not know it."));
    }
    if p.rollout.soak_ms > 0 {
        how.push(format!("{} of rest after each batch.", duration(p.rollout.soak_ms)));
    }
    if let Some(when) = &p.when {
        how.push(format!("A host needs it only if `{when}`."));
    }
    how.push(failing(p));
    let mut blocks = vec![Block::List(how)];
    if batches.len() > 1 {
        let rows = batches.iter().enumerate().map(|(n, hosts)| {
            let names = hosts.iter().map(HostName::as_str).collect::<Vec<_>>().join(", ");
            let canary = if n == 0 && p.rollout.batches.len() > 1 {
                " (the canary: one failure here is one too many)"
            } else {
                ""
            };
            vec![
                (n + 1).to_string().into(),
                hosts.len().to_string().into(),
                format!("{names}{canary}").into(),
            ]
        });
        blocks.push(Block::table("Batches", &["Batch", "Hosts", "Who"], rows.collect()));
    }
    let mut rows = Vec::new();
    for s in &p.steady_state {
        rows.push(step_row(plan, Stage::Steady, s));
    }
    for stage in STAGES {
        for s in p.stages.get(stage) {
            rows.push(step_row(plan, stage, s));
        }
    }
    blocks.push(Block::table(
        "Steps",
        &["Stage", "Step", "Does", "Command", "Limit"],
        rows,
    ));
    if let Some(g) = &p.rollout.gate {
        blocks.push(Block::Text(match g.after_batch {
            AfterBatch::Nth(n) => format!("A gate after batch {n}:"),
            AfterBatch::Each => "A gate after each batch that another follows:".to_owned(),
        }));
        blocks.push(Block::Facts(gate(plan, g)));
    }
    Section::new(&format!("Phase {}: {}", p.id, p.title), blocks)
}

/// What a failure does, in a sentence.
fn failing(p: &PlannedPhase) -> String {
    if !p.changes {
        return "It changes nothing: a host on which a step fails has failed.".to_owned();
    }
    let borne = match p.rollout.max_fail {
        Size::Count(n) => n,
        Size::Percent(n) => u32::try_from(p.hosts.len()).unwrap_or(u32::MAX).saturating_mul(n) / 100,
    };
    let bears = match borne {
        0 => "With the first failed host nothing further starts".to_owned(),
        1 => "One failed host is borne, with a second nothing further starts".to_owned(),
        n => format!("Up to {n} failed hosts are borne, with one more nothing further starts"),
    };
    match p.on_failure {
        OnFailure::RollbackHost => format!("{bears}; each failed host is taken back, the others stay changed."),
        OnFailure::RollbackRun => {
            format!("{bears}; each failed host is taken back, and when too many failed the whole run is.")
        }
        OnFailure::Hold => {
            "The first failure stops everything; nothing is taken back, the host stays as it is until a person decides."
                .to_owned()
        }
        OnFailure::Ask => {
            "The first failure stops everything and a person is asked; nothing is taken back by itself.".to_owned()
        }
    }
}

fn step_row(plan: &Plan, stage: Stage, s: &PlannedStep) -> Vec<Cell> {
    let (verb, text) = plain_call(&s.call, s.params.as_ref().unwrap_or(&plan.params));
    let mut does = format!("{verb}{}", place(&s.place));
    let mut add = |yes: bool, words: &str| {
        if yes {
            does.push_str(", ");
            does.push_str(words);
        }
    };
    if let Some(each) = &s.for_each {
        add(true, &each_words(each));
    }
    add(!s.read_only, "changes");
    add(s.once, "once for the phase");
    add(s.fresh, "again before each host");
    add(
        !s.read_only && unknown_if_cut(&s.call),
        "not latched: unknown if cut off",
    );
    add(s.when.is_some(), "only under a condition");
    add(s.may_fail.is_some(), "may fail");
    add(s.skip.is_some(), "LEFT OUT by the change");
    let elsewhere = s.become_true && plan.hosts.iter().any(|h| h.become_user.is_some());
    let or = if elsewhere {
        ", or whom the host names for it"
    } else {
        ""
    };
    add(
        s.become_user.is_some(),
        &format!("as {}{or}", s.become_user.as_deref().unwrap_or_default()),
    );
    let limit = if s.retry.attempts > 1 {
        format!("{} × {}", s.retry.attempts, duration(s.timeout_ms))
    } else {
        duration(s.timeout_ms)
    };
    vec![
        stage.as_str().into(),
        s.name.as_str().into(),
        does.into(),
        code(text),
        limit.into(),
    ]
}

fn place(p: &Place) -> String {
    let names = |l: &[HostName]| l.iter().map(HostName::as_str).collect::<Vec<_>>().join(", ");
    match p {
        Place::Own => String::new(),
        Place::Hosts(l) => format!(" on {}", names(l)),
        Place::ByHost(_) => " on another host, told by label".to_owned(),
        Place::OneOf(l) => format!(" on one of {}", names(l)),
    }
}

/// Who must say yes, by name.
fn requirement(plan: &Plan, r: &Requirement) -> String {
    let who = if r.approvers.is_empty() {
        "the operator, who types the name of the change (unsigned: there is no policy)".to_owned()
    } else {
        let members = |group: &String| {
            let people = plan.policy.as_ref().and_then(|p| p.approvers.get(group));
            people.map_or_else(|| group.clone(), |people| format!("{group} ({})", people.join(", ")))
        };
        format!(
            "{} of {}",
            count(usize::try_from(r.need).unwrap_or(0), "person", "different people"),
            r.approvers.iter().map(members).collect::<Vec<_>>().join(" or ")
        )
    };
    format!("{who}{}", if r.not_operator { ", not the operator" } else { "" })
}

fn gate(plan: &Plan, g: &PlannedGate) -> Vec<(String, Cell)> {
    let otherwise = match g.otherwise {
        Otherwise::Hold => "the run stops; finished hosts stay as they are",
        Otherwise::RollbackRun => "the whole run is taken back",
    };
    let mut f: Vec<(String, Cell)> = vec![
        ("Question".to_owned(), g.title.as_str().into()),
        ("Must say yes".to_owned(), requirement(plan, &g.requirement).into()),
        ("Waits at most".to_owned(), duration(g.expires_ms).into()),
        ("If not".to_owned(), otherwise.into()),
    ];
    if !g.show.is_empty() {
        f.push(("Shows".to_owned(), code(g.show.join(", "))));
    }
    f
}

fn people(plan: &Plan) -> Section {
    let start = plan
        .approval
        .as_ref()
        .map_or_else(|| "nobody has to".to_owned(), |r| requirement(plan, r));
    let mut f: Vec<(String, Cell)> = vec![("Approves the plan".to_owned(), start.into())];
    for item in &plan.items {
        let g = match item {
            PlanItem::Gate(g) => Some(g),
            PlanItem::Phase(p) => p.rollout.gate.as_ref(),
        };
        f.extend(g.map(|g| (format!("Gate {}", g.id), requirement(plan, &g.requirement).into())));
    }
    if let Some(policy) = &plan.policy {
        for (group, people) in &policy.approvers {
            f.push((format!("Group {group}"), people.join(", ").into()));
        }
        f.push(("Policy".to_owned(), code(policy.digest.to_string())));
    }
    Section::new("Who may say yes", vec![Block::Facts(f)])
}

/// What the plan may do beyond the hosts: local commands, secrets, providers.
fn power(plan: &Plan) -> Section {
    let mut blocks = Vec::new();
    if let Some(argv) = &plan.inventory_command {
        blocks.push(Block::table(
            "The inventory",
            &["Printed by", "When"],
            vec![vec![
                code(argv.join(" ")),
                "on the control machine, when the plan was made".into(),
            ]],
        ));
    }
    let secrets: Vec<Vec<Cell>> = plan
        .secrets
        .iter()
        .map(|(name, from)| {
            let from = match from {
                SecretSource::Env { name } => code(format!("environment variable {name}")),
                SecretSource::File { path } => code(format!("file {path}")),
                SecretSource::Prompt => "asked on the terminal".into(),
                SecretSource::Provider { provider, args } => {
                    let argv = plan.providers.get(provider).map(|a| a.join(" ")).unwrap_or_default();
                    code(format!("{argv} {}", args.join(" ")).trim())
                }
            };
            vec![code(name), from]
        })
        .collect();
    if !secrets.is_empty() {
        blocks.push(Block::table("Secrets", &["Secret", "Comes from"], secrets));
    }
    let local = |s: &&PlannedStep, p: &PlannedPhase| {
        let here = match &s.place {
            Place::Hosts(l) => l.iter().any(HostName::is_controller),
            Place::Own => p.hosts.iter().any(HostName::is_controller),
            _ => false,
        };
        here && matches!(s.call, Call::Run { .. } | Call::Argv { .. } | Call::Script { .. })
    };
    let mut rows = Vec::new();
    for p in plan.phases() {
        for s in all_steps(p).filter(|s| local(s, p)) {
            let (_, text) = plain_call(&s.call, s.params.as_ref().unwrap_or(&plan.params));
            rows.push(vec![code(format!("{}/{}", p.id, s.id)), code(text)]);
        }
    }
    if rows.is_empty() {
        blocks.push(Block::Text("No command runs on the control machine.".to_owned()));
    } else {
        blocks.push(Block::table(
            "Commands on the control machine",
            &["Step", "Command"],
            rows,
        ));
    }
    let mut attached = plan
        .hosts
        .iter()
        .filter(|h| h.transport == TransportKind::Winrm)
        .peekable();
    if attached.peek().is_some() {
        let names = attached.map(|h| h.name.as_str()).collect::<Vec<_>>().join(", ");
        blocks.push(Block::Warning(format!(
            "Over WinRM, where steps are not yet proven to be latched: {names}."
        )));
    }
    let bare = |h: &&super::super::PlannedHost| {
        h.transport == TransportKind::Ssh && (h.os == "windows" || h.shell.as_deref() == Some("none"))
    };
    let bare: Vec<&str> = plan.hosts.iter().filter(bare).map(|h| h.name.as_str()).collect();
    if !bare.is_empty() {
        blocks.push(Block::Warning(format!(
            "Without a POSIX shell, so attached: a step that is under way when the link is lost is unknown, and nothing can stop \
             it. {}.",
            bare.join(", ")
        )));
    }
    Section::new("What it may use", blocks)
}

/// Every step of a phase, undo steps not counted.
pub(super) fn all_steps(p: &PlannedPhase) -> impl Iterator<Item = &PlannedStep> {
    let stages = STAGES.into_iter().flat_map(|s| p.stages.get(s));
    p.steady_state.iter().chain(stages)
}

fn left_out(plan: &Plan) -> Option<Section> {
    let skipped = plan.skipped.iter().map(|(s, why)| format!("{s}: {why}"));
    let by = plan.limit.as_deref().unwrap_or("the change's limit");
    let limited = plan.excluded.iter().map(|(phase, hosts)| {
        let all = plan.emptied.contains(phase);
        let what = if all { "all its hosts" } else { "these hosts" };
        let names = hosts.iter().map(HostName::as_str).collect::<Vec<_>>().join(", ");
        format!("phase {phase}, {what}: {names} (limit: {by})")
    });
    let list: Vec<String> = skipped.chain(limited).collect();
    (!list.is_empty()).then(|| Section::new("Left out by the change", vec![Block::List(list)]))
}

fn outside_digest(plan: &Plan, digest: &Digest, outside: &Outside) -> Section {
    let mut list = vec![
        "The software and the data on the hosts, and what commands find there.".to_owned(),
        "The values of secrets, and what secret providers answer.".to_owned(),
        "Host keys, login keys and the agent of whoever runs it.".to_owned(),
    ];
    if let Some((commit, dirty)) = &outside.commit {
        let state = if *dirty { ", with files that differ from it" } else { "" };
        list.push(format!("The commit it was planned at: {commit}{state}."));
    }
    list.extend(outside.changed.iter().map(|c| format!("Changed since: {c}")));
    let mut blocks = vec![Block::List(list)];
    if !outside.ssh.is_empty() {
        let rows = outside.ssh.iter().map(|s| {
            let mut hosts: Vec<&str> = s.hosts.iter().take(5).map(HostName::as_str).collect();
            let more = format!("{} more", s.hosts.len().saturating_sub(hosts.len()));
            if s.hosts.len() > hosts.len() {
                hosts.push(&more);
            }
            vec![
                s.keyword.as_str().into(),
                code(&s.value),
                code(&s.place),
                hosts.join(", ").into(),
            ]
        });
        let caption = "From the ssh config of whoever made this page";
        blocks.push(Block::table(
            caption,
            &["Setting", "Value", "Said in", "Hosts"],
            rows.collect(),
        ));
    }
    if !outside.history.is_empty() {
        let rows = outside
            .history
            .iter()
            .map(|r| vec![code(&r.run), r.verdict.as_str().into(), duration(r.duration_ms).into()]);
        blocks.push(Block::table("Former runs", &["Run", "Verdict", "Took"], rows.collect()));
        blocks.extend(former_times(plan, &outside.history));
    }
    let file = outside.file.as_deref().unwrap_or("PLAN");
    let next = if plan.approval.is_some() {
        format!("pitstop approve {file} --key KEYFILE")
    } else {
        format!("pitstop run {file}")
    };
    blocks.push(Block::Facts(vec![
        ("Signed is the digest".to_owned(), code(digest.to_string())),
        ("Next".to_owned(), code(next)),
    ]));
    Section::new("Not in the digest", blocks)
}
