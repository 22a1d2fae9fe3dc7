//! Rules about one step where it stands.

use super::At;
use crate::diag::{Diagnostic, Diagnostics};
use crate::runbook::builtin::Check;
use crate::runbook::yaml::inside;
use crate::runbook::{Action, Command, Runbook, Stage, Undo};

pub(super) fn check(runbook: &Runbook, at: &At<'_>, diags: &mut Diagnostics) {
    fresh(at, diags);
    may_fail(at, diags);
    once(at, diags);
    limits(at, diags);
    process_keys(at, diags);
    never_fails(at, diags);
    reasons(at, diags);
    url(at, diags);
    no_return_in_test(runbook, at, diags);
    if at.step.read_only && !matches!(at.step.undo, Undo::Unwritten) {
        let d = Diagnostic::warning(
            "PS0225",
            "a read-only step owes no undo",
            at.step.span.clone(),
            "its `undo` will never run",
        );
        diags.push(d.help("delete `undo`, or `read_only` if the step does change something"));
    }
}

fn fresh(at: &At<'_>, diags: &mut Diagnostics) {
    if at.step.fresh && at.stage != Stage::Precheck {
        let d = Diagnostic::error(
            "PS0206",
            "only a precheck can be `fresh`",
            at.step.span.clone(),
            format!("this step stands in `{}`", at.stage.as_str()),
        );
        diags.push(d.help("`fresh` repeats a precheck directly before its host starts: move the step to `precheck`, or delete `fresh`"));
    }
}

fn may_fail(at: &At<'_>, diags: &mut Diagnostics) {
    let Some(reason) = &at.step.may_fail else { return };
    if at.stage == Stage::Verify {
        let d = Diagnostic::error(
            "PS0207",
            "a step of `verify` may not fail",
            reason.span.clone(),
            "then it would prove nothing",
        );
        diags.push(d.help("use `warn_unless` for what should only warn"));
    }
    if !matches!(at.step.undo, Undo::Unwritten) {
        let d = Diagnostic::error(
            "PS0207",
            "a step that may fail has no undo",
            reason.span.clone(),
            "the host would go on with it half done",
        );
        diags.push(d.help("delete `may_fail`, or `undo`"));
    }
}

/// Read-only: anywhere. Changing: a bracket round the phase.
fn once(at: &At<'_>, diags: &mut Diagnostics) {
    if at.step.once && !at.step.read_only && !matches!(at.stage, Stage::Drain | Stage::Cleanup) {
        let d = Diagnostic::error(
            "PS0208",
            "a step that changes something once stands in `drain` or `cleanup`",
            at.step.span.clone(),
            format!("this one stands in `{}`", at.stage.as_str()),
        );
        diags.push(
            d.help("in `drain` it runs before the first host of the phase, in `cleanup` after the last")
                .help("a phase of its own, without `targets` or with one host, also runs once"),
        );
    }
}

fn limits(at: &At<'_>, diags: &mut Diagnostics) {
    if let Some(timeout) = at.step.timeout.as_ref().filter(|t| t.is_zero()) {
        diags.push(
            Diagnostic::error(
                "PS0224",
                "a step with no time can do nothing",
                timeout.span.clone(),
                "this is no time",
            )
            .help("write how long one attempt may take, or delete it: 10m"),
        );
    }
    if matches!(at.step.action.value, Action::Manual(_)) && at.step.timeout.is_none() {
        let d = Diagnostic::error(
            "PS0218",
            "a manual step says how long a person has",
            at.step.action.span.clone(),
            "`timeout` is missing in this step",
        );
        diags.push(d.help("write `timeout: 30m`"));
    }
}

/// A reason is read by the board.
fn reasons(at: &At<'_>, diags: &mut Diagnostics) {
    let none = match &at.step.undo {
        Undo::None(reason) => Some(reason),
        _ => None,
    };
    for reason in at.step.may_fail.iter().chain(none) {
        let word = reason.trim().to_lowercase();
        if matches!(
            word.as_str(),
            "" | "true" | "yes" | "on" | "ok" | "none" | "n/a" | "todo" | "tbd" | "-" | "." | "1"
        ) {
            let d = Diagnostic::error(
                "PS0264",
                "this is no reason",
                reason.span.clone(),
                "the board reads this",
            );
            diags.push(d.help("write why, in a few words: `may_fail: The cache fills itself again`"));
        }
    }
}

/// What stands before the first template of an address.
fn url(at: &At<'_>, diags: &mut Diagnostics) {
    let Action::Http { url, .. } = &at.step.action.value else {
        return;
    };
    let known = ["http://", "https://", "{{"].iter().any(|start| url.starts_with(start));
    if !known && !url.value.is_empty() {
        let d = Diagnostic::error(
            "PS0266",
            "an address begins with `http://` or `https://`",
            url.span.clone(),
            "this does not",
        );
        diags.push(d.help(format!("write `http://{}`", url.trim_start_matches('/'))));
    }
}

/// A command whose failure is thrown away proves nothing where a step is there to prove something.
fn never_fails(at: &At<'_>, diags: &mut Diagnostics) {
    let step = at.step;
    let proves = matches!(at.stage, Stage::Precheck | Stage::Verify | Stage::Steady);
    let Action::Run(Command::Shell(text)) = &step.action.value else {
        return;
    };
    if !proves || step.expect.is_some() || step.warn_unless.is_some() || step.register.is_some() {
        return;
    }
    let line = text.trim_end();
    let Some(end) = ["|| true", "|| :", "|| exit 0", "; true", "; exit 0"]
        .iter()
        .find(|e| line.ends_with(**e))
    else {
        return;
    };
    let at_end = line.len() - end.len()..line.len();
    let d = Diagnostic::warning(
        "PS0261",
        format!("this step of `{}` cannot fail", at.stage.as_str()),
        inside(text, at_end),
        "throws the exit code away",
    );
    diags.push(
        d.help("delete it, or say by `expect` what the output must be")
            .help("for what should only be told, write `warn_unless`"),
    );
}

/// What only a process has is refused elsewhere, never ignored.
fn process_keys(at: &At<'_>, diags: &mut Diagnostics) {
    let step = at.step;
    if step.action.is_process() {
        return;
    }
    let reads = |part: &Action| super::builtin::checked(part).is_some_and(Check::reads_environment);
    let env = step.env.first().filter(|_| !step.action.parts().into_iter().all(reads));
    let env = env.map(|(name, _)| ("env", name.span.clone()));
    let stdin = step.stdin.as_ref().map(|s| ("stdin", s.span.clone()));
    let codes = (!step.ok_codes.is_empty()).then(|| ("ok_codes", step.span.clone()));
    for (key, span) in [env, stdin, codes].into_iter().flatten() {
        let d = Diagnostic::error(
            "PS0226",
            format!("`{key}` belongs to `run`, `script`, `compare` and `powershell`"),
            span,
            "nothing would read it",
        );
        diags.push(
            d.also(step.action.span.clone(), "this action starts no process")
                .help(format!("delete `{key}`")),
        );
    }
}

/// A test that cannot be taken back is no test.
fn no_return_in_test(runbook: &Runbook, at: &At<'_>, diags: &mut Diagnostics) {
    let Undo::None(reason) = &at.step.undo else { return };
    let Some(test) = runbook.modes.iter().find(|m| m.value == "test") else {
        return;
    };
    if at.active_in("test") {
        let d = Diagnostic::error(
            "PS0211",
            "mode `test` has a step that cannot be taken back",
            reason.span.clone(),
            "no way back from here",
        );
        let others: Vec<&str> = runbook
            .modes
            .iter()
            .map(|m| m.value.as_str())
            .filter(|m| *m != "test")
            .collect();
        diags.push(d.also(test.span.clone(), "the mode").help(format!(
            "write `only_in: [{}]` at this step or its phase",
            others.join(", ")
        )));
    }
}
