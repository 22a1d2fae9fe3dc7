//! The fold: how one fact changes a run.
//!
//! Owns: `apply`, the only way a [`Run`] changes. Must not: decide (that is `next`), read a clock: time comes from events alone.

use jiff::Timestamp;

use super::ask::Word;
use super::event::{Answer, Event, GateEnd, HostState, Occasion, Outcome, Slot, Stamped, StepKey, StepResult};
use super::{Batch, Captured, GateRun, GateState, Line, Lists, Open, PhaseRun, Round, Run, SlotEnd, SlotRun, Turn};
use crate::id::{Digest, HostName};
use crate::plan::Stage;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Run {
    /// One more fact.
    pub fn apply(&mut self, stamped: &Stamped) {
        self.follow_the_clock(stamped);
        let at = stamped.at;
        match &stamped.event {
            Event::Started {
                run,
                plan,
                operator,
                dry,
                approvals,
                freezes,
                former_ms,
                attended,
                ..
            } => {
                self.former_ms.clone_from(former_ms);
                self.attended = *attended;
                self.overridden(approvals);
                self.freezes.clone_from(freezes);
                self.id = Some(run.clone());
                self.plan = Some(plan.clone());
                self.operators.insert(operator.clone());
                self.dry = *dry;
                self.started = Some(at);
            }
            Event::Resumed {
                operator,
                back,
                overrides,
                attended,
                ..
            } => {
                self.operators.insert(operator.clone());
                self.overridden(overrides);
                self.attended = *attended;
                self.resume(at, *back);
            }
            Event::Cleaning { operator, .. } => {
                self.operators.insert(operator.clone());
                (self.cleaning, self.attended) = (true, false);
                self.halted = None;
                self.another_process();
            }
            Event::Entering { hosts } => self.visited.extend(hosts.iter().cloned()),
            Event::Connected { host, facts } => {
                self.facts.insert(host.clone(), (**facts).clone());
                self.visited.insert(host.clone());
            }
            Event::LeftClean { host } => {
                self.visited.remove(host);
            }
            Event::Locked { host, on_host } => {
                self.locked.insert(host.clone(), *on_host);
            }
            Event::Unlocked { host } => {
                self.locked.remove(host);
            }
            Event::SteadyAsked { phase, round, occasion } => self.steady_asked(phase, *round, *occasion),
            Event::SteadyAnswered { phase, round, ok } => self.steady_answered(phase, *round, *ok),
            Event::Intended { .. }
            | Event::Settled { .. }
            | Event::NeverBegan { .. }
            | Event::CutOff { .. }
            | Event::Skipped { .. } => {
                self.step(stamped);
            }
            Event::Listed { key, items } => {
                let lists = self.told_mut(key).1;
                lists
                    .entry((key.stage, key.step.clone()))
                    .or_insert_with(|| items.clone());
            }
            Event::Captured { key, former, mode } => self.captured(key, former.as_ref(), *mode),
            Event::GateOpened { .. }
            | Event::GateAnswered { .. }
            | Event::GatePassed { .. }
            | Event::GateClosed { .. } => {
                self.gate(at, &stamped.event);
            }
            Event::Halted { why, text } => {
                self.halted.get_or_insert((*why, text.clone()));
            }
            Event::TurnedBack { why, rehearsed } => {
                self.rehearsed |= rehearsed;
                self.turn_back(why);
            }
            Event::Signalled { count } => self.signals = *count,
            Event::Forgiven { obligation, .. } => {
                self.silences.retain(|key, _| key.to_string() != *obligation);
                self.forgiven.insert(obligation.clone());
            }
            Event::Silencing { .. }
            | Event::Silenced { .. }
            | Event::NotSilenced { .. }
            | Event::Unsilenced { .. }
            | Event::StillSilenced { .. } => self.quiet(at, &stamped.event),
            Event::Notified { of, via, .. } => drop(self.told.insert((*of, via.clone()))),
            Event::Asked {
                phase,
                host,
                slot,
                until,
            } => self.line_mut(phase, host).slots.entry(slot.clone()).or_default().asked = Some(*until),
            Event::Unanswered { phase, host, slot } => {
                let run = self.line_mut(phase, host).slots.entry(slot.clone()).or_default();
                (run.asked, run.word) = (None, Some(Word::Policy));
            }
            Event::Decided {
                phase,
                host,
                slot,
                verdict,
                reason,
                ..
            } => {
                self.decided(at, phase, host, slot, verdict, reason);
            }
            Event::Ended { verdict, exit, .. } => self.ended = Some((*verdict, *exit)),
            Event::Noted { .. } | Event::ClockMoved { .. } | Event::Foreseen { .. } => {}
            other => self.phase_event(at, other),
        }
    }

    fn turn_back(&mut self, why: &str) {
        self.backwards.get_or_insert_with(|| why.to_owned());
        self.back_session += 1;
        // Hosts that went back on their own are part of this: what failed there waits for `resume --rollback`.
        let turns = self
            .phases
            .values_mut()
            .flat_map(|p| p.lines.values_mut())
            .filter_map(|l| l.turned.as_mut());
        for turn in turns {
            turn.session = self.back_session;
        }
    }

    fn captured(&mut self, key: &StepKey, former: Option<&Digest>, mode: Option<u32>) {
        let Some(host) = &key.host else { return };
        let place = (key.phase.clone(), host.clone(), key.step.clone(), key.nth);
        // The first capture is what there was before us; a second attempt would capture our own file.
        self.captured.entry(place).or_insert_with(|| Captured {
            former: former.cloned(),
            mode,
        });
    }

    fn gate(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::GateOpened { gate, expires, .. } => {
                self.gates.insert(
                    gate.clone(),
                    GateRun {
                        expires: *expires,
                        opened: at,
                        answers: Vec::new(),
                        state: GateState::Open,
                    },
                );
            }
            Event::GateAnswered { gate, answer } => {
                if let Some(g) = self.gates.get_mut(gate) {
                    g.answers.push(answer.clone());
                }
            }
            Event::GatePassed { gate } => self.gate_ends(gate, GateState::Passed),
            Event::GateClosed { gate, why } => self.gate_ends(gate, GateState::Closed(*why)),
            _ => {}
        }
    }

    fn gate_ends(&mut self, gate: &str, state: GateState) {
        if let Some(g) = self.gates.get_mut(gate) {
            g.state = state;
        }
    }

    fn overridden(&mut self, by: &[Answer]) {
        let any = |rule: &str| by.iter().any(|a| a.override_ == rule);
        self.window_overridden |= any("window");
        self.freeze_overridden |= any("freeze");
    }

    fn resume(&mut self, at: Timestamp, back: bool) {
        self.resumed = Some(at);
        self.halted = None;
        self.cleaning = false;
        self.recheck_steady = true;
        self.another_process();
        if back {
            self.backwards
                .get_or_insert_with(|| "resumed with --rollback".to_owned());
            self.back_session += 1;
            // Hosts in the middle of their way back go on with it: what fails there is not begun again by this same decision.
            let lines = self.phases.values_mut().flat_map(|p| p.lines.values_mut());
            for turn in lines.filter(|l| l.ended.is_none()).filter_map(|l| l.turned.as_mut()) {
                turn.session = self.back_session;
            }
        }
        for phase in self.phases.values_mut() {
            phase.ended = false;
            for batch in phase.batches.iter_mut().filter(|b| !b.settled) {
                batch.soak_began = None;
                batch.rounds.clear();
            }
        }
        for round in self.steady.values_mut().flatten() {
            round.current = false;
        }
        // A gate that expired or met the cut-off is asked again; one that was rejected stays rejected; one that still waits
        // keeps its opening, which approvals are bound to.
        self.gates.retain(|_, g| match g.state {
            GateState::Closed(GateEnd::Expired | GateEnd::CutOff) => false,
            GateState::Open => g.expires > at,
            GateState::Passed | GateState::Closed(GateEnd::Rejected) => true,
        });
    }

    /// What the former process left is now for this one: what it had under way, and what it had asked.
    fn another_process(&mut self) {
        self.signals = 0;
        self.ended = None;
        for open in self.open.values_mut() {
            open.left = true;
        }
        for silence in self.silences.values_mut() {
            silence.another_process();
        }
        let lines = self.phases.values_mut().flat_map(|p| p.lines.values_mut());
        for run in lines.flat_map(|l| l.slots.values_mut()) {
            run.asked = None;
        }
    }

    fn steady_asked(&mut self, scope: &str, round: u32, occasion: Occasion) {
        let rounds = self.steady.entry(scope.to_owned()).or_default();
        rounds.push(Round {
            occasion,
            slots: BTreeMap::new(),
            lists: Lists::new(),
            ok: None,
            current: true,
        });
        if occasion == Occasion::Batch {
            let unsettled = |p: &&mut PhaseRun| !p.ended && p.batches.last().is_some_and(|b| !b.settled);
            let batch = self
                .phases
                .values_mut()
                .find(unsettled)
                .and_then(|p| p.batches.last_mut());
            if let Some(batch) = batch {
                batch.rounds.insert(scope.to_owned(), round);
            }
        }
    }

    fn steady_answered(&mut self, scope: &str, round: u32, ok: bool) {
        let asked = self
            .steady
            .get_mut(scope)
            .and_then(|r| r.get_mut(usize::try_from(round).unwrap_or(usize::MAX)));
        if let Some(asked) = asked {
            asked.ok = Some(ok);
            if asked.occasion == Occasion::Resume && ok {
                self.recheck_steady = false;
            }
        }
    }

    fn phase_event(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::PhaseBegan { phase } => {
                self.phases.entry(phase.clone()).or_default();
            }
            Event::PhaseEnded { phase } => {
                if let Some(p) = self.phases.get_mut(phase) {
                    p.ended = true;
                }
            }
            Event::BatchBegan { phase, batch, hosts } => {
                let p = self.phases.entry(phase.clone()).or_default();
                p.batches.push(Batch {
                    number: *batch,
                    hosts: hosts.clone(),
                    ..Batch::default()
                });
            }
            Event::SoakBegan { phase, batch, .. } => {
                if let Some(b) = self.batch(phase, *batch) {
                    b.soak_began = Some(at);
                }
            }
            Event::BatchSettled { phase, batch } => {
                if let Some(b) = self.batch(phase, *batch) {
                    b.settled = true;
                }
            }
            Event::JudgedLast {
                phase,
                batch,
                host,
                last,
            } => {
                let p = self.phases.entry(phase.clone()).or_default();
                p.last.insert((*batch, host.clone()), *last);
            }
            other => self.line_event(at, other),
        }
    }

    fn batch(&mut self, phase: &str, number: u32) -> Option<&mut Batch> {
        self.phases
            .get_mut(phase)?
            .batches
            .iter_mut()
            .find(|b| b.number == number)
    }

    fn line_event(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::Reached { phase, host } => self.line_mut(phase, host).reached = true,
            Event::Judged { phase, host, needed } => self.line_mut(phase, host).needed = Some(*needed),
            Event::HostBegan { phase, host, recheck } => {
                let line = self.line_mut(phase, host);
                line.began = Some(at);
                line.recheck.clone_from(recheck);
            }
            Event::Turned {
                phase,
                host,
                why,
                own_failure,
            } => {
                let session = self.back_session;
                self.line_mut(phase, host).turn(why, *own_failure, session);
            }
            Event::Reopened { phase, host, pass } => {
                let line = self.line_mut(phase, host);
                line.reopened = Some(*pass);
                line.ended = None;
            }
            Event::HostEnded {
                phase,
                host,
                state,
                why,
            } => {
                let resumed = self.resumed;
                let line = self.line_mut(phase, host);
                line.ended = Some(*state);
                line.why.clone_from(why);
                line.counted |= matches!(
                    state,
                    HostState::Refused | HostState::Failed | HostState::Held | HostState::Broken | HostState::Unknown
                );
                // Only a way straight through tells how long a host takes.
                let straight = line.turned.is_none() && line.reopened.is_none();
                let took = line
                    .began
                    .filter(|b| straight && resumed.is_none_or(|r| r <= *b))
                    .map_or(0, |b| {
                        u64::try_from(at.as_millisecond() - b.as_millisecond()).unwrap_or(0)
                    });
                let slowest = self.slowest_ms.entry(phase.clone()).or_default();
                *slowest = took.max(*slowest);
                self.needs_quiet_no_more(host);
            }
            Event::HostClosed { phase, host } => self.line_mut(phase, host).closed = true,
            _ => {}
        }
    }

    fn line_mut(&mut self, phase: &str, host: &HostName) -> &mut Line {
        self.phases
            .entry(phase.to_owned())
            .or_default()
            .lines
            .entry(host.clone())
            .or_default()
    }

    /// The slot that a key fills.
    fn slot_mut(&mut self, key: &StepKey) -> &mut SlotRun {
        self.told_mut(key).0.entry(key.slot()).or_default()
    }

    /// Where a step's attempts and items are told: in a round, on a host's line, or with the phase.
    fn told_mut(&mut self, key: &StepKey) -> (&mut BTreeMap<Slot, SlotRun>, &mut Lists) {
        if key.stage == Stage::Steady {
            let rounds = self.steady.entry(key.phase.clone()).or_default();
            let at = usize::try_from(key.pass).unwrap_or(0).min(rounds.len());
            if at == rounds.len() {
                rounds.push(Round {
                    occasion: Occasion::Start,
                    slots: BTreeMap::new(),
                    lists: Lists::new(),
                    ok: None,
                    current: true,
                });
            }
            if let Some(round) = rounds.get_mut(at) {
                return (&mut round.slots, &mut round.lists);
            }
        }
        let phase = self.phases.entry(key.phase.clone()).or_default();
        match &key.host {
            Some(host) => {
                let line = phase.lines.entry(host.clone()).or_default();
                (&mut line.slots, &mut line.lists)
            }
            None => (&mut phase.once, &mut phase.lists),
        }
    }

    fn step(&mut self, stamped: &Stamped) {
        let at = stamped.at;
        match &stamped.event {
            Event::Intended {
                key,
                on,
                call,
                changes,
                latched,
                boot,
                limit_ms,
            } => {
                let slot = self.slot_mut(key);
                slot.attempts = key.attempt;
                slot.tries += 1;
                slot.begun += 1;
                if slot.begun == 1 {
                    slot.order = stamped.seq;
                }
                slot.open = Some(key.attempt);
                (slot.end, slot.asked, slot.word) = (None, None, None);
                slot.on = Some(on.clone());
                slot.changes = *changes;
                let open = Open {
                    at,
                    on: on.clone(),
                    changes: *changes,
                    latched: *latched,
                    boot: boot.clone(),
                    limit_ms: *limit_ms,
                    call: call.clone(),
                    left: false,
                };
                self.open.insert(key.clone(), open);
            }
            Event::Settled { key, outcome, result } => self.settled(at, key, *outcome, result),
            Event::NeverBegan { key } | Event::CutOff { key } => {
                let slot = self.slot_mut(key);
                slot.open = None;
                slot.tries = slot.tries.saturating_sub(1);
                slot.begun = slot.begun.saturating_sub(1);
                self.open.remove(key);
            }
            Event::Skipped { key, reason, by_person } => {
                let end = SlotEnd {
                    outcome: Outcome::Skipped,
                    at,
                    warned: false,
                    changed: false,
                    why: reason.clone(),
                    by_person: *by_person,
                };
                self.slot_mut(key).end = Some(end);
                self.keep_result(key, Outcome::Skipped, &Arc::default());
            }
            _ => {}
        }
    }

    fn settled(&mut self, at: Timestamp, key: &StepKey, outcome: Outcome, result: &Arc<StepResult>) {
        let slot = self.slot_mut(key);
        slot.open = None;
        // What could not be sent has not begun: nothing of it is owed.
        if outcome == Outcome::Unreachable {
            slot.begun = slot.begun.saturating_sub(1);
        }
        slot.end = Some(SlotEnd {
            outcome,
            at,
            warned: result.warned,
            changed: result.changed,
            why: result.why.clone(),
            by_person: false,
        });
        self.open.remove(key);
        self.keep_result(key, outcome, result);
        for (name, moment) in &result.marks {
            // Set twice on one host, the first counts.
            self.marks
                .entry(name.clone())
                .or_default()
                .entry(key.host.clone())
                .or_insert(*moment);
        }
        if result.warned
            && let Some(host) = &key.host
        {
            self.line_mut(&key.phase, host).warned = true;
        }
    }

    /// Registered values stay those of the first pass; a repeated precheck only passes or refuses.
    fn keep_result(&mut self, key: &StepKey, outcome: Outcome, result: &Arc<StepResult>) {
        if key.pass > 1 && key.stage == Stage::Precheck {
            return;
        }
        let place = (key.phase.clone(), key.step.clone());
        self.results
            .entry(place)
            .or_default()
            .entry(key.host.clone())
            .or_default()
            .insert(key.nth, outcome, Arc::clone(result));
    }

    fn decided(&mut self, at: Timestamp, phase: &str, host: &HostName, slot: &Slot, verdict: &str, reason: &str) {
        let line = self.line_mut(phase, host);
        let run = line.slots.entry(slot.clone()).or_default();
        run.asked = None;
        run.word = Word::of(verdict);
        // What follows is decided, not how it ended. Only what goes back must have ended: the person says that it failed.
        let unknown = run.end.as_ref().is_some_and(|e| e.outcome == Outcome::Unknown);
        if run.word.is_some() && !(run.word == Some(Word::Back) && unknown) {
            return;
        }
        let open = run.open.take();
        let end = |outcome| SlotEnd {
            outcome,
            at,
            warned: false,
            changed: true,
            why: reason.to_owned(),
            by_person: true,
        };
        run.end = match verdict {
            "ok" => Some(end(Outcome::Ok)),
            "failed" | "rollback" => Some(end(Outcome::Failed)),
            "skip" => Some(end(Outcome::Skipped)),
            _ => None,
        };
        line.warned |= verdict == "skip";
        // What cleanup did changes no host's state; a host that is good stays so.
        let stays = matches!(
            line.ended,
            Some(HostState::Ok | HostState::Warned | HostState::NotNeeded | HostState::RolledBack)
        );
        if slot.stage != Stage::Cleanup && !stays {
            line.ended = None;
            line.reopened = line.reopened.filter(|pass| *pass == slot.pass);
        }
        if let Some(attempt) = open {
            self.open.remove(&slot.key(phase, host, attempt));
        }
    }
}

impl Line {
    fn turn(&mut self, why: &str, own_failure: bool, session: u32) {
        self.turned = Some(Turn {
            why: why.to_owned(),
            session,
        });
        self.reopened = None;
        self.ended = None;
        self.counted |= own_failure;
        // What of the way back ended badly before is tried again; what succeeded never is.
        for (slot, run) in &mut self.slots {
            if slot.pass == 1
                && run
                    .end
                    .as_ref()
                    .is_some_and(|e| !matches!(e.outcome, Outcome::Ok | Outcome::Skipped | Outcome::Unknown))
            {
                (run.end, run.word) = (None, None);
                run.tries = 0;
            }
        }
    }
}
