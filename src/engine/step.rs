//! One step on its way: place and session, condition, rendering, intent, work, outcome.
//!
//! Owns: that the intent is durable before anything is sent, and that every intent gets an end. Must not: decide what is next.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::EngineError;
use super::drive::{Busy, Driver, Message};
use super::judge::{self, Span};
use super::record::{Then, redact_value};
use super::render::{self, Rendered, becoming};
use super::several::Several;
use super::sides::{Options, enter};
use super::task::{BROKEN, Finished, Task, broken, not_stored, sound};
use crate::action::{self, Done, End, Former, Job, Work};
use crate::crash::{self, Moment};
use crate::id::HostName;
use crate::inventory::facts::Facts;
use crate::journal::files;
use crate::plan::{Baseline, BuiltIn, Call, OnUnknown, PlannedStep, Value};
use crate::run::event::{Event, Outcome, StepKey, StepResult};
use crate::run::together::behind;
use crate::secret::Secret;
use crate::transport::LatchKey;

/// A step that never began is sent again, so often in all.
const STARTS: u32 = 5;

/// A step whose place was made ready.
pub(super) struct Prepared {
    pub key: StepKey,
    pub on: HostName,
    /// All that were to be logged into for it.
    pub hosts: Vec<HostName>,
    /// The facts of the place, or why it cannot be reached.
    pub place: Result<Facts, String>,
    /// What an upload will replace, or why it must not begin.
    pub former: Option<Result<Former, String>>,
    /// Steps that change nothing may be sent there together.
    pub together: bool,
    /// The machines of a comparison, and their facts.
    pub sides: Vec<(HostName, Facts)>,
}

impl Driver {
    /// Begins an attempt: left out by the change or its condition, or its place is made ready. True: ask `next` again.
    pub(super) async fn begin(&mut self, key: StepKey) -> Result<bool, EngineError> {
        if self.busy.contains(&Busy::Step(key.clone())) {
            return Ok(false);
        }
        let plan = Arc::clone(&self.setup.plan);
        let Some(step) = plan.step(&key.phase, key.stage, &key.step) else {
            return Ok(false);
        };
        if let Some(reason) = &step.skip {
            self.record(Event::Skipped {
                key,
                reason: reason.clone(),
                by_person: true,
            })
            .await?;
            return Ok(true);
        }
        if self.wants_list(step, &key) {
            return self.list(step, key).await;
        }
        if let Some(when) = &step.when {
            let judged = render::truth(when, &self.scopes().place(step, &key));
            match judged {
                Ok(true) => {}
                Ok(false) => {
                    let reason = format!("its condition is false: {when}");
                    self.tell(vec![Event::Skipped {
                        key,
                        reason,
                        by_person: false,
                    }])
                    .await?;
                    return Ok(true);
                }
                Err(why) => {
                    self.cannot_send(step, key, &format!("its condition: {why}")).await?;
                    return Ok(true);
                }
            }
        }
        let hosts = self.choose(step, &key);
        let Some(first) = hosts.first().cloned() else {
            self.cannot_send(step, key, "none of the hosts it may run on is reachable and in service")
                .await?;
            return Ok(true);
        };
        let sides = Self::sides(step, &key, &hosts);
        let hosts = match (sides.is_empty(), needs_session(&step.call)) {
            (false, _) => {
                let all: BTreeSet<HostName> = sides.iter().flat_map(|(_, s)| s).map(|(_, m)| m.clone()).collect();
                all.into_iter().collect()
            }
            (true, true) => hosts,
            (true, false) => Vec::new(),
        };
        self.enters(&hosts).await?;
        self.prepare(step, key, first, hosts, sides);
        Ok(false)
    }

    /// Makes the first of these ready that can be reached; a step that is not `one_of` has but one, and one that needs no login none.
    /// Of a comparison both machines.
    fn prepare(&mut self, step: &PlannedStep, key: StepKey, first: HostName, hosts: Vec<HostName>, sides: Options) {
        self.busy.insert(Busy::Step(key.clone()));
        let capture = self.to_capture(step, &key);
        let mut probe = self.bare_job(step, &key, first.clone());
        let (hands, send) = (self.hands.clone(), self.send.clone());
        let broken = Prepared {
            key: key.clone(),
            on: first.clone(),
            hosts: hosts.clone(),
            place: Err(BROKEN.to_owned()),
            former: None,
            together: false,
            sides: Vec::new(),
        };
        let work = async move {
            let (mut on, mut place, mut together) = (first, Ok(Facts::default()), false);
            if !sides.is_empty() {
                let (on, place, met) = enter(&hands, &sides).await;
                return Prepared {
                    key,
                    on,
                    hosts,
                    place,
                    former: None,
                    together: false,
                    sides: met,
                };
            }
            for host in &hosts {
                place = match hands.session(host).await {
                    Ok(session) => {
                        together = session.takes_several();
                        Ok(session.facts().clone())
                    }
                    Err(e) => Err(e.advised()),
                };
                on.clone_from(host);
                if place.is_ok() {
                    break;
                }
            }
            probe.on = on.clone();
            let former = match (&place, capture) {
                (Ok(_), Some(what)) => action::capture(&probe, &what, &hands).await.transpose(),
                _ => None,
            };
            Prepared {
                key,
                on,
                hosts,
                place,
                former,
                together,
                sides: Vec::new(),
            }
        };
        tokio::spawn(async move {
            let prepared = sound(work, broken).await;
            let _ = send.send(Message::Prepared(Box::new(prepared)));
        });
    }

    /// An attempt that cannot be sent at all: intent and end together, nothing of it is owed.
    pub(super) async fn cannot_send(&mut self, step: &PlannedStep, key: StepKey, why: &str) -> Result<(), EngineError> {
        let on = key.host.clone().unwrap_or_else(HostName::controller);
        let intended = Event::Intended {
            key: key.clone(),
            on,
            call: step.call.word().to_owned(),
            changes: false,
            latched: false,
            boot: String::new(),
            limit_ms: step.timeout_ms,
        };
        let result = StepResult {
            why: self.setup.redactor.redact_text(why),
            ..StepResult::default()
        };
        let settled = Event::Settled {
            key,
            outcome: Outcome::Unreachable,
            result: result.into(),
        };
        self.tell(vec![intended, settled]).await
    }

    /// The place is ready: render, write the intent down, send.
    pub(super) async fn prepared(&mut self, prepared: Prepared) -> Result<(), EngineError> {
        let Prepared {
            key,
            on,
            hosts,
            place,
            former,
            together,
            sides,
        } = prepared;
        let entered = self.entered(&hosts);
        self.tell(entered).await?;
        let plan = Arc::clone(&self.setup.plan);
        let Some(step) = plan.step(&key.phase, key.stage, &key.step) else {
            return Ok(());
        };
        if self.run.signals > 0 {
            // A signal came meanwhile: nothing new starts.
            return Ok(());
        }
        let facts = match place {
            Ok(facts) => facts,
            Err(why) => return self.cannot_send(step, key, &why).await,
        };
        let mut events = Vec::new();
        if needs_session(&step.call) && step.sides().is_none() && !self.knows(&on, &facts) {
            events.push(self.connected(&on, &facts));
        }
        let fresh = sides.iter().filter(|(machine, facts)| !self.knows(machine, facts));
        events.extend(fresh.map(|(machine, facts)| self.connected(machine, facts)));
        let found = match former.transpose() {
            Ok(found) => found,
            Err(why) => return self.cannot_send(step, key, &why).await,
        };
        if let Some(found) = &found {
            match self.keep_former(&key, found) {
                Ok(captured) => events.push(captured),
                Err(why) => return self.cannot_send(step, key, &why).await,
            }
        }
        self.tell(events).await?;
        let (intended, job) = match self.intent(step, &key, &on, &facts, found.as_ref()) {
            Ok(intent) => intent,
            Err(why) => return self.cannot_send(step, key, &why).await,
        };
        let (mut intents, mut steps) = (vec![intended], vec![(key, job)]);
        if together && let Some((first, _)) = steps.first() {
            for key in behind(&plan, &self.run, first) {
                let Some(step) = plan.step(&key.phase, key.stage, &key.step) else {
                    break;
                };
                // What cannot be rendered is told when its turn comes.
                let Ok((intended, job)) = self.intent(step, &key, &on, &facts, None) else {
                    break;
                };
                intents.push(intended);
                steps.push((key, job));
            }
        }
        for (key, _) in &steps {
            self.busy.insert(Busy::Step(key.clone()));
        }
        self.write_then(intents, Then::Send(steps)).await
    }

    /// A step rendered: its intent, and the job.
    fn intent(
        &self,
        step: &PlannedStep,
        key: &StepKey,
        on: &HostName,
        facts: &Facts,
        found: Option<&Former>,
    ) -> Result<(Event, Job), String> {
        let rendered = self.render(step, key, found)?;
        let job = self.job(
            step,
            key,
            on.clone(),
            facts,
            rendered.env,
            rendered.stdin,
            rendered.work,
        );
        let words = match &job.work {
            Work::Compare(compare) => compare.words(),
            _ => rendered.words,
        };
        let intended = Event::Intended {
            key: key.clone(),
            on: on.clone(),
            call: self.setup.redactor.redact_text(&words),
            changes: job.changes,
            latched: job.latch.is_some(),
            boot: facts.boot.clone(),
            limit_ms: step.timeout_ms,
        };
        Ok((intended, job))
    }

    /// `found`: what this attempt found just now; without it, what its first one found.
    pub(super) fn render(&self, step: &PlannedStep, key: &StepKey, found: Option<&Former>) -> Result<Rendered, String> {
        let scopes = self.scopes();
        let scope = scopes.place(step, key);
        let former = self.former_of(step, key)?;
        let first = match (found, &key.host) {
            (None, Some(host)) => self.former(key, host, &key.step)?,
            _ => None,
        };
        let found = found.or(first.as_ref());
        render::step(step, &scope, &self.materials(key, &step.call, former.as_ref(), found))
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of a rendered step come apart here once, where the job is made"
    )]
    pub(super) fn job(
        &self,
        step: &PlannedStep,
        key: &StepKey,
        on: HostName,
        facts: &Facts,
        env: Vec<(String, Secret)>,
        stdin: Option<Secret>,
        work: Work,
    ) -> Job {
        let changes = !step.read_only;
        let step_key = key.in_run(&self.setup.id);
        let latched = changes && step.call.can_latch() && facts.latch;
        let host = self.setup.plan.host(&on);
        let work = match work {
            Work::Compare(compare) => Work::Compare(self.placed(step, key, &on, &compare)),
            work => work,
        };
        let (work, become_user) = becoming(work, step.becomes(host), host.is_some_and(|h| h.become_exact));
        Job {
            work,
            on,
            latch: latched.then(|| LatchKey::of(&step_key)),
            step_key,
            boot: facts.boot.clone(),
            changes,
            become_user,
            env,
            stdin,
            timeout: Duration::from_millis(step.timeout_ms),
            cancel: self.cancel.subscribe(),
        }
    }

    pub(super) fn bare_job(&self, step: &PlannedStep, key: &StepKey, on: HostName) -> Job {
        self.job(step, key, on, &Facts::default(), Vec::new(), None, Work::Holds(true))
    }

    pub(super) fn send_off(&mut self, mut steps: Vec<(StepKey, Job)>) {
        let plan = Arc::clone(&self.setup.plan);
        if steps.len() > 1 {
            let (keys, jobs): (Vec<StepKey>, Vec<Job>) = steps.into_iter().unzip();
            let (output, redactor, send) = (
                self.setup.folder.output(),
                self.setup.redactor.clone(),
                self.send.clone(),
            );
            let make = move |nth: usize| {
                let key: &StepKey = keys.get(nth)?;
                let step = plan.step(&key.phase, key.stage, &key.step)?;
                Some(Task::new(
                    key.clone(),
                    step,
                    output.clone(),
                    redactor.clone(),
                    send.clone(),
                ))
            };
            Several::send_off(Arc::new(make), jobs, self.hold.subscribe(), self.hands.clone());
            return;
        }
        let Some((key, job)) = steps.pop() else { return };
        let Some(step) = plan.step(&key.phase, key.stage, &key.step) else {
            return;
        };
        if let Call::Manual { .. } = step.call {
            self.ask_person(step, key, &job);
            return;
        }
        self.spawn(step, key, job, false);
    }

    /// Sends a job off. A panic below is this step's end, never the run's.
    pub(super) fn spawn(&mut self, step: &PlannedStep, key: StepKey, job: Job, recover: bool) {
        let spare = self.task(step, key.clone());
        let task = self.task(step, key);
        let hands = self.hands.clone();
        let changes = job.changes;
        tokio::spawn(async move {
            let work = tokio::spawn(async move { task.run(&job, &hands, recover).await });
            if work.await.is_err() {
                broken(spare, changes);
            }
        });
    }

    pub(super) fn task(&self, step: &PlannedStep, key: StepKey) -> Task {
        let (output, redactor) = (self.setup.folder.output(), self.setup.redactor.clone());
        Task::new(key, step, output, redactor, self.send.clone())
    }

    /// The work of a step is over: what it means, and its end in the journal.
    pub(super) async fn finished(&mut self, finished: Finished) -> Result<(), EngineError> {
        let Finished {
            key,
            mut done,
            stdout,
            stderr,
            evidence,
            took,
        } = finished;
        let plan = Arc::clone(&self.setup.plan);
        let Some(step) = plan.step(&key.phase, key.stage, &key.step) else {
            return Ok(());
        };
        if done.end == End::PassedOver {
            return self.write_then(vec![Event::NeverBegan { key }], Then::Nothing).await;
        }
        if done.end == End::NeverBegan {
            // Whatever takes the link away at each start (a host, or something on the way that dislikes the command) would
            // otherwise have the step sent for ever.
            let slot = (key.phase.clone(), key.host.clone(), key.slot());
            let times = self.never.entry(slot).or_default();
            *times += 1;
            if *times < STARTS {
                self.record(Event::NeverBegan { key }).await?;
                return Ok(());
            }
            let why = format!("the link was lost {STARTS} times before it began");
            done.end = End::Unreachable(why);
        }
        crash::here(match key.pass {
            0 => Moment::Ended,
            _ => Moment::EndedBack,
        });
        let stopped = matches!(done.end, End::Unknown { stopped: true, .. });
        let mut events = not_stored(&key, [&stdout, &stderr]);
        let mut result = StepResult {
            stdout: stdout.kept,
            stderr: stderr.kept,
            duration_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            ..StepResult::default()
        };
        result.evidence = evidence.into_iter().collect();
        if let (Call::Download { src, .. }, End::Good) = (&step.call, &done.end) {
            // As it was sent, not as the plan has it.
            let src = self.run.open.get(&key).map_or(src, |o| &o.call);
            self.keep_download(src, &mut done, &mut result);
        }
        if let (Call::BuiltIn(BuiltIn::Baseline(Baseline::Diff(since))), End::Exited(0)) = (&step.call, &done.end) {
            self.tell_changes(&key, since, &mut done, &result);
        }
        if let Call::BuiltIn(BuiltIn::Check(check)) = &step.call
            && let Some(since) = &check.compare_to
        {
            self.compare_check(&key, since, &mut done);
        }
        // The wall clock may have been set since it began.
        let ended = self.setup.clock.now();
        let took = Duration::from_millis(result.duration_ms);
        let began = ended.saturating_sub(took).unwrap_or(ended);
        let span = Span { began, ended };
        let mut scopes = self.scopes();
        let said = [(&result.stdout, stdout.said), (&result.stderr, stderr.said)];
        scopes.withheld = said
            .into_iter()
            .filter_map(|(kept, said)| Some((kept.digest.clone()?, said?)))
            .collect();
        let (outcome, mut result) = judge::outcome(step, &key, done, result, &scopes, &span);
        drop(scopes);
        self.redact(&mut result);
        let on_unknown = (outcome == Outcome::Unknown && stopped).then_some(step.on_unknown);
        let outcome = if on_unknown == Some(OnUnknown::Fail) {
            Outcome::Failed
        } else {
            outcome
        };
        let latched = self.run.open.get(&key).is_some_and(|o| o.latched);
        let on = self.run.open.get(&key).map(|o| o.on.clone());
        events.push(Event::Settled {
            key: key.clone(),
            outcome,
            result: result.into(),
        });
        if let (Some(OnUnknown::Rerun), Some(host)) = (on_unknown, &key.host) {
            events.push(Event::Decided {
                phase: key.phase.clone(),
                host: host.clone(),
                slot: key.slot(),
                verdict: "rerun".to_owned(),
                reason: "on_unknown: rerun, and the host proves that nothing of it still runs".to_owned(),
                by: "runbook".to_owned(),
            });
        }
        let forgets = on.filter(|_| latched && outcome != Outcome::Unknown);
        self.write_then(events, Then::Forget(key, forgets)).await
    }

    /// A downloaded file is evidence whatever its size: short output has no file of its own, so it gets one here.
    fn keep_download(&self, src: &str, done: &mut Done, result: &mut StepResult) {
        if result.stdout.withheld {
            return;
        }
        let text = result.stdout.text.as_bytes();
        let digest = match &result.stdout.digest {
            Some(digest) => digest.clone(),
            None => match files::keep(&self.setup.folder.output(), text) {
                Ok(digest) => digest,
                Err(fault) => {
                    done.end = End::Failed(format!("{src} was read, and cannot be kept: {fault}"));
                    return;
                }
            },
        };
        let size = i64::try_from(result.stdout.bytes).unwrap_or(i64::MAX);
        done.more
            .insert("sha256".to_owned(), Value::Text(digest.hex().to_owned()));
        done.more.insert("size".to_owned(), Value::Int(size));
        result.evidence.insert(src.to_owned(), digest);
    }

    /// The end is durable: the host may forget the attempt.
    pub(super) fn acknowledge(&self, on: HostName, key: &StepKey) {
        let latch = LatchKey::of(&key.in_run(&self.setup.id));
        let hands = self.hands.clone();
        tokio::spawn(async move {
            if let Some(session) = hands.open(&on).await {
                session.acknowledge(vec![latch]).await;
            }
        });
    }

    fn redact(&self, result: &mut StepResult) {
        result.why = self.setup.redactor.redact_text(&result.why);
        for name in &mut result.columns {
            *name = self.setup.redactor.redact_text(name);
        }
        for value in result.more.values_mut().chain(result.value.as_mut()) {
            redact_value(value, &self.setup.redactor);
        }
    }
}

/// Waiting for time, a login or a person, and HTTP, are done from here; everything else needs the host.
pub(super) fn needs_session(call: &Call) -> bool {
    !matches!(
        call,
        Call::Http { .. }
            | Call::Assert { .. }
            | Call::WaitConnection { .. }
            | Call::WaitTime { .. }
            | Call::Manual { .. }
    )
}
