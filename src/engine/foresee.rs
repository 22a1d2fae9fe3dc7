//! What a real run would go on to do: the end of a dry run.
//!
//! Owns: rendering the steps that a dry run does not do, for each host that came so far, and saying what of them cannot be known.
//! Must not: send anything that changes.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::EngineError;
use super::drive::Driver;
use super::each::reads_item;
use super::found::noted;
use super::render::{self, Materials};
use super::task::BROKEN;
use crate::action::proven::Proven;
use crate::action::reboot::{self, Reboot};
use crate::action::{self, Capture, Former, Hands, Job, Work};
use crate::id::{Content, HostName};
use crate::plan::page::unified;
use crate::plan::reads::texts;
use crate::plan::{Call, Items, PlannedEach, PlannedPhase, PlannedStep, Stage, Value};
use crate::run::event::{Event, HostState, Outlook, StepKey};
use crate::run::line;
use crate::runbook::expr::{Read, Scope, Val, reads};
use crate::secret::Redactor;

/// Looks at hosts at one time.
const LOOK_AT_ONCE: usize = 32;
/// Larger files are compared by their size only, bytes.
const COMPARE_MAX: usize = 256 * 1024;
/// Lines of one difference that are kept.
const LINES_MAX: usize = 200;
/// Records that are written at one time.
const RECORD_AT_ONCE: usize = 500;

/// What a step would find on its host: to be asked before the dry run ends.
struct Look {
    /// Which of the outlooks says it.
    nth: usize,
    job: Job,
    what: Capture,
    then: Then,
}

/// What is made of it.
enum Then {
    /// This is put there.
    Put(Arc<Content>, Option<u32>),
    /// The file is edited: the work, which lacks the file.
    Edit(Work),
    /// It is done from that state.
    Do(Arc<dyn Proven>),
    /// It is restarted.
    Reboot(Reboot),
}

/// Everything foreseen so far.
#[derive(Default)]
struct Foreseen {
    outlooks: Vec<(StepKey, Outlook)>,
    looks: Vec<Look>,
}

impl Driver {
    /// Says of each step that was not done what would become of it, in the order of the plan.
    pub(super) async fn foresee(&mut self) -> Result<(), EngineError> {
        let plan = Arc::clone(&self.setup.plan);
        let mut all = Foreseen::default();
        for phase in plan.phases() {
            for (stage, steps) in phase.stages.each() {
                for step in steps.iter().filter(|s| s.skip.is_none()) {
                    for host in self.to_come(phase, step) {
                        self.outlooks(&phase.id, stage, step, host, &mut all);
                    }
                }
            }
        }
        let redactor = self.setup.redactor.clone();
        look_at_hosts(&self.hands, &redactor, &mut all).await;
        let mut events = all.outlooks.into_iter().map(|(key, outlook)| Event::Foreseen {
            key,
            outlook: outlook.each_text(|text| redactor.redact_text(text)),
        });
        loop {
            let group: Vec<Event> = events.by_ref().take(RECORD_AT_ONCE).collect();
            if group.is_empty() {
                return Ok(());
            }
            self.record_all(group).await?;
        }
    }

    /// The hosts for which the step would be done and was not. `None`: once for the phase.
    fn to_come(&self, phase: &PlannedPhase, step: &PlannedStep) -> Vec<Option<HostName>> {
        let done = self.run.results.get(&(phase.id.clone(), step.id.clone()));
        let was_done = |host: &Option<HostName>| done.is_some_and(|d| d.contains_key(host));
        let comes = |host: &&HostName| {
            let ended = self.run.line(&phase.id, host).and_then(|l| l.ended);
            matches!(
                ended,
                None | Some(HostState::NotStarted | HostState::Ok | HostState::Warned)
            )
        };
        let hosts = phase.hosts.iter().filter(comes);
        let hosts: Vec<Option<HostName>> = if step.once {
            hosts.take(1).map(|_| None).collect()
        } else {
            hosts.cloned().map(Some).collect()
        };
        hosts.into_iter().filter(|h| !was_done(h)).collect()
    }

    fn outlooks(&self, phase: &str, stage: Stage, step: &PlannedStep, host: Option<HostName>, all: &mut Foreseen) {
        let places = line::places(step, host.as_ref()).max(1);
        let key = StepKey {
            phase: phase.to_owned(),
            stage,
            step: step.id.clone(),
            nth: 0,
            host,
            pass: 0,
            attempt: 1,
        };
        let unknown = self.unknown(&key);
        let scopes = self.scopes();
        let scope = scopes.whole(step, &key);
        let items = match self.items_foreseen(step, &key, &unknown, &scope) {
            Ok(items) => items,
            Err(outlook) => return all.outlooks.push((key.clone(), outlook)),
        };
        for (at, item) in (0..).zip(items) {
            let mut scope = scope.clone();
            if let Some(item) = item {
                scope.set("item", Val::said(item));
            }
            for place in 0..places {
                let key = StepKey {
                    nth: at * places + place,
                    ..key.clone()
                };
                let outlook = self.outlook(step, &key, &unknown, &scope, all);
                all.outlooks.push((key, outlook));
            }
        }
    }

    /// What it would be done for: each item, or once without one. An error says what becomes of the whole step.
    fn items_foreseen(
        &self,
        step: &PlannedStep,
        key: &StepKey,
        unknown: &BTreeSet<String>,
        scope: &Scope,
    ) -> Result<Vec<Option<Value>>, Outlook> {
        if let Some(when) = step.when.as_ref().filter(|w| step.for_each.is_none() || !reads_item(w)) {
            self.needed(when, unknown, scope)?;
        }
        let Some(each) = &step.for_each else {
            return Ok(vec![None]);
        };
        let items = self.list_foreseen(each, key, unknown, scope)?;
        if items.is_empty() {
            return Err(Outlook::LeftOut {
                why: "its list is empty".to_owned(),
            });
        }
        let most = each.max_items;
        if items.len() > most as usize {
            return Err(Outlook::Fails {
                why: format!("its list has {} items, `max_items` is {most}", items.len()),
            });
        }
        Ok(items.into_iter().map(Some).collect())
    }

    fn list_foreseen(
        &self,
        each: &PlannedEach,
        key: &StepKey,
        unknown: &BTreeSet<String>,
        scope: &Scope,
    ) -> Result<Vec<Value>, Outlook> {
        let template = match (&each.items, each.known(key.host.as_ref())) {
            (_, Some(items)) => return Ok(items.to_vec()),
            (Items::Late(template), None) => template,
            (_, None) => return Ok(Vec::new()),
        };
        if let Some(what) = self.open(&reads(template, false), unknown) {
            return Err(Outlook::Open {
                why: format!("its list `{template}` needs {what}"),
            });
        }
        match render::value(template, scope) {
            Ok(Value::List(items)) => Ok(items),
            Ok(_) => Err(Outlook::Fails {
                why: format!("`{template}` gives no list"),
            }),
            Err(why) => Err(Outlook::Fails { why }),
        }
    }

    /// Nothing if the condition holds now.
    fn needed(&self, when: &str, unknown: &BTreeSet<String>, scope: &Scope) -> Result<(), Outlook> {
        if let Some(what) = self.open(&reads(when, true), unknown) {
            return Err(Outlook::Open {
                why: format!("its condition `{when}` needs {what}"),
            });
        }
        match render::truth(when, scope) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Outlook::LeftOut {
                why: format!("its condition is false: {when}"),
            }),
            Err(why) => Err(Outlook::Fails { why }),
        }
    }

    fn outlook(
        &self,
        step: &PlannedStep,
        key: &StepKey,
        unknown: &BTreeSet<String>,
        scope: &Scope,
        all: &mut Foreseen,
    ) -> Outlook {
        if let Some(when) = step.when.as_ref().filter(|w| step.for_each.is_some() && reads_item(w))
            && let Err(outlook) = self.needed(when, unknown, scope)
        {
            return outlook;
        }
        if let Some(what) = self.open(&self.reads_of(step), unknown) {
            return Outlook::Open {
                why: format!("it needs {what}"),
            };
        }
        let materials = Materials {
            files: &self.setup.files,
            former: None,
            found: None,
            of: None,
            run: &self.setup.id,
            noted: noted(&self.setup.plan, &key.phase, &step.call),
        };
        let rendered = match render::step(step, scope, &materials) {
            Ok(rendered) => rendered,
            Err(why) => return Outlook::Fails { why },
        };
        let places = line::places(step, key.host.as_ref()).max(1);
        let on = render::place(step, key.host.as_ref(), key.nth % places);
        let mut difference = String::new();
        if let (Some((what, then)), Some(on)) = (looked_at(rendered.work), on.clone()) {
            if step.sensitive {
                "not shown: the step is sensitive".clone_into(&mut difference);
            } else if !step.read_only {
                all.looks.push(Look {
                    nth: all.outlooks.len(),
                    job: self.bare_job(step, key, on),
                    what,
                    then,
                });
            }
        }
        let elsewhere = on.filter(|on| key.host.as_ref().is_some_and(|h| h != on));
        Outlook::Would {
            words: match elsewhere {
                Some(on) => format!("on {on}: {}", rendered.words),
                None => rendered.words,
            },
            difference,
        }
    }

    /// Names of results that steps give which were not done for this host.
    fn unknown(&self, key: &StepKey) -> BTreeSet<String> {
        let scopes = self.scopes();
        let steps = scopes
            .registered()
            .into_iter()
            .filter(|(_, _, step, _)| step.skip.is_none());
        let missing = steps.filter(|(phase, _, step, _)| {
            let results = self.run.results.get(&(phase.clone(), step.id.clone()));
            !results.is_some_and(|r| r.contains_key(&key.host) || r.contains_key(&None))
        });
        missing.map(|(_, _, _, name)| name).collect()
    }

    /// What of these reads nobody can know before the steps are done; `None`: all of it is known.
    fn open(&self, read: &[Read], unknown: &BTreeSet<String>) -> Option<String> {
        read.iter().find_map(|read| {
            let mut parts = read.path.split('.');
            let (first, second) = (parts.next()?, parts.next());
            match (first, second) {
                ("results", Some(name)) if unknown.contains(name) => Some(format!("`results.{name}`")),
                ("marks", Some(name)) if !self.run.marks.contains_key(name) => Some(format!("the mark `{name}`")),
                (name, _) if unknown.contains(name) => Some(format!("`{name}`")),
                _ => None,
            }
            .map(|what| format!("{what}, which a step that was not done gives"))
        })
    }

    /// Everything that rendering the step reads.
    fn reads_of(&self, step: &PlannedStep) -> Vec<Read> {
        let mut read = Vec::new();
        if let Call::Assert { that } = &step.call {
            read.extend(reads(that, true));
        } else if let Ok(call) = serde_json::to_value(&step.call) {
            texts(&call, &mut |text| read.extend(reads(text, false)));
        }
        if let Call::Upload {
            src, template: true, ..
        } = &step.call
            && let Some(text) = self.setup.files.get(src).and_then(|f| std::str::from_utf8(f).ok())
        {
            read.extend(reads(text, false));
        }
        for text in step.env.values().chain(&step.stdin) {
            read.extend(reads(text, false));
        }
        read
    }
}

/// What is to be looked at before it can be told what this would do.
fn looked_at(work: Work) -> Option<(Capture, Then)> {
    match work {
        Work::Put {
            content, dest, mode, ..
        } => {
            let what = Capture::File {
                path: dest,
                edited: false,
            };
            Some((what, Then::Put(content, mode)))
        }
        Work::Edit { ref file, .. } => {
            let what = Capture::File {
                path: file.clone(),
                edited: true,
            };
            Some((what, Then::Edit(work)))
        }
        Work::Prove { action, .. } => Some((Capture::State(action.capture()), Then::Do(action))),
        Work::Reboot { reboot, .. } => Some((Capture::State(reboot::look_text()), Then::Reboot(reboot))),
        _ => None,
    }
}

/// Asks the hosts how that is now which would be changed.
async fn look_at_hosts(hands: &Arc<Hands>, redactor: &Redactor, all: &mut Foreseen) {
    let mut looks = std::mem::take(&mut all.looks).into_iter();
    loop {
        let group = looks.by_ref().take(LOOK_AT_ONCE);
        let asked: Vec<_> = group
            .map(|look| {
                let (hands, job, what) = (Arc::clone(hands), look.job, look.what);
                let task = tokio::spawn(async move { action::capture(&job, &what, &hands).await });
                (look.nth, look.then, task)
            })
            .collect();
        if asked.is_empty() {
            return;
        }
        for (nth, then, task) in asked {
            let former = task.await.unwrap_or_else(|_| Err(BROKEN.to_owned()));
            let Some((_, outlook)) = all.outlooks.get_mut(nth) else {
                continue;
            };
            let told = match former {
                Ok(Some(former)) => told(then, former, redactor),
                Ok(None) => Ok(String::new()),
                Err(why) => Ok(format!("how it is now cannot be known: {why}")),
            };
            match (told, &mut *outlook) {
                // What was asked for is what would be done: said once.
                (Ok(text), Outlook::Would { words, .. }) if text == *words => {}
                (Ok(text), Outlook::Would { difference, .. }) => *difference = text,
                (Err(why), outlook) => *outlook = Outlook::Fails { why },
                (Ok(_), _) => {}
            }
        }
    }
}

/// What would become of what is there now.
///
/// # Errors
/// Why the step would fail.
fn told(then: Then, former: Former, redactor: &Redactor) -> Result<String, String> {
    match then {
        Then::Put(after, mode) => Ok(compared(&former, &after, mode, redactor)),
        Then::Edit(work) => {
            let Work::Edit {
                file, find, put, count, ..
            } = work
            else {
                return Ok(String::new());
            };
            let work = Work::Edit {
                file,
                find,
                put,
                count,
                former: Some(former.clone()),
            };
            let (after, _) = action::work_of_edit(&work)?;
            Ok(compared(&former, &after, None, redactor))
        }
        Then::Reboot(reboot) => {
            let state = String::from_utf8_lossy(former.content.as_deref().unwrap_or_default());
            Ok(reboot.foreseen(&state))
        }
        Then::Do(proven) => {
            let state = String::from_utf8_lossy(former.content.as_deref().unwrap_or_default());
            let todo = proven.todo(&state)?;
            Ok(match todo.script {
                Some(_) => todo.words,
                None => "nothing: it is so already".to_owned(),
            })
        }
    }
}

/// The file as it is beside the file as it would be. Redacted before it is compared: a difference puts a sign before each line,
/// and no secret of several lines would be found in it.
fn compared(former: &Former, after: &[u8], mode: Option<u32>, redactor: &Redactor) -> String {
    let mut lines: Vec<String> = Vec::new();
    if let (Some(old), Some(new)) = (former.mode, mode)
        && old != new
    {
        lines.push(format!("mode {old:04o} -> {new:04o}"));
    }
    let before = former.content.as_deref();
    if before == Some(after) {
        if lines.is_empty() {
            lines.push("the file is like that already".to_owned());
        }
        return lines.join("\n");
    }
    if before.is_none() {
        lines.push("the file is not there yet".to_owned());
    }
    let hidden = |bytes: &[u8]| readable(bytes).map(|text| redactor.redact_text(text));
    match (hidden(before.unwrap_or_default()), hidden(after)) {
        (Some(old), Some(new)) if old == new => lines.push("only a secret in it is another".to_owned()),
        (Some(old), Some(new)) => {
            let text = unified(&old, &new);
            let all = text.lines().count();
            lines.extend(text.lines().take(LINES_MAX).map(str::to_owned));
            if all > LINES_MAX {
                lines.push(format!("and {} more lines", all - LINES_MAX));
            }
        }
        _ => lines.push(format!(
            "{} bytes -> {} bytes, others",
            before.unwrap_or_default().len(),
            after.len()
        )),
    }
    lines.join("\n")
}

/// Text that is short enough to be compared line by line.
fn readable(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok().filter(|_| bytes.len() <= COMPARE_MAX)?;
    (!text.contains('\0')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn was(content: Option<&str>, mode: Option<u32>) -> Former {
        Former {
            content: content.map(|c| c.as_bytes().to_vec()),
            mode,
        }
    }

    #[test]
    fn a_file_is_compared_by_lines_by_mode_and_by_size_where_it_is_no_text() {
        let plain = Redactor::default();
        let of = |content: Option<&str>, was_mode, after: &[u8], mode| {
            compared(&was(content, was_mode), after, mode, &plain)
        };
        let same = "the file is like that already";
        assert_eq!(of(Some("a\n"), Some(0o644), b"a\n", Some(0o644)), same);
        assert_eq!(of(Some("a\n"), Some(0o644), b"a\n", Some(0o600)), "mode 0644 -> 0600");
        assert_eq!(of(Some("a\nb\n"), None, b"a\nc\n", None), "@@ -1,2 +1,2 @@\n a\n-b\n+c");
        assert_eq!(
            of(None, None, b"a\n", None),
            "the file is not there yet\n@@ -0,0 +1 @@\n+a"
        );
        assert_eq!(of(Some("a"), None, b"\xff\xfe", None), "1 bytes -> 2 bytes, others");
        let long: String = (0..1000).map(|n| format!("{n}\n")).collect();
        let told = of(None, None, long.as_bytes(), None);
        assert!(told.ends_with("and 801 more lines"), "{told}");
    }

    #[test]
    fn a_secret_of_several_lines_is_not_found_in_a_difference() {
        let secret = Secret::new("first line of it\nsecond line of it".to_owned());
        let redactor = Redactor::new([("key", &secret)]).unwrap();
        let after = b"key:\nfirst line of it\nsecond line of it\n";
        let told = compared(&was(Some("key:\nnone\n"), None), after, None, &redactor);
        assert!(told.contains("-none") && !told.contains("line of it"), "{told}");
        let now = was(Some("first line of it\nsecond line of it"), None);
        let told = compared(&now, b"none", None, &redactor);
        assert!(told.contains("-[secret key]") && !told.contains("line of it"), "{told}");
    }
}
