//! `PS0401`-`PS0413`: inventories.

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
        wrong: r#"# file: inventory.yml
schema: 1
hosts:
  web1: { address: "10.0.0.1 # old" }
"#,
        right: r#"# file: inventory.yml
schema: 1
hosts:
  web1: { address: "10.0.0.1" }
"#,
    },
    Code {
        code: "PS0409",
        title: "a bastion is unknown, or leads round in a circle",
        text: "`jump` names a host of the inventory or is `user@host:port`. A host that `defaults` or a group would send over itself is reached directly.",
        wrong: r"# file: inventory.yml
schema: 1
hosts:
  web1: { jump: bastoin }
  bastion: {}
",
        right: r"# file: inventory.yml
schema: 1
hosts:
  web1: { jump: bastion }
  bastion: {}
",
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
        wrong: r#"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { select: "role=web tier=front" } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: { labels: { role: web } } }
"#,
        right: r#"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { select: "role=web" } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: { labels: { role: web } } }
"#,
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
];
