//! `window.schedule` and `window.not_during`.
//!
//! Owns: their keys. Must not: reckon (`window::schedule` does).

use jiff::civil::{Time, Weekday};

use super::Cx;
use crate::diag::{Diagnostic, Spanned};
use crate::runbook::fields::Fields;
use crate::runbook::keys;
use crate::runbook::yaml::Node;
use crate::window::schedule::{BadSchedule, Schedule};

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

impl Cx<'_> {
    pub(super) fn schedule(&mut self, node: &Node) -> Option<Spanned<Schedule>> {
        let mut f = Fields::of(node, &keys::SCHEDULE, self.diags)?;
        let cron = f.text("cron");
        if let Some(line) = &cron {
            for key in ["nth", "weekday", "plus_days", "at"] {
                if let Some(e) = f.entry(key) {
                    let d = Diagnostic::error(
                        "PS0560",
                        format!("`{key}` does not go with `cron`"),
                        e.key.span.clone(),
                        "a schedule is one or the other",
                    );
                    f.complain(d.help("write `cron: \"0 22 * * 2\"`, or `nth`, `weekday` and `at`"));
                }
            }
            f.finish(self.diags);
            return self.kept(Schedule::cron(line), line, "PS0561");
        }
        for key in ["nth", "weekday", "at"] {
            f.require(key);
        }
        let nth = f.int("nth");
        let weekday = f.word("weekday", &WEEKDAYS);
        let plus_days = f.int("plus_days").map_or(0, |n| n.value);
        let at = f.text("at");
        f.finish(self.diags);
        let at = at.and_then(|at| self.clock(&at));
        let (nth, weekday, at) = (nth?, weekday?, at?);
        let made = Schedule::nth(nth.value, weekday.value, u16::try_from(plus_days).unwrap_or(0), at);
        self.kept(made, &nth.map(|n| n.to_string()), "PS0562")
    }

    fn kept(
        &mut self,
        made: Result<Schedule, BadSchedule>,
        at: &Spanned<String>,
        code: &'static str,
    ) -> Option<Spanned<Schedule>> {
        match made {
            Ok(schedule) => Some(Spanned::new(schedule, at.span.clone())),
            Err(e) => {
                let d = Diagnostic::error(code, e.what, at.span.clone(), "this schedule");
                self.diags.push(d.help(e.help));
                None
            }
        }
    }

    /// `22:00`.
    fn clock(&mut self, text: &Spanned<String>) -> Option<Time> {
        let parts = text.value.split_once(':').and_then(|(h, m)| {
            let number =
                |t: &str| (t.len() == 2 && t.bytes().all(|b| b.is_ascii_digit())).then(|| t.parse::<i8>().ok())?;
            Time::new(number(h)?, number(m)?, 0, 0).ok()
        });
        if parts.is_none() {
            let d = Diagnostic::error(
                "PS0562",
                format!("`{}` is no time of day", text.value),
                text.span.clone(),
                "not one",
            );
            self.diags
                .push(d.help("write `at: \"22:00\"`, in the window's time zone"));
        }
        parts
    }
}
