//! Steps in plain words, with their commands.
//!
//! Owns: what is said about one step. Must not: know phases.

use std::fmt::Write as _;

use crate::diag::Spanned;
use crate::runbook::{Action, Become, Command, Delegate, EachList, ForEach, Stage, Step, Undo, WaitFor};
use crate::text::{markdown, markdown_block};

use super::{code, only_in, show, time};

/// A numbered list of steps; `indent` spaces stand before each line.
pub(super) fn list(steps: &[Step], stage: Stage, indent: usize, out: &mut String) {
    for (i, step) in steps.iter().enumerate() {
        one(step, stage, i + 1, indent, out);
    }
}

fn one(step: &Step, stage: Stage, number: usize, indent: usize, out: &mut String) {
    let own = " ".repeat(indent);
    let number = format!("{number}. ");
    let id = if step.id_written {
        format!(" ({})", code(&step.id.value))
    } else {
        String::new()
    };
    let _ = writeln!(out, "{own}{number}**{}**{id}{}", markdown(&step.name), manner(step));
    let deeper = indent + number.len();
    let mut part = |text: &str| {
        out.push('\n');
        for line in text.lines() {
            let gap = if line.is_empty() { 0 } else { deeper };
            let _ = writeln!(out, "{}{line}", " ".repeat(gap));
        }
    };
    part(&action(&step.action.value));
    let conditions = conditions(step);
    if !conditions.is_empty() {
        part(&conditions);
    }
    match &step.undo {
        Undo::Steps(steps) => {
            part("To take it back:");
            out.push('\n');
            list(steps, Stage::Undo, deeper, out);
        }
        Undo::CoveredBy(id) => part(&format!("Taken back together with {}.", code(&id.value))),
        Undo::None(why) => part(&format!("**Cannot be taken back**: {}", markdown(&why.value))),
        Undo::Unwritten if stage == Stage::Steps && !step.read_only => part(match step.action.value {
            Action::Upload { .. } => "To take it back: put the former file back, which is kept before the change.",
            _ => "Nothing is written about taking it back.",
        }),
        Undo::Unwritten => {}
    }
    // The undo steps have ended with a blank line already.
    if !out.ends_with("\n\n") {
        out.push('\n');
    }
}

/// Where, as whom, how long: behind the name.
fn manner(step: &Step) -> String {
    let mut words = Vec::new();
    match step.delegate_to.as_ref().map(|d| &d.value) {
        Some(Delegate::To(place)) if place == "controller" => words.push("on the control machine".to_owned()),
        Some(Delegate::To(place)) => words.push(format!("on {}", code(place))),
        Some(Delegate::OneOf(set)) => words.push(format!("on one host of {}", code(set))),
        None => {}
    }
    match &step.become_ {
        Some(Become::User(user)) => words.push(format!("as {}", code(user))),
        Some(Become::Root) => words.push(format!("as {}", code("root"))),
        Some(Become::No) => words.push("as the login user".to_owned()),
        None => {}
    }
    if step.once {
        words.push("once for the phase".to_owned());
    }
    if step.fresh {
        words.push("again directly before each host".to_owned());
    }
    words.extend(step.timeout.as_ref().map(|t| format!("at most {}", time(t.value))));
    if let Some(retry) = step.retry.filter(|r| r.attempts > 1) {
        let delay = crate::runbook::duration::print(retry.delay_ms);
        words.push(format!("up to {} times, {delay} apart", retry.attempts));
    }
    let words = if words.is_empty() {
        String::new()
    } else {
        format!(", {}", words.join(", "))
    };
    format!("{words}.{}", only_in(&step.only_in))
}

fn action(action: &Action) -> String {
    let texts = |list: &[Spanned<String>]| list.iter().map(|t| t.value.clone()).collect::<Vec<_>>();
    match action {
        Action::Run(Command::Shell(text)) => markdown_block(&text.value),
        Action::Run(Command::Argv(argv)) => {
            format!("Run, without a shell:\n\n{}", markdown_block(&texts(argv).join("\n")))
        }
        Action::Script {
            file,
            interpreter,
            args,
        } => {
            let mut words = format!("Run the script {}", code(&file.value));
            if let Some(i) = interpreter {
                let _ = write!(words, " with {}", code(&i.value));
            }
            if !args.is_empty() {
                let args: Vec<String> = args.iter().map(|a| code(&a.value)).collect();
                let _ = write!(words, ", arguments {}", args.join(", "));
            }
            words.push('.');
            words
        }
        Action::Upload {
            src,
            dest,
            mode,
            owner,
            template,
            validate,
        } => {
            let mut words = format!("Put the file {} to {}", code(&src.value), code(&dest.value));
            if let Some(mode) = mode {
                let _ = write!(words, ", mode {mode:04o}");
            }
            if let Some(owner) = owner {
                let _ = write!(words, ", owner {}", code(&owner.value));
            }
            words.push('.');
            if *template {
                words.push_str(" What stands in `{{ }}` in it is filled in first.");
            }
            if let Some(check) = validate {
                let _ = write!(
                    words,
                    " Before it takes the place of the old one this must succeed:\n\n{}",
                    markdown_block(&check.value)
                );
            }
            words
        }
        Action::Download { src, max_bytes } => {
            format!("Fetch {} as evidence, at most {max_bytes} bytes.", code(&src.value))
        }
        Action::Http {
            method,
            url,
            headers,
            body,
        } => {
            let mut text = format!("{} {}\n", method.value, url.value);
            for (name, value) in headers {
                let _ = writeln!(text, "{}: {}", name.value, value.value);
            }
            if let Some(body) = body {
                let _ = write!(text, "\n{}", body.value);
            }
            format!("Send this request:\n\n{}", markdown_block(&text))
        }
        Action::Assert(expression) => format!("This must be true: {}", code(&expression.value)),
        Action::WaitFor { what, every } => {
            let what = match what {
                WaitFor::Port { host: None, port, .. } => format!("port {} accepts", code(&port.value)),
                WaitFor::Port {
                    host: Some(h), port, ..
                } => {
                    format!("port {} of {} accepts", code(&port.value), code(&h.value))
                }
                WaitFor::Path(path) => format!("{} exists", code(&path.value)),
                WaitFor::Connection => "a login works".to_owned(),
                WaitFor::Time(length) => return format!("Wait {}.", code(&length.value)),
                WaitFor::Check { check, .. } => format!("the check {} is good", code(&check.to_string())),
            };
            format!("Wait until {what}; look every {}.", time(*every))
        }
        Action::Manual(text) => format!("By hand:\n\n{}", markdown_block(&text.value)),
        Action::Powershell(text) => format!("Run in PowerShell:\n\n{}", markdown_block(&text.value)),
        Action::BuiltIn { what, .. } => {
            let (verb, text) = what.in_words();
            format!("It {verb} {}.", code(&text))
        }
        Action::ByOs { linux, windows } => {
            let sides = [("On Linux", linux), ("On Windows", windows)];
            let sides = sides.into_iter().filter_map(|(on, side)| Some((on, side.as_ref()?)));
            let sides = sides.map(|(on, side)| format!("{on}: {}", self::action(&side.value)));
            sides.collect::<Vec<_>>().join("\n\n")
        }
    }
}

fn each(each: &ForEach) -> String {
    let most = each
        .max_items
        .as_ref()
        .map(|n| format!(", at most {}", n.value))
        .unwrap_or_default();
    match &each.list {
        EachList::Written { items, .. } => {
            let items: Vec<String> = items.iter().map(|i| code(&show(&i.value))).collect();
            format!("- Once for each item: {}{most}", items.join(", "))
        }
        EachList::From(list) => format!("- Once for each item of {}{most}", code(&list.value)),
    }
}

/// What is expected, and what is kept.
fn conditions(step: &Step) -> String {
    let mut lines = Vec::new();
    lines.extend(step.for_each.as_ref().map(each));
    let mut say = |words: &str, text: &Option<Spanned<String>>| {
        lines.extend(text.as_ref().map(|t| format!("- {words} {}", code(&t.value))));
    };
    say("Only if", &step.when);
    say("Good if", &step.expect);
    say("A warning unless", &step.warn_unless);
    say("Its result is called", &step.register);
    say("Input:", &step.stdin);
    if !step.ok_codes.is_empty() && step.ok_codes != [0] {
        let codes: Vec<String> = step.ok_codes.iter().map(i32::to_string).collect();
        lines.push(format!("- Exit codes that are good: {}", codes.join(", ")));
    }
    if !step.env.is_empty() {
        let env: Vec<String> = step
            .env
            .iter()
            .map(|(k, v)| code(&format!("{}={}", k.value, v.value)))
            .collect();
        lines.push(format!("- Environment: {}", env.join(", ")));
    }
    if let Some(why) = &step.may_fail {
        lines.push(format!("- It may fail: {}", markdown(&why.value)));
    }
    for (mark, when) in [(&step.mark_start, "begin"), (&step.mark, "end")] {
        if let Some(mark) = mark {
            let at = mark
                .at
                .as_ref()
                .map_or_else(|| format!("its {when}"), |at| code(&at.value));
            lines.push(format!("- Note the time as {}: {at}", code(&mark.name.value)));
        }
    }
    if !step.evidence.is_empty() {
        let files: Vec<String> = step.evidence.iter().map(|f| code(&f.value)).collect();
        lines.push(format!("- Keep as evidence: {}", files.join(", ")));
    }
    lines.join("\n")
}
