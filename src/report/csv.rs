//! The record as a table: one line for each step of each host.
//!
//! Owns: the columns; new ones are only added at the end. Must not: let a cell become a formula.

use std::collections::HashMap;

use super::checks;
use super::record::{ChangeRecord, HostRecord};
use crate::id::HostName;
use crate::plan::Value;
use crate::text;

/// The lines, ended by CR LF as RFC 4180 wants.
pub fn csv(r: &ChangeRecord) -> String {
    const HEAD: &str = "run,host,phase,stage,step,name,pass,outcome,attempts,started,ended,duration_ms,rc,changed,why,host_state,status,value,unit,perfdata,regression\r\n";
    let run = r.id.as_ref().map_or("", |i| i.as_str());
    let mut out = HEAD.to_owned();
    let hosts: HashMap<&HostName, &HostRecord> = r.hosts.iter().map(|h| (&h.name, h)).collect();
    for s in &r.steps {
        let (first, last) = (s.attempts.first(), s.attempts.last());
        let host = s.host.as_ref().and_then(|h| hosts.get(h));
        let state = host.and_then(|h| h.phases.iter().find(|p| p.phase == s.phase)?.state);
        let cells = [
            run.to_owned(),
            s.host.as_ref().map_or("", HostName::as_str).to_owned(),
            s.phase.clone(),
            s.stage.as_str().to_owned(),
            s.step.clone(),
            s.name.clone(),
            s.pass.to_string(),
            s.outcome.map_or("", super::record::Outcome::as_str).to_owned(),
            s.attempts.len().to_string(),
            first.map(|a| format!("{:.3}", a.started)).unwrap_or_default(),
            last.and_then(|a| a.ended)
                .map(|e| format!("{e:.3}"))
                .unwrap_or_default(),
            s.attempts.iter().map(|a| a.duration_ms).sum::<u64>().to_string(),
            last.and_then(|a| a.rc).map(|c| c.to_string()).unwrap_or_default(),
            s.changed.to_string(),
            s.why.clone(),
            state.map_or("", super::record::HostState::as_str).to_owned(),
        ];
        let mut cells: Vec<String> = cells.iter().map(|c| text::csv(c)).collect();
        let is_check = checks::result(s).is_some();
        cells.extend(["status", "value", "unit", "perfdata", "regression"].map(|name| {
            let said = checks::field(s, name).filter(|_| is_check).map(Value::plain);
            text::csv(&said.unwrap_or_default())
        }));
        out.push_str(&cells.join(","));
        out.push_str("\r\n");
    }
    out
}
