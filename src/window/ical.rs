//! A freeze calendar: an iCalendar file (RFC 5545) whose events are times in which nothing is started.
//!
//! Owns: reading events, and when they are. Must not: read files, or pass over what it does not understand: an event that is
//! left out is a change in the middle of a freeze, so whatever is not understood is an error at its place.
//!
//! Days and times without a zone are meant in the calendar's own zone (`X-WR-TIMEZONE`), else in the one that is given. The
//! rules of `VTIMEZONE` are not read: zones are known by name, and a name that is not known is refused.

mod event;
mod line;
mod rule;
mod zones;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use self::event::Event;
use self::line::Line;
use super::Freeze;
use crate::diag::{Diagnostic, Diagnostics, Source, Span};

/// More freezes than a year has days.
const MAX_EVENTS: usize = 2000;

/// A calendar that was read.
#[derive(Clone, Debug)]
pub struct Calendar {
    name: String,
    events: Vec<Event>,
}

/// Reads a calendar; only good if `diags` has no error afterwards. `zone` is meant where the file names none.
pub fn read(source: &Arc<Source>, zone: &TimeZone, diags: &mut Diagnostics) -> Option<Calendar> {
    let before = diags.0.len();
    let lines = line::lines(source, diags);
    let mut reader = Reader {
        zone: own_zone(&lines, diags).unwrap_or_else(|| zone.clone()),
        open: Vec::new(),
        event: Vec::new(),
        events: Vec::new(),
        calendars: 0,
        free: Vec::new(),
        diags,
    };
    for line in &lines {
        reader.line(line);
    }
    reader.end(source);
    let events = reader.events;
    let wrong = diags
        .0
        .iter()
        .skip(before)
        .any(|d| d.severity == crate::diag::Severity::Error);
    (!wrong).then(|| Calendar {
        name: source.name.clone(),
        events,
    })
}

/// `X-WR-TIMEZONE`, as Google and Apple write it.
fn own_zone(lines: &[Line], diags: &mut Diagnostics) -> Option<TimeZone> {
    let line = lines.iter().find(|l| l.name == "X-WR-TIMEZONE")?;
    let zone = zones::find(&line.value);
    if zone.is_none() {
        diags.push(unknown_zone(&line.value, line.span.clone()));
    }
    zone
}

fn unknown_zone(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error(
        "PS0483",
        format!("there is no time zone `{name}`"),
        span,
        "neither an IANA name nor one of Outlook's",
    )
    .help("export the calendar in UTC, or write an IANA name such as `Europe/Berlin`")
}

impl Calendar {
    /// The number of freezes that a span of this length can have at the most.
    pub fn most(&self, span: SignedDuration) -> usize {
        let each = self.events.iter().map(|e| e.most(span));
        each.fold(0, usize::saturating_add)
    }

    /// Every freeze that touches a span of time, in order.
    pub fn freezes(&self, from: Timestamp, to: Timestamp) -> Vec<Freeze> {
        let mut moved: BTreeMap<&str, Vec<Timestamp>> = BTreeMap::new();
        for e in &self.events {
            if let (Some(uid), Some(of)) = (&e.uid, e.instead_of) {
                moved.entry(uid).or_default().push(of);
            }
        }
        let mut out = Vec::new();
        for e in self.events.iter().filter(|e| !e.cancelled) {
            let instead = e
                .uid
                .as_deref()
                .filter(|_| e.instead_of.is_none())
                .and_then(|u| moved.get(u));
            for (begin, end) in e.times(from, to) {
                let touches = end > from && begin < to;
                if touches && instead.is_none_or(|m| !m.contains(&begin)) {
                    out.push(Freeze {
                        from: begin,
                        to: end,
                        what: e.summary.clone(),
                        calendar: self.name.clone(),
                    });
                }
            }
        }
        out.sort();
        out.dedup();
        out
    }
}

struct Reader<'d> {
    zone: TimeZone,
    /// Components around the line, outermost first.
    open: Vec<(String, Span)>,
    /// Lines of the event that is open.
    event: Vec<Line>,
    events: Vec<Event>,
    calendars: usize,
    /// Events marked as free time.
    free: Vec<Span>,
    diags: &'d mut Diagnostics,
}

impl Reader<'_> {
    fn line(&mut self, line: &Line) {
        match line.name.as_str() {
            "BEGIN" => self.begin(line),
            "END" => self.close(line),
            _ => match self.open.last().map(|(name, _)| name.as_str()) {
                None => self.outside(line),
                Some("VEVENT") => self.event.push(line.clone()),
                Some("VCALENDAR") if line.name == "METHOD" => self.method(line),
                Some(_) => {}
            },
        }
    }

    fn begin(&mut self, line: &Line) {
        let name = line.value.trim().to_ascii_uppercase();
        let around = self.open.last().map(|(n, _)| n.as_str());
        match (around, name.as_str()) {
            (None, "VCALENDAR") => self.calendars += 1,
            (None, _) => self.outside(line),
            (Some("VCALENDAR"), "VEVENT") => self.event.clear(),
            // None of these takes up time.
            (Some("VCALENDAR"), "VTIMEZONE" | "VTODO" | "VJOURNAL") => {}
            (Some("VCALENDAR"), other) => self.diags.push(
                line.wrong("PS0486", format!("a `{other}` is not read"), "only events freeze")
                    .help("write it as an event: `BEGIN:VEVENT` … `END:VEVENT`"),
            ),
            _ if name == "VEVENT" => self.diags.push(
                line.wrong("PS0480", "an event inside another", "the one before has no end")
                    .help("write `END:VEVENT` before it"),
            ),
            _ => {}
        }
        self.open.push((name, line.whole.clone()));
    }

    fn close(&mut self, line: &Line) {
        let name = line.value.trim().to_ascii_uppercase();
        match self.open.pop() {
            Some((begun, _)) if begun == name => {}
            Some((begun, span)) => {
                let d = line.wrong("PS0480", format!("`END:{name}` ends a {begun}"), "here");
                self.diags
                    .push(d.also(span, "begun here").help(format!("write `END:{begun}`")));
            }
            None => self.outside(line),
        }
        if name != "VEVENT" || self.event.is_empty() {
            return;
        }
        if self.events.len() >= MAX_EVENTS {
            if self.events.len() == MAX_EVENTS {
                self.diags.push(
                    line.wrong(
                        "PS0481",
                        format!("the calendar has more than {MAX_EVENTS} events"),
                        "one too many",
                    )
                    .help("keep freezes in a calendar of their own"),
                );
            }
            return;
        }
        let lines = std::mem::take(&mut self.event);
        match event::read(&lines, &self.zone) {
            Ok(mut event) => {
                if event.free {
                    self.free.push(event.span.clone());
                    // One time of a repeated event may be free: then it is not frozen.
                    event.cancelled = true;
                }
                self.events.push(event);
            }
            Err(wrong) => wrong.into_iter().for_each(|d| self.diags.push(d)),
        }
    }

    fn method(&mut self, line: &Line) {
        if !matches!(line.value.to_ascii_uppercase().as_str(), "PUBLISH" | "REQUEST") {
            self.diags.push(
                line.wrong(
                    "PS0486",
                    format!("`METHOD:{}` is no calendar of its own", line.value),
                    "a message about another one",
                )
                .help("export the whole calendar"),
            );
        }
    }

    fn outside(&mut self, line: &Line) {
        // One complaint: the rest of such a file is no calendar either.
        if self.calendars == 0 && !self.diags.0.iter().any(|d| d.code == "PS0480") {
            self.diags.push(
                Diagnostic::error(
                    "PS0480",
                    "this is no iCalendar file",
                    line.whole.clone(),
                    "not `BEGIN:VCALENDAR`",
                )
                .help("export the calendar as .ics; it begins with `BEGIN:VCALENDAR`"),
            );
        } else if self.calendars > 0 {
            self.diags.push(
                Diagnostic::error(
                    "PS0480",
                    "a line outside the calendar",
                    line.whole.clone(),
                    "after `END:VCALENDAR`",
                )
                .help("remove it, or look whether an `END` is too early"),
            );
        }
    }

    fn end(&mut self, source: &Arc<Source>) {
        if let Some((name, span)) = self.open.last() {
            let d = Diagnostic::error("PS0480", format!("this {name} has no end"), span.clone(), "begun here");
            self.diags
                .push(d.help(format!("write `END:{name}`; is the file cut off?")));
        } else if self.calendars == 0 && !self.diags.has_errors() {
            let d = Diagnostic::error(
                "PS0480",
                "this is no iCalendar file",
                Span::new(source, 0, 0),
                "it is empty",
            );
            self.diags
                .push(d.help("a calendar without events is `BEGIN:VCALENDAR` and `END:VCALENDAR`"));
        }
        if let Some(first) = self.free.first() {
            let n = self.free.len();
            let what = if n == 1 {
                "an event is marked as free time and freezes nothing".to_owned()
            } else {
                format!("{n} events are marked as free time and freeze nothing")
            };
            let d = Diagnostic::warning("PS0487", what, first.clone(), "TRANSP:TRANSPARENT");
            self.diags.push(d.help("to freeze, mark it as busy: `TRANSP:OPAQUE`"));
        }
    }
}

#[cfg(test)]
#[path = "ical_tests.rs"]
mod tests;
