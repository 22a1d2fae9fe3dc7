//! One step: everything but its action.

use super::Cx;
use super::phase::Place;
use crate::diag::{Diagnostic, Span, Spanned};
use crate::runbook::fields::{self, Fields};
use crate::runbook::keys;
use crate::runbook::yaml::{Entry, Node, NodeKind};
use crate::runbook::{Action, Become, Command, Delegate, Mark, OnUnknown, Parse, Retry, Stage, Step, Undo};

const UNKNOWN: &[(&str, OnUnknown)] = &[
    ("ask", OnUnknown::Ask),
    ("rerun", OnUnknown::Rerun),
    ("fail", OnUnknown::Fail),
];

/// What authors of other tools write, and what it is called here.
const FOREIGN: &[(&str, &str)] = &[
    ("shell", "write `run: COMMAND`"),
    ("command", "write `run: COMMAND`, or a list of arguments"),
    ("cmd", "write `run: COMMAND`"),
    ("ignore_errors", "write `may_fail: THE REASON`"),
    ("failed_when", "write `expect:` with the condition that must be true"),
    ("changed_when", "write `read_only: true` if the step changes nothing"),
    ("loop", "write `for_each: [a, b]`, and `item` where the item goes"),
    ("with_items", "write `for_each: [a, b]`, and `item` where the item goes"),
    (
        "until",
        "write `retry: { attempts: 10, delay: 5s }` and `expect:` with the condition",
    ),
    ("retries", "write `retry: { attempts: 10, delay: 5s }`"),
    ("delay", "write `retry: { attempts: 10, delay: 5s }`"),
    (
        "block",
        "there are no blocks: a phase has stages, and a step has `undo`",
    ),
    ("rescue", "write `undo:` at the step that may have to be taken back"),
    ("rollback", "write `undo:` with the steps back"),
    (
        "always",
        "write the step into `cleanup`: it runs however the host ended",
    ),
    (
        "finally",
        "write the step into `cleanup`: it runs however the host ended",
    ),
    ("notify", "write the step where it is to run, with `when: NAME.changed`"),
    ("become_user", "write `become: USER`"),
    ("sudo", "write `become: true`"),
    ("needs", "steps run in the order in which they are written"),
    ("depends_on", "steps run in the order in which they are written"),
    ("if", "write `when: CONDITION`"),
    ("no_log", "write `sensitive: true`"),
    (
        "vars",
        "declare `parameters` at the top, or `vars` of a host in the inventory",
    ),
];

/// Pause before the second attempt when none is written.
const RETRY_DELAY_MS: u64 = 1000;

impl Cx<'_> {
    pub(super) fn step(&mut self, node: &Node, stage: Stage, made_id: String) -> Option<Step> {
        let mut f = Fields::of(node, &keys::STEP, self.diags)?;
        f.foreign(FOREIGN);
        let written_id = f.text("id");
        let id_written = written_id.is_some();
        let id = written_id.unwrap_or_else(|| Spanned::new(made_id, f.head().clone()));
        let name = f.text("name").map(|t| t.value).unwrap_or_default();
        let action = self.action(&mut f);
        let read_only = self.read_only(&mut f, action.as_ref(), stage);
        let undo = self.undo(&mut f, stage, &id);
        let parse = f.text("as").and_then(|t| self.parse(&t));
        let step = Step {
            id_written,
            name,
            when: f.text("when"),
            expect: f.text("expect"),
            warn_unless: f.text("warn_unless"),
            register: f.text("register"),
            parse,
            for_each: self.for_each(&mut f, stage),
            delegate_to: f.node("delegate_to").and_then(|n| self.delegate(n)),
            once: f.bool("once").is_some_and(|b| b.value),
            fresh: f.bool("fresh").is_some_and(|b| b.value),
            become_: f.node("become").and_then(|n| self.become_user(n)),
            retry: f.node("retry").and_then(|n| self.retry(n)),
            timeout: f.duration("timeout"),
            ok_codes: self.ok_codes(&mut f),
            may_fail: f.text("may_fail"),
            undo,
            read_only,
            mark: f.node("mark").and_then(|n| self.mark(n)),
            mark_start: f.node("mark_start").and_then(|n| self.mark(n)),
            on_unknown: f.word("on_unknown", UNKNOWN).map_or(OnUnknown::Ask, |u| u.value),
            only_in: f.texts("only_in"),
            env: self.pairs(f.map("env")),
            stdin: f.text("stdin"),
            sensitive: f.bool("sensitive").is_some_and(|b| b.value),
            evidence: f.texts("evidence"),
            fragment: self.fragment.clone(),
            span: f.head().clone(),
            action: action.unwrap_or_else(|| nothing(f.head())),
            id,
        };
        f.finish(self.diags);
        Some(step)
    }

    /// Written, or by nature of the action, or implied by the stage.
    fn read_only(&mut self, f: &mut Fields<'_>, action: Option<&Spanned<Action>>, stage: Stage) -> bool {
        let written = f.bool("read_only");
        let Some(action) = action else { return true };
        let strict = matches!(stage, Stage::Precheck | Stage::Verify | Stage::Steady);
        let nature = action.is_read_only();
        let always = action.always_changes();
        let what = match &action.value {
            Action::Http { .. } => "an `http` that is not GET or HEAD".to_owned(),
            Action::Upload { .. } => "an `upload`".to_owned(),
            other => format!("{} `{}`", article(other.word()), other.word()),
        };
        match (&written, nature) {
            (Some(no), _) if !no.value && strict => {
                let d = Diagnostic::error(
                    "PS0220",
                    format!("a step of `{}` changes something", stage.as_str()),
                    no.span.clone(),
                    "it says that it is not read-only",
                );
                f.complain(d.help(format!(
                    "move it to `steps`, or delete `read_only: false`: in `{}` every step is read-only",
                    stage.as_str()
                )));
                true
            }
            (None, Some(false)) if strict => {
                let d = Diagnostic::error(
                    "PS0220",
                    format!("a step of `{}` changes something", stage.as_str()),
                    action.span.clone(),
                    format!("{what} changes something by nature"),
                );
                let d = d.help("move it to `steps`, with an `undo`");
                f.complain(match action.value {
                    Action::Http { .. } => d.help("if this request only reads, write `read_only: true`"),
                    _ => d,
                });
                true
            }
            (Some(yes), Some(false)) if yes.value && always => {
                let d = Diagnostic::error(
                    "PS0220",
                    format!("{what} is never read-only"),
                    yes.span.clone(),
                    "this is not true",
                );
                f.complain(
                    d.also(action.span.clone(), "this changes the host")
                        .help("delete `read_only`"),
                );
                false
            }
            (Some(said), _) => said.value,
            (None, nature) => nature.unwrap_or(strict),
        }
    }

    fn undo(&mut self, f: &mut Fields<'_>, stage: Stage, id: &Spanned<String>) -> Undo {
        let Some(entry) = f.entry("undo") else {
            return Undo::Unwritten;
        };
        if stage != Stage::Steps {
            let d = Diagnostic::error(
                "PS0221",
                format!("a step of `{}` has no undo", stage.as_str()),
                entry.key.span.clone(),
                "`undo` belongs to `steps` only",
            );
            f.complain(match stage {
                Stage::Undo => d.help("put every step of the way back into one list, in the order in which they run"),
                Stage::Drain => d.help("`undrain` is what takes `drain` back"),
                _ => d.help("delete it, or move the step to `steps`"),
            });
            return Undo::Unwritten;
        }
        match &entry.value.kind {
            NodeKind::Seq(items) if !items.is_empty() => {
                let prefix = format!("{}-undo", id.value);
                Undo::Steps(self.steps(
                    &entry.value,
                    Place {
                        stage: Stage::Undo,
                        prefix: &prefix,
                    },
                ))
            }
            NodeKind::Map(_) => self.undo_map(&entry.value),
            _ => {
                let d = Diagnostic::error(
                    "PS0130",
                    "`undo` is a list of steps, or says why there is none",
                    entry.value.span.clone(),
                    format!("this is {}", entry.value.what()),
                );
                f.complain(d.help("write a list of steps, `{ covered_by: STEP }` or `{ none: \"the reason\" }`"));
                Undo::Unwritten
            }
        }
    }

    fn undo_map(&mut self, node: &Node) -> Undo {
        let Some(mut f) = Fields::of(node, &keys::UNDO, self.diags) else {
            return Undo::Unwritten;
        };
        let (covered, none) = (f.text("covered_by"), f.text("none"));
        if f.has("covered_by") == f.has("none") {
            let d = Diagnostic::error(
                "PS0130",
                "`undo` is a list of steps, or says why there is none",
                f.head().clone(),
                "either `covered_by` or `none`",
            );
            f.complain(d.help("write a list of steps, `{ covered_by: STEP }` or `{ none: \"the reason\" }`"));
        }
        f.finish(self.diags);
        match (covered, none) {
            (Some(step), _) => Undo::CoveredBy(step),
            (None, Some(reason)) => Undo::None(reason),
            (None, None) => Undo::Unwritten,
        }
    }

    fn parse(&mut self, written: &Spanned<String>) -> Option<Parse> {
        let words = [
            ("number", Parse::Number),
            ("text", Parse::Text),
            ("lines", Parse::Lines),
            ("json", Parse::Json),
            ("timestamp", Parse::Timestamp),
            ("nagios", Parse::Nagios),
        ];
        self.keep(fields::word(written, "`as`", &words)).map(|p| p.value)
    }

    fn delegate(&mut self, node: &Node) -> Option<Spanned<Delegate>> {
        let delegate = if let NodeKind::Map(_) = node.kind {
            let mut f = Fields::of(node, &keys::ONE_OF, self.diags)?;
            let set = f.text("one_of");
            f.finish(self.diags);
            Delegate::OneOf(set?.value)
        } else {
            Delegate::To(self.keep(fields::text(node))?.value)
        };
        Some(Spanned::new(delegate, node.span.clone()))
    }

    pub(super) fn become_user(&mut self, node: &Node) -> Option<Become> {
        let text = self.keep(fields::text(node))?;
        match text.as_str() {
            "true" => Some(Become::Root),
            "false" => Some(Become::No),
            "yes" | "no" | "on" | "off" => {
                let complaint = fields::bool(node).err();
                complaint.into_iter().for_each(|d| self.diags.push(d));
                None
            }
            // Before a plan is approved it must be known who acts, and whether each host lets us become them.
            user if user.contains("{{") => {
                let d = Diagnostic::error(
                    "PS0140",
                    "`become` cannot be a template",
                    node.span.clone(),
                    "a user's name as it is",
                );
                self.diags.push(d.help(
                    "write the name; where it differs from host to host, write `become: true` here and \
                     `become: { user: NAME }` at the hosts of the inventory",
                ));
                None
            }
            user => Some(Become::User(user.to_owned())),
        }
    }

    pub(super) fn retry(&mut self, node: &Node) -> Option<Retry> {
        if let NodeKind::Scalar { text, .. } = &node.kind {
            let d = Diagnostic::error(
                "PS0101",
                "`retry` is a map",
                node.span.clone(),
                "this is a single value",
            );
            self.diags
                .push(d.help(format!("write `{{ attempts: {text}, delay: 10s }}`")));
            return None;
        }
        let mut f = Fields::of(node, &keys::RETRY, self.diags)?;
        let attempts = f.count("attempts");
        let delay = f.duration("delay");
        let backoff = f.text("backoff").and_then(|t| match t.parse::<f64>() {
            // Above 100 the pause of any delay would pass every limit at once.
            Ok(n) if (1.0..=100.0).contains(&n) => Some(percent(n)),
            _ => {
                let d = Diagnostic::error(
                    "PS0108",
                    format!("`backoff` cannot be `{}`", t.value),
                    t.span.clone(),
                    "a factor from 1 to 100",
                );
                f.complain(d.help("write `backoff: 2` to double the pause after each attempt"));
                None
            }
        });
        f.finish(self.diags);
        let delay_ms = delay.map_or(RETRY_DELAY_MS, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX));
        Some(Retry {
            attempts: attempts?.value,
            delay_ms,
            backoff_percent: backoff.unwrap_or(100),
        })
    }

    fn mark(&mut self, node: &Node) -> Option<Mark> {
        if let NodeKind::Map(_) = node.kind {
            let mut f = Fields::of(node, &keys::MARK, self.diags)?;
            let (name, at) = (f.text("name"), f.text("at"));
            f.finish(self.diags);
            return Some(Mark { name: name?, at });
        }
        Some(Mark {
            name: self.keep(fields::text(node))?,
            at: None,
        })
    }

    fn ok_codes(&mut self, f: &mut Fields<'_>) -> Vec<i32> {
        let codes = f.seq("ok_codes").iter();
        let codes = codes.filter_map(|n| self.keep(fields::int(n, i64::from(i32::MIN), i64::from(i32::MAX))));
        codes.filter_map(|n| i32::try_from(n.value).ok()).collect()
    }

    /// A map of names and texts.
    pub(super) fn pairs(&mut self, entries: Option<&[Entry]>) -> Vec<(Spanned<String>, Spanned<String>)> {
        self.each(entries, |cx, e| {
            cx.keep(fields::text(&e.value)).map(|v| (e.key.clone(), v))
        })
    }
}

fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    }
}

/// The action of a step whose own could not be read; the error is reported.
fn nothing(span: &Span) -> Spanned<Action> {
    let text = Spanned::new(":".to_owned(), span.clone());
    Spanned::new(Action::Run(Command::Shell(text)), span.clone())
}

/// Stands for steps that could not be read, so that what is around them can still be judged.
pub(super) fn stand_in(id: String, span: Span) -> Step {
    Step {
        id: Spanned::new(id, span.clone()),
        id_written: false,
        name: String::new(),
        action: nothing(&span),
        when: None,
        expect: None,
        warn_unless: None,
        register: None,
        parse: None,
        for_each: None,
        delegate_to: None,
        once: false,
        fresh: false,
        become_: None,
        retry: None,
        timeout: None,
        ok_codes: Vec::new(),
        may_fail: None,
        undo: Undo::Unwritten,
        read_only: true,
        mark: None,
        mark_start: None,
        on_unknown: OnUnknown::Ask,
        only_in: Vec::new(),
        env: Vec::new(),
        stdin: None,
        sensitive: false,
        evidence: Vec::new(),
        fragment: None,
        span,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the factor is from 1 to 100"
)]
fn percent(factor: f64) -> u32 {
    (factor * 100.0).round() as u32
}
