//! The keys of a runbook down to its phases and gates.
//!
//! Owns: these tables. Must not: know how a step is written (`step`).

use super::{COUNT, Key, Kind, Shape, TEMPLATES, TEXTS, VERSION, key, need};
use crate::runbook::keys::RETRY;

/// A whole runbook.
pub static RUNBOOK: Shape = Shape {
    what: "a runbook",
    one_of: &[],
    keys: &[&[
        VERSION,
        need("runbook", Kind::Text, "Id, the same as the file's name"),
        need("title", Kind::Text, "A sentence for the board"),
        key("owner", Kind::Text, "The team that answers for it"),
        key("description", Kind::Text, "Longer text"),
        key(
            "kind",
            Kind::Word(KINDS),
            "What kind of work it is: adds rules, picks the report",
        ),
        key("change", Kind::Map(&CHANGE_TEXT), "Text for the change record"),
        key(
            "parameters",
            Kind::Named(&Kind::Map(&PARAMETER)),
            "What a change can set",
        ),
        key("targets", Kind::Named(&Kind::Map(&TARGET_SET)), "Named sets of hosts"),
        key(
            "secrets",
            Kind::Named(&Kind::Map(&SECRET)),
            "Where secret values come from; masked everywhere",
        ),
        key("window", Kind::Map(&WINDOW), "When it may run, and for how long"),
        key(
            "modes",
            TEXTS,
            "Names of modes; exactly one is chosen when it is planned",
        ),
        key(
            "rollouts",
            Kind::Named(&Kind::Map(&ROLLOUT)),
            "Named ways to go over many hosts",
        ),
        key(
            "steady_state",
            Kind::Steps,
            "Read-only steps that must hold before, between and after",
        ),
        key(
            "objectives",
            Kind::Named(&Kind::Map(&OBJECTIVE)),
            "Limits between two marks: `rto`, `rpo`, any name",
        ),
        key(
            "silence",
            Kind::List(&Kind::Map(&SILENCE)),
            "Monitoring that is kept quiet, always with an end",
        ),
        key("notify", Kind::List(&Kind::Map(&NOTIFY)), "Messages on events"),
        key(
            "defaults",
            Kind::Map(&DEFAULTS),
            "What holds for every step that says nothing else",
        ),
        need(
            "phases",
            Kind::List(&Kind::Either(&[Kind::Map(&PHASE), Kind::Map(&GATE)])),
            "Phases and gates in order",
        ),
    ]],
};

const KINDS: &[&str] = &["patch", "restore_test", "check", "dr_drill", "change"];

/// `change` of a runbook.
pub static CHANGE_TEXT: Shape = Shape {
    what: "`change`",
    one_of: &[],
    keys: &[&[
        key(
            "type",
            Kind::Word(&["standard", "normal", "emergency"]),
            "Type of the change",
        ),
        key("risk", Kind::Text, "How risky it is"),
        key("impact", Kind::Text, "What users notice"),
        key("backout", Kind::Text, "How it is taken back"),
        key("test", Kind::Text, "How success is tested"),
    ]],
};

/// `parameters.NAME`.
pub static PARAMETER: Shape = Shape {
    what: "a parameter",
    one_of: &[],
    keys: &[&[
        need(
            "type",
            Kind::Word(&["string", "int", "number", "bool", "duration", "timestamp", "list"]),
            "Type of its value",
        ),
        key(
            "default",
            Kind::Any,
            "Used when none is given; without it one must be given",
        ),
        key("description", Kind::Text, "For the prompt and the board"),
        key("allowed", Kind::List(&Kind::Any), "The only values that are allowed"),
        key(
            "pattern",
            Kind::Text,
            "A regular expression that matches the whole text",
        ),
        key("min", Kind::Any, "Least value"),
        key("max", Kind::Any, "Greatest value"),
    ]],
};

/// `targets.NAME`.
pub static TARGET_SET: Shape = Shape {
    what: "a set of targets",
    one_of: &[&["hosts"], &["select"]],
    keys: &[&[
        key("hosts", TEMPLATES, "Hosts by name"),
        key("select", Kind::Template, "A selector over labels: `role=web env=prod`"),
    ]],
};

/// `secrets.NAME`.
pub static SECRET: Shape = Shape {
    what: "a secret",
    one_of: &[],
    keys: &[&[
        need(
            "from",
            Kind::Word(&["env", "file", "prompt", "provider"]),
            "Where the value comes from",
        ),
        key("name", Kind::Text, "With `from: env`: the variable"),
        key("path", Kind::Text, "With `from: file`: the file"),
        key("provider", Kind::Text, "With `from: provider`: its name in pitstop.yml"),
        key("args", TEXTS, "With `from: provider`: arguments for it"),
    ]],
};

/// `window` of a runbook.
pub static WINDOW: Shape = Shape {
    what: "`window`",
    one_of: &[],
    keys: &[&[
        need("duration", Kind::Duration, "How long it is"),
        key("cutoff", Kind::Duration, "No host starts in this last part of it"),
        key("reserve", Kind::Duration, "Kept free at the end for going back"),
        key("timezone", Kind::Text, "IANA name: `Europe/Berlin`"),
        key(
            "not_during",
            TEXTS,
            "Calendars (iCalendar files) in which nothing may run",
        ),
        key("schedule", Kind::Map(&SCHEDULE), "When windows begin"),
    ]],
};

/// `schedule` of a window.
pub static SCHEDULE: Shape = Shape {
    what: "`schedule`",
    one_of: &[&["cron"], &["nth", "weekday", "plus_days", "at"]],
    keys: &[&[
        key("cron", Kind::Text, "Minute, hour, day, month, weekday: \"0 22 * * 2\""),
        key(
            "nth",
            Kind::Int(-1, 5),
            "Which of the month: 1 to 5, or -1 for the last",
        ),
        key("weekday", Kind::Word(WEEKDAYS), "The day of the week"),
        key("plus_days", Kind::Int(0, 60), "So many days later"),
        key("at", Kind::Text, "Time of day in the window's zone: \"22:00\""),
    ]],
};

const WEEKDAYS: &[&str] = &[
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

/// `rollouts.NAME`, or `rollout` of a phase.
pub static ROLLOUT: Shape = Shape {
    what: "a rollout",
    one_of: &[],
    keys: &[&[
        key(
            "batches",
            Kind::List(&Kind::Size(1)),
            "Sizes of the batches; the last one repeats",
        ),
        key("parallel", COUNT, "Hosts at work at one time; default 10"),
        key(
            "max_fail",
            Kind::Size(0),
            "Failed hosts that are borne over the whole phase; default 0",
        ),
        key("soak", Kind::Rendered(&Kind::Duration), "Watch time after each batch"),
        key("gate", Kind::Map(&BATCH_GATE), "A question between batches"),
        key(
            "apart",
            Kind::Text,
            "A batch never mixes hosts with different values of this label",
        ),
        key(
            "last",
            Kind::Expression,
            "Hosts for which it is true go last, one at a time",
        ),
    ]],
};

/// A gate between phases.
pub static GATE: Shape = Shape {
    what: "a gate",
    one_of: &[],
    keys: &[
        &[
            need("gate", Kind::Text, "Its id"),
            need("title", Kind::Text, "The question"),
            key("only_in", TEXTS, "Modes it belongs to"),
        ],
        QUESTION,
    ],
};

/// `gate` of a rollout.
pub static BATCH_GATE: Shape = Shape {
    what: "a gate",
    one_of: &[],
    keys: &[
        &[
            key("title", Kind::Text, "The question"),
            need(
                "after_batch",
                Kind::Either(&[COUNT, Kind::Word(&["each"])]),
                "After which batch (the first is 1), or `each`",
            ),
        ],
        QUESTION,
    ],
};

/// What every gate has.
static QUESTION: &[Key] = &[
    key("need", COUNT, "How many different people"),
    key("approvers", TEXTS, "Out of which groups of the policy"),
    key("not_operator", Kind::Bool, "The operator may not approve; default true"),
    key("expires", Kind::Duration, "How long it waits; default 30m"),
    key(
        "otherwise",
        Kind::Word(&["hold", "rollback_run"]),
        "What a rejection or expiry does",
    ),
    key("show", TEXTS, "Steps whose results are the evidence"),
];

/// `objectives.NAME`.
pub static OBJECTIVE: Shape = Shape {
    what: "an objective",
    one_of: &[],
    keys: &[&[
        need("from", Kind::Text, "The mark it begins at"),
        need("to", Kind::Text, "The mark it ends at"),
        need("max", Kind::Duration, "The limit"),
        key("less_waiting", Kind::Bool, "Subtract the time spent waiting for people"),
    ]],
};

/// An item of `silence`.
pub static SILENCE: Shape = Shape {
    what: "a silence",
    one_of: &[],
    keys: &[&[
        need("via", Kind::Text, "A name of `silence` in pitstop.yml"),
        need(
            "match",
            Kind::Named(&Kind::Template),
            "What is kept quiet: matchers by name",
        ),
    ]],
};

/// An item of `notify`.
pub static NOTIFY: Shape = Shape {
    what: "an item of `notify`",
    one_of: &[],
    keys: &[&[
        need("events", Kind::List(&Kind::Word(EVENTS)), "On which events"),
        need("via", Kind::Text, "A name of `notify` in pitstop.yml"),
    ]],
};

const EVENTS: &[&str] = &["started", "gate_waiting", "host_failed", "unknown", "finished"];

/// `defaults` of a runbook.
pub static DEFAULTS: Shape = Shape {
    what: "`defaults`",
    one_of: &[],
    keys: &[&[
        key("timeout", Kind::Duration, "Limit of one attempt; default 10m"),
        key("retry", Kind::Map(&RETRY), "Repetition"),
        key(
            "become",
            Kind::User,
            "User to become; not for steps that are done elsewhere",
        ),
    ]],
};

/// A phase.
pub static PHASE: Shape = Shape {
    what: "a phase",
    one_of: &[],
    keys: &[&[
        need("phase", Kind::Text, "Its id"),
        need("title", Kind::Text, "A sentence for the board"),
        key(
            "targets",
            Kind::Text,
            "A set of `targets`; without it: the control machine",
        ),
        key(
            "rollout",
            Kind::Either(&[Kind::Text, Kind::Map(&ROLLOUT)]),
            "A name of `rollouts`, or settings",
        ),
        key("when", Kind::Expression, "Whether a host needs the phase"),
        key("only_in", TEXTS, "Modes it belongs to"),
        key(
            "on_failure",
            Kind::Word(&["rollback_host", "rollback_run", "hold", "ask"]),
            "What a failed host means",
        ),
        key(
            "steady_state",
            Kind::Steps,
            "Read-only steps of its own that must hold before, between and after",
        ),
        key("precheck", Kind::Steps, "Read-only: says no before anything happened"),
        key("drain", Kind::Steps, "Out of service"),
        key("steps", Kind::Steps, "The work"),
        key("verify", Kind::Steps, "Read-only: proves the work"),
        key("undrain", Kind::Steps, "Back into service"),
        key("cleanup", Kind::Steps, "Closes the host, however it ended"),
    ]],
};
