//! The formats: Markdown and the terminal, and the words that all of them use.

use super::*;
use crate::plan::page::words::plain_call;
use crate::plan::{Call, Value};

#[test]
fn lengths_of_time_are_as_exact_as_people_need() {
    for (ms, words) in [
        (0, "0 ms"),
        (850, "850 ms"),
        (999, "999 ms"),
        (1_000, "1 s"),
        (12_400, "12.4 s"),
        (12_999, "12.9 s"),
        (59_000, "59 s"),
        (60_000, "1 min"),
        (61_000, "1 min 01 s"),
        (3_540_000, "59 min"),
        (3_599_000, "59 min 59 s"),
        (3_600_000, "1 h"),
        (3_659_000, "1 h"),
        (3_660_000, "1 h 01 min"),
        (172_799_000, "47 h 59 min"),
        (172_800_000, "2 d 00 h"),
        (266_400_000, "3 d 02 h"),
    ] {
        assert_eq!(duration(ms), words, "{ms}");
    }
}

#[test]
fn one_is_one_and_none_are_several() {
    let said = [0, 1, 2].map(|n| count(n, "host", "hosts"));
    assert_eq!(said, ["0 hosts", "1 host", "2 hosts"]);
}

#[test]
fn a_moment_of_an_unknown_zone_is_told_in_utc() {
    let at = "2026-12-01T20:05:00Z".parse().unwrap();
    assert_eq!(day(at, "Europe/Berlin"), "Tue 1 Dec 2026, 21:05 CET");
    assert_eq!(day(at, "Mars/Olympus"), "Tue 1 Dec 2026, 20:05 UTC");
}

#[test]
fn values_are_shown_as_people_write_them() {
    let map = Value::Map([("a".to_owned(), Value::Int(1)), ("b".to_owned(), Value::Bool(true))].into());
    let list = Value::List(vec![
        Value::Text("x".to_owned()),
        Value::None,
        Value::Duration { duration_ms: 60_000 },
    ]);
    assert_eq!(shown(&map), "a: 1, b: true");
    assert_eq!(shown(&list), "x, none, 1 min");
    assert_eq!(shown(&Value::Number(1.5)), "1.5");
}

#[test]
fn parameters_stand_in_the_command_and_what_the_run_learns_stays() {
    let params = [("t".to_owned(), Value::Text("CHG1".to_owned()))].into();
    let said = |command: &str| {
        let call = Call::Run {
            command: command.to_owned(),
        };
        plain_call(&call, &params).1
    };
    assert_eq!(said("a {{ params.t }} b {{params.t}}"), "a CHG1 b CHG1");
    assert_eq!(
        said("{{ params.other }} {{ host.name }}"),
        "{{ params.other }} {{ host.name }}"
    );
    assert_eq!(
        said("{{ open {{ params.t }}"),
        "{{ open {{ params.t }}",
        "what is inside is no name"
    );
    assert_eq!(said("end {{"), "end {{");
}

fn small() -> Page {
    Page {
        kicker: "Plan · change".to_owned(),
        title: "Restart *the* shop, with a title that is longer than forty letters".to_owned(),
        lede: vec!["It changes 2 hosts.".to_owned()],
        figures: vec![
            Figure::new("Hosts", "2", "in 1 batch"),
            Figure::new("Window", "any time", ""),
        ],
        summary: vec![("Runbook".to_owned(), code("r.yml")), ("Nothing".to_owned(), code(""))],
        sections: vec![
            Section::new(
                "All blocks",
                vec![
                    Block::Text("at 10:30 x:1 1:x user@host a_b a* _c_ : x. 1.5 <b>".to_owned()),
                    Block::Warning("look out, this sentence is longer than one line of forty".to_owned()),
                    Block::Facts(vec![("Name".to_owned(), "v|w".into())]),
                    Block::List(vec![
                        "one".to_owned(),
                        "two, which is a long sentence that goes on and on".to_owned(),
                    ]),
                    Block::table(
                        "T",
                        &["A", "B"],
                        vec![vec![
                            code("x `y` z"),
                            "a-word-of-more-letters-than-the-column-may-have-in-it".into(),
                        ]],
                    ),
                    Block::Output {
                        title: "Out <1>".to_owned(),
                        text: "one\n\ttwo <b>&\u{1b}[31m\n\n".to_owned(),
                    },
                ],
            ),
            Section::new("Empty", vec![]),
        ],
    }
}

#[test]
fn every_block_in_every_format() {
    insta::assert_snapshot!("small-markdown", markdown(&small()));
    insta::assert_snapshot!("small-terminal-40", text(&small(), 1));
    insta::assert_snapshot!("small-terminal-80", text(&small(), 80));
    assert_eq!(
        markdown(&Page {
            title: "T".to_owned(),
            ..Page::default()
        }),
        "# T\n"
    );
    assert_eq!(
        text(
            &Page {
                title: "T".to_owned(),
                ..Page::default()
            },
            80
        ),
        "T\n=\n\n"
    );
}

/// Six columns need more than forty letters: they keep six each.
#[test]
fn a_column_is_never_narrower_than_six_letters() {
    let rows = vec![vec!["word and another, longer-than-six".into(); 6]];
    let section = Section::new("S", vec![Block::table("T", &["Head"; 6], rows)]);
    insta::assert_snapshot!("narrow", terminal::section(&section, 40));
}

/// No line is longer than the terminal is wide, and no word is lost: columns give way, down to six letters each.
#[test]
fn columns_hold_at_any_width() {
    let cell = "word and another, longer-than-six".to_owned();
    for count in 1..=6 {
        let head = vec!["Head"; count];
        let rows = vec![vec![cell.as_str().into(); count]];
        let section = Section::new("S", vec![Block::table("T", &head, rows)]);
        for width in [40, 41, 60, 100, 300] {
            let out = terminal::section(&section, width);
            let longest = out.lines().map(|l| l.chars().count()).max().unwrap();
            assert!(
                longest <= width.max(8 * count - 2),
                "{count} at {width}: {longest}\n{out}"
            );
            let letters = |t: &str| t.chars().filter(|c| c.is_alphanumeric()).count();
            let all = letters("S") + count * (letters("Head") + letters(&cell));
            assert_eq!(letters(&out), all, "{out}");
            if width == 300 {
                assert_eq!(out.lines().count(), 4, "all fits in one line\n{out}");
            }
        }
    }
}

#[test]
fn differences_are_told_by_name() {
    let a = one_phase(
        "window: { duration: 4h }\nobjectives: { rto: { from: went, to: came, max: 10m } }\nsilence: [{ via: alertmanager, match: { env: prod } }]",
        "    on_failure: hold
    precheck: [{ id: c, name: C, run: 'true', timeout: 5s }]
    steps:
      - { id: s, name: S, run: 'true', undo: [{ name: U, run: 'true', timeout: 20s }] }
      - { id: l, name: L, read_only: true, run: 'echo {{ item | sh }}', for_each: [1, 2] }
      - { id: t, name: T, run: old, mark_start: went, mark: came, undo: { none: x } }
      - { id: gone, name: Gone, run: 'true', undo: { none: x } }
",
    ) + "  - { gate: g, title: G?, need: 1, approvers: [cm] }\n  - { phase: q, title: Q, targets: lb, on_failure: hold, steps: [{ id: z, name: Z, run: 'true', undo: { none: x } }] }\n";
    let b = a
        .replace("timeout: 5s", "timeout: 90s")
        .replace("for_each: [1, 2]", "for_each: [1, 3]")
        .replace("timeout: 20s", "timeout: 25s")
        .replace("run: old", "run: new")
        .replace("id: gone, name: Gone", "id: come, name: Come")
        .replace("need: 1", "need: 2")
        .replace("duration: 4h", "duration: 3h")
        .replace("max: 10m", "max: 20m")
        .replace(
            "{ env: prod } }]",
            "{ env: test } }, { via: zabbix, match: { host: all } }]",
        );
    let (first, mut second) = (case(a).policy("").plan(), case(b).policy("").plan());
    second.items.swap(0, 2);
    second.hosts.pop();
    second.hosts[0].port = Some(2222);
    let differences = diff(&first, &second);
    insta::assert_snapshot!("diff", diff_text(&differences));
    insta::assert_snapshot!("diff-markdown", diff_markdown(&differences));
    assert_eq!(diff(&first, &first), []);
    assert_eq!(
        (diff_text(&[]), diff_markdown(&[])),
        ("The plans are equal.\n".to_owned(), "The plans are equal.\n".to_owned())
    );
}

#[test]
fn a_fence_is_longer_than_any_in_the_text_and_far_lines_are_left_out() {
    let lines = |changed: &[usize]| {
        (0..30)
            .map(|n| {
                if changed.contains(&n) {
                    format!("new {n}")
                } else {
                    format!("line {n}")
                }
            })
            .collect::<Vec<_>>()
            .join("\n")
    };
    let difference = |old: &str, new: &str| Difference {
        at: "step p/s: command".to_owned(),
        old: Some(old.to_owned()),
        new: Some(new.to_owned()),
    };
    let text = diff_text(&[difference(&lines(&[]), &lines(&[2, 20]))]);
    insta::assert_snapshot!("diff-far", text);
    let fenced = diff_markdown(&[difference("````", "x")]);
    assert!(fenced.contains("\n`````diff\n- ````\n+ x\n`````\n"), "{fenced}");
    let plain = diff_markdown(&[difference("a", "x")]);
    assert!(plain.contains("\n```diff\n- a\n+ x\n```\n"), "{plain}");
}
