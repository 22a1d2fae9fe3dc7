//! The keys of a step, of its way back and of every action.
//!
//! Owns: these tables. Must not: know where steps stand.

use super::{BASELINE, CHECK, COMPARE, EDIT, PACKAGE, PATCH, PLATFORM, REBOOT, SERVICE};
use super::{Key, Kind, MANY, PARAMETER, Shape, TEMPLATES, TEXTS, key, need};

/// One step.
pub static STEP: Shape = Shape {
    what: "a step",
    one_of: &[
        &["run"],
        &["powershell"],
        &["script"],
        &["upload"],
        &["edit"],
        &["download"],
        &["check"],
        &["assert"],
        &["http"],
        &["wait_for"],
        &["service"],
        &["package"],
        &["patch"],
        &["reboot"],
        &["compare"],
        &["baseline"],
        &["manual"],
        &["linux", "windows"],
    ],
    keys: &[STEP_KEYS, ACTIONS, PLATFORMS],
};

static STEP_KEYS: &[Key] = &[
    key(
        "id",
        Kind::Text,
        "Its id in its phase; needed where something refers to it",
    ),
    need("name", Kind::Text, "A sentence for the board"),
    key("when", Kind::Expression, "Run only if this is true"),
    key(
        "expect",
        Kind::Expression,
        "Must be true after the action, besides its own success",
    ),
    key(
        "warn_unless",
        Kind::Expression,
        "Where this is false, the host ends `warned`",
    ),
    key("register", Kind::Text, "Keep the result under this name"),
    key(
        "as",
        Kind::Word(&["number", "text", "lines", "json", "timestamp", "nagios"]),
        "Parse stdout into `value`",
    ),
    key(
        "delegate_to",
        Kind::Either(&[Kind::Template, Kind::Map(&ONE_OF)]),
        "Do it elsewhere: a host, a set, `controller`, or one of a set",
    ),
    key("once", Kind::Bool, "Once a phase instead of once a host"),
    key(
        "fresh",
        Kind::Bool,
        "In `precheck`: again directly before each host starts",
    ),
    key("become", Kind::User, "Run as another user; `true` is root"),
    key("retry", Kind::Map(&RETRY), "Repetition"),
    key("timeout", Kind::Duration, "Limit of one attempt; default 10m"),
    key(
        "ok_codes",
        Kind::List(&Kind::Int(i32::MIN as i64, i32::MAX as i64)),
        "Exit codes that mean success",
    ),
    key(
        "may_fail",
        Kind::Text,
        "Why this step may fail: the host goes on and ends `warned`",
    ),
    key(
        "undo",
        Kind::Either(&[Kind::Steps, Kind::Map(&UNDO)]),
        "How it is taken back",
    ),
    key("read_only", Kind::Bool, "Changes nothing, needs no undo"),
    key("mark", MARK_FORMS, "Name the moment of its end"),
    key("mark_start", MARK_FORMS, "Name the moment of its start"),
    key(
        "on_unknown",
        Kind::Word(&["ask", "rerun", "fail"]),
        "What to do when its end cannot be learnt",
    ),
    key(
        "for_each",
        Kind::Either(&[Kind::List(&Kind::Any), Kind::Template]),
        "Once for each item of a list; `item` is the item",
    ),
    key("max_items", Kind::Int(1, MANY), "Most items of `for_each`; default 100"),
    key("only_in", TEXTS, "Modes it belongs to"),
    key("env", Kind::Named(&Kind::Template), "Process environment"),
    key("stdin", Kind::Template, "Input of the process"),
    key("sensitive", Kind::Bool, "Keep only length and hash of the output"),
    key("evidence", TEMPLATES, "Files of the host to keep"),
];

/// The one action of a platform key.
pub(super) static ONE_ACTION: &[&[&str]] = &[
    &["run"],
    &["powershell"],
    &["script"],
    &["upload"],
    &["edit"],
    &["download"],
    &["check"],
    &["assert"],
    &["http"],
    &["wait_for"],
    &["service"],
    &["package"],
    &["patch"],
    &["reboot"],
    &["compare"],
    &["baseline"],
    &["manual"],
];

const MARK_FORMS: Kind = Kind::Either(&[Kind::Text, Kind::Map(&MARK)]);

/// The actions. A step has one.
pub static ACTIONS: &[Key] = &[
    key(
        "run",
        Kind::Either(&[Kind::Template, TEMPLATES]),
        "A command for `sh` (on Windows `cmd.exe`), or a list of arguments",
    ),
    key("powershell", Kind::Template, "A command for PowerShell"),
    key(
        "script",
        Kind::Either(&[Kind::Text, Kind::Map(&SCRIPT)]),
        "A script of the repository",
    ),
    key("upload", Kind::Map(&UPLOAD), "Put a file of the repository on the host"),
    key("edit", Kind::Map(&EDIT), "Change places of a file"),
    key("download", Kind::Map(&DOWNLOAD), "Keep a file of the host as evidence"),
    key(
        "check",
        Kind::Any,
        "Look at the host, with limits for warning and failure",
    ),
    key("assert", Kind::Expression, "A condition over what is known"),
    key("http", Kind::Map(&HTTP), "An HTTP request from the control machine"),
    key("wait_for", Kind::Map(&WAIT_FOR), "Wait until something is so"),
    key("service", Kind::Map(&SERVICE), "Bring a service into a state"),
    key("package", Kind::Map(&PACKAGE), "Install, remove or hold packages"),
    key("patch", Kind::Map(&PATCH), "List or install updates"),
    key("reboot", Kind::Map(&REBOOT), "Restart the host and prove it"),
    key("compare", Kind::Map(&COMPARE), "Compare two sides"),
    key(
        "baseline",
        Kind::Map(&BASELINE),
        "Note what is there, or what has changed since",
    ),
    key("manual", Kind::Template, "A person does it"),
];

/// Platform keys: each holds one action.
pub static PLATFORMS: &[Key] = &[
    key("linux", Kind::Map(&PLATFORM), "The action on Linux hosts"),
    key("windows", Kind::Map(&PLATFORM), "The action on Windows hosts"),
];

/// A list's item that stands for the steps of a file.
pub static INCLUDE: Shape = Shape {
    what: "an include",
    one_of: &[],
    keys: &[&[need(
        "include",
        Kind::Either(&[Kind::Text, Kind::Map(&INCLUDED)]),
        "A list of steps from a file of the repository",
    )]],
};

/// `include` written as a map.
pub static INCLUDED: Shape = Shape {
    what: "an include",
    one_of: &[],
    keys: &[&[
        need("file", Kind::Text, "A file of the repository"),
        key(
            "with",
            Kind::Named(&Kind::Any),
            "Values of the parameters that the file declares",
        ),
    ]],
};

/// An included file that has parameters. One without is a plain list of steps.
pub static FRAGMENT: Shape = Shape {
    what: "an included file",
    one_of: &[],
    keys: &[&[
        key(
            "parameters",
            Kind::Named(&Kind::Map(&PARAMETER)),
            "What its steps read as `params`",
        ),
        need("steps", Kind::Steps, "The steps"),
    ]],
};

/// `delegate_to` written as a map.
pub static ONE_OF: Shape = Shape {
    what: "`delegate_to`",
    one_of: &[],
    keys: &[&[need(
        "one_of",
        Kind::Template,
        "The first of this set that is reachable, in service and not this host",
    )]],
};

/// `retry`.
pub static RETRY: Shape = Shape {
    what: "`retry`",
    one_of: &[],
    keys: &[&[
        need("attempts", Kind::Int(1, MANY), "Attempts in all"),
        key("delay", Kind::Duration, "Pause before the second attempt; default 1s"),
        key(
            "backoff",
            Kind::Number(1.0, 100.0),
            "Factor on the pause after each attempt",
        ),
    ]],
};

/// `mark` written as a map.
pub static MARK: Shape = Shape {
    what: "a mark",
    one_of: &[],
    keys: &[&[
        need("name", Kind::Text, "Its name"),
        key("at", Kind::Template, "The moment, taken from a value"),
    ]],
};

/// `undo` written as a map.
pub static UNDO: Shape = Shape {
    what: "`undo`",
    one_of: &[&["covered_by"], &["none"]],
    keys: &[&[
        key(
            "covered_by",
            Kind::Text,
            "An earlier step whose undo takes this back too",
        ),
        key("none", Kind::Text, "Why it cannot be taken back"),
    ]],
};

/// `script` written as a map.
pub static SCRIPT: Shape = Shape {
    what: "`script`",
    one_of: &[],
    keys: &[&[
        need("file", Kind::Text, "File of the repository"),
        key("interpreter", Kind::Template, "What runs it; default `sh`"),
        key("args", TEMPLATES, "Its arguments"),
    ]],
};

/// `upload`.
pub static UPLOAD: Shape = Shape {
    what: "`upload`",
    one_of: &[],
    keys: &[&[
        need("src", Kind::Template, "File of the repository"),
        need("dest", Kind::Template, "Path on the host"),
        key("mode", Kind::Mode, "Octal file mode: \"0644\""),
        key("owner", Kind::Template, "`user` or `user:group`"),
        key("template", Kind::Bool, "Render `{{ … }}` in it first"),
        key(
            "validate",
            Kind::Template,
            "A command that must accept the new file, `{}`, before it counts",
        ),
    ]],
};

/// `download`.
pub static DOWNLOAD: Shape = Shape {
    what: "`download`",
    one_of: &[],
    keys: &[&[
        need("src", Kind::Template, "Path on the host"),
        key("max_bytes", Kind::Int(1, 1 << 40), "Limit; default 10485760"),
    ]],
};

/// `http`.
pub static HTTP: Shape = Shape {
    what: "`http`",
    one_of: &[],
    keys: &[&[
        key(
            "method",
            Kind::Word(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
            "Default GET",
        ),
        need("url", Kind::Template, "The address, `http://` or `https://`"),
        key("headers", Kind::Named(&Kind::Template), "Header lines"),
        key("body", Kind::Template, "Body of the request"),
    ]],
};

/// `wait_for`.
pub static WAIT_FOR: Shape = Shape {
    what: "`wait_for`",
    one_of: &[&["port"], &["path"], &["connection"], &["time"], &["check"]],
    keys: &[&[
        key("port", Kind::Rendered(&Kind::Int(1, 65535)), "A TCP port that accepts"),
        key(
            "host",
            Kind::Template,
            "With `port`: the address; default the host itself",
        ),
        key(
            "from",
            Kind::Word(&["host", "controller"]),
            "With `port`: who looks; default the host",
        ),
        key("path", Kind::Template, "A path that exists on the host"),
        key("connection", Kind::Bool, "A full login from the control machine"),
        key("time", Kind::Rendered(&Kind::Duration), "A fixed time"),
        key("check", Kind::Map(&CHECK), "A check that is good"),
        key("every", Kind::Duration, "How often to look; default 2s"),
    ]],
};
