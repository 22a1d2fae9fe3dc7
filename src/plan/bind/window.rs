//! The window in absolute times, its schedule, and the freezes around it.

use jiff::{SignedDuration, Timestamp};

use super::{Binder, millis};
use crate::diag::{Diagnostic, Span, Spanned};
use crate::plan::each::Items;
use crate::plan::page::duration;
use crate::plan::{Plan, PlannedFreeze, PlannedPhase, PlannedStep, PlannedWindow, estimate, freeze};
use crate::runbook::{Phase, Step, WindowSpec};
use crate::window::{BadStart, clock_change, parse_start, show, zone};

impl Binder<'_, '_> {
    pub(super) fn window(&mut self) -> Option<PlannedWindow> {
        let change = self.input.change;
        let Some(window) = &self.input.runbook.window else {
            if let Some(start) = &change.start {
                let d = Diagnostic::error(
                    "PS0630",
                    "the runbook has no window",
                    start.span.clone(),
                    "a start without a length",
                );
                self.diags
                    .push(d.help("write `window: { duration: 4h }` in the runbook"));
            }
            return None;
        };
        let named = change.timezone.as_ref().or(window.timezone.as_ref());
        let timezone = named.map_or("UTC", |z| z.value.as_str());
        if let (Err(e), Some(named)) = (zone(timezone), named) {
            let d = Diagnostic::error("PS0630", e.to_string(), named.span.clone(), "not a zone");
            self.diags.push(d.help(e.help()));
            return None;
        }
        let start = change.start.as_ref().and_then(|written| self.start(written, timezone));
        let cutoff = window.cutoff.unwrap_or_default();
        if cutoff >= window.duration.value {
            let d = Diagnostic::error(
                "PS0631",
                "the cut-off is as long as the window",
                window.duration.span.clone(),
                "no host could ever start",
            );
            self.diags
                .push(d.help("`cutoff` is the last part of the window, in which no host starts any more"));
        }
        let planned = PlannedWindow {
            start,
            duration_ms: millis(window.duration.value),
            cutoff_ms: millis(cutoff),
            reserve_ms: window.reserve.map(millis),
            timezone: timezone.to_owned(),
        };
        if let (Some(start), Some(written)) = (start, &change.start) {
            self.scheduled(window, start, written, timezone);
            self.clocks(&planned, start, &written.span);
        }
        Some(planned)
    }

    fn start(&mut self, written: &Spanned<String>, timezone: &str) -> Option<Timestamp> {
        parse_start(written, timezone)
            .map_err(|e| {
                let label = match e {
                    BadStart::Gap { .. } | BadStart::Twice { .. } => "clocks change then",
                    _ => "not a moment",
                };
                let d = Diagnostic::error("PS0630", e.to_string(), written.span.clone(), label);
                self.diags.push(d.help(e.help()));
            })
            .ok()
    }

    /// A runbook with a schedule begins when that says.
    fn scheduled(&mut self, window: &WindowSpec, start: Timestamp, written: &Spanned<String>, timezone: &str) {
        let (Some(schedule), Ok(zone)) = (&window.schedule, zone(timezone)) else {
            return;
        };
        if schedule.holds(start, &zone) {
            return;
        }
        let d = Diagnostic::error(
            "PS0563",
            format!("{} is outside the runbook's schedule", show(start, timezone)),
            written.span.clone(),
            "no window begins then",
        )
        .also(schedule.span.clone(), format!("it comes on {}", schedule.text()));
        let next = schedule.next(start, &zone).map_or_else(String::new, |o| {
            format!("the next one begins {}; ", show(o.start, timezone))
        });
        self.diags
            .push(d.help(format!("{next}`pitstop plan {} --next 5` lists them", self.input.path)));
    }

    /// The wall clock says one thing, the elapsed time another: people should know before.
    fn clocks(&mut self, window: &PlannedWindow, start: Timestamp, at: &Span) {
        let end = window.end(start);
        let Some(change) = zone(&window.timezone).ok().and_then(|z| clock_change(start, end, &z)) else {
            return;
        };
        let d = Diagnostic::warning(
            "PS0672",
            format!("{change} inside the window"),
            at.clone(),
            format!("it closes {}", show(end, &window.timezone)),
        );
        self.diags
            .push(d.help("its length is elapsed time; nothing needs to be done if that end is meant"));
    }

    /// Rounds of hosts, each to its written limits, that do not fit into the window. Where one host alone does not,
    /// `runbook::check` has told.
    pub(super) fn lasting(&mut self, written: &Phase, planned: &PlannedPhase) {
        let Some(window) = &self.input.runbook.window else {
            return;
        };
        let (length, cutoff) = (millis(window.duration.value), millis(window.cutoff.unwrap_or_default()));
        let host = written_ms(written, planned);
        let rounds = estimate::rounds(planned);
        let whole = host.saturating_mul(rounds);
        let last = host.saturating_mul(rounds.saturating_sub(1));
        if host > length || (whole <= length && last <= length.saturating_sub(cutoff)) {
            return;
        }
        let d = Diagnostic::warning(
            "PS0751",
            format!("the phase `{}` may take longer than the window", written.id.value),
            written.id.span.clone(),
            format!(
                "{rounds} rounds of hosts, each {} by the written limits: {}",
                duration(host),
                duration(whole)
            ),
        );
        self.diags.push(d.also(window.duration.span.clone(), "this long is the window").help(
            "raise `parallel` or the batches, shorten `timeout`, or make the window longer: hosts that no longer fit are not started",
        ));
    }

    /// What the freeze calendars of the policy and of the runbook say of the plan.
    pub(super) fn freezes(&mut self, plan: &mut Plan) {
        let own = self.input.runbook.window.iter().flat_map(|w| &w.not_during);
        // The policy freezes changes; what only reads is held up by its own runbook alone.
        let policy = self.input.policy.filter(|_| plan.changes());
        let paths = own.chain(policy.iter().flat_map(|(p, _)| &p.freeze));
        let calendars = freeze::read(paths, plan.zone(), self.input.files, self.diags);
        if calendars.files.is_empty() {
            return;
        }
        let mut found = Vec::new();
        if let Some((w, start)) = plan.window.as_ref().and_then(|w| Some((w, w.start?))) {
            found = calendars.around(start, w.end(start));
            self.warn_of_freezes(w, start, &found);
        }
        plan.freeze = Some(PlannedFreeze {
            calendars: calendars.files,
            found,
        });
    }

    fn warn_of_freezes(&mut self, window: &PlannedWindow, start: Timestamp, found: &[crate::window::Freeze]) {
        let Some(at) = self.input.change.start.as_ref().map(|s| s.span.clone()) else {
            return;
        };
        let zone = &window.timezone;
        for f in found.iter().filter(|f| f.from < window.end(start)) {
            let when = format!("{} to {}", show(f.from, zone), show(f.to, zone));
            let d = if f.from <= start {
                Diagnostic::warning(
                    "PS0670",
                    format!("the window begins inside the freeze \"{}\"", f.what),
                    at.clone(),
                    when,
                )
                .help("choose another start; or, once the plan is stored: pitstop approve PLAN --override freeze --comment WHY --key FILE")
            } else {
                let left = f.from.duration_since(start);
                Diagnostic::warning(
                    "PS0671",
                    format!("the freeze \"{}\" begins inside the window and ends it", f.what),
                    at.clone(),
                    when,
                )
                .help(format!("{} of it are left", duration(span_ms(left))))
            };
            self.diags.push(d);
        }
    }
}

/// The most that the written limits let one host take, once it is started: defaults, steps with `when` and lists that are still
/// to be found are no promise.
fn written_ms(written: &Phase, planned: &PlannedPhase) -> u64 {
    let (w, p) = (&written.stages, &planned.stages);
    let limited =
        |steps: &[Step], planned: &PlannedStep| steps.iter().any(|s| s.id.value == planned.id && s.timeout.is_some());
    let sure = |s: &PlannedStep| {
        let late = s.for_each.as_ref().is_some_and(|e| matches!(e.items, Items::Late(_)));
        s.when.is_none() && !s.once && !late
    };
    [
        (&w.drain, &p.drain),
        (&w.steps, &p.steps),
        (&w.verify, &p.verify),
        (&w.undrain, &p.undrain),
    ]
    .into_iter()
    .flat_map(|(written, planned)| planned.iter().filter(|s| sure(s) && limited(written, s)))
    .fold(0, |sum, step| sum.saturating_add(estimate::step_ms(step)))
}

fn span_ms(d: SignedDuration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(0)
}
