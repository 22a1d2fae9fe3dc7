//! Steps: defaults, undo, files by digest, and what needs the run.

use std::collections::BTreeSet;
use std::time::Duration;

use super::back::{self, Way};
use super::phase::Site;
use super::{Binder, millis, names};
use crate::diag::{Diagnostic, Diagnostics, Source, Spanned};
use crate::id::{Digest, HostName};
use crate::plan::{Become, BuiltIn, Call, FileRef, Items, Place, PlannedMark, PlannedStep, PlannedUndo, Retry, Stage};
use crate::runbook::expr::Template;
use crate::runbook::yaml::inside;
use crate::runbook::{Action, Mark, Step, Undo};

/// Limit of one attempt where nothing is written.
const TIMEOUT_MS: u64 = 600_000;
/// No repetition.
pub(super) const ONCE: Retry = Retry {
    attempts: 1,
    delay_ms: 0,
    backoff_percent: 100,
};

impl Binder<'_, '_> {
    /// A step of an included file with parameters sees those as `params`, and no others.
    pub(super) fn step(&mut self, step: &Step, site: Site<'_>) -> Option<PlannedStep> {
        let Some(fragment) = &step.fragment else {
            return self.step_here(step, site);
        };
        let inner = self.fragment_params(fragment)?;
        let outer = std::mem::replace(&mut self.params, inner.clone());
        let planned = self.step_here(step, site);
        self.params = outer;
        planned.map(|mut planned| {
            if let PlannedUndo::Steps(undo) = &mut planned.undo {
                // Those that no one wrote have their templates from this step.
                undo.iter_mut().for_each(|u| {
                    u.params.get_or_insert_with(|| inner.clone());
                });
            }
            planned.params = Some(inner);
            planned
        })
    }

    fn step_here(&mut self, step: &Step, site: Site<'_>) -> Option<PlannedStep> {
        let place = self.place_of(step, site);
        let call = self.call_by_os(step, place.as_ref(), site);
        self.decide_assert(step, site);
        let for_each = self.for_each(step, site);
        let (mut call, place, for_each) = (call?, place?, for_each?);
        let defaults = &self.input.runbook.defaults;
        if let Call::BuiltIn(BuiltIn::Compare { left, right, .. }) = &mut call
            && step.become_.is_none()
            && defaults.become_.is_some()
        {
            // A default holds where the step is done, and not on another machine.
            for side in [left, right].into_iter().filter(|side| side.host.is_some()) {
                side.become_.get_or_insert(Become::No);
            }
        }
        let own = step.timeout.as_ref().map(|t| t.value);
        let timeout = own.or(of_its_phases(&call)).or(defaults.timeout);
        let manual = matches!(call, Call::Manual { .. });
        let mut planned = PlannedStep {
            id: step.id.value.clone(),
            name: step.name.clone(),
            late: self.is_late(step, &call) || for_each.as_ref().is_some_and(|e| matches!(e.items, Items::Late(_))),
            when: step.when.as_ref().map(|w| w.value.clone()),
            expect: step.expect.as_ref().map(|e| e.value.clone()),
            warn_unless: step.warn_unless.as_ref().map(|w| w.value.clone()),
            register: step.register.as_ref().map(|r| r.value.clone()),
            parse: step.parse,
            for_each,
            params: None,
            once: step.once,
            fresh: step.fresh,
            become_user: self.becomes(step, &call, site).and_then(Become::user),
            become_true: self.becomes(step, &call, site) == Some(&Become::Root),
            // Nobody is asked the same thing twice because of a default.
            retry: step.retry.or(defaults.retry.filter(|_| !manual)).unwrap_or(ONCE),
            timeout_ms: timeout.map_or(TIMEOUT_MS, millis),
            ok_codes: if step.ok_codes.is_empty() {
                vec![0]
            } else {
                step.ok_codes.clone()
            },
            may_fail: step.may_fail.as_ref().map(|m| m.value.clone()),
            undo: PlannedUndo::NotNeeded,
            read_only: step.read_only,
            mark: step.mark.as_ref().map(planned_mark),
            mark_start: step.mark_start.as_ref().map(planned_mark),
            on_unknown: step.on_unknown,
            env: step
                .env
                .iter()
                .map(|(k, v)| (k.value.clone(), v.value.clone()))
                .collect(),
            stdin: step.stdin.as_ref().map(|s| s.value.clone()),
            sensitive: step.sensitive,
            evidence: step.evidence.iter().map(|e| e.value.clone()).collect(),
            skip: self.skips.step(site.phase, &step.id.value).map(str::to_owned),
            call,
            place,
        };
        self.check_exact(step, &planned, site);
        if site.stage == Stage::Steps {
            planned.undo = self.undo(step, &planned, site);
        }
        Some(planned)
    }

    /// `defaults.become` holds for what runs on the host that is worked on, and nowhere else.
    fn becomes<'s>(&'s self, step: &'s Step, call: &Call, site: Site<'_>) -> Option<&'s Become> {
        let on_host = step.delegate_to.is_none() && !step.once && !site.hosts.iter().all(HostName::is_controller);
        let default = self.input.runbook.defaults.become_.as_ref();
        step.become_
            .as_ref()
            .or(default.filter(|_| on_host && runs_on_host(call)))
    }

    /// Where sudo allows the written command and no shell, a step that becomes somebody is one command, and nothing beside it.
    fn check_exact(&mut self, step: &Step, planned: &PlannedStep, site: Site<'_>) {
        let sides = planned.sides();
        if planned.become_user.is_none() && !sides.iter().flatten().any(|s| s.become_.is_some()) {
            return;
        }
        let hosts: BTreeSet<HostName> = site.hosts.iter().flat_map(|host| machines(planned, host)).collect();
        let inventory = self.input.inventory;
        let exact = |h: &HostName| inventory.host(h.as_str()).is_some_and(|h| h.become_exact);
        let Some(host) = hosts.into_iter().find(exact) else {
            return;
        };
        let why = if !matches!(planned.call, Call::Argv { .. }) {
            "is not one command with its arguments"
        } else if !planned.env.is_empty() {
            "has an environment, which sudo does not pass on"
        } else if !planned.evidence.is_empty() {
            "keeps files, which are read by other commands"
        } else {
            return;
        };
        self.diags.push(
            Diagnostic::error(
                "PS0627",
                format!("sudo on `{host}` allows written commands only, and this step {why}"),
                step.id.span.clone(),
                "this step becomes another user",
            )
            .help("write `run` as a list, `run: [systemctl, restart, nginx]`, as the sudoers rule has it; or take `exact` from the host"),
        );
    }

    fn undo(&mut self, step: &Step, planned: &PlannedStep, site: Site<'_>) -> PlannedUndo {
        match &step.undo {
            Undo::CoveredBy(id) => PlannedUndo::CoveredBy(id.value.clone()),
            Undo::None(reason) => PlannedUndo::None(reason.value.clone()),
            Undo::Steps(list) => {
                let site = Site {
                    stage: Stage::Undo,
                    ..site
                };
                let kept: Vec<&Step> = list.iter().filter(|s| self.in_mode(&s.only_in)).collect();
                let steps = kept.into_iter().filter_map(|s| self.step(s, site));
                PlannedUndo::Steps(numbered(&planned.id, steps.collect()))
            }
            Undo::Unwritten if planned.read_only => PlannedUndo::NotNeeded,
            Undo::Unwritten => match back::of(planned) {
                Way::Step(step) => PlannedUndo::Steps(numbered(&planned.id, vec![*step])),
                Way::NotNeeded => PlannedUndo::NotNeeded,
                Way::Unknown => PlannedUndo::None("no undo written".to_owned()),
            },
        }
    }

    fn is_late(&self, step: &Step, call: &Call) -> bool {
        let template = |t: &str| self.template_is_late(t);
        let own = |names: Vec<_>| self.judges_late(&names);
        let condition = |c: &Option<Spanned<String>>| c.as_ref().is_some_and(|c| own(names::condition_names(c)));
        let mark = |m: &Option<Mark>| {
            let at = m.as_ref().and_then(|m| m.at.as_ref());
            at.is_some_and(|at| own(names::template_names(at)))
        };
        let when = step.when.as_ref();
        when.is_some_and(|w| crate::runbook::expr::Expr::parse(w).is_ok_and(|e| e.is_late()))
            || condition(&step.expect)
            || condition(&step.warn_unless)
            || mark(&step.mark)
            || mark(&step.mark_start)
            || step.env.iter().any(|(_, v)| template(v))
            || step.stdin.as_ref().is_some_and(|s| template(s))
            || step.evidence.iter().any(|e| template(e))
            || self.call_is_late(call)
    }

    fn call_is_late(&self, call: &Call) -> bool {
        let late = |t: &str| self.template_is_late(t);
        let maybe = |t: &Option<String>| t.as_ref().is_some_and(|t| self.template_is_late(t));
        match call {
            Call::Run { command: text } | Call::Manual { text } => late(text),
            Call::WaitPath { path: text, .. } | Call::WaitTime { time: text } => late(text),
            Call::Argv { argv } => argv.iter().any(|a| late(a)),
            Call::Script { args, interpreter, .. } => args.iter().any(|a| late(a)) || maybe(interpreter),
            Call::Upload {
                src,
                dest,
                owner,
                template,
                validate,
                ..
            } => late(dest) || maybe(owner) || maybe(validate) || (*template && self.content_is_late(src)),
            Call::Restore { dest: text, .. } | Call::Download { src: text, .. } => late(text),
            Call::Http { url, headers, body, .. } => late(url) || maybe(body) || headers.values().any(|v| late(v)),
            Call::Assert { that } => self.judges_late(&names::condition_names(that)),
            Call::WaitPort { host, port, .. } => late(port) || maybe(host),
            Call::Powershell { command } => late(command),
            Call::BuiltIn(what) => what.texts().into_iter().any(late),
            Call::WaitCheck { check, .. } => check.texts().into_iter().any(late),
            Call::ByOs { linux, windows } => linux.iter().chain(windows).any(|call| self.call_is_late(call)),
            Call::WaitConnection { .. } | Call::Revert { .. } => false,
        }
    }

    fn content_is_late(&self, path: &str) -> bool {
        let bytes = self.input.files.read(path).unwrap_or_default();
        std::str::from_utf8(&bytes).is_ok_and(|text| self.template_is_late(text))
    }

    /// An assert that needs only the plan is answered now, for every host.
    fn decide_assert(&mut self, step: &Step, site: Site<'_>) {
        let Action::Assert(that) = &step.action.value else {
            return;
        };
        if self.skips.step(site.phase, &step.id.value).is_some() {
            return;
        }
        let mut reads = names::condition_names(that);
        reads.extend(step.when.iter().flat_map(|w| names::condition_names(w)));
        if reads
            .iter()
            .any(|(n, _)| matches!(n.as_str(), "run.id" | "secrets" | "item"))
            || self.judges_late(&reads)
        {
            return;
        }
        let inventory = self.input.inventory;
        let hosts: Vec<_> = if names::read_host(&reads) {
            site.hosts.iter().map(|h| inventory.host(h.as_str())).collect()
        } else {
            vec![None]
        };
        let mut scope = self.scope(&reads);
        for host in hosts {
            if let Some(h) = host {
                names::set_host(&mut scope, h);
            }
            if step
                .when
                .as_ref()
                .is_some_and(|w| self.truth_in(w, &scope) != Some(true))
            {
                continue;
            }
            match self.truth_in(that, &scope) {
                Some(true) => {}
                Some(false) => {
                    let of = host.map_or_else(String::new, |h| format!(" for host `{}`", h.name.value));
                    let d = Diagnostic::error(
                        "PS0624",
                        format!("{} is not so{of}", step.name),
                        that.span.clone(),
                        "this is false",
                    );
                    self.diags
                        .push(d.help("the plan alone decides it: change a parameter, the mode or the inventory"));
                    return;
                }
                None => return,
            }
        }
    }

    /// Freezes a file of the project; gives its path.
    pub(super) fn file(&mut self, path: &Spanned<String>, template: bool) -> Option<String> {
        let name = self.text_now(path)?;
        let bytes = match crate::runbook::files::not_plain(&name) {
            Some(why) => Err(why.to_owned()),
            None => self.input.files.read(&name).map_err(|e| e.to_string()),
        };
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(why) => {
                let d = Diagnostic::error(
                    "PS0651",
                    format!("cannot read `{name}`: {why}"),
                    path.span.clone(),
                    "this step uses it",
                );
                self.diags
                    .push(d.help("paths are relative to the project, the folder that holds pitstop.yml"));
                return None;
            }
        };
        if template {
            check_content(&name, &bytes, self.diags);
        }
        let file = FileRef {
            digest: Digest::of(&bytes),
            bytes: bytes.len() as u64,
        };
        self.files.insert(name.clone(), file);
        Some(name)
    }
}

/// A file that is rendered must be text whose expressions can be read.
fn check_content(name: &str, bytes: &[u8], diags: &mut Diagnostics) {
    let text = String::from_utf8_lossy(bytes);
    let source = Source::new(name, text.as_ref());
    let whole = Spanned::new(text.to_string(), crate::diag::Span::new(&source, 0, text.len()));
    let (message, range, help) = match (std::str::from_utf8(bytes), Template::parse(&text)) {
        (Err(e), _) => (
            "a template must be UTF-8 text".to_owned(),
            e.valid_up_to()..e.valid_up_to(),
            None,
        ),
        (Ok(_), Err(e)) => (e.message, e.range, e.help),
        (Ok(_), Ok(_)) => return,
    };
    let span = crate::diag::Span::new(&source, range.start, range.end);
    let span = if range.is_empty() { inside(&whole, range) } else { span };
    let d = Diagnostic::error("PS0651", message, span, "in a file that is uploaded as a template");
    diags.push(d.help(help.unwrap_or_else(|| "write `template: false` if the file is to go as it is".to_owned())));
}

fn planned_mark(mark: &Mark) -> PlannedMark {
    PlannedMark {
        name: mark.name.value.clone(),
        at: mark.at.as_ref().map(|a| a.value.clone()),
    }
}

/// Undo steps are known by the step they belong to and their number.
fn numbered(of: &str, mut steps: Vec<PlannedStep>) -> Vec<PlannedStep> {
    for (n, step) in steps.iter_mut().enumerate() {
        step.id = format!("{of}/{}", n + 1);
    }
    steps
}

/// True for calls that are a process or a file of the machine where they are done.
pub(super) fn runs_on_host(call: &Call) -> bool {
    match call {
        Call::Run { .. }
        | Call::Argv { .. }
        | Call::Script { .. }
        | Call::Upload { .. }
        | Call::Restore { .. }
        | Call::Download { .. }
        | Call::WaitPort { .. }
        | Call::WaitPath { .. }
        | Call::WaitCheck { .. }
        | Call::Powershell { .. }
        | Call::BuiltIn(_)
        | Call::Revert { .. }
        | Call::ByOs { .. } => true,
        Call::Http { .. }
        | Call::Assert { .. }
        | Call::WaitConnection { .. }
        | Call::WaitTime { .. }
        | Call::Manual { .. } => false,
    }
}

/// The hosts on which a step is done for `host`.
pub(super) fn places<'p>(step: &'p PlannedStep, host: &'p HostName) -> &'p [HostName] {
    match &step.place {
        Place::Own => std::slice::from_ref(host),
        Place::Hosts(hosts) | Place::OneOf(hosts) => hosts,
        Place::ByHost(map) => map.get(host).map_or(&[], Vec::as_slice),
    }
}

/// The machines on which commands of a step run for `host`.
pub(super) fn machines(step: &PlannedStep, host: &HostName) -> Vec<HostName> {
    let places = places(step, host);
    let Some(sides) = step.sides() else {
        return places.to_vec();
    };
    let mut machines = Vec::new();
    for side in sides {
        match side.machine(Some(host.as_str())) {
            Some(name) => machines.push(HostName::new(name)),
            None => machines.extend_from_slice(places),
        }
    }
    machines
}

/// The limit of what has phases with limits of their own: all of them together.
fn of_its_phases(call: &Call) -> Option<Duration> {
    let Call::BuiltIn(BuiltIn::Reboot { limits, settle_ms, .. }) = call else {
        return None;
    };
    let phases = [
        limits.down_ms,
        limits.port_ms,
        limits.login_ms,
        limits.ready_ms,
        *settle_ms,
    ];
    Some(Duration::from_millis(phases.into_iter().fold(0, u64::saturating_add)))
}
