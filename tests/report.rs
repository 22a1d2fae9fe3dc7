//! The change record and its views: the promises of the reports, on a night with a gate, a stop and resume, a rollback and a
//! held host.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "parts of tests")]

#[path = "data/report/sample.rs"]
mod sample;

use std::collections::BTreeMap;

use pitstop::id::HostName;
use pitstop::plan::Value;
use pitstop::plan::page::{self, Outside};
use pitstop::plan::{Kind, OtherMode, PlanItem, PlannedUndo};
use pitstop::report::record::{
    ChangeRecord, CloseCode, Deletion, DeviationCode, Done, FormerFinding, FormerObjective, FormerRun, HostRecord,
    HostState, LastDrill, Outcome, RestoreStatus, Reviewed, UndoState, record,
};
use pitstop::report::{after, before, checks, csv, html, junit, objectives as measures};
use pitstop::run::Run;
use pitstop::run::event::{Event, Stamped, Verdict};
use pitstop::run::objective::objectives;
use pitstop::runbook::reviewfile::{Conclusion, Finding, Person, Review, SignOff};

fn night() -> ChangeRecord {
    sample::sample(&sample::plain())
}

/// The record of other events.
fn of(events: &[Stamped]) -> ChangeRecord {
    let digest = pitstop::id::Digest::of(b"plan");
    record(
        &sample::plan(&sample::plain()),
        &digest,
        &Run::fold(events),
        events,
        &Default::default(),
    )
}

fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("data/report");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn the_record_counts_hosts_by_their_worst_state() {
    let r = night();
    let of = |s: HostState| r.hosts.iter().filter(|h| h.state == Some(s)).count();
    assert_eq!(
        (of(HostState::Ok), of(HostState::RolledBack), of(HostState::Held)),
        (10, 1, 1)
    );
    assert_eq!(r.outcome.result, Some(CloseCode::Unsuccessful));
}

#[test]
fn every_undo_that_was_owed_is_in_the_record_with_its_reason() {
    let r = night();
    let ran = r.undo.iter().filter(|u| u.state == UndoState::Ran);
    assert!(ran.clone().all(|u| u.host.as_str() == "web07"));
    assert_eq!(ran.count(), 3);
    let not = r.undo.iter().filter(|u| u.state == UndoState::NotRun);
    assert!(not.clone().all(|u| u.host.as_str() == "web10" && !u.reason.is_empty()));
    assert_eq!(not.count(), 3);
}

#[test]
fn what_is_left_behind_is_said_in_words() {
    let r = night();
    let words: Vec<(&str, &str)> = r.left_behind.iter().map(|l| (l.id.as_str(), l.what.as_str())).collect();
    assert_eq!(
        words,
        [
            ("cleanup:web/web10/stash-gone", "web10: Remove the stashed packages"),
            ("undrain:web/web10", "web10 is out of service"),
        ]
    );
}

#[test]
fn deviations_are_typed_and_only_some_weigh() {
    let r = night();
    let codes: Vec<(DeviationCode, bool)> = r.deviations.iter().map(|d| (d.code, d.weighs)).collect();
    assert_eq!(
        codes,
        [
            (DeviationCode::RollbackUsed, true),
            (DeviationCode::RunResumed, false),
            (DeviationCode::CleanupIncomplete, true),
            (DeviationCode::CleanupIncomplete, true),
        ]
    );
}

#[test]
fn a_clean_run_is_closed_as_successful_and_one_that_may_go_on_is_not_closed() {
    // Only the first two batches, and no trouble.
    let all = sample::events(&sample::plain());
    let end = all
        .iter()
        .position(|e| matches!(e.event, Event::GateOpened { .. }))
        .unwrap();
    let mut events = all[..end].to_vec();
    let stopped = |verdict, exit| Event::Ended {
        verdict,
        exit,
        left_behind: Vec::new(),
    };
    let last = events.last().unwrap().clone();
    events.push(Stamped {
        seq: last.seq + 1,
        at: last.at,
        event: stopped(Verdict::Waiting, 5),
    });
    assert_eq!(of(&events).outcome.result, None);
    *events.last_mut().unwrap() = Stamped {
        seq: last.seq + 1,
        at: last.at,
        event: stopped(Verdict::Done, 0),
    };
    let r = of(&events);
    assert_eq!(r.outcome.result, Some(CloseCode::Successful));
    assert!(after::markdown(&r).contains("Left behind: nothing."));
}

#[test]
fn waiting_for_people_is_shown_apart_and_subtracted_only_where_asked() {
    let (plan, events) = (sample::plan(&sample::plain()), sample::events(&sample::plain()));
    let results = objectives(&plan, &events);
    let [less, whole] = results.as_slice() else {
        panic!("two objectives")
    };
    // 14 min 21 s at the gate and 4 min 59 s stopped.
    assert_eq!(less.waited_ms, (14 * 60 + 21 + 4 * 60 + 59) * 1000);
    assert_eq!(less.actual_ms.unwrap() + less.waited_ms, whole.actual_ms.unwrap());
    assert!(less.met && !whole.met);
}

#[test]
fn a_mark_that_was_never_set_is_a_missed_objective() {
    let (plan, mut events) = (sample::plan(&sample::plain()), sample::events(&sample::plain()));
    for e in &mut events {
        if let Event::Settled { result, .. } = &mut e.event {
            std::sync::Arc::make_mut(result).marks.remove("last_in");
        }
    }
    let results = objectives(&plan, &events);
    assert!(results.iter().all(|o| !o.met && o.actual_ms.is_none()));
    assert_eq!(results[0].why, "the mark last_in was never set");
}

#[test]
fn a_step_cut_off_is_unknown_in_the_record_and_never_failed() {
    let mut events = sample::events(&sample::plain());
    let cut = events
        .iter()
        .position(|e| matches!(&e.event, Event::Intended { key, .. } if key.step == "upgrade"))
        .unwrap();
    events.truncate(cut + 1);
    let r = of(&events);
    let step = r.steps.iter().find(|s| s.step == "upgrade").unwrap();
    assert_eq!(step.outcome.map(|o| o.as_str()), Some("unknown"));
    assert!(html::html(&r).contains("Not ended: it runs, or it was cut off"));
}

#[test]
fn the_record_reads_back_equal_and_holds_no_float() {
    let r = night();
    let text = serde_json::to_string(&r).unwrap();
    let back: ChangeRecord = serde_json::from_str(&text).unwrap();
    assert_eq!(back, r);
    let tree: serde_json::Value = serde_json::from_str(&text).unwrap();
    fn floats(v: &serde_json::Value) -> usize {
        match v {
            serde_json::Value::Number(n) => usize::from(n.is_f64()),
            serde_json::Value::Array(a) => a.iter().map(floats).sum(),
            serde_json::Value::Object(o) => o.values().map(floats).sum(),
            _ => 0,
        }
    }
    assert_eq!(floats(&tree), 0);
    assert_eq!(tree["window"]["actual"]["start"], "2026-12-06T00:00:12.000Z");
}

#[test]
fn an_override_and_a_damaged_journal_are_said_before_anything_else() {
    let mut r = night();
    r.chain.damage = Some("record 17 does not follow record 16".to_owned());
    r.approvals[1].override_ = "freeze".to_owned();
    for text in [html::html(&r), after::text(&r, 400)] {
        let hosts = text.find("Hosts by outcome").unwrap();
        let damage = text
            .find("The journal is damaged (record 17 does not follow record 16)")
            .unwrap();
        let freeze = text
            .find("k.berg@example.com let it run against the freeze: Latency as before")
            .unwrap();
        assert!(damage < hosts && freeze < hosts);
    }
}

#[test]
fn views_of_one_record_are_byte_equal() {
    let (a, b) = (night(), night());
    assert_eq!(html::html(&a), html::html(&b));
    assert_eq!(after::markdown(&a), after::markdown(&b));
    assert_eq!(csv::csv(&a), csv::csv(&b));
    assert_eq!(junit::junit(&a).unwrap(), junit::junit(&b).unwrap());
}

#[test]
fn the_board_reads_this_markdown() {
    snapshot("after", &after::markdown(&night()));
}

#[test]
fn the_operator_reads_this_text_before() {
    let plan = sample::plan(&sample::plain());
    let page = page::facts(&plan, &plan.digest().unwrap(), &Outside::default());
    let text = page::text(&page, 100);
    assert!(text.lines().all(|l| l.chars().count() <= 100));
    snapshot("before", &text);
}

#[test]
fn the_record_as_json_keeps_its_form() {
    // Steps and marks repeat for each host: one is enough to see the form.
    let mut r = night();
    r.steps.truncate(1);
    r.marks.truncate(1);
    r.hosts.truncate(1);
    r.locks.truncate(1);
    r.undo.truncate(1);
    snapshot("record", &serde_json::to_string_pretty(&r).unwrap());
}

#[test]
fn junit_reads_back_with_a_suite_for_each_phase_and_every_failure() {
    let xml = junit::junit(&night()).unwrap();
    let report = quick_junit::Report::deserialize_from_str(&xml).unwrap();
    let names: Vec<&str> = report.test_suites.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["web", "run"]);
    // Two failed steps, two hosts not good; one objective and what is left behind.
    let failures: Vec<usize> = report.test_suites.iter().map(|s| s.failures).collect();
    assert_eq!(failures, [4, 2]);
    assert_eq!(report.test_suites[0].skipped, 1);
}

#[test]
fn csv_has_a_line_for_each_step_of_each_host() {
    let r = night();
    let table = csv::csv(&r);
    assert_eq!(table.lines().count(), r.steps.len() + 1);
    assert!(table.contains(",web07,web,verify,serves,"));
}

#[test]
fn html_is_balanced_and_loads_nothing() {
    let plan = sample::plan(&sample::plain());
    let page = page::facts(&plan, &plan.digest().unwrap(), &Outside::default());
    for text in [html::html(&night()), before::html(&page)] {
        balanced(&text);
        for bad in [
            "<script",
            "http://",
            "https://",
            " src=",
            "@import",
            "url(http",
            " style=",
            " onerror=",
            " onload=",
            " onclick=",
        ] {
            let body = text.split("</style>").nth(1).unwrap();
            let tags: String = tags(body).collect();
            assert!(!tags.contains(bad), "{bad}");
        }
        assert!(text.contains("default-src 'none'"));
    }
}

#[test]
fn the_style_sheet_is_the_one_the_policy_allows() {
    use base64::Engine as _;
    use sha2::Digest as _;
    let text = html::html(&night());
    let style = text.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(style.as_bytes()));
    assert!(text.contains(&format!("style-src 'sha256-{hash}'")));
}

#[test]
fn a_difference_of_plans_names_the_step_and_both_values() {
    let a = sample::plan(&sample::plain());
    let mut b = a.clone();
    assert!(page::diff(&a, &b).is_empty());
    assert_eq!(page::diff_text(&[]), "The plans are equal.\n");
    b.hosts.remove(11);
    if let PlanItem::Phase(p) = &mut b.items[0] {
        p.hosts.remove(11);
        p.stages.steps[1].timeout_ms = 60_000;
        p.stages.steps[2].undo = PlannedUndo::None("a restart cannot be taken back".to_owned());
    }
    snapshot("diff", &page::diff_text(&page::diff(&a, &b)));
}

#[test]
fn the_page_names_the_point_of_no_return() {
    let mut plan = sample::plan(&sample::plain());
    if let PlanItem::Phase(p) = &mut plan.items[0] {
        p.stages.steps[2].undo = PlannedUndo::None("the old kernel is gone".to_owned());
    }
    let page = page::facts(&plan, &plan.digest().unwrap(), &Outside::default());
    let text = page::text(&page, 200);
    assert!(text.contains("The point of no return is web/reboot (Restart the server): the old kernel is gone"));
    assert!(text.contains("2 of 3 changing steps can be taken back; this one cannot: Restart the server."));
}

/// Payloads as one text, woven into every text of plan and events.
const HOSTILE: &str = "<script>alert(1)</script> \"><img src=x onerror=alert(1)> ]]> & | a [x](javascript:1) `b` *c* \
    \u{1b}[2J\u{1b}]0;x\u{7} \u{202e}exe.txt\u{2066} \u{0} {{ 7*7 }} \
    <!-- --> </pre></details> \n=HYPERLINK(\"http://e\")\n# head";

#[test]
fn no_text_of_a_host_or_a_person_gets_out_of_its_place() {
    let t = sample::Texts {
        payload: HOSTILE.to_owned(),
    };
    let r = sample::sample(&t);
    for r in [
        trial(&r, Kind::DrDrill, HOSTILE),
        trial(&r, Kind::RestoreTest, HOSTILE),
        r,
    ] {
        stays_in_its_place(&t, &r);
    }
}

fn stays_in_its_place(t: &sample::Texts, r: &ChangeRecord) {
    let plan = sample::plan(t);
    let page = page::facts(&plan, &plan.digest().unwrap(), &Outside::default());
    let xml = junit::junit(r).unwrap();
    let report = quick_junit::Report::deserialize_from_str(&xml).unwrap();
    assert!(report.test_suites.iter().any(|s| s.tests > 100));
    for text in [html::html(r), before::html(&page)] {
        balanced(&text);
        assert_eq!(text.matches("<script").count(), 0);
        assert_eq!(text.matches("<img").count(), 0);
    }
    for text in [after::markdown(r), page::markdown(&page)] {
        assert!(
            !text.contains("<script") && !text.contains("<img") && !text.replace("\\]", "").contains("](javascript")
        );
        assert!(!text.lines().any(|l| l.starts_with("# head") || l.starts_with('=')));
        let cells = |l: &str| l.replace("\\|", "").matches('|').count();
        let mut columns = None;
        for l in text.lines() {
            columns = l.starts_with('|').then(|| columns.unwrap_or_else(|| cells(l)));
            assert!(columns.is_none_or(|c| c == cells(l)), "a cell broke out: {l}");
        }
    }
    let table = csv::csv(r);
    assert!(
        !table
            .split([',', '\n'])
            .any(|cell| cell.starts_with('=') && !cell.contains("HYPERLINK"))
    );
    let all = [
        html::html(r),
        before::html(&page),
        after::markdown(r),
        after::text(r, 100),
        page::text(&page, 100),
        page::markdown(&page),
        page::diff_text(&page::diff(&plan, &sample::plan(&sample::plain()))),
        table,
        measures::csv(r),
        xml,
    ];
    for (n, text) in all.iter().enumerate() {
        for c in ['\u{1b}', '\u{7}', '\u{0}', '\u{202e}', '\u{2066}'] {
            assert!(!text.contains(c), "view {n} holds {c:?}");
        }
    }
}

/// A record as one of a drill or a restore test, with everything that people or former runs could have said in it.
fn trial(r: &ChangeRecord, kind: Kind, said: &str) -> ChangeRecord {
    let text = || Some(said.to_owned());
    let finding = Finding {
        id: said.to_owned(),
        severity: text(),
        text: said.to_owned(),
        owner: text(),
        due: text(),
        status: text(),
    };
    let digest = pitstop::id::Digest::of(b"review");
    let mut r = r.clone();
    r.kind = kind;
    r.restore = Some(RestoreStatus {
        restore: Done::Failed,
        validation: Done::NotDone,
        deletion: Deletion::LeftBehind,
    });
    r.other_modes = vec![OtherMode {
        what: said.to_owned(),
        title: said.to_owned(),
        modes: vec![said.to_owned()],
    }];
    for (n, s) in r.steps.iter_mut().enumerate() {
        s.register = (n % 3 == 0).then(|| said.to_owned());
    }
    r.former = vec![FormerRun {
        run: said.to_owned(),
        at: r.window.actual.unwrap().start,
        verdict: Verdict::Done,
        otherwise: BTreeMap::from([(said.to_owned(), said.to_owned())]),
        objectives: r
            .objectives
            .iter()
            .map(|o| FormerObjective {
                name: o.name.clone(),
                max_ms: o.max_ms,
                actual_ms: None,
                waited_ms: 0,
                met: false,
                why: said.to_owned(),
            })
            .collect(),
    }];
    r.last_drill = Some(LastDrill {
        run: said.to_owned(),
        at: r.window.actual.unwrap().start,
        verdict: Verdict::Done,
        review: Some(digest.clone()),
        findings: vec![FormerFinding {
            run: said.to_owned(),
            finding: finding.clone(),
        }],
    });
    r.review = Some(Reviewed {
        sha256: digest,
        file: said.to_owned(),
        review: Review {
            run: text(),
            scenario: text(),
            scope: text(),
            third_parties: vec![said.to_owned()],
            participants: vec![Person {
                name: said.to_owned(),
                role: said.to_owned(),
            }],
            findings: vec![finding],
            lessons: vec![said.to_owned()],
            conclusion: Some(Conclusion {
                success: Some(false),
                note: text(),
                who: text(),
            }),
            sign_off: vec![SignOff {
                name: said.to_owned(),
                role: text(),
                date: text(),
            }],
        },
    });
    r
}

#[test]
fn the_board_reads_this_of_a_drill() {
    let r = trial(&night(), Kind::DrDrill, "what a person wrote");
    snapshot("drill", &after::markdown(&r));
    let text = html::html(&r);
    balanced(&text);
    for title in [
        "Identification",
        "Course of events",
        "Findings of the last drill",
        "Verdict and sign-off",
    ] {
        assert!(text.contains(&format!(">{title}</h2>")), "{title}");
    }
}

#[test]
fn a_record_without_what_later_versions_added_is_still_read() {
    let mut tree = serde_json::to_value(night()).unwrap();
    let map = tree.as_object_mut().unwrap();
    for key in ["former", "last_drill", "review", "restore", "other_modes"] {
        map.remove(key);
    }
    for mark in map["marks"].as_array_mut().unwrap() {
        mark.as_object_mut().unwrap().remove("by");
    }
    let old: ChangeRecord = serde_json::from_value(tree).unwrap();
    assert!(!after::markdown(&old).contains("How it was measured"));
    balanced(&html::html(&old));
}

/// The tags of a document.
fn tags(html: &str) -> impl Iterator<Item = &str> {
    html.split('<').skip(1).filter_map(|t| t.split('>').next())
}

/// Every tag that opens is closed, in order.
fn balanced(html: &str) {
    const VOID: [&str; 3] = ["meta", "br", "!doctype"];
    let mut open: Vec<&str> = Vec::new();
    let (head, rest) = html.split_once("<style>").unwrap();
    let (_, body) = rest.split_once("</style>").unwrap();
    for t in tags(head).chain(tags(body)) {
        let name = t
            .trim_start_matches('/')
            .split([' ', '\n'])
            .next()
            .unwrap()
            .trim_end_matches('/');
        if t.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "closes what is not open");
        } else if !t.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

/// The night's record with checks instead of its steps: what each host (from 0) found in each check (from 0).
fn checked(hosts: usize, checks: usize, found: impl Fn(usize, usize) -> Option<&'static str>) -> ChangeRecord {
    let mut r = night();
    let (step, host) = (r.steps[0].clone(), r.hosts[0].clone());
    r.phases.truncate(1);
    let phase = r.phases[0].id.clone();
    (r.steps, r.hosts) = (Vec::new(), Vec::new());
    for h in 0..hosts {
        let name = HostName::new(format!("srv{h:04}"));
        r.hosts.push(HostRecord {
            name: name.clone(),
            ..host.clone()
        });
        for c in 0..checks {
            let Some(said) = found(h, c) else { continue };
            let (status, more) = said.split_once(' ').unwrap_or((said, ""));
            let bad = matches!(status, "fail" | "unknown") && more != "as-before";
            let mut one = step.clone();
            one.phase.clone_from(&phase);
            (one.step, one.name, one.host, one.pass, one.nth) =
                (format!("c{c}"), format!("Check <{c}>"), Some(name.clone()), 0, 0);
            one.outcome = Some(if bad { Outcome::Failed } else { Outcome::Ok });
            one.attempts.truncate(1);
            let mut fields = BTreeMap::from([
                ("status".to_owned(), Value::Text(status.to_owned())),
                ("message".to_owned(), Value::Text(format!("it has {c} <b>of {h}"))),
                ("value".to_owned(), Value::Int(4)),
                ("unit".to_owned(), Value::Text("%".to_owned())),
                ("perfdata".to_owned(), Value::Text("'x'=4%;10:;5:".to_owned())),
            ]);
            if !more.is_empty() {
                fields.insert("regression".to_owned(), Value::Bool(more == "worse"));
            }
            one.attempts[0].fields = fields;
            one.attempts[0].outcome = one.outcome;
            r.steps.push(one);
        }
    }
    r
}

#[test]
fn hosts_and_checks_are_a_table_with_the_worst_first_and_no_colour_needed() {
    let found = |h: usize, c: usize| match (h, c) {
        (1, 0) => Some("warn"),
        (2, 1) => Some("unknown"),
        (3, 1) => Some("fail"),
        (4, 2) => Some("fail as-before"),
        (5, 2) => Some("fail worse"),
        (6, _) => None,
        _ => Some("ok"),
    };
    let r = checked(8, 3, found);
    let matrix = checks::matrix(&r).unwrap();
    let order: Vec<&str> = matrix.rows.iter().map(|row| row.host.as_str()).collect();
    assert_eq!(
        order,
        ["srv0005", "srv0003", "srv0004", "srv0002", "srv0001", "srv0006"]
    );
    assert_eq!(matrix.good, 2);
    assert_eq!(
        matrix.columns.iter().map(|c| c.counts).collect::<Vec<_>>(),
        [[6, 1, 0, 0, 1], [5, 0, 1, 1, 1], [5, 0, 2, 0, 1]]
    );
    assert_eq!(
        matrix.summary(),
        "3 checks. 2 hosts are good in all of them. 1 check became worse."
    );
    let page = after::markdown(&r);
    let row = |host: &str| {
        page.lines()
            .find(|l| l.contains(host) && l.matches('|').count() == 5)
            .unwrap()
            .to_owned()
    };
    for (host, cells) in [
        ("srv0005", ["✓ ok", "✓ ok", "✗ fail, worse"]),
        ("srv0004", ["✓ ok", "✓ ok", "✗ fail, as before"]),
        ("srv0002", ["✓ ok", "? unknown", "✓ ok"]),
        ("srv0001", ["! warn", "✓ ok", "✓ ok"]),
        ("srv0006", ["– not done", "– not done", "– not done"]),
    ] {
        let row = row(host);
        let seen: Vec<&str> = row
            .split('|')
            .map(|cell| cell.trim().trim_start_matches('\\'))
            .skip(2)
            .take(3)
            .collect();
        assert_eq!(seen, cells, "{host}");
    }
    let html = html::html(&r);
    balanced(&html);
    for word in [
        "✗ fail, worse",
        "? unknown",
        "! warn",
        "– not done",
        "it has 2 &lt;b&gt;of 5",
    ] {
        assert!(html.contains(word), "{word}");
    }
    assert!(!html.contains("<b>of"));
    // Machines get every host and check.
    let table = csv::csv(&r);
    assert!(
        table.starts_with("run,host,")
            && table
                .lines()
                .next()
                .unwrap()
                .ends_with("status,value,unit,perfdata,regression")
    );
    assert_eq!(table.lines().count(), 1 + 7 * 3);
    let line = table
        .lines()
        .find(|l| l.contains("srv0005") && l.contains(",c2,"))
        .unwrap();
    assert!(line.contains("fail,4,%,") && line.ends_with(",true"), "{line}");
    let junit = junit::junit(&r).unwrap();
    let cases = junit.matches("classname=\"srv").count();
    assert!(cases >= 7 * 3, "{cases}");
    assert_eq!(junit.matches("<error").count(), 1, "what could not be measured");
    assert!(junit.matches("<failure").count() >= 2);
}

#[test]
fn a_thousand_hosts_with_twenty_five_checks_are_a_page_that_can_be_read() {
    let found = |h: usize, c: usize| {
        Some(if h.is_multiple_of(2) && c == h % 25 {
            "fail"
        } else {
            "ok"
        })
    };
    let r = checked(1000, 25, found);
    let began = std::time::Instant::now();
    let section = checks::section(&r).unwrap();
    let matrix = checks::matrix(&r).unwrap();
    let took = began.elapsed();
    println!(
        "figure: table of 1,000 hosts and 25 checks, in ms | {} | -",
        took.as_millis()
    );
    assert!(took.as_secs() < 2, "{took:?}");
    assert_eq!((matrix.good, matrix.rows.len()), (500, 500));
    assert_eq!(matrix.shown().0.len(), 200);
    assert_eq!(matrix.shown().1.unwrap(), "And 300 hosts more, in the CSV table.");
    assert!(section.blocks.len() <= 6);
}

/// `REPORT_DUMP=DIR cargo test --test report` writes the pages for eyes.
#[test]
fn pages_can_be_looked_at() {
    let r = night();
    let plan = sample::plan(&sample::plain());
    let page = page::facts(&plan, &plan.digest().unwrap(), &Outside::default());
    let pages = [
        ("after.html", html::html(&r)),
        ("before.html", before::html(&page)),
        ("after.md", after::markdown(&r)),
        ("before.md", page::markdown(&page)),
        ("after.txt", after::text(&r, 100)),
    ];
    for (name, text) in pages {
        assert!(text.len() > 4000, "{name} is too short to be a page");
        if let Ok(dir) = std::env::var("REPORT_DUMP") {
            std::fs::write(format!("{dir}/{name}"), text).unwrap();
        }
    }
}
