//! `check`: one look at a host, and what it is worth.
//!
//! ```text
//! script    a text for `sh` that measures and changes nothing          (one file a family of kinds)
//! read      its answer, read strictly                                   → what was measured, or why nothing was
//! verdict   ok, warn, fail; unknown where nothing was measured
//! ```
//! A look always ends with 0 when it could say anything, so that several go to a host in one write, and one that finds something
//! bad does not keep the others back.
//!
//! Owns: which kinds there are, and the life of a look. Must not: change anything on a host, or let what could not be measured
//! pass.

mod asked;
mod backup;
mod file;
mod log;
mod machine;
mod net;
mod package;
pub mod plugin;
mod process;
mod range;
mod said;
mod setting;
mod space;
mod sql;
mod verdict;
mod web;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub use self::asked::Asked;
use self::range::Range;
use self::said::Said;
pub use self::verdict::{Found, Status, Verdict};
use super::proven::{self, Both, STATE_MAX};
use super::{Done, End, Hands, Job, Memory, Told, Work, command};
use crate::plan::Value;
use crate::transport::{Command, Sink, Stream};

/// How a kind is looked at.
struct Kind {
    name: &'static str,
    /// The text that looks; an error where the fields make no sense.
    script: fn(&Asked) -> Result<String, String>,
    /// What its answer means; an error: it could not be measured.
    read: fn(&Asked, Said<'_>) -> Result<Found, String>,
}

const fn kind(
    name: &'static str,
    script: fn(&Asked) -> Result<String, String>,
    read: fn(&Asked, Said<'_>) -> Result<Found, String>,
) -> Kind {
    Kind { name, script, read }
}

static KINDS: [Kind; 26] = [
    kind("service", process::service, process::read_service),
    kind("services_failed", process::failed, process::read_failed),
    kind("process", process::processes, process::read_processes),
    kind("port", net::port, net::read_port),
    kind("tcp_connect", net::connect, net::read_connect),
    kind("ping", net::ping, net::read_ping),
    kind("http", web::http, web::read_http),
    kind("tls_cert", web::certificate, web::read_certificate),
    kind("dns", net::dns, net::read_dns),
    kind("disk_free", space::disk, space::read_disk),
    kind("mount", space::mount, space::read_mount),
    kind("memory_swap", space::memory, space::read_memory),
    kind("load_cpu", machine::load, machine::read_load),
    kind("uptime_boot", machine::uptime, machine::read_uptime),
    kind("reboot_pending", machine::pending, machine::read_pending),
    kind("kernel_os", machine::kernel, machine::read_kernel),
    kind("updates_pending", package::updates, package::read_updates),
    kind("package", package::package, package::read_package),
    kind("file", file::file, file::read_file),
    kind("config_value", setting::setting, setting::read_setting),
    kind("user_group", file::user, file::read_user),
    kind("time_sync", machine::clock, machine::read_clock),
    kind("log_errors", log::log, log::read_log),
    kind("sql", sql::sql, sql::read_sql),
    kind("backup_age", backup::look, backup::read),
    kind("command", plugin::command, plugin::read_command),
];

/// A rendered check.
#[derive(Clone)]
pub struct Check {
    kind: &'static Kind,
    asked: Asked,
    warn: Option<Range>,
    crit: Option<Range>,
    words: String,
    label: String,
    /// It holds for so long, each look of that time.
    holds: Duration,
    /// Between two looks.
    every: Duration,
    text: Command,
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Check({})", self.words)
    }
}

impl Check {
    /// `words`: the check as it is shown.
    ///
    /// # Errors
    /// When its fields, rendered, make no sense.
    pub fn new(written: &crate::plan::Check, asked: Asked, words: String) -> Result<Self, String> {
        let kind = KINDS.iter().find(|kind| kind.name == written.kind);
        let kind = kind.ok_or_else(|| format!("this build cannot perform the check `{}`", written.kind))?;
        let range = |text: &Option<String>| text.as_deref().map(Range::parse).transpose();
        let text = said::script(&words, &(kind.script)(&asked)?);
        let of = [
            "name", "path", "port", "url", "host", "address", "file", "key", "repo", "of", "source", "pattern",
            "script",
        ];
        let of = of.iter().find_map(|name| asked.text(name)).unwrap_or_default();
        let label: String = format!("{} {of}", kind.name)
            .chars()
            .filter(|c| !matches!(c, '\'' | '=' | '\n'))
            .take(80)
            .collect();
        Ok(Self {
            kind,
            asked,
            warn: range(&written.warn)?,
            crit: range(&written.crit)?,
            words,
            label: label.trim_end().to_owned(),
            holds: Duration::from_millis(written.for_ms.unwrap_or(0)),
            every: Duration::from_millis(written.every_ms.unwrap_or(EVERY_MS).max(100)),
            text: Command::Shell(text),
        })
    }

    /// What is looked at, in one line; what a scripted host is asked.
    pub fn words(&self) -> String {
        format!("check {}", self.words)
    }

    /// The text that looks.
    pub fn text(&self) -> &Command {
        &self.text
    }

    /// What an answer is worth that came in this time of the control machine.
    fn judge(&self, said: &[u8], between: Option<&Between>) -> Verdict {
        if said.len() > STATE_MAX {
            return Verdict::unknown(format!("it says more than {} MiB", STATE_MAX >> 20));
        }
        let text = String::from_utf8_lossy(said);
        let read = |said| {
            let mut found = (self.kind.read)(&self.asked, said)?;
            machine::against_us(&self.asked, said, between, &mut found)?;
            Ok(found)
        };
        match Said::read(&text).and_then(read) {
            Ok(found) => Verdict::of(found, &self.label, self.warn.as_ref(), self.crit.as_ref()),
            Err(why) => Verdict::unknown(why),
        }
    }

    /// What the end of a look is worth.
    pub(super) fn done(&self, end: End, memory: &Memory) -> Done {
        self.done_in(end, memory, None)
    }

    fn done_in(&self, end: End, memory: &Memory, between: Option<&Between>) -> Done {
        let why = match &end {
            End::Exited(0) => return finished(&self.judge(&memory.out, between)),
            End::Exited(status) => {
                let words = String::from_utf8_lossy(&memory.err);
                let last = words
                    .lines()
                    .map(str::trim)
                    .rfind(|line| !line.is_empty())
                    .unwrap_or("it says nothing");
                let verdict = Verdict::unknown(format!("the look itself ended with {status}: {}", said::short(last)));
                return finished(&verdict);
            }
            End::TimedOut => "no answer in time".to_owned(),
            End::Unreachable(why) | End::Failed(why) | End::Unknown { why, .. } => why.clone(),
            End::Good | End::Cancelled | End::NeverBegan | End::PassedOver => return Done::end(end),
        };
        Done {
            more: Verdict::unknown(why).fields(),
            ..Done::end(end)
        }
    }

    /// A scripted host says the fields itself: `{"status": "fail"}`, or `{"value": 4}` and the ranges judge.
    fn scripted(&self, end: End, memory: &Memory) -> Done {
        let said: std::collections::BTreeMap<String, Value> = serde_json::from_slice(&memory.out).unwrap_or_default();
        let number = match said.get("value") {
            Some(Value::Int(n)) => range::number(&n.to_string()),
            Some(Value::Number(n)) => Some(*n),
            _ => None,
        };
        let text = |name: &str| match said.get(name) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        };
        let says = text("status").as_deref().and_then(Status::of);
        let found = Found {
            value: number,
            words: text("message").unwrap_or_else(|| match number {
                Some(value) => format!("{} is {}", self.label, range::shown(value)),
                None => self.label.clone(),
            }),
            says: says.or(Some(Status::Ok)),
            items: match said.get("found") {
                Some(Value::List(items)) => items.iter().map(Value::plain).collect(),
                _ => Vec::new(),
            },
            ..Found::default()
        };
        match end {
            // It says how it came out, or a number for the ranges.
            End::Exited(0) if number.is_none() => finished(&Verdict::of(found, &self.label, None, None)),
            End::Exited(0) => finished(&Verdict::of(found, &self.label, self.warn.as_ref(), self.crit.as_ref())),
            End::Exited(_) => {
                let says = Some(says.unwrap_or(Status::Fail).max(Status::Warn));
                finished(&Verdict::of(Found { says, ..found }, &self.label, None, None))
            }
            end => self.done(end, memory),
        }
    }
}

/// When a look was sent, and when its answer was there, by the clock of the control machine.
type Between = (jiff::Timestamp, jiff::Timestamp);

/// Between two looks of a check that must hold for a time, unless it says otherwise.
const EVERY_MS: u64 = 5000;

/// The end of a check that came to a verdict.
fn finished(verdict: &Verdict) -> Done {
    let end = match verdict.status {
        Status::Ok | Status::Warn => End::Good,
        Status::Fail => End::Failed(verdict.message.clone()),
        Status::Unknown => End::Failed(format!("unknown: {}", verdict.message)),
    };
    Done {
        more: verdict.fields(),
        ..Done::end(end)
    }
}

/// The status that a finished check has.
pub fn status(fields: &proven::Fields) -> Option<Status> {
    match fields.get("status") {
        Some(Value::Text(word)) => Status::of(word),
        _ => None,
    }
}

/// One look.
async fn look(job: &Job, check: &Check, hands: &Hands, sink: &mut dyn Sink) -> Done {
    let mut both = Both {
        sink,
        memory: Memory::of(STATE_MAX + 1),
    };
    let scripted = match hands.session(&job.on).await {
        Ok(session) if session.is_scripted() => true,
        Ok(session) if !session.has_shell() => {
            return check.done(End::Failed(proven::NO_SHELL.to_owned()), &both.memory);
        }
        Ok(_) => false,
        Err(error) => return check.done(End::Unreachable(error.advised()), &both.memory),
    };
    let text = match scripted {
        true => Command::Shell(check.words()),
        false => check.text.clone(),
    };
    let sent = hands.clock.now();
    let end = command::run(job, &text, hands, &mut both).await;
    let between = (sent, hands.clock.now());
    match scripted {
        true => check.scripted(end, &both.memory),
        false => check.done_in(end, &both.memory, Some(&between)),
    }
}

/// The check as a step: one look, or as many as the time takes for which it must hold.
pub(super) async fn perform(job: &Job, check: &Check, hands: &Hands, sink: &mut dyn Sink) -> Done {
    again(job, check, hands, sink, None).await
}

/// `wait_for`: until it is good, and has been for as long as it must.
pub(super) async fn wait(job: &Job, check: &Check, every: Duration, hands: &Hands, sink: &mut dyn Sink) -> Done {
    again(job, check, hands, sink, Some(every)).await
}

async fn again(job: &Job, check: &Check, hands: &Hands, sink: &mut dyn Sink, until: Option<Duration>) -> Done {
    let began = Instant::now();
    let every = until.unwrap_or(check.every);
    // Since when every look was good, and the worst of them.
    let mut good: Option<(Instant, Done)> = None;
    loop {
        let left = Job {
            timeout: job.timeout.saturating_sub(began.elapsed()),
            ..job.clone()
        };
        sink.restart();
        let looked = Instant::now();
        let done = look(&left, check, hands, sink).await;
        let is_good = done.end == End::Good && (until.is_none() || status(&done.more) == Some(Status::Ok));
        good = match (is_good, good) {
            (true, None) => Some((looked, done.clone())),
            (true, Some((since, worst))) => Some((since, worse(worst, done.clone()))),
            (false, _) => None,
        };
        match (&good, until) {
            (Some((since, worst)), _) if since.elapsed() >= check.holds => return worst.clone(),
            (None, None) => return done,
            (None, Some(_)) if matches!(done.end, End::Cancelled) => return done,
            _ => {}
        }
        if began.elapsed() + every >= job.timeout {
            return too_late(done, check, began, good.is_some());
        }
        let mut cancel = job.cancel.clone();
        tokio::select! {
            biased;
            () = hands.clock.sleep(every) => {}
            _ = cancel.wait_for(|stop| *stop) => return Done::end(End::Cancelled),
        }
    }
}

fn worse(one: Done, other: Done) -> Done {
    match status(&other.more) >= status(&one.more) {
        true => other,
        false => one,
    }
}

/// The limit is over: good looks that came too late prove nothing.
fn too_late(done: Done, check: &Check, began: Instant, is_good: bool) -> Done {
    let after = began.elapsed().as_secs();
    let why = match (&done.end, is_good) {
        (_, true) => format!(
            "after {after} s it is good, and has not been for {} s",
            check.holds.as_secs()
        ),
        (End::Failed(why) | End::Unreachable(why), _) => format!("{why} after {after} s"),
        (End::Good, _) => format!("still warns after {after} s"),
        _ => format!("no answer in {after} s"),
    };
    let mut more = done.more;
    if is_good {
        more.insert("status".to_owned(), Value::Text(Status::Unknown.as_str().to_owned()));
    }
    Done {
        more,
        ..Done::end(End::Failed(why))
    }
}

/// Compares with what the same check found before: what was as bad then is no regression, and is told. True: it is one.
pub fn compare(before: Option<&proven::Fields>, done: &mut Done) {
    let now = status(&done.more).unwrap_or(Status::Unknown);
    let was = before.and_then(status);
    let names = |fields: Option<&proven::Fields>| match fields.and_then(|fields| fields.get("found")) {
        Some(Value::List(items)) => items.iter().map(Value::plain).collect(),
        _ => Vec::new(),
    };
    let (old, mut new): (Vec<String>, Vec<String>) = (names(before), names(Some(&done.more)));
    new.retain(|name| !old.contains(name));
    let word = was.map_or("not measured", Status::as_str);
    let regression = match (was, now) {
        (_, Status::Ok) => false,
        (Some(Status::Unknown), Status::Fail) | (None, _) => true,
        (Some(was), now) => now > was || !new.is_empty(),
    };
    done.more.insert("was".to_owned(), Value::Text(word.to_owned()));
    done.more.insert("regression".to_owned(), Value::Bool(regression));
    let End::Failed(why) = &done.end else { return };
    if regression {
        let new = match new.is_empty() || was != Some(now) {
            true => String::new(),
            false => format!("; new: {}", new.join(", ")),
        };
        done.end = End::Failed(format!("{why} (before: {word}{new})"));
        return;
    }
    done.more
        .insert("message".to_owned(), Value::Text(format!("{why}, as before")));
    done.end = End::Good;
}

/// Several looks that were sent together: each is read when it has ended.
pub(super) struct Several<'a> {
    told: &'a mut dyn Told,
    checks: Vec<Option<Arc<Check>>>,
    /// Whose output the memory holds.
    nth: usize,
    memory: Memory,
}

impl<'a> Several<'a> {
    /// Tells of these jobs what they are worth.
    pub fn of(jobs: &[Job], told: &'a mut dyn Told) -> Self {
        let check = |job: &Job| match &job.work {
            Work::Check(check) => Some(Arc::clone(check)),
            _ => None,
        };
        Self {
            told,
            checks: jobs.iter().map(check).collect(),
            nth: 0,
            memory: Memory::of(STATE_MAX + 1),
        }
    }

    fn check(&self, nth: usize) -> Option<Arc<Check>> {
        self.checks.get(nth).cloned().flatten()
    }
}

impl Told for Several<'_> {
    fn sink(&mut self, nth: usize) -> &mut dyn Sink {
        if self.check(nth).is_none() {
            return self.told.sink(nth);
        }
        if self.nth != nth {
            self.memory.restart();
            self.nth = nth;
        }
        self
    }

    fn done(&mut self, nth: usize, done: Done) {
        let done = match self.check(nth) {
            Some(check) => {
                if self.nth != nth {
                    self.memory.restart();
                }
                check.done(done.end, &self.memory)
            }
            None => done,
        };
        self.memory.restart();
        self.told.done(nth, done);
    }
}

impl Sink for Several<'_> {
    fn take(&mut self, stream: Stream, bytes: &[u8]) {
        self.memory.take(stream, bytes);
        self.told.sink(self.nth).take(stream, bytes);
    }

    fn skip(&mut self, stream: Stream, bytes: u64) {
        self.told.sink(self.nth).skip(stream, bytes);
    }

    fn restart(&mut self) {
        self.memory.restart();
        self.told.sink(self.nth).restart();
    }
}

#[cfg(test)]
mod tests;
