//! `PS00xx`: what is not text, not YAML, or not the YAML that is accepted.

use super::Code;

pub(super) const CODES: &[Code] = &[
    Code {
        code: "PS0001",
        title: "the file is not UTF-8 text",
        text: "Runbooks are UTF-8. A byte order mark is accepted and changes nothing; UTF-16, Latin-1 and binary files are refused, because what is shown to an approver must be what is run.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0002",
        title: "the file is too large or nested too deeply",
        text: "A file may have 16 MiB, two million values and 64 levels. A runbook holds steps, not data: put data into a file that a step uploads.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0003",
        title: "a character that may not stand in a file",
        text: "Control characters and characters that reverse the direction of text are refused: they make a line look different from what it says. Write control characters as escapes in double quotes.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0004",
        title: "a key is given twice",
        text: "YAML readers disagree about which of two equal keys counts. Here neither does: keep one.",
        wrong: r"- name: Ask for the date
  run: date
  run: uptime
",
        right: r"- name: Ask for the date
  run: date
  read_only: true
",
    },
    Code {
        code: "PS0005",
        title: "anchors and aliases are not part of the language",
        text: "A reader of a step must see the whole step. Write the value where it is needed; steps that several phases share go into a file that is included.",
        wrong: r"- name: Wait a little
  wait_for: { time: &pause 5s }
",
        right: r"- name: Wait a little
  wait_for: { time: 5s }
",
    },
    Code {
        code: "PS0006",
        title: "merge keys are not part of the language",
        text: "`<<` is not in YAML 1.2. Write the keys out. Settings that many hosts share belong into a group of the inventory.",
        wrong: r"- name: Wait a little
  wait_for: { <<: { time: 5s }, path: /run/ready }
",
        right: r"- name: Wait a little
  wait_for: { path: /run/ready }
",
    },
    Code {
        code: "PS0007",
        title: "tags are not part of the language",
        text: "Types come from the language, not from `!!tags`. Quote a value that shall be text.",
        wrong: r"- name: !!str Wait a little
  wait_for: { time: 5s }
",
        right: r#"- name: "Wait a little"
  wait_for: { time: 5s }
"#,
    },
    Code {
        code: "PS0008",
        title: "more than one document in a file",
        text: "One file holds one runbook, so that its name says which. Put what follows `---` into a file of its own.",
        wrong: r"- name: Wait a little
  wait_for: { time: 5s }
---
",
        right: r"- name: Wait a little
  wait_for: { time: 5s }
",
    },
    Code {
        code: "PS0009",
        title: "a key must be a word",
        text: "The keys of a map are plain words. Where a text begins with a bracket or brace, it needs quotes.",
        wrong: r"- name: Wait a little
  ? [wait_for]
  : { time: 5s }
  run: date
  read_only: true
",
        right: r"- name: Wait a little
  wait_for: { time: 5s }
",
    },
    Code {
        code: "PS0010",
        title: "the file is empty",
        text: "There is nothing in the file but white space and comments.",
        wrong: r"# file: example.yml
# nothing is written yet
",
        right: r"# file: example.yml
schema: 1
runbook: example
title: An example
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
",
    },
    Code {
        code: "PS0011",
        title: "a value that begins with {{ needs quotes",
        text: "In YAML a brace begins a map. Put the whole value in double quotes.",
        wrong: r"- name: Wait a little
  run: cat
  read_only: true
  stdin: {{ run.id }}
",
        right: r#"- name: Say it
  run: cat
  stdin: "{{ run.id }}"
  read_only: true
"#,
    },
    Code {
        code: "PS0012",
        title: "this is not YAML",
        text: "The file cannot be read as YAML 1.2. Most often a line is indented wrongly, a quote or bracket is not closed, or a value begins with a character that has a meaning in YAML and needs quotes.",
        wrong: r"- name: Say it
  run: echo
   read_only: true
",
        right: r"- name: Say it
  run: echo
  read_only: true
",
    },
    Code {
        code: "PS0013",
        title: "a value with a colon and a space needs quotes or a block",
        text: "YAML takes `: ` for the end of a key. Write commands as a block: `run: |` and the text in the next line, indented.",
        wrong: r"- name: Ask the server
  run: curl -H Host: example.com localhost
  read_only: true
",
        right: r#"- name: Ask the server
  run: |
    curl -H "Host: example.com" localhost
  read_only: true
"#,
    },
    Code {
        code: "PS0014",
        title: "a tab stands where YAML wants spaces",
        text: "YAML is indented with spaces. Most editors can convert a file.",
        wrong: "- name: Say it\n\trun: date\n",
        right: r"- name: Say it
  run: date
  read_only: true
",
    },
    Code {
        code: "PS0015",
        title: "this is an Ansible playbook",
        text: "A runbook is a map and not a list of plays. A play becomes a phase with its targets, a task a step with a sentence as its name, `become: yes` becomes `become: true`, a handler a step of its own, `serial` a rollout with `batches`. What is new: how a step is taken back (`undo`), and what proves the work (`verify`).",
        wrong: r"# file: example.yml
- hosts: web
  become: yes
  tasks:
    - name: Restart the web server
      service: { name: nginx, state: restarted }
",
        right: r#"# file: example.yml
schema: 1
runbook: example
title: Restart the web servers
targets:
  web: { select: "group=web" }
phases:
  - phase: web
    title: Web servers
    targets: web
    rollout: { batches: [1, "25%"] }
    steps:
      - name: Restart the web server
        run: systemctl restart nginx
        become: true
        undo: { none: A restart cannot be taken back }
    verify:
      - name: It answers
        run: curl -fsS http://localhost/
"#,
    },
];
