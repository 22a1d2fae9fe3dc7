//! The keys of `check` and of each of its kinds.
//!
//! Owns: these tables. What a kind measures is what its line says; `warn` and `crit` are about that number. Must not: know how
//! it is measured.

use super::{Key, Kind, MANY, Shape, TEMPLATES, key, need};

/// `check`, and `check` of `wait_for`.
pub static CHECK: Shape = Shape {
    what: "`check`",
    one_of: &[
        &["service"],
        &["services_failed"],
        &["process"],
        &["port"],
        &["tcp_connect"],
        &["ping"],
        &["http"],
        &["tls_cert"],
        &["dns"],
        &["disk_free"],
        &["mount"],
        &["memory_swap"],
        &["load_cpu"],
        &["uptime_boot"],
        &["reboot_pending"],
        &["kernel_os"],
        &["updates_pending"],
        &["package"],
        &["file"],
        &["config_value"],
        &["user_group"],
        &["time_sync"],
        &["log_errors"],
        &["sql"],
        &["replication"],
        &["cluster"],
        &["backup_age"],
        &["scheduled_job"],
        &["firewall"],
        &["command"],
    ],
    keys: &[LIMITS_OF_CHECK, CHECK_KINDS],
};

static LIMITS_OF_CHECK: &[Key] = &[
    key("warn", Kind::Range, "Outside of this range the host ends `warned`"),
    key("crit", Kind::Range, "Outside of this range the step fails"),
    key("for", Kind::Duration, "It is good at every look of this time"),
    key("every", Kind::Duration, "Between two looks of that time; default 5s"),
    key(
        "compare_to",
        Kind::Text,
        "An earlier check: what was as bad then does not fail, and is told",
    ),
];

const PORT: Kind = Kind::Rendered(&Kind::Int(1, 65535));

/// What can be looked at.
pub static CHECK_KINDS: &[Key] = &[
    key("service", Kind::Map(&CHECK_SERVICE), "A service runs"),
    key(
        "services_failed",
        Kind::Map(&CHECK_SERVICES_FAILED),
        "Services that failed",
    ),
    key("process", Kind::Map(&CHECK_PROCESS), "Processes by name"),
    key("port", Kind::Map(&CHECK_PORT), "A port that listens on the host"),
    key(
        "tcp_connect",
        Kind::Map(&CHECK_TCP_CONNECT),
        "A port that can be reached",
    ),
    key("ping", Kind::Map(&CHECK_PING), "A machine that answers"),
    key("http", Kind::Map(&CHECK_HTTP), "An HTTP answer"),
    key(
        "tls_cert",
        Kind::Map(&CHECK_TLS_CERT),
        "Days that a certificate is good for",
    ),
    key("dns", Kind::Map(&CHECK_DNS), "An answer of the name service"),
    key("disk_free", Kind::Map(&CHECK_DISK_FREE), "Free space in percent"),
    key("mount", Kind::Map(&CHECK_MOUNT), "A file system is mounted"),
    key(
        "memory_swap",
        Kind::Map(&CHECK_MEMORY_SWAP),
        "Memory that is free, in percent",
    ),
    key("load_cpu", Kind::Map(&CHECK_LOAD_CPU), "Load for each processor"),
    key(
        "uptime_boot",
        Kind::Map(&CHECK_UPTIME_BOOT),
        "Time since the start of the host, in seconds",
    ),
    key(
        "reboot_pending",
        Kind::Map(&CHECK_REBOOT_PENDING),
        "Whether the host asks for a restart",
    ),
    key(
        "kernel_os",
        Kind::Map(&CHECK_KERNEL_OS),
        "The kernel or build that runs",
    ),
    key(
        "updates_pending",
        Kind::Map(&CHECK_UPDATES_PENDING),
        "Updates that are not installed",
    ),
    key("package", Kind::Map(&CHECK_PACKAGE), "A package is installed"),
    key("file", Kind::Map(&CHECK_FILE), "A file and what is in it"),
    key("config_value", Kind::Map(&CHECK_CONFIG_VALUE), "A setting"),
    key("user_group", Kind::Map(&CHECK_USER_GROUP), "A user"),
    key(
        "time_sync",
        Kind::Map(&CHECK_TIME_SYNC),
        "Offset of the clock in seconds",
    ),
    key("log_errors", Kind::Map(&CHECK_LOG_ERRORS), "Lines of a log"),
    key("sql", Kind::Map(&CHECK_SQL), "The answer of a database"),
    key(
        "replication",
        Kind::Map(&CHECK_REPLICATION),
        "How far a copy is behind, in seconds",
    ),
    key(
        "cluster",
        Kind::Map(&CHECK_CLUSTER),
        "Members of a cluster that are ready",
    ),
    key(
        "backup_age",
        Kind::Map(&CHECK_BACKUP_AGE),
        "Age of the newest backup in seconds",
    ),
    key(
        "scheduled_job",
        Kind::Map(&CHECK_SCHEDULED_JOB),
        "The last run of a scheduled job, seconds ago",
    ),
    key("firewall", Kind::Map(&CHECK_FIREWALL), "A port of the firewall"),
    key(
        "command",
        Kind::Map(&CHECK_COMMAND),
        "A command that tells how things are",
    ),
];

/// `check: { service: … }`.
pub static CHECK_SERVICE: Shape = Shape {
    what: "the check `service`",
    one_of: &[],
    keys: &[&[
        need("name", Kind::Template, "Its name"),
        key("running", Kind::Bool, "Whether it runs; default true"),
        key("enabled", Kind::Bool, "Whether it starts with the host"),
        key("since_min", Kind::Duration, "It has run for this long"),
    ]],
};

/// `check: { services_failed: … }`.
pub static CHECK_SERVICES_FAILED: Shape = Shape {
    what: "the check `services_failed`",
    one_of: &[],
    keys: &[&[key("ignore", TEMPLATES, "Not these")]],
};

/// `check: { process: … }`.
pub static CHECK_PROCESS: Shape = Shape {
    what: "the check `process`",
    one_of: &[],
    keys: &[&[
        key("name", Kind::Template, "Its name"),
        key("pattern", Kind::Template, "A regular expression over the command line"),
        key("user", Kind::Template, "Of this user"),
    ]],
};

/// `check: { port: … }`.
pub static CHECK_PORT: Shape = Shape {
    what: "the check `port`",
    one_of: &[],
    keys: &[&[
        need("port", PORT, "Its number"),
        key("proto", Kind::Word(&["tcp", "udp"]), "Default tcp"),
        key("address", Kind::Template, "On this address"),
        key("process", Kind::Template, "By this process"),
        key("listening", Kind::Bool, "Whether it listens; default true"),
    ]],
};

/// `check: { tcp_connect: … }`.
pub static CHECK_TCP_CONNECT: Shape = Shape {
    what: "the check `tcp_connect`",
    one_of: &[],
    keys: &[&[
        need("host", Kind::Template, "Its address or path"),
        need("port", PORT, "Its number"),
        key(
            "from",
            Kind::Word(&["host", "controller"]),
            "Who tries; default the host",
        ),
        key("tls", Kind::Bool, "With a TLS handshake"),
        key("timeout", Kind::Duration, "Limit of the try"),
    ]],
};

/// `check: { ping: … }`.
pub static CHECK_PING: Shape = Shape {
    what: "the check `ping`",
    one_of: &[],
    keys: &[&[
        need("host", Kind::Template, "Which one"),
        key("loss", Kind::Number(0.0, 100.0), "Most percent of packets lost"),
        key("rtt", Kind::Duration, "Longest answer"),
    ]],
};

/// `check: { http: … }`.
pub static CHECK_HTTP: Shape = Shape {
    what: "the check `http`",
    one_of: &[],
    keys: &[&[
        need("url", Kind::Template, "The address"),
        key("method", Kind::Word(&["GET", "HEAD"]), "Default GET"),
        key("status", Kind::Int(0, MANY), "Its status; default 200"),
        key("header", Kind::Template, "A line that its head holds"),
        key("contains", Kind::Template, "Text that its body holds"),
        key("pattern", Kind::Template, "A regular expression over its body"),
        key("json", Kind::Template, "An expression over its JSON"),
        key("max_ms", Kind::Int(0, MANY), "Longest answer in milliseconds"),
        key(
            "from",
            Kind::Word(&["host", "controller"]),
            "Who asks; default the host",
        ),
    ]],
};

/// `check: { tls_cert: … }`.
pub static CHECK_TLS_CERT: Shape = Shape {
    what: "the check `tls_cert`",
    one_of: &[],
    keys: &[&[
        key("address", Kind::Template, "`host:port` that shows it"),
        key("file", Kind::Template, "Or the file that holds it"),
        key("san", Kind::Template, "A name it is for"),
        key("issuer", Kind::Template, "Who signed it"),
    ]],
};

/// `check: { dns: … }`.
pub static CHECK_DNS: Shape = Shape {
    what: "the check `dns`",
    one_of: &[],
    keys: &[&[
        need("name", Kind::Template, "The name"),
        key(
            "type",
            Kind::Word(&["A", "AAAA", "CNAME", "MX", "TXT", "SRV", "PTR"]),
            "Default A",
        ),
        key("server", Kind::Template, "The server that is asked"),
        key("answers", TEMPLATES, "All of these, and no others"),
    ]],
};

/// `check: { disk_free: … }`.
pub static CHECK_DISK_FREE: Shape = Shape {
    what: "the check `disk_free`",
    one_of: &[],
    keys: &[&[
        need("path", Kind::Template, "On the file system of this path"),
        key(
            "unit",
            Kind::Word(&["percent", "bytes", "inodes"]),
            "What is counted; default percent",
        ),
    ]],
};

/// `check: { mount: … }`.
pub static CHECK_MOUNT: Shape = Shape {
    what: "the check `mount`",
    one_of: &[],
    keys: &[&[
        need("path", Kind::Template, "Its address or path"),
        key("fstype", Kind::Template, "Of this type"),
        key("source", Kind::Template, "From here"),
        key("options", TEMPLATES, "With these options"),
    ]],
};

/// `check: { memory_swap: … }`.
pub static CHECK_MEMORY_SWAP: Shape = Shape {
    what: "the check `memory_swap`",
    one_of: &[],
    keys: &[&[key("of", Kind::Word(&["memory", "swap"]), "Of which; default memory")]],
};

/// `check: { load_cpu: … }`.
pub static CHECK_LOAD_CPU: Shape = Shape {
    what: "the check `load_cpu`",
    one_of: &[],
    keys: &[&[key(
        "over",
        Kind::Word(&["1m", "5m", "15m"]),
        "Mean over this time; default 5m",
    )]],
};

/// `check: { uptime_boot: … }`.
pub static CHECK_UPTIME_BOOT: Shape = Shape {
    what: "the check `uptime_boot`",
    one_of: &[],
    keys: &[&[]],
};

/// `check: { reboot_pending: … }`.
pub static CHECK_REBOOT_PENDING: Shape = Shape {
    what: "the check `reboot_pending`",
    one_of: &[],
    keys: &[&[key("expected", Kind::Bool, "What is good; default false")]],
};

/// `check: { kernel_os: … }`.
pub static CHECK_KERNEL_OS: Shape = Shape {
    what: "the check `kernel_os`",
    one_of: &[],
    keys: &[&[
        key("newest", Kind::Bool, "It is the newest that is installed"),
        key("version", Kind::Template, "It is this one"),
    ]],
};

/// `check: { updates_pending: … }`.
pub static CHECK_UPDATES_PENDING: Shape = Shape {
    what: "the check `updates_pending`",
    one_of: &[],
    keys: &[&[key(
        "class",
        Kind::Word(&["all", "security"]),
        "Which are counted; default all",
    )]],
};

/// `check: { package: … }`.
pub static CHECK_PACKAGE: Shape = Shape {
    what: "the check `package`",
    one_of: &[],
    keys: &[&[
        need("name", Kind::Template, "Its name"),
        key("installed", Kind::Bool, "Default true"),
        key("version", Kind::Template, "In this version"),
        key("held", Kind::Bool, "Whether updates leave it alone"),
    ]],
};

/// `check: { file: … }`.
pub static CHECK_FILE: Shape = Shape {
    what: "the check `file`",
    one_of: &[],
    keys: &[&[
        need("path", Kind::Template, "Which one"),
        key("exists", Kind::Bool, "Default true"),
        key("type", Kind::Word(&["file", "directory", "link"]), "What it is"),
        key("mode", Kind::Mode, "Octal mode"),
        key("owner", Kind::Template, "`user` or `user:group`"),
        key("sha256", Kind::Template, "Its digest"),
        key("max_age", Kind::Duration, "It is no older"),
        key("contains", Kind::Template, "Text in it"),
        key("absent", Kind::Template, "Text that is not in it"),
    ]],
};

/// `check: { config_value: … }`.
pub static CHECK_CONFIG_VALUE: Shape = Shape {
    what: "the check `config_value`",
    one_of: &[],
    keys: &[&[
        key("file", Kind::Template, "The file"),
        key(
            "format",
            Kind::Word(&["ini", "json", "yaml", "kv", "sysctl", "registry"]),
            "How it is written",
        ),
        need("key", Kind::Template, "Which setting"),
        need("value", Kind::Template, "Its value"),
    ]],
};

/// `check: { user_group: … }`.
pub static CHECK_USER_GROUP: Shape = Shape {
    what: "the check `user_group`",
    one_of: &[],
    keys: &[&[
        need("name", Kind::Template, "Which one"),
        key("exists", Kind::Bool, "Default true"),
        key("uid", Kind::Int(0, MANY), "The number"),
        key("groups", TEMPLATES, "It is in these groups"),
        key("locked", Kind::Bool, "Whether it is locked"),
    ]],
};

/// `check: { time_sync: … }`.
pub static CHECK_TIME_SYNC: Shape = Shape {
    what: "the check `time_sync`",
    one_of: &[],
    keys: &[&[
        key("source", Kind::Template, "Set by this source"),
        key(
            "controller",
            Kind::Duration,
            "Most that the clock may differ from that of the control machine",
        ),
    ]],
};

/// `check: { log_errors: … }`.
pub static CHECK_LOG_ERRORS: Shape = Shape {
    what: "the check `log_errors`",
    one_of: &[],
    keys: &[&[
        key("source", Kind::Template, "`journal`, an event log, or a file"),
        key("since", Kind::Duration, "Of this last time"),
        key("pattern", Kind::Template, "A regular expression"),
        key("ignore", TEMPLATES, "Not those with these texts"),
    ]],
};

/// `check: { sql: … }`.
pub static CHECK_SQL: Shape = Shape {
    what: "the check `sql`",
    one_of: &[],
    keys: &[&[
        need("engine", Kind::Word(&["postgres", "mysql", "sqlserver"]), "Which one"),
        need("query", Kind::Template, "The question"),
        key("value", Kind::Template, "Its one value"),
        key("rows", Kind::Int(0, MANY), "Its number of rows"),
    ]],
};

/// `check: { replication: … }`.
pub static CHECK_REPLICATION: Shape = Shape {
    what: "the check `replication`",
    one_of: &[],
    keys: &[&[
        need(
            "engine",
            Kind::Word(&["postgres", "mysql", "redis", "sqlserver"]),
            "Which one",
        ),
        key("role", Kind::Word(&["primary", "replica"]), "What this host is"),
    ]],
};

/// `check: { cluster: … }`.
pub static CHECK_CLUSTER: Shape = Shape {
    what: "the check `cluster`",
    one_of: &[],
    keys: &[&[
        need(
            "kind",
            Kind::Word(&["kubernetes", "etcd", "pacemaker", "patroni", "galera", "windows"]),
            "Which one",
        ),
        key("quorum", Kind::Bool, "It has a majority"),
    ]],
};

/// `check: { backup_age: … }`.
pub static CHECK_BACKUP_AGE: Shape = Shape {
    what: "the check `backup_age`",
    one_of: &[],
    keys: &[&[
        need(
            "tool",
            Kind::Word(&["restic", "borg", "pgbackrest", "files", "wbadmin"]),
            "Made by; `files`: each backup is a file",
        ),
        key(
            "repo",
            Kind::Template,
            "Where it lies; of `files` a pattern such as /backup/*.sql.gz",
        ),
        key(
            "of",
            Kind::Template,
            "Whose: restic's host, borg's names as web1-*, pgBackRest's stanza",
        ),
        key("min_size", Kind::Int(0, MANY), "Least size in bytes"),
        key("min_count", Kind::Int(0, MANY), "How many there must be; default 1"),
        key(
            "max_shrink",
            Kind::Number(0.0, 100.0),
            "Most percent that the newest is smaller than the one before it; default 50",
        ),
        key(
            "whole",
            Kind::Bool,
            "Of `files`: the newest is read to its end; default true",
        ),
    ]],
};

/// `check: { scheduled_job: … }`.
pub static CHECK_SCHEDULED_JOB: Shape = Shape {
    what: "the check `scheduled_job`",
    one_of: &[],
    keys: &[&[
        need("name", Kind::Template, "Its name"),
        key("result", Kind::Int(0, MANY), "Its exit code"),
    ]],
};

/// `check: { firewall: … }`.
pub static CHECK_FIREWALL: Shape = Shape {
    what: "the check `firewall`",
    one_of: &[],
    keys: &[&[
        need("port", PORT, "Its number"),
        key("proto", Kind::Word(&["tcp", "udp"]), "Default tcp"),
        key("open", Kind::Bool, "Whether it is open; default true"),
    ]],
};

/// `check: { command: … }`.
pub static CHECK_COMMAND: Shape = Shape {
    what: "the check `command`",
    one_of: &[&["run"], &["script"]],
    keys: &[&[
        key("run", Kind::Template, "The command"),
        key("script", Kind::Template, "Or a file of the project, for sh or bash"),
        key("args", TEMPLATES, "Arguments of the script"),
        key("input", Kind::Template, "A text on its standard input"),
        need(
            "format",
            Kind::Word(&["nagios", "goss_json", "tap", "junit"]),
            "How its output is read",
        ),
    ]],
};
