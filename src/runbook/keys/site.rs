//! The keys of the files beside the runbook: change, inventory, policy, project.
//!
//! Owns: these tables. Must not: know what a setting means.

use super::{COUNT, Key, Kind, MANY, SECRET, Shape, TEXTS, VERSION, key, need};

/// A change file.
pub static CHANGE: Shape = Shape {
    what: "a change",
    one_of: &[],
    keys: &[
        &[
            VERSION,
            key("change", Kind::Text, "The ticket or id"),
            need("runbook", Kind::Text, "The runbook's path in the project"),
        ],
        OCCASION,
    ],
};

/// What a change and a test set alike.
pub(super) static OCCASION: &[Key] = &[
    key(
        "parameters",
        Kind::Named(&Kind::Any),
        "Values of the runbook's parameters",
    ),
    key("window", Kind::Map(&CHANGE_WINDOW), "When the window begins"),
    key("limit", Kind::Text, "A selector that narrows the hosts of every phase"),
    key(
        "skip",
        Kind::Either(&[
            Kind::Named(&Kind::Text),
            Kind::List(&Kind::Either(&[Kind::Map(&SKIP), Kind::Named(&Kind::Text)])),
        ]),
        "Steps and phases that are left out, each with a reason",
    ),
    key("mode", Kind::Text, "One of the runbook's modes"),
    key("need", COUNT, "How many people must approve the plan"),
    key("approvers", TEXTS, "Out of which groups of the policy"),
    key("reason", Kind::Text, "Why now"),
];

/// `window` of a change.
pub static CHANGE_WINDOW: Shape = Shape {
    what: "`window` of a change",
    one_of: &[],
    keys: &[&[
        key("start", Kind::Text, "When it begins: \"2026-12-06T01:00:00\""),
        key("timezone", Kind::Text, "IANA zone of `start`"),
    ]],
};

/// An item of `skip`.
pub static SKIP: Shape = Shape {
    what: "an item of `skip`",
    one_of: &[],
    keys: &[&[
        need("id", Kind::Text, "A step or a phase"),
        need("reason", Kind::Text, "Why it is left out"),
    ]],
};

/// An inventory.
pub static INVENTORY: Shape = Shape {
    what: "an inventory",
    one_of: &[],
    keys: &[&[
        VERSION,
        key(
            "defaults",
            Kind::Map(&HOST_DEFAULTS),
            "Connection settings of all hosts",
        ),
        key(
            "hosts",
            Kind::Named(&Kind::Either(&[Kind::Map(&HOST), Kind::Empty])),
            "The machines by name",
        ),
        key(
            "groups",
            Kind::Named(&Kind::Either(&[TEXTS, Kind::Map(&GROUP)])),
            "Hosts that belong together",
        ),
    ]],
};

/// `defaults` of an inventory.
pub static HOST_DEFAULTS: Shape = Shape {
    what: "`defaults` of an inventory",
    one_of: &[],
    keys: &[SETTINGS],
};

/// `hosts.NAME`.
pub static HOST: Shape = Shape {
    what: "a host",
    one_of: &[],
    keys: &[
        &[key("address", Kind::Text, "DNS name or address; default the name")],
        TOLD,
        SETTINGS,
    ],
};

/// `groups.NAME`.
pub static GROUP: Shape = Shape {
    what: "a group",
    one_of: &[],
    keys: &[&[key("hosts", TEXTS, "Its hosts and groups")], TOLD, SETTINGS],
};

/// What is told about hosts.
static TOLD: &[Key] = &[
    key("labels", Kind::Named(&Kind::Text), "For selecting: `role: web`"),
    key(
        "vars",
        Kind::Named(&Kind::Any),
        "Values for templates: `host.vars.NAME`",
    ),
];

/// How a host is reached.
static SETTINGS: &[Key] = &[
    key("port", Kind::Int(1, 65535), "TCP port"),
    key(
        "transport",
        Kind::Word(&["ssh", "winrm", "local", "script"]),
        "How it is reached; default ssh",
    ),
    key(
        "os",
        Kind::Word(&["linux", "windows"]),
        "Operating system; default windows for winrm, else linux",
    ),
    key("user", Kind::Text, "Login user; default the operator's"),
    key("password", Kind::Map(&PASSWORD), "Login password"),
    key("become", Kind::Map(&HOST_BECOME), "How another user is become"),
    key(
        "connect_timeout",
        Kind::Duration,
        "Limit of each phase of connecting; default 10s",
    ),
    key("identity", ONE_OR_MANY, "ssh: key files to offer"),
    key("known_hosts", ONE_OR_MANY, "ssh: files with host keys"),
    key("jump", Kind::Text, "ssh: a bastion: a host, or `user@host:port`"),
    key("shell", Kind::Text, "ssh: the shell that runs commands"),
    key("scheme", Kind::Word(&["http", "https"]), "winrm: default https"),
    key(
        "auth",
        Kind::Word(&["basic", "ntlm", "kerberos", "certificate"]),
        "winrm: how pitstop proves who it is",
    ),
    key("domain", Kind::Text, "winrm: the user's domain"),
    key("ca", Kind::Text, "winrm: file with the authorities that are trusted"),
    key("pin", Kind::Text, "winrm: SHA-256 of the server's certificate"),
    key("certificate", Kind::Text, "winrm: client certificate"),
    key("key", Kind::Text, "winrm: its key"),
];

const ONE_OR_MANY: Kind = Kind::Either(&[Kind::Text, TEXTS]);

/// `password`: never the password.
pub static PASSWORD: Shape = Shape {
    what: "a password",
    one_of: &[],
    keys: &[&[need("secret", Kind::Text, "A name of `secrets` of the runbook")]],
};

/// `become` of a host.
pub static HOST_BECOME: Shape = Shape {
    what: "`become` of a host",
    one_of: &[],
    keys: &[&[
        key("user", Kind::Text, "The user that `become: true` means; default root"),
        key("method", Kind::Word(&["sudo", "su", "doas"]), "Default sudo"),
        key("password", Kind::Map(&PASSWORD), "The password it asks for"),
        key(
            "exact",
            Kind::Bool,
            "The rule of sudo allows the written command and no shell",
        ),
    ]],
};

/// `policy.yml`.
pub static POLICY: Shape = Shape {
    what: "a policy",
    one_of: &[],
    keys: &[&[
        VERSION,
        key("approvers", Kind::Named(&TEXTS), "Groups of people who may approve"),
        key(
            "allowed_signers",
            Kind::Text,
            "A file in OpenSSH's format with their keys",
        ),
        key(
            "require_change",
            TEXTS,
            "Selectors of hosts that change only under a change file with a ticket",
        ),
        key(
            "require_approval",
            TEXTS,
            "Selectors of hosts that change only under an approved plan",
        ),
        key("allow_local", Kind::Bool, "Steps may run on the control machine"),
        key("freeze", TEXTS, "Calendars in which nothing changes"),
        key("limits", Kind::Map(&LIMITS), "What no runbook may exceed"),
    ]],
};

/// `limits` of a policy.
pub static LIMITS: Shape = Shape {
    what: "`limits`",
    one_of: &[],
    keys: &[&[
        key("parallel", COUNT, "Hosts at work at one time"),
        key("batch", COUNT, "Hosts of one batch"),
        key("hosts", COUNT, "Hosts of one plan"),
        key("max_fail", Kind::Int(0, MANY), "Failed hosts that a phase bears"),
        key("timeout", Kind::Duration, "Limit of one attempt of a step"),
        key("window", Kind::Duration, "Length of the window"),
    ]],
};

/// `pitstop.yml`.
pub static PROJECT: Shape = Shape {
    what: "pitstop.yml",
    one_of: &[],
    keys: &[&[
        VERSION,
        key(
            "inventory",
            Kind::Either(&[Kind::Text, TEXTS]),
            "The default inventory: a file or folder, or a command that prints one as `ansible-inventory --list` does",
        ),
        key("state", Kind::Text, "The state directory"),
        key("policy", Kind::Text, "The policy file"),
        key(
            "providers",
            Kind::Named(&TEXTS),
            "Commands that give secrets: argument lists, run without a shell",
        ),
        key(
            "silence",
            Kind::Named(&Kind::Map(&SILENCER)),
            "Monitoring in which runbooks set silences",
        ),
        key(
            "notify",
            Kind::Named(&Kind::Either(&[TEXTS, Kind::Map(&HOOK)])),
            "What sends messages: argument lists, run without a shell, and web addresses",
        ),
    ]],
};

/// `silence.NAME` of pitstop.yml.
pub static SILENCER: Shape = Shape {
    what: "monitoring in pitstop.yml",
    one_of: &[],
    keys: &[&[
        need(
            "alertmanager",
            Kind::Text,
            "URL of Alertmanager, without `/api/v2`: https://alerts.example.org",
        ),
        key(
            "token",
            Kind::Map(&SECRET),
            "Where a token comes from, which is sent as `Authorization: Bearer`",
        ),
        key(
            "for",
            Kind::Duration,
            "How long a silence is set, and renewed when half of it is over; default 30m",
        ),
    ]],
};

/// `notify.NAME` of pitstop.yml that is no command.
pub static HOOK: Shape = Shape {
    what: "a web address for messages",
    one_of: &[&["webhook"], &["slack"], &["teams"]],
    keys: &[&[
        key(
            "webhook",
            Kind::Either(&[Kind::Text, Kind::Map(&SECRET)]),
            "A URL that takes pitstop's own JSON, or where it comes from",
        ),
        key(
            "slack",
            Kind::Map(&SECRET),
            "Where the URL of a Slack incoming webhook comes from",
        ),
        key(
            "teams",
            Kind::Map(&SECRET),
            "Where the URL of a Teams workflow comes from",
        ),
    ]],
};

/// What people write about a run.
pub static REVIEW: Shape = Shape {
    what: "a review",
    one_of: &[],
    keys: &[&[
        VERSION,
        key("run", Kind::Text, "The run it is about; another one is refused"),
        key("scenario", Kind::Text, "What was pretended to have happened"),
        key("scope", Kind::Text, "What was to be shown, and what was not"),
        key(
            "third_parties",
            TEXTS,
            "Suppliers and others who took part or were assumed",
        ),
        key(
            "participants",
            Kind::List(&Kind::Map(&PERSON)),
            "Who was there, beside those whom the journal names",
        ),
        key("findings", Kind::List(&Kind::Map(&FINDING)), "What was found"),
        key("lessons", TEXTS, "What was learnt"),
        key("conclusion", Kind::Map(&CONCLUSION), "The verdict of people"),
        key(
            "sign_off",
            Kind::List(&Kind::Map(&SIGN_OFF)),
            "Who has signed the report off",
        ),
    ]],
};

/// An item of `participants`.
pub static PERSON: Shape = Shape {
    what: "an item of `participants`",
    one_of: &[],
    keys: &[&[
        need("name", Kind::Text, "Who it is"),
        need("role", Kind::Text, "As what: `incident manager`"),
    ]],
};

/// An item of `findings`.
pub static FINDING: Shape = Shape {
    what: "a finding",
    one_of: &[],
    keys: &[&[
        need("id", Kind::Text, "The same in every later review of it"),
        need("text", Kind::Text, "What was found"),
        key(
            "severity",
            Kind::Word(&["critical", "major", "minor", "info"]),
            "How bad it is",
        ),
        key("owner", Kind::Text, "Who sees to it"),
        key("due", Kind::Text, "Until when: 2026-12-31"),
        key(
            "status",
            Kind::Word(&["open", "in_progress", "done", "accepted"]),
            "How it stands",
        ),
    ]],
};

/// `conclusion` of a review.
pub static CONCLUSION: Shape = Shape {
    what: "`conclusion` of a review",
    one_of: &[],
    keys: &[&[
        key("success", Kind::Bool, "Whether it showed what it was to show"),
        key("note", Kind::Text, "In your words"),
        key("who", Kind::Text, "Whose word it is"),
    ]],
};

/// An item of `sign_off`.
pub static SIGN_OFF: Shape = Shape {
    what: "an item of `sign_off`",
    one_of: &[],
    keys: &[&[
        need("name", Kind::Text, "Who it is"),
        key("role", Kind::Text, "As what"),
        key("date", Kind::Text, "When: 2026-12-31"),
    ]],
};
