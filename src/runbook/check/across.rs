//! Whose result a name is: a registered result belongs to its host. Asked by `check` as far as the runbook tells which hosts a
//! phase has, and once more by the plan, which knows them.
//!
//! Owns: this rule. Must not: know which names exist where (that is `expressions`).

use std::collections::HashSet;
use std::ops::Range;

use super::{At, expressions};
use crate::diag::{Diagnostic, Diagnostics, Span, Spanned};
use crate::id::HostName;
use crate::runbook::yaml::inside;
use crate::runbook::{Phase, Runbook, Stage, Step, TargetSet};

/// What is known of the hosts of a phase.
#[derive(Clone, Copy, Debug)]
pub enum Hosts<'h> {
    /// Nothing yet.
    Unclear,
    /// This many.
    Count(usize),
    /// These.
    Are(&'h [HostName]),
    /// Nobody does this phase: it is left out, of another mode, or without hosts.
    LeftOut,
}

/// What the asker knows beyond the runbook.
pub trait Knows {
    /// The hosts of a phase.
    fn hosts(&self, phase: &Phase) -> Hosts<'_>;
    /// Where the change leaves a step out, alone or with its phase.
    fn left_out(&self, phase: &Phase, step: &str) -> Option<Span>;
}

/// Reads of results that no host here has, with what a plan knows.
pub fn reads_across(runbook: &Runbook, knows: &dyn Knows, diags: &mut Diagnostics) {
    expressions::only_across(runbook, knows, diags);
}

/// The runbook alone.
pub(super) struct Written<'r>(pub &'r Runbook);

impl Knows for Written<'_> {
    fn hosts(&self, phase: &Phase) -> Hosts<'_> {
        let Some(name) = &phase.targets else {
            return Hosts::Count(1);
        };
        let set = self.0.targets.iter().find(|t| t.name.value == name.value);
        let plain = |s: &TargetSet| s.select.is_none() && s.hosts.iter().all(|h| !h.contains("{{"));
        set.filter(|s| plain(s))
            .map_or(Hosts::Unclear, |s| Hosts::Count(s.hosts.len()))
    }

    fn left_out(&self, _: &Phase, _: &str) -> Option<Span> {
        None
    }
}

/// Who reads: a step or a condition of a phase, on behalf of its hosts or of none.
#[derive(Clone, Copy)]
pub(super) struct Reader<'r> {
    pub phase: Option<&'r Phase>,
    /// Read once for each host of the phase.
    pub by_host: bool,
    /// The step whose text it is.
    pub step: Option<&'r Step>,
}

/// What is wrong with reading `path` here, if anything: none of the steps that register it has a result for whoever reads.
pub(super) fn fault(
    knows: &dyn Knows,
    sources: &[&At<'_>],
    reader: Reader<'_>,
    text: &Spanned<String>,
    path: &str,
    range: Range<usize>,
) -> Option<Diagnostic> {
    let name = path.split('.').next().unwrap_or(path);
    if reader.phase.is_some_and(|p| matches!(knows.hosts(p), Hosts::LeftOut)) {
        return None;
    }
    let place = || inside(text, range.clone());
    if let Some(d) = left_out(knows, sources, reader, text, path, name) {
        return Some(d.also(place(), "read here"));
    }
    let bad = sources.iter().find(|at| !readable(knows, at, reader))?;
    if sources.iter().any(|at| readable(knows, at, reader)) {
        return None;
    }
    let register = bad.step.register.as_ref()?;
    let (why, help) = if reader.by_host {
        (
            "some hosts of this phase have no such result",
            format!("register it in a step of this phase, or read all of them: `results.{name}`"),
        )
    } else {
        (
            "there is one for each host, and this is done for none of them",
            format!("read the list of all hosts' results, from a later phase on: `results.{name}`"),
        )
    };
    let message = format!("`{name}` is the result of several hosts");
    let d = Diagnostic::error("PS0297", message, place(), why);
    Some(d.also(register.span.clone(), "registered here").help(help))
}

fn readable(knows: &dyn Knows, source: &At<'_>, reader: Reader<'_>) -> bool {
    let Some(phase) = source
        .phase
        .filter(|_| source.stage != Stage::Steady && !source.step.once)
    else {
        return true;
    };
    let same = reader.phase.is_some_and(|p| std::ptr::eq(p, phase));
    match knows.hosts(phase) {
        Hosts::Unclear | Hosts::LeftOut => true,
        Hosts::Count(n) => n < 2 || reader.by_host,
        Hosts::Are(hosts) if hosts.len() < 2 && !reader.by_host => true,
        Hosts::Are(_) if reader.by_host && same => true,
        Hosts::Are(hosts) => {
            hosts.len() == 1
                || reader.by_host
                    && reader.phase.is_some_and(|p| match knows.hosts(p) {
                        Hosts::Are(readers) => all_among(readers, hosts),
                        _ => true,
                    })
        }
    }
}

fn all_among(some: &[HostName], hosts: &[HostName]) -> bool {
    some == hosts || {
        let hosts: HashSet<&HostName> = hosts.iter().collect();
        some.iter().all(|h| hosts.contains(h))
    }
}

/// The change leaves the step out that registers it, and the text does not ask whether it ran.
fn left_out(
    knows: &dyn Knows,
    sources: &[&At<'_>],
    reader: Reader<'_>,
    text: &str,
    path: &str,
    name: &str,
) -> Option<Diagnostic> {
    let (ran, changed) = (format!("{name}.ran"), format!("{name}.changed"));
    let guard = |t: &str| t.contains(&ran);
    let when = reader.step.and_then(|s| s.when.as_ref());
    let when = when.or_else(|| reader.phase.and_then(|p| p.when.as_ref()));
    if path == ran || path == changed || guard(text) || when.is_some_and(|w| guard(w)) {
        return None;
    }
    // The reader itself may be left out with it.
    if let (Some(phase), Some(step)) = (reader.phase, reader.step)
        && knows.left_out(phase, &step.id.value).is_some()
    {
        return None;
    }
    let mut spans = sources.iter().map(|at| knows.left_out(at.phase?, &at.step.id.value));
    let span = spans.next()??;
    if spans.any(|other| other.is_none()) {
        return None;
    }
    let message = format!("what this leaves out registers `{name}`, which others read");
    let d = Diagnostic::error("PS0685", message, span, "left out, it has no result");
    Some(d.help(format!(
        "leave out the steps that read it too, or let them ask first: `when: {ran} and …`"
    )))
}
