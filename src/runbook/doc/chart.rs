//! The way through a runbook as a Mermaid flowchart: phases, gates, and the ways back.
//!
//! Owns: nodes and arrows, and the escaping of their texts. Must not: say more than fits into a box.

use std::fmt::Write as _;

use crate::runbook::{Item, OnFailure, Otherwise, Runbook, Undo};
use crate::text::terminal_line;

use super::{changes, failure_of, rollout_of, size};

/// The chart in its fence.
pub(super) fn flowchart(runbook: &Runbook) -> String {
    let mut chart = Chart::default();
    chart.line("flowchart TD");
    chart.node("start", "([", "Start", "])");
    // The node before, and what stands on the arrow from it.
    let mut before = ("start".to_owned(), "-->");
    for (i, item) in runbook.items.iter().enumerate() {
        let id = format!("n{}", i + 1);
        match item {
            Item::Phase(phase) => {
                let mut text = format!("{}. {}", i + 1, phase.title);
                if let Some(rollout) = rollout_of(runbook, phase).filter(|r| !r.batches.is_empty()) {
                    let sizes: Vec<String> = rollout.batches.iter().map(|s| size(*s)).collect();
                    let _ = write!(text, "\nbatches: {}", sizes.join(", then "));
                }
                modes(&mut text, &phase.only_in);
                chart.node(&id, "[", &text, "]");
            }
            Item::Gate(gate) => {
                let mut text = format!("{}. {}", i + 1, gate.title);
                modes(&mut text, &gate.only_in);
                chart.node(&id, "{", &text, "}");
            }
        }
        chart.line(&format!("    {} {} {id}", before.0, before.1));
        match item {
            Item::Phase(phase) => {
                ways_back(runbook, phase, &id, &mut chart);
                before = (id, "-->");
            }
            Item::Gate(gate) => {
                let to = chart.refused(gate.otherwise);
                chart.line(&format!("    {id} -. no, or no answer .-> {to}"));
                before = (id, "-- yes -->");
            }
        }
    }
    chart.node("finish", "([", "Done, nothing left behind", "])");
    chart.line(&format!("    {} {} finish", before.0, before.1));
    format!("```mermaid\n{}```\n", chart.out)
}

fn modes(text: &mut String, only_in: &[crate::diag::Spanned<String>]) {
    if !only_in.is_empty() {
        let names: Vec<&str> = only_in.iter().map(|m| m.value.as_str()).collect();
        let _ = write!(text, "\nonly in mode {}", names.join(", "));
    }
}

/// What happens where a phase fails, and its gate between batches.
fn ways_back(runbook: &Runbook, phase: &crate::runbook::Phase, id: &str, chart: &mut Chart) {
    let undo = phase
        .stages
        .steps
        .iter()
        .filter(|s| matches!(s.undo, Undo::Steps(_)))
        .count();
    if !changes(phase) {
        chart.once("stop", "([", "Stop: this phase changes nothing", "])");
        chart.line(&format!("    {id} -. fails .-> stop"));
    } else {
        match failure_of(runbook, phase) {
            OnFailure::RollbackHost => {
                let steps = if undo == 1 {
                    "1 step is".to_owned()
                } else {
                    format!("{undo} steps are")
                };
                chart.node(
                    &format!("{id}back"),
                    "[",
                    &format!("That host back: {steps} undone, then verify"),
                    "]",
                );
                chart.line(&format!("    {id} -. a host fails .-> {id}back"));
            }
            OnFailure::RollbackRun => {
                let back = chart.refused(Otherwise::RollbackRun);
                chart.line(&format!("    {id} -. fails .-> {back}"));
            }
            OnFailure::Hold | OnFailure::Ask => {
                let person = chart.refused(Otherwise::Hold);
                chart.line(&format!("    {id} -. fails .-> {person}"));
            }
        }
    }
    if let Some(gate) = rollout_of(runbook, phase).and_then(|r| r.gate.as_ref()) {
        chart.node(&format!("{id}gate"), "{", &gate.title, "}");
        chart.line(&format!("    {id} -- between batches --> {id}gate"));
        chart.line(&format!("    {id}gate -- yes --> {id}"));
        let to = chart.refused(gate.otherwise);
        chart.line(&format!("    {id}gate -. no, or no answer .-> {to}"));
    }
}

#[derive(Default)]
struct Chart {
    out: String,
    /// Nodes that several arrows lead to.
    shared: Vec<&'static str>,
}

impl Chart {
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{text}");
    }

    fn node(&mut self, id: &str, open: &str, text: &str, close: &str) {
        self.line(&format!("    {id}{open}\"{}\"{close}", label(text)));
    }

    fn once(&mut self, id: &'static str, open: &str, text: &str, close: &str) {
        if !self.shared.contains(&id) {
            self.shared.push(id);
            self.node(id, open, text, close);
        }
    }

    /// The node that a no leads to.
    fn refused(&mut self, otherwise: Otherwise) -> &'static str {
        match otherwise {
            Otherwise::Hold => {
                self.once("person", "([", "Everything stays as it is, a person decides", "])");
                "person"
            }
            Otherwise::RollbackRun => {
                self.once("back", "[", "The whole run is taken back, the last step first", "]");
                "back"
            }
        }
    }
}

/// A text for the inside of quotes: what Mermaid, HTML or Markdown could read as a sign is written by its number.
fn label(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| escape(&terminal_line(line))).collect();
    lines.join("<br/>")
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_alphanumeric() || matches!(c, ' ' | '.' | ',' | '-' | '?' | '(' | ')' | '/' | '%' | ':' | '\'') {
            out.push(c);
        } else {
            let _ = write!(out, "#{};", u32::from(c));
        }
    }
    out
}
