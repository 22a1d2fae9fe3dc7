//! Freeze calendars: read, and asked for what they freeze in a year that ends near the last day there is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pitstop::diag::{Diagnostics, render};
use pitstop::runbook::yaml;
use pitstop::window::{ical, zone};

fuzz_target!(|bytes: &[u8]| {
    let mut diags = Diagnostics::new();
    let Some(source) = yaml::source("freeze.ics", bytes, &mut diags) else {
        return;
    };
    let calendar = ical::read(&source, &zone("Europe/Berlin").expect("a zone"), &mut diags);
    assert!(calendar.is_some() || diags.has_errors(), "no calendar, and no reason");
    for d in &diags.0 {
        for label in &d.labels {
            let span = &label.span;
            assert!(span.source.text.get(span.start..span.end).is_some(), "{} points nowhere", d.code);
        }
    }
    diags.0.truncate(5);
    let _ = render::human(&diags, false, 80);
    let Some(calendar) = calendar else { return };
    for (from, to) in [
        ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("9998-12-31T00:00:00Z", "9999-12-30T00:00:00Z"),
    ] {
        let (from, to) = (from.parse().expect("a time"), to.parse().expect("a time"));
        for freeze in calendar.freezes(from, to) {
            assert!(freeze.from < freeze.to, "a freeze of no length");
            assert!(freeze.from < to && from < freeze.to, "a freeze of another time");
        }
    }
});
