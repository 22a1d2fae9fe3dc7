//! When it may run and how long it takes: the sections "Time" and "Freezes" of the approver's page.
//!
//! Owns: these facts. Must not: reckon (that is `plan::estimate` and `window`).

use jiff::{SignedDuration, Timestamp};

use super::super::{Plan, PlannedPhase, PlannedWindow};
use super::words::{count, day, duration};
use super::{Block, Cell, Outside, PastRun, Section, code};
use crate::plan::estimate::{self, LatestStart, back_out_ms, worst_host_ms, worst_phase_ms};
use crate::window::{Freeze, Window, clock_change, zone};

/// The window as it stands, with the freezes that the plan knows.
fn window<'a>(plan: &'a Plan, w: &PlannedWindow, start: Timestamp) -> Window<'a> {
    Window {
        start,
        duration_ms: Some(w.duration_ms),
        cutoff_ms: w.cutoff_ms,
        freezes: plan.freeze.as_ref().map_or(&[], |f| f.found.as_slice()),
    }
}

/// How long it is open, where that is known: its length, less what freezes take.
pub(super) fn open_ms(plan: &Plan) -> Option<u64> {
    let w = plan.window.as_ref()?;
    let window = window(plan, w, w.start?);
    let close = window.closes()?;
    let opens = window.opens().0.unwrap_or(close.at);
    Some(u64::try_from(close.at.duration_since(opens).as_millis()).unwrap_or(0))
}

pub(super) fn time(plan: &Plan, outside: &Outside) -> Section {
    let mut f: Vec<(String, Cell)> = Vec::new();
    let mut warnings = Vec::new();
    let longest = plan.phases().map(worst_phase_ms).fold(0, u64::saturating_add);
    // Without a start the page reckons from the run's begin.
    let mut length = plan.window.as_ref().map(|w| w.duration_ms);
    match &plan.window {
        None => f.push(("Window".to_owned(), "any time".into())),
        Some(w) => {
            match w.start {
                Some(start) => length = Some(opened(plan, w, start, &mut f, &mut warnings)),
                None => f.push(("Opens".to_owned(), "at the start of the run".into())),
            }
            f.push(("Length".to_owned(), duration(w.duration_ms).into()));
            let reserve = w
                .reserve_ms
                .map_or_else(|| "the limits of a host's undo steps".to_owned(), duration);
            f.push(("Kept free for going back".to_owned(), reserve.into()));
        }
    }
    if let Some((runs, expected)) = estimate::expected(&outside.history) {
        let of = count(runs, "former run", "former runs");
        f.push((
            "Expected".to_owned(),
            format!("{} (the median of {of}; outside the digest)", duration(expected)).into(),
        ));
    }
    f.push((
        "Longest by its limits, gates not counted".to_owned(),
        duration(longest).into(),
    ));
    if plan.changes() {
        let back = plan
            .phases()
            .filter(|p| p.changes)
            .map(all_back_ms)
            .fold(0, u64::saturating_add);
        f.push(("Taking everything back, at most".to_owned(), duration(back).into()));
    }
    let mut blocks = vec![Block::Facts(f)];
    blocks.extend(warnings);
    let open = open_ms(plan).or(length);
    if let Some(open) = open.filter(|open| longest > *open) {
        blocks.push(Block::Warning(format!(
            "If every step used its whole limit, the run would take {} and the window is open {}. Hosts that no longer fit are not started.",
            duration(longest),
            duration(open)
        )));
    }
    blocks.push(by_phase(plan, length, outside));
    if let Some(w) = &plan.window {
        blocks.push(Block::Text(format!(
            "A phase that begins at its latest start is expected to end in time, with all that follows it: reckoned back from the window's end over {}the time kept free for going back and {}. People's time at gates is not counted.",
            if w.cutoff_ms > 0 { "the cut-off, " } else { "" },
            "the expected times, where there are none the limits"
        )));
    }
    for o in &plan.objectives {
        blocks.push(Block::Text(format!(
            "Objective {}: from {} to {} in at most {}{}.",
            o.name,
            o.from,
            o.to,
            duration(o.max_ms),
            if o.less_waiting {
                ", time spent waiting for people not counted"
            } else {
                ""
            }
        )));
    }
    Section::new("Time", blocks)
}

/// The facts of a window with a start; gives how long it is open.
fn opened(
    plan: &Plan,
    w: &PlannedWindow,
    start: Timestamp,
    f: &mut Vec<(String, Cell)>,
    warnings: &mut Vec<Block>,
) -> u64 {
    let (end, window) = (w.end(start), window(plan, w, start));
    let close = window.closes();
    f.push(("Opens".to_owned(), both(start, &w.timezone)));
    match close.and_then(|c| Some((c, c.freeze?))) {
        Some((close, freeze)) => f.push((
            "Closes".to_owned(),
            format!(
                "{}, for the freeze \"{}\" begins",
                both(close.at, &w.timezone).as_str(),
                freeze.what
            )
            .into(),
        )),
        None => f.push(("Closes".to_owned(), both(end, &w.timezone))),
    }
    let latest = close.map_or(end, |c| c.last_start);
    f.push(("No host starts after".to_owned(), both(latest, &w.timezone)));
    if let Some(change) = zone(&w.timezone).ok().and_then(|z| clock_change(start, end, &z)) {
        warnings.push(Block::Warning(format!(
            "{change} inside the window. Its length is elapsed time."
        )));
    }
    let at = close.map_or(end, |c| c.at);
    u64::try_from(at.duration_since(start).as_millis()).unwrap_or(0)
}

fn by_phase(plan: &Plan, length: Option<u64>, outside: &Outside) -> Block {
    let latest = length.map(|ms| estimate::latest_starts(plan, ms, &outside.history));
    let start = plan.window.as_ref().and_then(|w| w.start);
    let rows = plan.phases().enumerate().map(|(n, p)| {
        let back = if p.changes {
            duration(back_out_ms(p))
        } else {
            "nothing to take back".to_owned()
        };
        let expected = estimate::expected_phase(&outside.history, &p.id);
        vec![
            code(&p.id),
            p.hosts.len().to_string().into(),
            latest
                .as_ref()
                .and_then(|l| l.get(n))
                .map_or("any time".into(), |l| latest_words(plan, *l, start)),
            expected.map_or_else(|| "not known".to_owned(), duration).into(),
            duration(worst_phase_ms(p)).into(),
            duration(worst_host_ms(p)).into(),
            back.into(),
        ]
    });
    Block::table(
        "By phase",
        &[
            "Phase",
            "Hosts",
            "Latest start",
            "Expected",
            "At most",
            "One host at most",
            "Back at most",
        ],
        rows.collect(),
    )
}

fn latest_words(plan: &Plan, latest: LatestStart, start: Option<Timestamp>) -> Cell {
    let by = if latest.by_limits { " by its limits" } else { "" };
    let Ok(ms) = u64::try_from(latest.ms) else {
        return format!("does not fit{by}").into();
    };
    let span = SignedDuration::from_millis(latest.ms);
    match start.and_then(|s| s.checked_add(span).ok()) {
        Some(at) => format!("{}{by}", super::words::moment_in(at, plan.zone(), "%a %H:%M %Z")).into(),
        None => format!("{} after the start{by}", duration(ms)).into(),
    }
}

/// The most that taking back every host of a phase can take.
fn all_back_ms(p: &PlannedPhase) -> u64 {
    let waves = p.hosts.len().div_ceil(p.rollout.parallel.max(1) as usize);
    back_out_ms(p).saturating_mul(waves as u64)
}

fn both(at: Timestamp, zone: &str) -> Cell {
    format!("{} ({})", day(at, zone), at.strftime("%Y-%m-%d %H:%M UTC")).into()
}

/// How long the phases' slowest hosts and the steps took in former runs; a step of which nothing is known is left out.
pub(super) fn former_times(plan: &Plan, history: &[PastRun]) -> Vec<Block> {
    let slowest = estimate::slowest_hosts(history);
    let hosts = plan.phases().filter_map(|p| {
        let ms = *slowest.get(&p.id)?;
        Some(vec![
            code(&p.id),
            duration(ms).into(),
            duration(worst_host_ms(p)).into(),
        ])
    });
    let steps = plan.phases().flat_map(|p| {
        let each = p.stages.each().into_iter().flat_map(|(_, steps)| steps);
        each.filter_map(|s| {
            let name = format!("{}/{}", p.id, s.id);
            let ms = estimate::expected_step(history, &name)?;
            Some(vec![code(name), duration(ms).into(), duration(s.timeout_ms).into()])
        })
    });
    let (hosts, steps): (Vec<_>, Vec<_>) = (hosts.collect(), steps.collect());
    let mut blocks = Vec::new();
    if !hosts.is_empty() {
        let caption = "Slowest host of former runs: the window reckons with it until this run has its own";
        blocks.push(Block::table(
            caption,
            &["Slowest host of phase", "Took", "At most"],
            hosts,
        ));
    }
    if !steps.is_empty() {
        let caption = "Steps of former runs that were done, each by its slowest host, the median";
        blocks.push(Block::table(
            caption,
            &["Step by its slowest host", "Took", "Limit"],
            steps,
        ));
    }
    blocks
}

/// Which calendars were looked at, and what they say.
pub(super) fn freezes(plan: &Plan) -> Section {
    let Some(freeze) = &plan.freeze else {
        let none = "No freeze calendar is named, by the policy or by the runbook.".to_owned();
        return Section::new("Freezes", vec![Block::Text(none)]);
    };
    let rows = freeze
        .calendars
        .iter()
        .map(|(path, file)| vec![code(path), code(file.digest.short())]);
    let mut blocks = vec![Block::table("Calendars looked at", &["File", "Digest"], rows.collect())];
    let bounds = plan.window.as_ref().and_then(|w| Some((w.start?, w.end(w.start?))));
    let Some((start, end)) = bounds else {
        let text = "The window has no start yet: the run looks when it starts.".to_owned();
        blocks.push(Block::Text(text));
        return Section::new("Freezes", blocks);
    };
    let zone = plan.zone();
    let words = |f: &Freeze| {
        format!(
            "\"{}\" ({}), {} to {}",
            f.what,
            f.calendar,
            day(f.from, zone),
            day(f.to, zone)
        )
    };
    let (touching, later): (Vec<&Freeze>, Vec<&Freeze>) = freeze.found.iter().partition(|f| f.from < end);
    for f in &touching {
        let what = if f.from <= start {
            "The window begins inside a freeze"
        } else {
            "A freeze ends the window"
        };
        blocks.push(Block::Warning(format!("{what}: {}.", words(f))));
    }
    if touching.is_empty() {
        blocks.push(Block::Text("No freeze touches the window.".to_owned()));
    }
    blocks.push(Block::Text(match later.first() {
        Some(next) => format!("The next one after it: {}.", words(next)),
        None => "None follows within 400 days.".to_owned(),
    }));
    blocks.push(Block::Text(
        "The run reads them again when it starts, as they are then; what changed is said.".to_owned(),
    ));
    Section::new("Freezes", blocks)
}
