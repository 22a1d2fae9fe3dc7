//! The window in absolute times.

use super::{Binder, millis};
use crate::diag::Diagnostic;
use crate::plan::PlannedWindow;
use crate::window::{BadStart, parse_start, zone};

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
        let start = change
            .start
            .as_ref()
            .and_then(|written| match parse_start(written, timezone) {
                Ok(moment) => Some(moment),
                Err(e) => {
                    let label = match e {
                        BadStart::Gap { .. } | BadStart::Twice { .. } => "clocks change then",
                        _ => "not a moment",
                    };
                    let d = Diagnostic::error("PS0630", e.to_string(), written.span.clone(), label);
                    self.diags.push(d.help(e.help()));
                    None
                }
            });
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
        Some(PlannedWindow {
            start,
            duration_ms: millis(window.duration.value),
            cutoff_ms: millis(cutoff),
            reserve_ms: window.reserve.map(millis),
            timezone: timezone.to_owned(),
        })
    }
}
