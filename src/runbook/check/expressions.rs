//! Templates and conditions: their syntax, the names that exist where they stand, quoting in commands, secrets.
//!
//! Owns: which names exist where. Must not: judge an expression: `expr` does.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::across::{self, Knows, Reader, Written};
use super::reads::Text;
use super::{At, Registers, phases, registers, rollout_of, steps};
use crate::diag::{Diagnostic, Diagnostics, Source, Span, Spanned};
use crate::runbook::builtin::BuiltIn;
use crate::runbook::expr::{
    self, ErrorKind, Expr, ExprError, FieldKind, Fields, Known, Place, Shell, Template, check_condition, check_template,
};
use crate::runbook::files::Files;
use crate::runbook::yaml::inside;
use crate::runbook::{
    Action, Command, Delegate, EachList, FragmentValue, ParamType, Parameter, Parse, Phase, Runbook, Stage, Step,
    Text as Templated, WaitFor,
};

/// Judges every text, and gives all of them with what they read.
pub(super) fn check<'d>(
    files: &dyn Files,
    runbook: &'d Runbook,
    all: &'d [At<'d>],
    diags: &mut Diagnostics,
) -> Vec<Text<'d>> {
    let written = Written(runbook);
    let mut judge = Judge {
        files: Some(files),
        runbook,
        all,
        registers: registers(all),
        diags,
        knows: &written,
        only_across: false,
        reader: NOBODY,
        at: None,
        texts: Vec::new(),
    };
    judge.top();
    judge.fragments();
    judge.silences();
    for phase in phases(runbook) {
        judge.phase(phase);
    }
    judge.steps();
    judge.texts
}

/// Whose results are read, with what a plan knows of hosts; nothing else is judged again.
pub(super) fn only_across(runbook: &Runbook, knows: &dyn Knows, diags: &mut Diagnostics) {
    let all = steps(runbook);
    let mut judge = Judge {
        files: None,
        runbook,
        all: &all,
        registers: registers(&all),
        diags,
        knows,
        only_across: true,
        reader: NOBODY,
        at: None,
        texts: Vec::new(),
    };
    for phase in phases(runbook) {
        judge.phase(phase);
    }
    judge.steps();
}

const NOBODY: Reader<'static> = Reader {
    phase: None,
    by_host: false,
    step: None,
};

struct Judge<'d, 'e> {
    /// Where uploaded templates lie.
    files: Option<&'e dyn Files>,
    runbook: &'d Runbook,
    all: &'d [At<'d>],
    /// Which of them register each name.
    registers: Registers<'d>,
    diags: &'e mut Diagnostics,
    knows: &'e dyn Knows,
    only_across: bool,
    /// Whose texts are being read.
    reader: Reader<'d>,
    /// The step whose texts are judged now.
    at: Option<&'d At<'d>>,
    texts: Vec<Text<'d>>,
}

impl<'d> Judge<'d, '_> {
    /// The names that exist everywhere.
    fn known(&self) -> Known {
        let names = |n: &Spanned<String>| n.value.clone();
        Known {
            params: declared(&self.runbook.parameters),
            targets: self.runbook.targets.iter().map(|t| names(&t.name)).collect(),
            secrets: self.runbook.secrets.iter().map(|s| names(&s.name)).collect(),
            marks: self
                .all
                .iter()
                .flat_map(|at| [&at.step.mark, &at.step.mark_start])
                .flatten()
                .map(|m| names(&m.name))
                .collect(),
            ..Known::default()
        }
    }

    /// Fields at the top that hold templates over parameters.
    fn top(&mut self) {
        let known = Known {
            params: self.known().params,
            ..Known::default()
        };
        for set in &self.runbook.targets {
            set.hosts.iter().chain(&set.select).for_each(|t| self.value(t, &known));
        }
        for rollout in &self.runbook.rollouts {
            rollout.soak.iter().for_each(|soak| self.value(soak, &known));
        }
    }

    /// What includes give to the files they include: templates over parameters, sets and the mode.
    fn fragments(&mut self) {
        for fragment in super::fragments(self.runbook) {
            let outer = fragment
                .outer
                .as_ref()
                .map_or(&self.runbook.parameters, |f| &f.declared);
            let known = Known {
                params: declared(outer),
                targets: self.known().targets,
                ..Known::default()
            };
            for (_, value) in &fragment.given {
                if let FragmentValue::Rendered(text) = value {
                    self.value(text, &known);
                }
            }
        }
    }

    /// Matchers of silences are about hosts.
    fn silences(&mut self) {
        let known = Known {
            host: true,
            registered: BTreeMap::new(),
            ..self.known()
        };
        for silence in &self.runbook.silences {
            silence.matchers.iter().for_each(|(_, text)| self.value(text, &known));
        }
    }

    /// A phase's own conditions may read what its precheck and earlier phases registered.
    fn phase(&mut self, phase: &'d Phase) {
        let last = rollout_of(self.runbook, phase).and_then(|r| r.last.as_ref());
        if phase.when.is_none() && last.is_none() {
            return;
        }
        self.reader = Reader {
            phase: Some(phase),
            by_host: phase.targets.is_some(),
            step: None,
        };
        let mut known = self.known();
        let mut here = false;
        for at in self.all {
            let own = same_phase(at.phase, Some(phase));
            here |= own;
            if here && !(own && matches!(at.stage, Stage::Steady | Stage::Precheck)) {
                break;
            }
            let Some(name) = register(at) else { continue };
            known.registered.insert(name.to_owned(), fields(at.step));
            if !own {
                known.results.insert(name.to_owned());
            }
        }
        known.host = phase.targets.is_some();
        phase
            .when
            .iter()
            .chain(last)
            .for_each(|text| self.condition(text, &known));
    }

    /// Every step, with the names that those before it have registered.
    fn steps(&mut self) {
        let mut known = self.known();
        // A step's name comes after its undo steps: they may not read its result, it may have been cut off.
        let mut coming: Option<(&str, Fields)> = None;
        let mut of_undo: Vec<&str> = Vec::new();
        let mut of_phase: Vec<&str> = Vec::new();
        let mut last: Option<&At<'_>> = None;
        // The last time that the steady state is asked, every phase has ended.
        known.results = self.all.iter().filter_map(register).map(str::to_owned).collect();
        for at in self.all {
            if at.of.is_none() {
                of_undo.drain(..).for_each(|name| drop(known.registered.remove(name)));
                known
                    .registered
                    .extend(coming.take().map(|(name, fields)| (name.to_owned(), fields)));
            }
            if last.is_none_or(|last| !same_phase(last.phase, at.phase)) && at.phase.is_some() {
                if last.is_none_or(|last| last.phase.is_none()) {
                    known.results.clear();
                }
                known.results.extend(of_phase.drain(..).map(str::to_owned));
            }
            last = Some(at);
            self.step(at, &mut known);
            let Some(name) = register(at) else { continue };
            if at.of.is_some() {
                let before = known.registered.insert(name.to_owned(), fields(at.step));
                of_undo.extend(before.is_none().then_some(name));
            } else {
                of_phase.push(name);
                coming = Some((name, fields(at.step)));
            }
        }
    }

    /// In an included file that has parameters, `params` are these and no others.
    fn step(&mut self, at: &'d At<'d>, known: &mut Known) {
        self.at = Some(at);
        let Some(fragment) = &at.step.fragment else {
            return self.step_knowing(at, known);
        };
        let outer = std::mem::replace(&mut known.params, declared(&fragment.declared));
        self.step_knowing(at, known);
        known.params = outer;
    }

    fn step_knowing(&mut self, at: &'d At<'d>, known: &mut Known) {
        let step = at.step;
        known.host = at.phase.is_some_and(|p| p.targets.is_some()) && at.stage != Stage::Steady && !step.once;
        self.reader = Reader {
            phase: at.phase,
            by_host: known.host,
            step: Some(step),
        };
        let each = at.of.unwrap_or(step).for_each.as_ref();
        if let Some(each) = step.for_each.as_ref() {
            match &each.list {
                EachList::Written { texts, .. } => texts.iter().for_each(|text| self.value(text, known)),
                EachList::From(text) => self.value(text, known),
            }
        }
        if let Some(delegate) = &step.delegate_to {
            let (Delegate::To(text) | Delegate::OneOf(text)) = &delegate.value;
            self.value(&Spanned::new(text.clone(), delegate.span.clone()), known);
        }
        known.item = each.is_some();
        step.when.iter().for_each(|text| self.condition(text, known));
        self.action(&step.action, None, known);
        for text in step.env.iter().map(|(_, value)| value).chain(&step.stdin) {
            self.template(text, Place::SecretAllowed, known);
        }
        step.evidence.iter().for_each(|text| self.value(text, known));
        known.own = Some(own_fields(step));
        for text in step.expect.iter().chain(&step.warn_unless) {
            self.condition(text, known);
        }
        for at in [&step.mark, &step.mark_start]
            .into_iter()
            .flatten()
            .filter_map(|m| m.at.as_ref())
        {
            self.value(at, known);
        }
        known.own = None;
        known.item = false;
    }

    /// `shell`: what reads commands, where a platform key says it.
    fn action(&mut self, action: &'d Action, shell: Option<Shell>, known: &Known) {
        match action {
            Action::Run(Command::Shell(text)) => self.template(text, Place::Command { shell }, known),
            Action::Powershell(text) => {
                let shell = Some(Shell::Ps);
                self.template(text, Place::Command { shell }, known);
            }
            Action::BuiltIn { texts, .. } => self.texts(texts, shell, known),
            Action::ByOs { linux, windows } => {
                let linux = linux.iter().map(|action| (action, Shell::Sh));
                for (action, shell) in linux.chain(windows.iter().map(|action| (action, Shell::Cmd))) {
                    self.action(action, Some(shell), known);
                }
            }
            Action::Run(Command::Argv(args)) => args.iter().for_each(|t| self.value(t, known)),
            Action::Script { interpreter, args, .. } => {
                args.iter().chain(interpreter).for_each(|t| self.value(t, known))
            }
            Action::Upload {
                src,
                dest,
                owner,
                validate,
                template,
                ..
            } => {
                if *template {
                    self.file(src, known);
                }
                [dest].into_iter().chain(owner).for_each(|t| self.value(t, known));
                if let Some(command) = validate {
                    let mut with_file = known.clone();
                    with_file.extra.insert("file".to_owned());
                    self.template(command, Place::Command { shell }, &with_file);
                }
            }
            Action::Download { src, .. } => self.value(src, known),
            Action::Http { url, headers, body, .. } => {
                self.value(url, known);
                for text in headers.iter().map(|(_, value)| value).chain(body) {
                    self.template(text, Place::SecretAllowed, known);
                }
            }
            Action::Assert(text) => self.condition(text, known),
            Action::WaitFor { what, .. } => match what {
                WaitFor::Port { host, port, .. } => host.iter().chain([port]).for_each(|t| self.value(t, known)),
                WaitFor::Path(text) | WaitFor::Time(text) => self.value(text, known),
                WaitFor::Connection => {}
                WaitFor::Check { texts, .. } => self.texts(texts, shell, known),
            },
            Action::Manual(text) => self.value(text, known),
        }
    }

    fn texts(&mut self, texts: &'d [Templated], shell: Option<Shell>, known: &Known) {
        for Templated { text, command } in texts {
            let place = if *command {
                Place::Command { shell }
            } else {
                Place::Value
            };
            self.template(text, place, known);
        }
    }

    fn value(&mut self, text: &Spanned<String>, known: &Known) {
        self.template(text, Place::Value, known);
    }

    fn template(&mut self, text: &Spanned<String>, place: Place, known: &Known) {
        if !self.only_across {
            let found = check_template(text, place, known);
            self.report(text, found, known);
            self.keep(text, false);
        }
        let names = Template::parse(text).map(|t| t.names()).unwrap_or_default();
        self.across(text, names, known);
    }

    fn condition(&mut self, text: &Spanned<String>, known: &Known) {
        if !self.only_across {
            let found = check_condition(text, known);
            self.report(text, found, known);
            self.keep(text, true);
        }
        let names = Expr::parse(text).map(|e| e.names()).unwrap_or_default();
        self.across(text, names, known);
    }

    /// Names of results that exist, but for other hosts.
    fn across(&mut self, text: &Spanned<String>, names: Vec<(String, Range<usize>)>, known: &Known) {
        let mut told = BTreeSet::new();
        for (path, range) in names {
            let name = path.split('.').next().unwrap_or("").to_owned();
            let own = known.own.as_ref().is_some_and(|own| own.0.contains_key(&name));
            let sources = self.registers.get(name.as_str()).map_or(&[][..], Vec::as_slice);
            if own || !known.registered.contains_key(&name) || told.contains(&name) {
                continue;
            }
            if let Some(d) = across::fault(self.knows, sources, self.reader, text, &path, range) {
                self.diags.push(d);
                told.insert(name);
            }
        }
    }

    /// A file that is rendered before it is uploaded. One that cannot be read is told where its action is lowered or planned.
    fn file(&mut self, path: &Spanned<String>, known: &Known) {
        let Some(text) = self
            .files
            .and_then(|files| files.read(path).ok())
            .and_then(|bytes| String::from_utf8(bytes).ok())
        else {
            return;
        };
        let source = Source::new(path.value.as_str(), text);
        let whole = Spanned::new(source.text.clone(), Span::new(&source, 0, source.text.len()));
        for error in check_template(&whole, Place::SecretAllowed, known) {
            let span = Span::new(&source, error.range.start, error.range.end);
            let d = diagnostic(error, span).also(path.span.clone(), "the file is rendered here");
            self.diags.push(d);
        }
        self.keep(&whole, false);
    }

    fn keep(&mut self, text: &Spanned<String>, condition: bool) {
        let place = |r: expr::Read| (r.path, inside(text, r.range), r.guarded);
        self.texts.push(Text {
            text: text.clone(),
            condition,
            at: self.at,
            reads: expr::reads(text, condition).into_iter().map(place).collect(),
        });
    }

    fn report(&mut self, text: &Spanned<String>, found: Vec<ExprError>, known: &Known) {
        for error in found {
            let span = inside(text, error.range.clone());
            let path = text.get(error.range.clone()).unwrap_or("");
            let name = path.split('.').next().unwrap_or("").to_owned();
            let unknown = error.kind == ErrorKind::Unknown;
            let mut d = diagnostic(error, span);
            let registered = self
                .all
                .iter()
                .filter_map(|at| at.step.register.as_ref())
                .find(|r| r.value == name);
            if let Some(place) = registered.filter(|_| unknown) {
                d = d.also(place.span.clone(), "registered here");
                if !known.registered.contains_key(&name) {
                    d.help = vec![
                        "a step reads results of steps before it; an undo not that of its own step, which may have been cut off".to_owned(),
                    ];
                }
            }
            self.diags.push(d);
        }
    }
}

fn diagnostic(error: ExprError, span: Span) -> Diagnostic {
    let (code, label) = match error.kind {
        ErrorKind::Syntax => ("PS0301", "not an expression"),
        ErrorKind::Unknown => ("PS0302", "not known here"),
        ErrorKind::Undefined => ("PS0303", "has no value"),
        ErrorKind::Kind => ("PS0304", "cannot be meant"),
        ErrorKind::Unquoted => ("PS0305", "goes into a command"),
        ErrorKind::Secret => ("PS0306", "would be seen here"),
        ErrorKind::Limit => ("PS0307", "too much"),
    };
    let d = Diagnostic::error(code, error.message, span, label);
    match error.help {
        Some(help) => d.help(help),
        None => d,
    }
}

fn declared(parameters: &[Parameter]) -> BTreeMap<String, ParamType> {
    parameters.iter().map(|p| (p.name.value.clone(), p.kind)).collect()
}

fn same_phase(a: Option<&Phase>, b: Option<&Phase>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => std::ptr::eq(a, b),
        (a, b) => a.is_none() && b.is_none(),
    }
}

fn register<'r>(at: &At<'r>) -> Option<&'r str> {
    at.step.register.as_ref().map(|r| r.value.as_str())
}

/// What a registered name has: the fields of the result, or of the list of results.
fn fields(step: &Step) -> Fields {
    let mut fields = own_fields(step);
    let all = &mut fields.0;
    if step.for_each.is_some() {
        all.retain(|name, _| matches!(name.as_str(), "ran" | "ok" | "changed"));
        if step.parse.is_some() {
            all.insert("value".to_owned(), FieldKind::Other);
        }
    }
    if step.for_each.is_some() || step.delegate_to.is_some() {
        all.insert("items".to_owned(), FieldKind::Other);
    }
    if step.sensitive {
        // Of what it said only length and hash are kept: its own conditions saw it, and nobody does later.
        all.retain(|name, _| {
            !matches!(
                name.as_str(),
                "stdout" | "stderr" | "value" | "json" | "headers" | "difference"
            )
        });
    }
    fields
}

/// The fields of one result of a step.
fn own_fields(step: &Step) -> Fields {
    let parts = || step.action.parts().into_iter();
    let mut fields = Fields::of(parts().flat_map(more_fields).copied());
    let value = match step.parse {
        Some(Parse::Number) => Some(FieldKind::Number),
        Some(Parse::Text) => Some(FieldKind::Text),
        Some(Parse::Lines) => Some(FieldKind::List),
        Some(Parse::Timestamp) => Some(FieldKind::Time),
        Some(_) => Some(FieldKind::Other),
        // A command's output is read as nothing unless it is said.
        None if parts().all(is_command) => None,
        None => Some(FieldKind::Other),
    };
    match value {
        Some(kind) => drop(fields.0.insert("value".to_owned(), kind)),
        None => drop(fields.0.remove("value")),
    }
    fields
}

/// True for what runs a text of the author's, and knows nothing of its output.
fn is_command(action: &Action) -> bool {
    matches!(action, Action::Run(_) | Action::Powershell(_) | Action::Script { .. })
}

/// What an action's result has besides that of every step.
fn more_fields(action: &Action) -> &'static [(&'static str, FieldKind)] {
    match action {
        Action::Http { .. } => &[
            ("status", FieldKind::Number),
            ("json", FieldKind::Other),
            ("headers", FieldKind::Other),
        ],
        Action::Upload { .. } => &[("sha256", FieldKind::Text)],
        Action::Download { .. } => &[("sha256", FieldKind::Text), ("size", FieldKind::Number)],
        Action::Manual(_) => &[("by", FieldKind::Text), ("note", FieldKind::Text)],
        Action::BuiltIn { what, .. } => match what {
            BuiltIn::Edit { .. } => &[("matches", FieldKind::Number)],
            BuiltIn::Check(_) => &[("status", FieldKind::Other), ("unit", FieldKind::Text)],
            BuiltIn::Service { .. } => &[("was", FieldKind::Text), ("state", FieldKind::Text)],
            BuiltIn::Package { .. } | BuiltIn::Baseline(_) => &[("changes", FieldKind::Other)],
            BuiltIn::Patch(_) => &[
                ("count", FieldKind::Number),
                ("ids", FieldKind::Other),
                ("changes", FieldKind::Other),
                ("rollback", FieldKind::Other),
            ],
            BuiltIn::Reboot { .. } => &[
                ("rebooted", FieldKind::Bool),
                ("down_for", FieldKind::Other),
                ("needed", FieldKind::Text),
            ],
            BuiltIn::Compare { .. } => &[
                ("equal", FieldKind::Bool),
                ("difference", FieldKind::Text),
                ("differences", FieldKind::Number),
                ("left_count", FieldKind::Number),
                ("right_count", FieldKind::Number),
            ],
        },
        Action::Run(_)
        | Action::Powershell(_)
        | Action::Script { .. }
        | Action::Assert(_)
        | Action::WaitFor { .. }
        | Action::ByOs { .. } => &[],
    }
}
