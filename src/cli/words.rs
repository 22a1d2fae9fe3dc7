//! How states, outcomes and events are said on the screen.
//!
//! Owns: one line for each event that people care about, the tone of each word. Must not: print; host text goes through
//! `text::terminal_line` here.

use jiff::Timestamp;

use crate::id::HostName;
use crate::plan::page::{duration, moment_in};
use crate::plan::{Plan, Stage, item_words};
use crate::run::event::{Event, GateEnd, HostState, Outcome, SilenceKey, Stamped, StepKey, StepResult, Verdict};
use crate::run::{moved, quiet};
use crate::text::terminal_line;

use super::screen::Tone;

/// One event as a line: time, who, what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How it is meant.
    pub tone: Tone,
    /// The host, or `run`.
    pub who: String,
    /// The rest.
    pub what: String,
    /// How important: 0 always, 1 with `-v`, 2 with `-vv`.
    pub level: u8,
}

/// The tone of a host's state.
pub fn state_tone(state: HostState) -> Tone {
    match state {
        HostState::Ok | HostState::NotNeeded => Tone::Good,
        HostState::Warned | HostState::RolledBack => Tone::Warn,
        HostState::NotStarted => Tone::Dim,
        _ => Tone::Bad,
    }
}

/// The tone of a verdict.
pub fn verdict_tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Done => Tone::Good,
        Verdict::RolledBack | Verdict::Waiting | Verdict::Stopped => Tone::Warn,
        Verdict::Failed | Verdict::Stuck => Tone::Bad,
    }
}

/// A verdict as a sentence.
pub fn verdict_sentence(verdict: Verdict, exit: u8, dry: bool, rehearsal: bool) -> &'static str {
    match (verdict, exit) {
        (Verdict::Done, _) if dry => "A dry run: nothing was changed.",
        (Verdict::Done, 8) if rehearsal => "All of it was done and taken back, but an objective was missed.",
        (Verdict::Done, _) if rehearsal => "All of it was done, taken back, and proven to be as before.",
        (Verdict::Failed, _) if rehearsal => "Nothing was changed, so nothing is proven of the way back.",
        (Verdict::Done, 8) => "All hosts are done, but an objective or the final steady state was missed.",
        (Verdict::Done, _) => "All hosts are good.",
        (Verdict::Failed, _) => "It failed. Nothing was changed.",
        (Verdict::RolledBack, _) => "Everything that was changed is taken back.",
        (Verdict::Waiting, _) => "The run waits for a person's decision.",
        (Verdict::Stopped, 6) => "It may not go on now; this command touched nothing.",
        (Verdict::Stopped, _) => "The run was stopped and can go on.",
        (Verdict::Stuck, _) => "A person is needed.",
    }
}

/// The clock of a line, in the plan's zone.
pub fn clock(plan: &Plan, at: Timestamp) -> String {
    let zone = plan.window.as_ref().map_or("UTC", |w| w.timezone.as_str());
    moment_in(at, zone, "%H:%M:%S")
}

/// `steps/restart`, with the phase where the plan has several.
pub fn step_name(plan: &Plan, key: &StepKey) -> String {
    let stage = key.stage.as_str();
    let many = plan.phases().nth(1).is_some() && !key.phase.is_empty();
    let phase = if many { format!("{}/", key.phase) } else { String::new() };
    let several = plan.step(&key.phase, key.stage, &key.step);
    let nth = if key.nth > 0 || several.is_some_and(|s| s.for_each.is_some()) {
        format!("#{}", u64::from(key.nth) + 1)
    } else {
        String::new()
    };
    format!("{phase}{stage}/{}{nth}", key.step)
}

/// The line for an event; `None` for what only machines need.
pub fn line(plan: &Plan, stamped: &Stamped) -> Option<Line> {
    let run = |tone, what: String, level| Some(line_of(tone, "run".to_owned(), what, level));
    let at = |host: &HostName, tone, what: String, level| Some(line_of(tone, host.to_string(), what, level));
    match &stamped.event {
        Event::Settled { key, outcome, result } => Some(settled(plan, key, *outcome, result)),
        Event::Intended { key, on, call, .. } => {
            let on = if key.host.as_ref() == Some(on) {
                String::new()
            } else {
                format!(" on {on}")
            };
            Some(line_of(
                Tone::Dim,
                who(key),
                format!("{}  begins{on}: {}", step_name(plan, key), first_line(call)),
                2,
            ))
        }
        Event::Listed { key, items } => {
            let words: Vec<String> = items
                .iter()
                .enumerate()
                .map(|(at, item)| terminal_line(&item_words(Some(item), at, items.len())))
                .collect();
            let step = step_name(plan, key);
            let step = step.trim_end_matches("#1");
            let what = format!("{step}  for each of {}: {}", items.len(), words.join(", "));
            Some(line_of(Tone::Dim, who(key), what, 1))
        }
        Event::Skipped { key, reason, .. } => {
            let what = format!("{}  skipped: {}", step_name(plan, key), terminal_line(reason));
            Some(line_of(Tone::Dim, who(key), what, 1))
        }
        Event::NeverBegan { key } => {
            let what = format!("{}  had never begun", step_name(plan, key));
            // A check that was sent behind others, of which one failed, is no news.
            let check = plan.step(&key.phase, key.stage, &key.step).is_some_and(|s| s.read_only);
            let (tone, level) = if check { (Tone::Dim, 2) } else { (Tone::Warn, 0) };
            Some(line_of(tone, who(key), what, level))
        }
        Event::Connected { host, facts } => at(
            host,
            Tone::Dim,
            format!("connected, {} {}", facts.distro, facts.version),
            1,
        ),
        Event::PhaseBegan { phase } => {
            let title = plan.phase(phase).map_or("", |p| p.title.as_str());
            run(Tone::Strong, format!("phase {phase}: {}", terminal_line(title)), 0)
        }
        Event::BatchBegan { phase, batch, hosts } => {
            let names: Vec<&str> = hosts.iter().map(HostName::as_str).collect();
            run(
                Tone::Plain,
                format!("phase {phase}, batch {batch}: {}", names.join(", ")),
                0,
            )
        }
        Event::SoakBegan { phase, batch, soak_ms } if *soak_ms > 0 => run(
            Tone::Plain,
            format!("phase {phase}, batch {batch} soaks for {}", duration(*soak_ms)),
            0,
        ),
        Event::SteadyAnswered { ok, .. } => match ok {
            true => run(Tone::Good, "the steady state holds".to_owned(), 1),
            false => run(Tone::Bad, "the steady state is false".to_owned(), 0),
        },
        Event::Turned { host, why, .. } => at(host, Tone::Warn, format!("goes back: {}", terminal_line(why)), 0),
        Event::Asked { host, slot, until, .. } => {
            let until = clock(plan, *until);
            at(
                host,
                Tone::Warn,
                format!(
                    "{}/{} waits for a person's word until {until}",
                    slot.stage.as_str(),
                    slot.step
                ),
                0,
            )
        }
        Event::Silenced { .. }
        | Event::NotSilenced { .. }
        | Event::Unsilenced { .. }
        | Event::StillSilenced { .. }
        | Event::Notified { .. } => of_outside(plan, &stamped.event),
        Event::Reopened { host, .. } => at(host, Tone::Plain, "is looked at again".to_owned(), 0),
        Event::HostEnded {
            host,
            state,
            why,
            phase,
        } => {
            let why = if why.is_empty() {
                String::new()
            } else {
                format!(": {}", terminal_line(why))
            };
            at(
                host,
                state_tone(*state),
                format!("phase {phase} ended {}{why}", state.as_str()),
                0,
            )
        }
        other => of_run(other),
    }
}

/// What monitoring and people were told. That all went well is news for nobody.
fn of_outside(plan: &Plan, event: &Event) -> Option<Line> {
    let about = |key: &SilenceKey| key.host.as_ref().map_or("run", |h| h.as_str()).to_owned();
    let (tone, who, what, level) = match event {
        Event::Silenced { silence, until, .. } => {
            let what = format!("{} keeps quiet until {}", silence.name, clock(plan, *until));
            (Tone::Dim, about(silence), what, 1)
        }
        Event::NotSilenced { silence, why, .. } => {
            let what = format!("{} is not set: {}", quiet::words(silence), terminal_line(why));
            (Tone::Warn, about(silence), what, 0)
        }
        Event::Unsilenced { silence } => {
            let what = format!("{} may speak again", silence.name);
            (Tone::Dim, about(silence), what, 1)
        }
        Event::StillSilenced { silence, why } => {
            let what = format!("{} is not taken off: {}", quiet::words(silence), terminal_line(why));
            (Tone::Warn, about(silence), what, 0)
        }
        Event::Notified { event, via, why, .. } if why.is_empty() => {
            (Tone::Dim, "run".to_owned(), format!("told {via}: {event}"), 1)
        }
        Event::Notified { event, via, why, .. } => {
            let what = format!("warning: {via} was not told `{event}`: {}", terminal_line(why));
            (Tone::Warn, "run".to_owned(), what, 0)
        }
        _ => return None,
    };
    Some(line_of(tone, who, what, level))
}

/// Lines that belong to no host.
fn of_run(event: &Event) -> Option<Line> {
    let (tone, what, level) = match event {
        Event::Started { run, dry, operator, .. } => {
            let dry = if *dry { " (dry run)" } else { "" };
            (
                Tone::Strong,
                format!("{run} started by {}{dry}", terminal_line(operator)),
                0,
            )
        }
        Event::Resumed { operator, back, .. } => {
            let back = if *back { " to go back" } else { "" };
            (Tone::Strong, format!("resumed by {}{back}", terminal_line(operator)), 0)
        }
        Event::GateOpened { gate, title, .. } => {
            (Tone::Warn, format!("gate {gate} waits: {}", terminal_line(title)), 0)
        }
        Event::GateAnswered { gate, answer } => {
            let said = if answer.decision == "approve" { "yes" } else { "no" };
            (
                Tone::Plain,
                format!("gate {gate}: {} says {said}", terminal_line(&answer.principal)),
                0,
            )
        }
        Event::GatePassed { gate } => (Tone::Good, format!("gate {gate} is passed"), 0),
        Event::GateClosed { gate, why } => {
            let why = match why {
                GateEnd::Rejected => "was rejected",
                GateEnd::Expired => "expired: nobody answered in time",
                GateEnd::CutOff => "met the window's cut-off",
            };
            (Tone::Bad, format!("gate {gate} {why}"), 0)
        }
        Event::Halted { text, .. } => (Tone::Bad, format!("halted: {}", terminal_line(text)), 0),
        Event::TurnedBack { why, .. } => (Tone::Warn, format!("the run goes back: {}", terminal_line(why)), 0),
        Event::Signalled { count } => {
            let text = match count {
                1 => "signal: no new step starts, running steps finish (again: stop them)",
                _ => "second signal: running commands are stopped (again: leave at once)",
            };
            (Tone::Warn, text.to_owned(), 0)
        }
        Event::Cleaning { operator, .. } => (
            Tone::Strong,
            format!("what is left of it is cleaned up by {}", terminal_line(operator)),
            0,
        ),
        Event::Unanswered { host, slot, .. } => (
            Tone::Warn,
            format!("nobody answered about {host}/{}: what is written is done", slot.step),
            0,
        ),
        Event::Decided {
            host,
            slot,
            verdict,
            by,
            reason,
            ..
        } => {
            let (by, reason) = (terminal_line(by), terminal_line(reason));
            let step = &slot.step;
            let said = match verdict.as_str() {
                "rollback" => format!("takes {host} back because of {step}"),
                "hold" => format!("leaves {host} as it is because of {step}"),
                "policy" => format!("lets the policy act on {host}/{step}"),
                "rerun" => format!("has {host}/{step} run again"),
                "skip" => format!("leaves out {host}/{step}"),
                ended => format!("says {host}/{step} is {ended}"),
            };
            (Tone::Warn, format!("{by} {said}: {reason}"), 0)
        }
        Event::Forgiven { obligation, by, .. } => (
            Tone::Warn,
            format!("{} says {} is done", terminal_line(by), terminal_line(obligation)),
            0,
        ),
        Event::ClockMoved { by_ms } => (Tone::Warn, moved::words(*by_ms), 0),
        Event::Noted { text } => (Tone::Plain, terminal_line(text), 0),
        Event::Ended { exit: 6, .. } => (
            Tone::Bad,
            "refused: another run holds a host; nothing was touched".to_owned(),
            0,
        ),
        Event::Ended { verdict, exit, .. } => (
            verdict_tone(*verdict),
            format!("ended: {} (exit {exit})", verdict.as_str()),
            0,
        ),
        _ => return None,
    };
    Some(line_of(tone, "run".to_owned(), what, level))
}

fn line_of(tone: Tone, who: String, what: String, level: u8) -> Line {
    Line { tone, who, what, level }
}

fn settled(plan: &Plan, key: &StepKey, outcome: Outcome, result: &StepResult) -> Line {
    let (tone, word) = match outcome {
        Outcome::Ok if result.warned => (Tone::Warn, "ok, with a warning"),
        Outcome::Ok => (Tone::Good, "ok"),
        Outcome::Skipped => (Tone::Dim, "skipped"),
        other => (Tone::Bad, other.as_str()),
    };
    let attempt = if key.attempt > 1 {
        format!(", attempt {}", key.attempt)
    } else {
        String::new()
    };
    let why = if result.why.is_empty() {
        String::new()
    } else {
        format!("  {}", terminal_line(&result.why))
    };
    let what = format!(
        "{}  {word}{attempt}  {}{why}",
        step_name(plan, key),
        duration(result.duration_ms)
    );
    let quiet = outcome == Outcome::Ok && !result.warned && matches!(key.stage, Stage::Steady);
    line_of(tone, who(key), what, u8::from(quiet))
}

fn who(key: &StepKey) -> String {
    key.host.as_ref().map_or_else(|| "run".to_owned(), HostName::to_string)
}

fn first_line(call: &str) -> String {
    let first = call.lines().next().unwrap_or_default();
    let cut: String = first.chars().take(80).collect();
    terminal_line(&cut)
}
