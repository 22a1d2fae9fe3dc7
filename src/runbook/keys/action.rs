//! The keys of the built-in actions.
//!
//! Owns: these tables. Must not: know the kinds of `check` (`check`).

use super::{Kind, MANY, Shape, TEMPLATES, key, need};

/// `linux`, `windows`: one action.
pub static PLATFORM: Shape = Shape {
    what: "a platform key",
    one_of: super::step::ONE_ACTION,
    keys: &[super::step::ACTIONS],
};

/// `edit`.
pub static EDIT: Shape = Shape {
    what: "`edit`",
    one_of: &[],
    keys: &[&[
        need("file", Kind::Template, "Path on the host"),
        need("find", Kind::Text, "A regular expression"),
        need("put", Kind::Template, "What stands there afterwards; `$1` is a group"),
        key("count", Kind::Int(1, MANY), "How many places must match; default 1"),
    ]],
};

/// `service`.
pub static SERVICE: Shape = Shape {
    what: "`service`",
    one_of: &[],
    keys: &[&[
        need("name", Kind::Template, "Its name, as systemd or Windows knows it"),
        key(
            "state",
            Kind::Word(&["running", "stopped", "restarted", "reloaded"]),
            "The state it comes into",
        ),
        key("enabled", Kind::Bool, "Whether it starts with the host"),
    ]],
};

/// `package`.
pub static PACKAGE: Shape = Shape {
    what: "`package`",
    one_of: &[],
    keys: &[&[
        need("names", NAMES, "Which packages"),
        key(
            "state",
            Kind::Word(&["present", "absent", "latest"]),
            "The state they come into; default present",
        ),
        key(
            "version",
            Kind::Template,
            "The version, of one package that is to be present",
        ),
        key("hold", Kind::Bool, "Whether updates leave them alone"),
    ]],
};

/// `patch`.
pub static PATCH: Shape = Shape {
    what: "`patch`",
    one_of: &[],
    keys: &[&[
        need(
            "mode",
            Kind::Word(&["scan", "install"]),
            "List updates, or install them",
        ),
        key(
            "classes",
            Kind::List(&Kind::Word(CLASSES)),
            "Which classes of updates; default all",
        ),
        key("only", NAMES, "These updates and no others: the `ids` of a scan"),
        key("exclude", TEMPLATES, "Not these updates"),
        key(
            "conffiles",
            Kind::Word(&["keep", "new", "fail"]),
            "What happens to settings that were changed by hand; needed for `install` unless every host is Windows",
        ),
        key(
            "lock_wait",
            Kind::Duration,
            "How long to wait for the package manager's lock; default 5m",
        ),
        key(
            "stash_old",
            Kind::Bool,
            "Keep the former packages as the way back; default true",
        ),
    ]],
};

const CLASSES: &[&str] = &["security", "critical", "rollup", "bugfix", "enhancement"];
const NAMES: Kind = Kind::Either(&[Kind::Template, TEMPLATES]);

/// `reboot`.
pub static REBOOT: Shape = Shape {
    what: "`reboot`",
    one_of: &[],
    keys: &[&[
        need(
            "if",
            Kind::Word(&["needed", "always"]),
            "`needed` restarts unless the host proves that it need not",
        ),
        key("limits", Kind::Map(&REBOOT_LIMITS), "Limits of its four phases"),
        key("settle", Kind::Duration, "Time to settle afterwards; default 0s"),
    ]],
};

/// `limits` of `reboot`.
pub static REBOOT_LIMITS: Shape = Shape {
    what: "`limits` of a reboot",
    one_of: &[],
    keys: &[&[
        key("down", Kind::Duration, "Until it is seen to be down; default 5m"),
        key("port", Kind::Duration, "Until its port answers; default 10m"),
        key(
            "login",
            Kind::Duration,
            "Until one can log in and the boot is another one; default 5m",
        ),
        key("ready", Kind::Duration, "Until its services have started; default 5m"),
    ]],
};

/// `compare`.
pub static COMPARE: Shape = Shape {
    what: "`compare`",
    one_of: &[],
    keys: &[&[
        need("left", Kind::Map(&SIDE), "One side"),
        need("right", Kind::Map(&SIDE), "The other side"),
        need(
            "mode",
            Kind::Word(&["exact", "rows", "schema", "digest", "bounded"]),
            "How they are compared",
        ),
        key(
            "tolerance",
            Kind::Text,
            "With `bounded`: the difference that is borne, `10` or `0.1%`",
        ),
    ]],
};

/// `left`, `right`.
pub static SIDE: Shape = Shape {
    what: "a side of `compare`",
    one_of: &[],
    keys: &[&[
        key(
            "host",
            Kind::Template,
            "A host or `controller`; default where the step is done",
        ),
        need("run", Kind::Template, "The command whose output is compared"),
        key(
            "become",
            Kind::User,
            "Another user than the step becomes; `false`: the login user",
        ),
    ]],
};

/// `baseline`.
pub static BASELINE: Shape = Shape {
    what: "`baseline`",
    one_of: &[&["capture"], &["diff"]],
    keys: &[&[
        key("capture", Kind::List(&Kind::Word(NOTED)), "What to note"),
        key(
            "diff",
            Kind::Text,
            "An earlier step that noted something: tell what differs",
        ),
    ]],
};

const NOTED: &[&str] = &["packages", "services", "ports", "mounts", "kernel", "users", "files"];
