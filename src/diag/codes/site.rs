//! `PS04xx` inventories and selectors, `PS05xx` changes, projects and policies.

use super::Code;

pub(super) const CODES: &[Code] = &[
    Code {
        code: "PS0401",
        title: "Ansible inventories are not built yet (retired)",
        text: "Builds that read Ansible inventories, as this one does, never give this code. See docs/inventories.md for what is read.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0402",
        title: "a host, group or label has an unusable name",
        text: "Names go into commands, paths and selectors as they are. They hold letters, digits and `. _ -`, begin with a letter or digit, and a label is not called `host` or `group`. The address of a host may be any other text.",
        wrong: r#"# file: inventory.yml
schema: 1
hosts:
  "web 1": {}
"#,
        right: r#"# file: inventory.yml
schema: 1
hosts:
  web1: {}
"#,
    },
    Code {
        code: "PS0403",
        title: "the name `controller` is taken",
        text: "`controller` is the machine pitstop runs on. It is no entry of the inventory: a phase without `targets` runs there, and `delegate_to: controller` does.",
        wrong: r#"# file: inventory.yml
schema: 1
hosts:
  controller: {}
"#,
        right: r#"# file: inventory.yml
schema: 1
hosts:
  jumphost: {}
"#,
    },
    Code {
        code: "PS0404",
        title: "a host and a group have one name",
        text: "In a group's list of members it could not be told which is meant. Give one of them another name.",
        wrong: r#"# file: inventory.yml
schema: 1
hosts:
  web: {}
groups:
  web: [web]
"#,
        right: r#"# file: inventory.yml
schema: 1
hosts:
  web1: {}
groups:
  web: [web1]
"#,
    },
    Code {
        code: "PS0405",
        title: "a group names something that is not there",
        text: "The members of a group are hosts and groups of the same inventory.",
        wrong: r#"# file: inventory.yml
schema: 1
hosts:
  web1: {}
groups:
  web: [web1, web2]
"#,
        right: r#"# file: inventory.yml
schema: 1
hosts:
  web1: {}
  web2: {}
groups:
  web: [web1, web2]
"#,
    },
    Code {
        code: "PS0406",
        title: "a group holds itself",
        text: "Groups may hold groups, but never over others themselves, and not deeper than 64.",
        wrong: r#"# file: inventory.yml
schema: 1
hosts:
  web1: {}
groups:
  web: [web, web1]
"#,
        right: r#"# file: inventory.yml
schema: 1
hosts:
  web1: {}
groups:
  web: [web1]
"#,
    },
    Code {
        code: "PS0407",
        title: "two groups disagree about a host",
        text: "A host takes what it does not say itself from its groups. Where two groups say different things there is no rule that everybody would expect, so none is made up: write the value at the host, or in one group only.",
        wrong: r#"# file: inventory.yml
schema: 1
hosts:
  web1: {}
groups:
  a: { hosts: [web1], user: ops }
  b: { hosts: [web1], user: root }
"#,
        right: r#"# file: inventory.yml
schema: 1
hosts:
  web1: { user: ops }
groups:
  a: { hosts: [web1], user: ops }
  b: { hosts: [web1], user: root }
"#,
    },
    Code {
        code: "PS0408",
        title: "a connection setting has an unusable value",
        text: "Addresses, users and bastions have no spaces, quotes or shell characters and begin with no dash. A group has no `address`, for all its hosts would be one machine.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0409",
        title: "a bastion is unknown, or leads round in a circle",
        text: "`jump` names a host of the inventory or is `user@host:port`. A host that `defaults` or a group would send over itself is reached directly.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0410",
        title: "a selector cannot be read",
        text: "A selector is terms with spaces between them, joined by *and*: `key=value`, `key=v1,v2`, `key!=v`, `group=NAME`, `host=GLOB`. There is no `or` and no `not`.",
        wrong: r#"# file: runbooks/example.yml
schema: 1
runbook: example
title: An example
targets: { web: { select: "role=web or role=app" } }
phases:
  - { phase: p, title: P, targets: web, verify: [{ name: Wait, wait_for: { time: 5s } }] }
"#,
        right: r#"# file: runbooks/example.yml
schema: 1
runbook: example
title: An example
targets: { web: { select: "role=web,app" } }
phases:
  - { phase: p, title: P, targets: web, verify: [{ name: Wait, wait_for: { time: 5s } }] }
"#,
    },
    Code {
        code: "PS0411",
        title: "a selector names what the inventory has not",
        text: "A label, group or host that does not exist is probably misspelt. In `host!=` a misspelt name would leave a host in that was to stay out.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0413",
        title: "a password stands in an inventory",
        text: "Inventories lie in git. Write `{ secret: NAME }`, declare NAME under `secrets` of the runbook, and change the password that stood here.",
        wrong: r#"# file: inventory.yml
schema: 1
hosts:
  web1: { password: hunter22 }
"#,
        right: r#"# file: inventory.yml
schema: 1
hosts:
  web1: { password: { secret: web_password } }
"#,
    },
    Code {
        code: "PS0414",
        title: "an Ansible inventory cannot be read",
        text: "Inventories of Ansible are read by Ansible's own rules: INI (also without an ending), YAML, a folder of both, and the JSON of `ansible-inventory --list`. Where Ansible would warn and go on with half an inventory, pitstop stops.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0415",
        title: "a pattern names no hosts",
        text: "A host line is a name, `NAME:PORT`, or a range: `web[01:50].example.com`, `db-[a:f]`, `n[1:9:2]`. Leading zeros stand at both ends alike. A range whose begin comes after its end has no hosts: that is a warning.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0416",
        title: "an Ansible inventory names a group that it has not",
        text: "A group that is somebody's child, or that has variables, is made somewhere: `[GROUP]` in INI, `GROUP:` in YAML, in the same file.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0417",
        title: "an inventory that is a program, a plugin or encrypted",
        text: "Reading an inventory never runs anything. Export what a plugin finds with `ansible-inventory --list > inventory.json`, or name a command in pitstop.yml: `inventory: [./inventory.py, --list]`.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0418",
        title: "a file of variables is not what Ansible wants",
        text: "A file in group_vars/ or host_vars/ holds a map, or nothing. `ansible_group_priority` is a whole number.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0419",
        title: "a template reads a variable that nobody knows",
        text: "The variable holds a template of Ansible (pitstop does not render Jinja), is encrypted with ansible-vault, or is of a kind that pitstop has not. Write the value itself, or make it a parameter or a secret of the runbook. A variable that no step reads is no mistake.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0420",
        title: "a host cannot be reached as Ansible would",
        text: "A connection variable of this host says something that pitstop cannot honour: another kind of connection, options of the ssh program that lead elsewhere, a way to become another user that it has not, or a template. Passing over it would lead to another machine or another user. The plan that uses the host is refused; other plans are not.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0421",
        title: "a password in an Ansible inventory is not used",
        text: "pitstop reads no password from an inventory. Write `pitstop_password: NAME` (or `pitstop_become_password: NAME`) beside it, where NAME is declared under `secrets` of the runbook. Ansible passes over these variables.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0422",
        title: "a variable about becoming another user is not taken over",
        text: "In pitstop a step says itself as whom it runs: `become: true` for root, `become: USER`, or `defaults: { become: true }` for all. `ansible_become` and its like change nothing.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0423",
        title: "a file of variables is encrypted",
        text: "The whole file is encrypted with ansible-vault, so its variables are not known. A template that reads a variable which may stand in it is an error of the plan.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0424",
        title: "the command that prints the inventory gave none",
        text: "`inventory` of pitstop.yml may be a command: a list of a program and its arguments. It runs without a shell in the project's folder when a plan is made, never in `check`; it has a minute, and prints the JSON that `ansible-inventory --list` prints.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0425",
        title: "part of an Ansible inventory is passed over",
        text: "Ansible passes over it as well, in silence or with a warning: a key of a group that is none of `hosts`, `children` and `vars`, or a file of variables that another one hides.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0450",
        title: "the ssh config cannot be read",
        text: "The file that --ssh-config names must be there; ~/.ssh/config and what it includes must be readable where they are. A config that is passed over in silence would lead to another host or another user.",
        wrong: "",
        right: "",
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
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0453",
        title: "a line of the ssh config has no argument, too many, or an open quote",
        text: "A line is a keyword and its arguments. An argument with spaces stands in quotes.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0454",
        title: "a value of the ssh config cannot be understood",
        text: "The value is none that ssh takes for this keyword. It is told also where its block is for another host.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0455",
        title: "a `Match` of the ssh config cannot be understood",
        text: "`Match` is followed by criteria, each with a pattern: host, originalhost, user, localuser, tagged; or by all, canonical, final.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0456",
        title: "a `Match` of the ssh config is not asked",
        text: "`Match exec` would run a command on the control machine, `version` and `command` have no meaning for pitstop, `localnetwork` is not looked at. Where such a criterion decides whether a block is for a planned host, nothing is guessed. Put a criterion before it that leaves these hosts out, or give pitstop a config of its own with --ssh-config.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0457",
        title: "an `Include` of the ssh config cannot be followed",
        text: "Includes go at most 16 deep and name at most 1000 files. Relative ones begin at ~/.ssh, those of the system's config at /etc/ssh, which has no `~`.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0458",
        title: "`ProxyCommand` would run a command",
        text: "pitstop starts no program on the control machine to reach a host. Nearly always `ProxyJump BASTION` does the same: one connection to the bastion, shared by all hosts behind it, with its host key checked.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0459",
        title: "something that the ssh config says for a host is not honoured",
        text: "It would change how, where or as whom ssh connects. pitstop refuses it for the hosts that it is said for, and never connects otherwise than ssh would without a word.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0460",
        title: "a token or variable of the ssh config has no value",
        text: "Tokens are %%, %h, %n, %p, %r, %u, %d, %i, %k, %l, %L, %j and %C; `HostName` takes %% and %h alone. Variables are written ${NAME} and must be set.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0461",
        title: "ssh would ask the DNS for the host's name",
        text: "`CanonicalizeHostname` makes another name of the host by asking the DNS, and then reads the config anew with it. pitstop does not ask. Write `HostName` for the host, or switch it off for it.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0462",
        title: "a `ProxyJump` cannot be used",
        text: "It is a list of bastions, [USER@]HOST[:PORT] or ssh://, or `none`. The way to a host never goes over itself: a bastion has `ProxyJump none`.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0463",
        title: "the ssh config gives an unusable host or user",
        text: "Hosts and users have no spaces and no control characters, and begin with no dash.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0480",
        title: "this is no iCalendar file, or no line of one",
        text: "Freeze calendars are iCalendar files (RFC 5545), as Outlook, Google and others export them. A line that is not understood could be a freeze, so it is not passed over.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0481",
        title: "the calendar is too large",
        text: "A calendar may have 2 MiB and 2000 events. Keep freezes in a calendar of their own.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0482",
        title: "a date, time or length of a calendar cannot be read",
        text: "Dates are `20261224`, times `20261224T180000Z` or, in a zone, `20261224T180000`, lengths `PT4H` or `P1D`.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0483",
        title: "a calendar names an unknown time zone",
        text: "Zones are known by their IANA names and by those that Outlook writes; rules of `VTIMEZONE` are not read. A guessed zone would move the freeze.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0484",
        title: "a repetition of a calendar cannot be kept",
        text: "Kept are FREQ=DAILY, WEEKLY, MONTHLY and YEARLY with INTERVAL, COUNT, UNTIL, BYDAY, BYMONTHDAY, BYMONTH and WKST, and DTSTART must be one of the days that the rule gives. A freeze that is repeated wrongly is worse than none.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0485",
        title: "an event of a calendar has no time, or ends before it begins",
        text: "It needs DTSTART, and DTEND or DURATION unless it is a day; begin, end and left-out times are all days or all times.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0486",
        title: "a part of a calendar is not read",
        text: "Only events freeze. PERIOD, EXRULE, RANGE and messages about other calendars are refused, for passing them over could open a freeze.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0487",
        title: "an event of a freeze calendar is marked as free time",
        text: "`TRANSP:TRANSPARENT` means that the event takes no time, so it freezes nothing. Google and Outlook mark all-day events so unless told otherwise.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0488",
        title: "a freeze calendar cannot be read",
        text: "Without it no freeze would be known. Calendars are files of the project, named under `freeze` of policy.yml or `not_during` of a runbook's window.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0520",
        title: "`--set` without a value",
        text: "Parameters are set as `--set NAME=VALUE`.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0521",
        title: "a change sets what belongs to the runbook",
        text: "How long a window is and what it keeps free belongs to the procedure. The change says when it begins, and in which time zone.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0522",
        title: "something is left out without a reason",
        text: "The reason stands in the plan, where approvers read it, and in the record.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0530",
        title: "a provider has no command",
        text: "A secret provider is a program and its arguments as a list. It runs without a shell.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0531",
        title: "something cannot be used as a project",
        text: "The project is the folder that holds pitstop.yml: the nearest one above the runbook, or what `--project` names. Runbooks, changes, policy and everything they include lie in it.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0540",
        title: "a policy has approvers and no `allowed_signers`",
        text: "Approvals are SSH signatures. Without the file of public keys none could be checked.",
        wrong: r#"# file: policy.yml
schema: 1
approvers: { managers: [ana@example.com] }
"#,
        right: r#"# file: policy.yml
schema: 1
allow_local: true
"#,
    },
    Code {
        code: "PS0541",
        title: "the policy does not have a group",
        text: "Gates and changes name groups of people; policy.yml says who is in them.",
        wrong: r#"# file: pitstop.yml
schema: 1
# file: policy.yml
schema: 1
allowed_signers: signers
approvers: { managers: [ana@example.com] }
# file: signers
ana@example.com namespaces="pitstop-approval" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5fXW5h4O8p0ybs3uUTLJ8EGIJb1sHqpQnA7bkZ1bUf
# file: runbooks/example.yml
schema: 1
runbook: example
title: An example
phases:
  - gate: go
    title: Go on?
    need: 1
    approvers: [mangers]
  - { phase: p, title: P, verify: [{ name: Wait, wait_for: { time: 5s } }] }
"#,
        right: r#"# file: pitstop.yml
schema: 1
# file: policy.yml
schema: 1
allowed_signers: signers
approvers: { managers: [ana@example.com] }
# file: signers
ana@example.com namespaces="pitstop-approval" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ5fXW5h4O8p0ybs3uUTLJ8EGIJb1sHqpQnA7bkZ1bUf
# file: runbooks/example.yml
schema: 1
runbook: example
title: An example
phases:
  - gate: go
    title: Go on?
    need: 1
    approvers: [managers]
  - { phase: p, title: P, verify: [{ name: Wait, wait_for: { time: 5s } }] }
"#,
    },
    Code {
        code: "PS0560",
        title: "a schedule is a cron line or a weekday of the month",
        text: "`cron` stands alone; without it `nth`, `weekday` and `at` say when, and `plus_days` how many days later.",
        wrong: "window: { duration: 4h, schedule: { cron: \"0 22 * * 2\", nth: 2 } }\n",
        right: "window: { duration: 4h, schedule: { cron: \"0 22 * * 2\" } }\n",
    },
    Code {
        code: "PS0561",
        title: "the cron line is wrong",
        text: "It has five fields: minute, hour, day, month, weekday. Lists, ranges, steps, names, `TUE#2`, `FRIL` and `L` are read; seconds and `@daily` are not. Days that never come are refused.",
        wrong: "window: { duration: 4h, schedule: { cron: \"0 22 30 2 *\" } }\n",
        right: "window: { duration: 4h, schedule: { cron: \"0 22 * * 2\" } }\n",
    },
    Code {
        code: "PS0562",
        title: "the schedule's weekday or time is wrong",
        text: "`nth` is 1 to 5, or -1 for the last; `at` is a time of day in the window's zone.",
        wrong: "window: { duration: 4h, schedule: { nth: 2, weekday: tuesday, at: \"10 pm\" } }\n",
        right: "window: { duration: 4h, schedule: { nth: 2, weekday: tuesday, at: \"22:00\" } }\n",
    },
    Code {
        code: "PS0563",
        title: "the start is outside the runbook's schedule",
        text: "A runbook with a schedule begins only when that says. `pitstop plan RUNBOOK --next 5` lists the next times; without a start the next one is taken.",
        wrong: "",
        right: "",
    },
];
