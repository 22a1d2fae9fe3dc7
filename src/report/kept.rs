//! What a run kept, piece by piece: the list that goes with evidence.
//!
//! Owns: the columns; new ones are only added at the end. Must not: let a cell become a formula, call a part the whole.

use super::record::{AttemptRecord, ChangeRecord, Outcome, OutputRecord, StepRecord};
use crate::id::{Digest, HostName};
use crate::text;

/// A row for each stream of each attempt that said something, and for each file that was taken; ended by CR LF as RFC 4180 wants.
///
/// `kept` is where it lies in the run's folder; what is short lies in the journal itself. `state` is `whole`, `part` (the host sent more
/// than is kept, or what made it did not end well), or `digest_only` (of a sensitive step).
pub fn csv(r: &ChangeRecord) -> String {
    let mut out = "run,host,phase,step,name,attempt,what,sha256,bytes,state,why,kept,began,ended\r\n".to_owned();
    let run = r.id.as_ref().map_or("", |i| i.as_str());
    for s in &r.steps {
        let last = s.attempts.len();
        for (nth, a) in s.attempts.iter().enumerate() {
            for (what, o) in [("stdout", &a.stdout), ("stderr", &a.stderr)] {
                // What was downloaded stands below, under its own name.
                if o.bytes > 0 && !(what == "stdout" && nth + 1 == last && is_file(s, o)) {
                    let (state, why) = state(a, o, what);
                    let digest = o.digest.clone().unwrap_or_else(|| Digest::of(o.text.as_bytes()));
                    row(
                        &mut out,
                        run,
                        s,
                        a,
                        [what, state, why],
                        &digest,
                        Some(o.bytes),
                        o.digest.is_some() && !o.withheld,
                    );
                }
            }
        }
        let Some(a) = s.attempts.last() else { continue };
        for (path, digest) in &s.evidence {
            let (state, why) = match is_file(s, &a.stdout) {
                true => state(a, &a.stdout, "stdout"),
                false => ("whole", ""),
            };
            let bytes = is_file(s, &a.stdout).then_some(a.stdout.bytes);
            row(&mut out, run, s, a, [path, state, why], digest, bytes, true);
        }
    }
    out
}

/// True: this output is the file that the step downloaded.
fn is_file(s: &StepRecord, o: &OutputRecord) -> bool {
    let of = || o.digest.clone().unwrap_or_else(|| Digest::of(o.text.as_bytes()));
    o.bytes > 0 && s.evidence.len() == 1 && s.evidence.values().any(|d| *d == of())
}

fn state<'a>(a: &'a AttemptRecord, o: &OutputRecord, what: &str) -> (&'static str, &'a str) {
    match () {
        () if o.withheld => ("digest_only", ""),
        () if o.truncated => ("part", "longer than what is kept of one step"),
        // What a step that failed printed may be the beginning of it.
        () if what == "stdout" && a.outcome != Some(Outcome::Ok) => ("part", &a.why),
        () => ("whole", ""),
    }
}

#[expect(clippy::too_many_arguments, reason = "a row")]
fn row(
    out: &mut String,
    run: &str,
    s: &StepRecord,
    a: &AttemptRecord,
    [what, state, why]: [&str; 3],
    digest: &Digest,
    bytes: Option<u64>,
    in_file: bool,
) {
    let cells = [
        run.to_owned(),
        s.host
            .as_ref()
            .or(s.on.as_ref())
            .map_or("", HostName::as_str)
            .to_owned(),
        s.phase.clone(),
        s.step.clone(),
        s.name.clone(),
        a.attempt.to_string(),
        what.to_owned(),
        digest.hex().to_owned(),
        bytes.map(|b| b.to_string()).unwrap_or_default(),
        state.to_owned(),
        why.to_owned(),
        if in_file {
            format!("output/{}", digest.hex())
        } else {
            "journal".to_owned()
        },
        format!("{:.3}", a.started),
        a.ended.map(|e| format!("{e:.3}")).unwrap_or_default(),
    ];
    out.push_str(&cells.iter().map(|c| text::csv(c)).collect::<Vec<_>>().join(","));
    out.push_str("\r\n");
}
