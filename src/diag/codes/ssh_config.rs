//! `PS0450`-`PS0479`: the configuration of the OpenSSH client.

use super::Code;

pub(super) const CODES: &[Code] = &[
    Code {
        code: "PS0450",
        title: "the ssh config cannot be read",
        text: "The file that --ssh-config names must be there; ~/.ssh/config and what it includes must be readable where they are. A config that is passed over in silence would lead to another host or another user.",
        wrong: r"# $ pitstop plan example.yml --ssh-config confg
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
# file: config
",
        right: r"# $ pitstop plan example.yml --ssh-config config
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
# file: config
Host web1
  User ops
",
    },
    Code {
        code: "PS0451",
        title: "somebody else could have written the ssh config",
        text: "As ssh does, pitstop takes a config only from you or root, and only if nobody else may write it: whoever writes it decides where you connect.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0452",
        title: "a keyword that ssh_config does not have",
        text: "As ssh does, pitstop stops at a keyword it does not know, in whatever block it stands. Keywords of other programs are let pass by `IgnoreUnknown`, in a line before them.",
        wrong: r"# $ pitstop plan example.yml --ssh-config config
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
# file: config
Host web1
  Usr ops
",
        right: r"# $ pitstop plan example.yml --ssh-config config
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
# file: config
Host web1
  User ops
",
    },
    Code {
        code: "PS0453",
        title: "a line of the ssh config has no argument, too many, or an open quote",
        text: "A line is a keyword and its arguments. An argument with spaces stands in quotes.",
        wrong: r"# $ pitstop plan example.yml --ssh-config config
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
# file: config
Host web1
  User web ops
",
        right: r"# $ pitstop plan example.yml --ssh-config config
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
# file: config
Host web1
  User ops
",
    },
    Code {
        code: "PS0454",
        title: "a value of the ssh config cannot be understood",
        text: "The value is none that ssh takes for this keyword. It is told also where its block is for another host.",
        wrong: r"# $ pitstop plan example.yml --ssh-config config
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
# file: config
Host web1
  Port 70000
",
        right: r"# $ pitstop plan example.yml --ssh-config config
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
# file: config
Host web1
  Port 2222
",
    },
    Code {
        code: "PS0455",
        title: "a `Match` of the ssh config cannot be understood",
        text: "`Match` is followed by criteria, each with a pattern: host, originalhost, user, localuser, tagged; or by all, canonical, final.",
        wrong: r"# $ pitstop plan example.yml --ssh-config config
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
# file: config
Match hosts web1
  User ops
",
        right: r"# $ pitstop plan example.yml --ssh-config config
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
# file: config
Match host web1
  User ops
",
    },
    Code {
        code: "PS0456",
        title: "a `Match` of the ssh config is not asked",
        text: "`Match exec` would run a command on the control machine, `version` and `command` have no meaning for pitstop, `localnetwork` is not looked at. Where such a criterion decides whether a block is for a planned host, nothing is guessed. Put a criterion before it that leaves these hosts out, or give pitstop a config of its own with --ssh-config.",
        wrong: r#"# $ pitstop plan example.yml --ssh-config config
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
# file: config
Match host web1 exec "test -e /here"
  User ops
"#,
        right: r"# $ pitstop plan example.yml --ssh-config config
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
# file: config
Match host web1
  User ops
",
    },
    Code {
        code: "PS0457",
        title: "an `Include` of the ssh config cannot be followed",
        text: "Includes go at most 16 deep and name at most 1000 files. Relative ones begin at ~/.ssh, those of the system's config at /etc/ssh, which has no `~`.",
        wrong: r"# $ pitstop plan example.yml --ssh-config config
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
# file: config
Include ~nobody-like-this/config
Host web1
  User ops
",
        right: r"# $ pitstop plan example.yml --ssh-config config
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
# file: config
Host web1
  User ops
",
    },
    Code {
        code: "PS0458",
        title: "a shell would read more than a name in a `ProxyCommand`",
        text: "The tokens %h, %n and %r stand in a `ProxyCommand` as they are, and a shell reads it: a host or a user with a `;` or a `$` in its name would be a command of its own. ssh refuses such names too. Where the program only leads over a bastion, `ProxyJump BASTION` does the same without a program: one connection to the bastion, shared by all hosts behind it, with its host key checked.",
        wrong: r"# $ pitstop plan example.yml --ssh-config config
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
# file: config
Host web1
  HostName web1;id
  ProxyCommand ssh bastion -W %h:%p
",
        right: r"# $ pitstop plan example.yml --ssh-config config
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
# file: config
Host web1
  HostName web1.example.com
  ProxyCommand ssh bastion -W %h:%p
",
    },
    Code {
        code: "PS0459",
        title: "something that the ssh config says for a host is not honoured",
        text: "It would change how, where or as whom ssh connects. pitstop refuses it for the hosts that it is said for, and never connects otherwise than ssh would without a word.",
        wrong: r"# $ pitstop plan example.yml --ssh-config config
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
# file: config
Host web1
  RemoteCommand tmux attach
",
        right: r"# $ pitstop plan example.yml --ssh-config config
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
# file: config
Host web1
  User ops
",
    },
    Code {
        code: "PS0460",
        title: "a token or variable of the ssh config has no value",
        text: "Tokens are %%, %h, %n, %p, %r, %u, %d, %i, %k, %l, %L, %j and %C; `HostName` takes %% and %h alone. Variables are written ${NAME} and must be set.",
        wrong: r"# $ pitstop plan example.yml --ssh-config config
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
# file: config
Host web1
  UserKnownHostsFile /etc/ssh/%Z
",
        right: r"# $ pitstop plan example.yml --ssh-config config
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
# file: config
Host web1
  UserKnownHostsFile /etc/ssh/%h
",
    },
    Code {
        code: "PS0461",
        title: "ssh would ask the DNS for the host's name",
        text: "`CanonicalizeHostname` makes another name of the host by asking the DNS, and then reads the config anew with it. pitstop does not ask. Write `HostName` for the host, or switch it off for it.",
        wrong: r"# $ pitstop plan example.yml --ssh-config config
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
# file: config
Host web1
  CanonicalizeHostname yes
  CanonicalDomains example.com
",
        right: r"# $ pitstop plan example.yml --ssh-config config
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
# file: config
Host web1
  HostName web1.example.com
",
    },
    Code {
        code: "PS0462",
        title: "a `ProxyJump` cannot be used",
        text: "It is a list of bastions, [USER@]HOST[:PORT] or ssh://, or `none`. The way to a host never goes over itself: a bastion has `ProxyJump none`.",
        wrong: r"# $ pitstop plan example.yml --ssh-config config
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
# file: config
Host web1
  ProxyJump bastion:0
",
        right: r"# $ pitstop plan example.yml --ssh-config config
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
# file: config
Host web1
  ProxyJump bastion:22
",
    },
    Code {
        code: "PS0463",
        title: "the ssh config gives an unusable host or user",
        text: "Hosts and users have no spaces and no control characters, and begin with no dash.",
        wrong: r#"# $ pitstop plan example.yml --ssh-config config
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
# file: config
Host web1
  User "-ops"
"#,
        right: r"# $ pitstop plan example.yml --ssh-config config
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
# file: config
Host web1
  User ops
",
    },
];
