//! A patch night for the report tests: twelve web servers in three batches, a gate, a crash with resume, one host rolled back,
//! one held.
//!
//! Owns: the sample plan and its events. Must not: assert anything.

#![expect(clippy::unwrap_used, reason = "a sample that cannot be made must fail its tests")]
#![expect(clippy::too_many_arguments, reason = "rows of a table of steps")]

#[path = "plan.rs"]
mod of;

use std::collections::BTreeMap;

pub use of::plan;

use jiff::{SignedDuration, Timestamp};
use pitstop::id::{Digest, HostName, RunId};
use pitstop::inventory::facts::Facts;
use pitstop::plan::*;
use pitstop::report::record::{ChainHead, ChangeRecord, record};
use pitstop::run::Run;
use pitstop::run::event::*;

/// Text that is woven into names and outputs; the plain sample has none, the hostile one payloads.
pub struct Texts {
    pub payload: String,
}

impl Texts {
    fn with(&self, text: &str) -> String {
        if self.payload.is_empty() {
            text.to_owned()
        } else {
            format!("{text} {}", self.payload)
        }
    }
}

pub fn plain() -> Texts {
    Texts { payload: String::new() }
}

pub fn host(n: usize, t: &Texts) -> HostName {
    HostName::new(match n {
        3 => t.with("web03.frankfurt-2.customer-portal.internal.example.com"),
        n => t.with(&format!("web{n:02}")),
    })
}

/// Milliseconds after one o'clock in Berlin.
pub fn at(ms: i64) -> Timestamp {
    "2026-12-06T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_millis(ms)
}

struct Night<'t> {
    t: &'t Texts,
    events: Vec<(i64, Event)>,
}

const S: i64 = 1000;
const M: i64 = 60 * S;

impl Night<'_> {
    fn push(&mut self, ms: i64, event: Event) {
        self.events.push((ms, event));
    }

    fn key(&self, n: usize, stage: Stage, step: &str, pass: u32, attempt: u32) -> StepKey {
        StepKey {
            phase: "web".to_owned(),
            stage,
            step: step.to_owned(),
            nth: 0,
            host: Some(host(n, self.t)),
            pass,
            attempt,
        }
    }

    fn begin(&mut self, ms: i64, key: &StepKey, call: &str, changes: bool) {
        let on = match key.stage {
            Stage::Drain | Stage::Undrain => HostName::new(self.t.with("lb01")),
            _ => key.host.clone().unwrap_or_else(HostName::controller),
        };
        self.push(
            ms,
            Event::Intended {
                key: key.clone(),
                on,
                call: self.t.with(call),
                changes,
                latched: changes,
                boot: String::new(),
                limit_ms: 600_000,
            },
        );
    }

    fn end(&mut self, ms: i64, key: StepKey, began: i64, outcome: Outcome, rc: i32, text: &str, why: &str) {
        let text = self.t.with(text);
        let kept = Kept {
            bytes: text.len() as u64,
            digest: Some(Digest::of(text.as_bytes())),
            truncated: false,
            withheld: false,
            text,
        };
        let mut marks = BTreeMap::new();
        if key.step == "lb-out" {
            marks.insert("first_out".to_owned(), at(began));
        }
        if key.step == "lb-in" && outcome == Outcome::Ok {
            marks.insert("last_in".to_owned(), at(ms));
        }
        let result = StepResult {
            rc: Some(rc),
            stdout: kept,
            changed: matches!(
                key.stage,
                Stage::Steps | Stage::Undo | Stage::Drain | Stage::Undrain | Stage::Cleanup
            ),
            why: if why.is_empty() {
                String::new()
            } else {
                self.t.with(why)
            },
            marks,
            duration_ms: u64::try_from(ms - began).unwrap(),
            ..StepResult::default()
        };
        self.push(
            ms,
            Event::Settled {
                key,
                outcome,
                result: result.into(),
            },
        );
    }

    /// One step from `ms` on; gives the moment after it.
    fn run(
        &mut self,
        ms: i64,
        n: usize,
        stage: Stage,
        step: &str,
        pass: u32,
        len: i64,
        outcome: Outcome,
        text: &str,
    ) -> i64 {
        let key = self.key(n, stage, step, pass, 1);
        let changes = !matches!(stage, Stage::Precheck | Stage::Verify);
        self.begin(ms, &key, &format!("{step} for web{n:02}"), changes);
        let good = outcome == Outcome::Ok;
        self.end(
            ms + len,
            key,
            ms,
            outcome,
            i32::from(!good),
            text,
            if good { "" } else { "exit code 1, wanted 0" },
        );
        ms + len + 200
    }

    fn work(&mut self, ms: i64, n: usize) -> i64 {
        let web = host(n, self.t);
        self.push(
            ms,
            Event::HostBegan {
                phase: "web".to_owned(),
                host: web,
                recheck: vec!["peers".to_owned()],
            },
        );
        let mut now = self.run(ms, n, Stage::Precheck, "peers", 2, 2 * S, Outcome::Ok, "12");
        now = self.run(
            now,
            n,
            Stage::Drain,
            "lb-out",
            0,
            25 * S + n as i64 * 700,
            Outcome::Ok,
            "drained, 0 connections left",
        );
        now = self.run(now, n, Stage::Steps, "config", 0, 3 * S, Outcome::Ok, "");
        now = self.run(now, n, Stage::Steps, "upgrade", 0, 3 * M + n as i64 * 7 * S, Outcome::Ok, "Setting up linux-image-6.12.90+deb13 (6.12.90-1) ...\nSetting up openssl (3.5.4-1~deb13u2) ...\n41 upgraded, 0 newly installed, 0 to remove.");
        let now = self.run(
            now,
            n,
            Stage::Steps,
            "reboot",
            0,
            95 * S + n as i64 * S,
            Outcome::Ok,
            "",
        );
        self.connected(now, n, "6.12.90+deb13-amd64", "after");
        now
    }

    fn connected(&mut self, ms: i64, n: usize, kernel: &str, boot: &str) {
        let facts = Facts {
            distro: self.t.with("debian"),
            version: "13".to_owned(),
            kernel: self.t.with(kernel),
            boot: format!("{boot}{n}"),
            ..Facts::default()
        };
        self.push(
            ms,
            Event::Connected {
                host: host(n, self.t),
                facts: Box::new(facts),
            },
        );
    }

    fn back_in(&mut self, now: i64, n: usize, outcome: Outcome) -> i64 {
        let now = self.run(now, n, Stage::Verify, "serves", 0, 6 * S, Outcome::Ok, "ok");
        let now = self.run(
            now,
            n,
            Stage::Verify,
            "kernel",
            0,
            S,
            Outcome::Ok,
            "6.12.90+deb13-amd64",
        );
        self.run(
            now,
            n,
            Stage::Undrain,
            "lb-in",
            0,
            20 * S,
            outcome,
            if outcome == Outcome::Ok {
                "enabled"
            } else {
                "lbctl: health probe of web10 answers 503, not enabled"
            },
        )
    }

    fn ended(&mut self, ms: i64, n: usize, state: HostState, why: &str) {
        let why = if why.is_empty() {
            String::new()
        } else {
            self.t.with(why)
        };
        self.push(
            ms,
            Event::HostEnded {
                phase: "web".to_owned(),
                host: host(n, self.t),
                state,
                why,
            },
        );
    }

    fn good(&mut self, ms: i64, n: usize) -> i64 {
        let now = self.work(ms, n);
        let now = self.back_in(now, n, Outcome::Ok);
        self.ended(now, n, HostState::Ok, "");
        now
    }

    fn tidy(&mut self, ms: i64, hosts: &[usize]) {
        for n in hosts {
            let now = self.run(ms, *n, Stage::Cleanup, "stash-gone", 0, 2 * S, Outcome::Ok, "");
            self.push(
                now,
                Event::HostClosed {
                    phase: "web".to_owned(),
                    host: host(*n, self.t),
                },
            );
        }
    }

    fn batch(&mut self, ms: i64, batch: u32, hosts: std::ops::RangeInclusive<usize>) {
        let hosts = hosts.map(|n| host(n, self.t)).collect();
        self.push(
            ms,
            Event::BatchBegan {
                phase: "web".to_owned(),
                batch,
                hosts,
            },
        );
    }

    fn settled(&mut self, ms: i64, batch: u32) {
        self.push(
            ms,
            Event::SoakBegan {
                phase: "web".to_owned(),
                batch,
                soak_ms: 120_000,
            },
        );
        self.push(
            ms + 2 * M + S,
            Event::BatchSettled {
                phase: "web".to_owned(),
                batch,
            },
        );
    }

    fn answer(&self, who: &str, role: &str, comment: &str) -> Answer {
        Answer {
            decision: "approve".to_owned(),
            principal: self.t.with(who),
            role: self.t.with(role),
            key: "SHA256:J0b5yEhYz1Gk3m2x4H7nqPzVt0aW8cR6uLsD9fKiQeM".to_owned(),
            statement: Digest::of(who.as_bytes()).to_string(),
            comment: self.t.with(comment),
            override_: String::new(),
        }
    }
}

pub fn events(t: &Texts) -> Vec<Stamped> {
    let mut n = Night { t, events: Vec::new() };
    let approval = n.answer("m.santos@example.com", "change-managers", "Fits the quarter's plan");
    n.push(
        12 * S,
        Event::Started {
            run: RunId::parse("20261206-000012-k3f9wq").unwrap(),
            plan: Digest::of(b"plan"),
            operator: t.with("j.lind"),
            controller: t.with("ops-jump-1"),
            tool: "0.1.0".to_owned(),
            dry: false,
            approvals: vec![approval],
            freezes: Vec::new(),
            former_ms: Default::default(),
            attended: false,
        },
    );
    for h in 1..=12 {
        n.connected(14 * S + h as i64 * 90, h, "6.12.86+deb13-amd64", "before");
        n.push(
            15 * S,
            Event::Locked {
                host: host(h, t),
                on_host: true,
            },
        );
    }
    n.push(
        16 * S,
        Event::SteadyAsked {
            phase: String::new(),
            round: 0,
            occasion: Occasion::Start,
        },
    );
    n.push(
        18 * S,
        Event::SteadyAnswered {
            phase: String::new(),
            round: 0,
            ok: true,
        },
    );
    n.push(
        18 * S,
        Event::PhaseBegan {
            phase: "web".to_owned(),
        },
    );
    for h in 1..=12 {
        n.run(
            19 * S + (h as i64 - 1) / 4 * 3 * S,
            h,
            Stage::Precheck,
            "space",
            0,
            2 * S,
            Outcome::Ok,
            "Avail\n18211840",
        );
    }
    n.batch(30 * S, 1, 1..=1);
    let end = n.good(31 * S, 1);
    n.settled(end, 1);
    n.tidy(end + 2 * M + 2 * S, &[1]);
    let two = end + 2 * M + 10 * S;
    n.batch(two, 2, 2..=4);
    let end = (2..=4).map(|h| n.good(two + h as i64 * S, h)).max().unwrap();
    n.push(
        end,
        Event::SoakBegan {
            phase: "web".to_owned(),
            batch: 2,
            soak_ms: 120_000,
        },
    );
    let gate = end + 2 * M + 2 * S;
    n.push(
        gate,
        Event::GateOpened {
            gate: "web/2".to_owned(),
            title: t.with("Four servers run the new kernel. Go on with the other eight?"),
            expires: at(gate + 60 * M),
            out: Vec::new(),
        },
    );
    for (late, who, role, comment) in [
        (9 * M, "k.berg@example.com", "change-managers", "Latency as before"),
        (14 * M + 20 * S, "a.rossi@example.com", "web-owners", ""),
    ] {
        let answer = n.answer(who, role, comment);
        n.push(
            gate + late,
            Event::GateAnswered {
                gate: "web/2".to_owned(),
                answer,
            },
        );
    }
    let three = gate + 14 * M + 21 * S;
    n.push(
        three,
        Event::GatePassed {
            gate: "web/2".to_owned(),
        },
    );
    n.push(
        three,
        Event::BatchSettled {
            phase: "web".to_owned(),
            batch: 2,
        },
    );
    n.tidy(three + S, &[2, 3, 4]);
    n.batch(three + 5 * S, 3, 5..=12);
    last_batch(&mut n, three + 6 * S);
    let mut events = n.events;
    events.sort_by_key(|(ms, _)| *ms);
    let numbered = events.into_iter().enumerate();
    numbered
        .map(|(i, (ms, event))| Stamped {
            seq: i as u64 + 1,
            at: at(ms),
            event,
        })
        .collect()
}

/// The batch with all the trouble.
fn last_batch(n: &mut Night, start: i64) {
    let mut free = Vec::new();
    for h in [5, 6, 8] {
        free.push(n.good(start + h as i64 * S, h));
    }
    // web07 does not serve after the restart and goes back.
    let mut now = n.work(start + 7 * S, 7);
    let key = n.key(7, Stage::Verify, "serves", 0, 1);
    n.begin(now, &key, "serves for web07", false);
    n.end(
        now + 30 * S,
        key,
        now,
        Outcome::Failed,
        22,
        "curl: (22) The requested URL returned error: 502",
        "exit code 22, wanted 0",
    );
    now += 31 * S;
    n.push(
        now,
        Event::Turned {
            phase: "web".to_owned(),
            host: host(7, n.t),
            why: n.t.with("verify/serves failed: exit code 22, wanted 0"),
            own_failure: true,
        },
    );
    now = n.run(now, 7, Stage::Undo, "upgrade/1", 1, 2 * M, Outcome::Ok, "41 downgraded");
    now = n.run(now, 7, Stage::Undo, "upgrade/2", 1, 100 * S, Outcome::Ok, "");
    n.connected(now, 7, "6.12.86+deb13-amd64", "back");
    now = n.run(now, 7, Stage::Undo, "config/1", 1, 2 * S, Outcome::Ok, "");
    now = n.run(now, 7, Stage::Verify, "serves", 1, 4 * S, Outcome::Ok, "ok");
    now = n.run(now, 7, Stage::Undrain, "lb-in", 1, 20 * S, Outcome::Ok, "enabled");
    n.ended(
        now,
        7,
        HostState::RolledBack,
        "verify/serves failed: exit code 22, wanted 0",
    );
    free.push(now);
    free.sort_unstable();
    // The controller loses power while web09 and web10 work; resume learns how their steps ended.
    let end = *free.last().unwrap();
    let mut late = Vec::new();
    for (h, at) in [9, 10, 11].into_iter().zip(free.iter().copied()) {
        let now = n.work(at + S, h);
        let outcome = if h == 10 { Outcome::Failed } else { Outcome::Ok };
        let now = n.back_in(now, h, outcome);
        let (state, why) = match h {
            10 => (HostState::Held, "undrain/lb-in failed: exit code 1, wanted 0"),
            _ => (HostState::Ok, ""),
        };
        n.ended(now, h, state, why);
        late.push(now);
    }
    let cut = late.iter().copied().max().unwrap().max(end) + 3 * S;
    n.push(cut, Event::Signalled { count: 1 });
    n.push(
        cut + S,
        Event::Ended {
            verdict: Verdict::Stopped,
            exit: 7,
            left_behind: Vec::new(),
        },
    );
    let again = cut + 5 * M;
    n.push(
        again,
        Event::Resumed {
            operator: n.t.with("p.nowak"),
            controller: n.t.with("ops-jump-2"),
            back: false,
            overrides: Vec::new(),
            attended: false,
        },
    );
    n.push(
        again + S,
        Event::SteadyAsked {
            phase: String::new(),
            round: 1,
            occasion: Occasion::Resume,
        },
    );
    n.push(
        again + 3 * S,
        Event::SteadyAnswered {
            phase: String::new(),
            round: 1,
            ok: true,
        },
    );
    let twelve = n.work(again + 5 * S, 12);
    let twelve = n.back_in(twelve, 12, Outcome::Ok);
    n.ended(twelve, 12, HostState::Ok, "");
    n.settled(twelve, 3);
    let end = twelve + 2 * M + 2 * S;
    n.tidy(end, &[5, 6, 7, 8, 9, 11, 12]);
    let skipped = n.key(10, Stage::Cleanup, "stash-gone", 0, 1);
    n.push(
        end,
        Event::Skipped {
            key: skipped,
            reason: n.t.with("the host is held"),
            by_person: false,
        },
    );
    let end = end + 5 * S;
    n.push(
        end,
        Event::PhaseEnded {
            phase: "web".to_owned(),
        },
    );
    for h in (1..=12).filter(|h| *h != 10) {
        n.push(end, Event::Unlocked { host: host(h, n.t) });
    }
    n.push(
        end,
        Event::Noted {
            text: n.t.with("the notice to #ops-changes was refused: 503"),
        },
    );
    n.push(
        end + S,
        Event::Ended {
            verdict: Verdict::Stuck,
            exit: 1,
            left_behind: vec![n.t.with("cleanup:web/web10/stash-gone"), n.t.with("undrain:web/web10")],
        },
    );
}

pub fn sample(t: &Texts) -> ChangeRecord {
    let plan = plan(t);
    let events = events(t);
    let head = ChainHead {
        events: events.len() as u64,
        hash: Digest::of(b"head").hex().to_owned(),
    };
    record(&plan, &Digest::of(b"plan"), &Run::fold(&events), &events, &head)
}
