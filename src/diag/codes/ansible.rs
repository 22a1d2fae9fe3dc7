//! `PS0414`-`PS0439`: inventories of Ansible.

use super::Code;

pub(super) const CODES: &[Code] = &[
    Code {
        code: "PS0414",
        title: "an Ansible inventory cannot be read",
        text: "Inventories of Ansible are read by Ansible's own rules: INI (also without an ending), YAML, a folder of both, and the JSON of `ansible-inventory --list`. Where Ansible would warn and go on with half an inventory, pitstop stops.",
        wrong: r"# $ pitstop plan example.yml -i hosts
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
# file: hosts
[web:host]
web1
",
        right: r"# $ pitstop plan example.yml -i hosts
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
# file: hosts
[web]
web1
",
    },
    Code {
        code: "PS0415",
        title: "a pattern names no hosts",
        text: "A host line is a name, `NAME:PORT`, or a range: `web[01:50].example.com`, `db-[a:f]`, `n[1:9:2]`. Leading zeros stand at both ends alike. A range whose begin comes after its end has no hosts: that is a warning.",
        wrong: r"# $ pitstop plan example.yml -i hosts
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
# file: hosts
web1
web[9:2]
",
        right: r"# $ pitstop plan example.yml -i hosts
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
# file: hosts
web1
web[2:9]
",
    },
    Code {
        code: "PS0416",
        title: "an Ansible inventory names a group that it has not",
        text: "A group that is somebody's child, or that has variables, is made somewhere: `[GROUP]` in INI, `GROUP:` in YAML, in the same file.",
        wrong: r"# $ pitstop plan example.yml -i hosts
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
# file: hosts
[all:children]
web
[webs]
web1
",
        right: r"# $ pitstop plan example.yml -i hosts
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
# file: hosts
[all:children]
web
[web]
web1
",
    },
    Code {
        code: "PS0417",
        title: "an inventory that is a program, a plugin or encrypted",
        text: "Reading an inventory never runs anything. Export what a plugin finds with `ansible-inventory --list > inventory.json`, or name a command in pitstop.yml: `inventory: [./inventory.py, --list]`.",
        wrong: r"# $ pitstop plan example.yml -i hosts.yml
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
# file: hosts.yml
plugin: aws_ec2
",
        right: r"# $ pitstop plan example.yml -i hosts.yml
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
# file: hosts.yml
all: { hosts: { web1: {} } }
",
    },
    Code {
        code: "PS0418",
        title: "a file of variables is not what Ansible wants",
        text: "A file in group_vars/ or host_vars/ holds a map, or nothing. `ansible_group_priority` is a whole number.",
        wrong: r"# $ pitstop plan example.yml -i hosts
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
# file: hosts
web1
# file: group_vars/all.yml
- port: 80
",
        right: r"# $ pitstop plan example.yml -i hosts
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
# file: hosts
web1
# file: group_vars/all.yml
port: 80
",
    },
    Code {
        code: "PS0419",
        title: "a template reads a variable that nobody knows",
        text: "The variable holds a template of Ansible (pitstop does not render Jinja), is encrypted with ansible-vault, or is of a kind that pitstop has not. Write the value itself, or make it a parameter or a secret of the runbook. A variable that no step reads is no mistake.",
        wrong: r#"# $ pitstop plan example.yml -i hosts
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify:
      - { name: Say it, run: "echo {{ host.vars.release | sh }}" }
# file: hosts
web1 release="{{ lookup('env', 'RELEASE') }}"
"#,
        right: r#"# $ pitstop plan example.yml -i hosts
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    verify:
      - { name: Say it, run: "echo {{ host.vars.release | sh }}" }
# file: hosts
web1 release=7
"#,
    },
    Code {
        code: "PS0420",
        title: "a host cannot be reached as Ansible would",
        text: "A connection variable of this host says something that pitstop cannot honour: another kind of connection, options of the ssh program that lead elsewhere, a way to become another user that it has not, or a template. Passing over it would lead to another machine or another user. The plan that uses the host is refused; other plans are not.",
        wrong: r"# $ pitstop plan example.yml -i hosts
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
# file: hosts
web1 ansible_connection=docker
",
        right: r"# $ pitstop plan example.yml -i hosts
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
# file: hosts
web1 ansible_connection=ssh
",
    },
    Code {
        code: "PS0421",
        title: "a password in an Ansible inventory is not used",
        text: "pitstop reads no password from an inventory. Write `pitstop_password: NAME` (or `pitstop_become_password: NAME`) beside it, where NAME is declared under `secrets` of the runbook. Ansible passes over these variables.",
        wrong: r"# $ pitstop plan example.yml -i hosts
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
# file: hosts
web1 ansible_password=hunter22
",
        right: r"# $ pitstop plan example.yml -i hosts
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
# file: hosts
web1
",
    },
    Code {
        code: "PS0422",
        title: "a variable about becoming another user is not taken over",
        text: "In pitstop a step says itself as whom it runs: `become: true` for root, `become: USER`, or `defaults: { become: true }` for all. `ansible_become` and its like change nothing.",
        wrong: r"# $ pitstop plan example.yml -i hosts
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
# file: hosts
web1 ansible_become=true
",
        right: r"# $ pitstop plan example.yml -i hosts
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
# file: hosts
web1
",
    },
    Code {
        code: "PS0423",
        title: "a file of variables is encrypted",
        text: "The whole file is encrypted with ansible-vault, so its variables are not known. A template that reads a variable which may stand in it is an error of the plan.",
        wrong: r"# $ pitstop plan example.yml -i hosts
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
# file: hosts
web1
# file: group_vars/all.yml
$ANSIBLE_VAULT;1.1;AES256
6162
",
        right: r"# $ pitstop plan example.yml -i hosts
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
# file: hosts
web1
# file: group_vars/all.yml
release: 7
",
    },
    Code {
        code: "PS0424",
        title: "the command that prints the inventory gave none",
        text: "`inventory` of pitstop.yml may be a command: a list of a program and its arguments. It runs without a shell in the project's folder when a plan is made, never in `check`; it has a minute, and prints the JSON that `ansible-inventory --list` prints.",
        wrong: r#"# $ pitstop plan example.yml
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
# file: pitstop.yml
schema: 1
inventory: [cat, host.json]
# file: hosts.json
{ "_meta": { "hostvars": {} }, "all": { "hosts": ["web1"] } }
"#,
        right: r#"# $ pitstop plan example.yml
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
# file: pitstop.yml
schema: 1
inventory: [cat, hosts.json]
# file: hosts.json
{ "_meta": { "hostvars": {} }, "all": { "hosts": ["web1"] } }
"#,
    },
    Code {
        code: "PS0425",
        title: "part of an Ansible inventory is passed over",
        text: "Ansible passes over it as well, in silence or with a warning: a key of a group that is none of `hosts`, `children` and `vars`, or a file of variables that another one hides.",
        wrong: r"# $ pitstop plan example.yml -i hosts.yml
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
# file: hosts.yml
all:
  host: {}
  hosts: { web1: {} }
",
        right: r"# $ pitstop plan example.yml -i hosts.yml
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
# file: hosts.yml
all:
  hosts: { web1: {} }
",
    },
];
