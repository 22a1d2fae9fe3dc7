//! The keys of tests of runbooks.
//!
//! Owns: these tables. Must not: know what a fault does.

use super::{COUNT, INVENTORY, Key, Kind, OCCASION, Shape, TEXTS, VERSION, key, need};

/// A test file.
pub static TEST: Shape = Shape {
    what: "a test",
    one_of: &[],
    keys: &[
        &[
            VERSION,
            need(
                "runbook",
                Kind::Text,
                "The runbook's path in the project, or its name beside the test",
            ),
            key("change", Kind::Text, "The ticket or id, as in a change file"),
            key(
                "inventory",
                Kind::Either(&[Kind::Text, Kind::Map(&INVENTORY)]),
                "The machines: a file of the project, or written here; default the project's own",
            ),
            key(
                "people",
                Kind::Named(&TEXTS),
                "Groups of people who may approve, beside the policy's",
            ),
            need(
                "cases",
                Kind::List(&Kind::Map(&CASE)),
                "What is tried, one after another",
            ),
        ],
        OCCASION,
        HOSTS,
    ],
};

/// What hosts say, in a file for all its cases and in a case.
static HOSTS: &[Key] = &[
    key(
        "answers",
        Kind::Named(&Kind::List(&Kind::Map(&ANSWER))),
        "By host or glob: what its commands come to",
    ),
    key(
        "facts",
        Kind::Named(&Kind::Map(&FACTS)),
        "By host or glob: what it says about itself",
    ),
];

/// A case.
pub static CASE: Shape = Shape {
    what: "a case",
    one_of: &[],
    keys: &[
        &[
            need("name", Kind::Text, "What is shown, a sentence"),
            key("starts", Kind::Text, "When the run begins: 2026-12-06T01:00:00Z"),
            key("terminal", Kind::Bool, "A person sits at the terminal; default true"),
            key(
                "journal",
                Kind::Text,
                "A run's journal.jsonl that answers for the hosts",
            ),
            key(
                "approvals",
                Kind::List(&Kind::Map(&APPROVAL)),
                "What people say at gates and about manual steps",
            ),
            key("signals", Kind::List(&Kind::Map(&SIGNAL)), "Signals to pitstop"),
            key(
                "resume",
                Kind::List(&Kind::Map(&AGAIN)),
                "How the run is gone on with after its process ended",
            ),
            key("expect", Kind::Map(&EXPECT), "What must come of it"),
        ],
        OCCASION,
        HOSTS,
    ],
};

/// An answer of a host.
pub static ANSWER: Shape = Shape {
    what: "an answer",
    one_of: &[],
    keys: &[&[
        need(
            "match",
            Kind::Text,
            "A regular expression over the rendered command; `connect` is a login",
        ),
        key("rc", Kind::Int(0, 255), "Exit code; default 0"),
        key("stdout", Kind::Text, "Standard output, or the body of an HTTP answer"),
        key("stderr", Kind::Text, "Standard error"),
        key("status", Kind::Int(100, 599), "Status of an HTTP answer; default 200"),
        key("after", Kind::Duration, "How long it takes; default no time"),
        key(
            "then",
            Kind::Word(&["refuse", "cut", "hang", "reboot", "never_returns", "lie"]),
            "What goes wrong",
        ),
        key("away", Kind::Duration, "How long the host takes no login afterwards"),
        key(
            "repeat",
            Kind::Either(&[Kind::Bool, COUNT]),
            "How often each host gives it; `true`: again and again; default once",
        ),
    ]],
};

/// `facts.HOST`.
pub static FACTS: Shape = Shape {
    what: "`facts` of a host",
    one_of: &[],
    keys: &[&[
        key("os", Kind::Text, "`linux` or `windows`"),
        key("family", Kind::Text, "`debian`, `rhel`, …"),
        key("distro", Kind::Text, "`ID` of os-release"),
        key("version", Kind::Text, "`VERSION_ID` of os-release"),
        key("kernel", Kind::Text, "Kernel release"),
        key("virtual", Kind::Text, "`kvm`, `container`, …"),
        key("user", Kind::Text, "The login user"),
        key("latch", Kind::Bool, "It has a place for latched steps; default true"),
    ]],
};

/// An item of `approvals`.
pub static APPROVAL: Shape = Shape {
    what: "an approval",
    one_of: &[],
    keys: &[&[
        key("gate", Kind::Text, "The gate's id; `PHASE/N` for a rollout's"),
        key("manual", Kind::Text, "An expression over the text of a manual step"),
        key("by", Kind::Text, "Who signs, as the policy or `people` names them"),
        key(
            "decision",
            Kind::Word(&["approve", "reject", "done", "not_done"]),
            "What they say; default yes",
        ),
        key("after", Kind::Duration, "How long after they were asked"),
        key("note", Kind::Text, "What they add"),
    ]],
};

/// An item of `signals`.
pub static SIGNAL: Shape = Shape {
    what: "a signal",
    one_of: &[],
    keys: &[&[
        need(
            "at",
            Kind::Text,
            "How long after the start, or PHASE/STEP@HOST that is under way",
        ),
        need(
            "send",
            Kind::Word(&["int", "kill"]),
            "`int`: SIGINT, the third leaves at once; `kill`: SIGKILL",
        ),
    ]],
};

/// An item of `resume`.
pub static AGAIN: Shape = Shape {
    what: "a `resume`",
    one_of: &[],
    keys: &[&[
        key("after", Kind::Duration, "How long after the last process ended"),
        key("rollback", Kind::Bool, "It only goes back; default false"),
    ]],
};

/// `expect` of a case.
pub static EXPECT: Shape = Shape {
    what: "`expect`",
    one_of: &[],
    keys: &[&[
        key("exit", Kind::Int(0, 70), "The exit code of the last process"),
        key(
            "hosts",
            Kind::Named(&Kind::Word(STATES)),
            "By host or glob, or PHASE/HOST: how it ends",
        ),
        key(
            "order",
            Kind::List(&Kind::Either(&[Kind::Text, Kind::Named(&Kind::Text)])),
            "Commands that are sent in this order: expressions, or HOST: expression",
        ),
        key("undone", TEXTS, "All steps that are undone: PHASE/STEP@HOST"),
        key(
            "left_behind",
            TEXTS,
            "All that is left behind: ids as `pitstop owed` has them",
        ),
        key(
            "marks",
            Kind::Named(&Kind::Text),
            "By mark: `set`, `missing`, how long after the start, or a moment",
        ),
    ]],
};

const STATES: &[&str] = &[
    "ok",
    "warned",
    "not_needed",
    "refused",
    "failed",
    "rolled_back",
    "held",
    "broken",
    "unknown",
    "not_started",
];
