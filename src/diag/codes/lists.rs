//! `PS0290` to `PS0299` and `PS0680` to `PS0689`: lists of items, included files and their parameters, results across hosts,
//! what a change leaves out.

use super::Code;

pub(super) const CODES: &[Code] = &[
    Code {
        code: "PS0290",
        title: "`for_each` is a list, or one expression that gives one",
        text: "A list is written out, or named: a parameter of type list, a list among a host's `vars`, or a list that an earlier step of the same host registered. A text around the expression would make text of it.",
        wrong: r"- name: Restart one
  for_each: nginx
  run: systemctl restart {{ item | sh }}
",
        right: r"- name: Restart each
  for_each: [nginx, haproxy]
  run: systemctl restart {{ item | sh }}
",
    },
    Code {
        code: "PS0291",
        title: "an undo step has no list of its own",
        text: "The undo of a step with `for_each` runs for each item that began, the newest first, and knows it as `item`.",
        wrong: r"- name: Stop it
  run: systemctl stop nginx
  undo:
    - name: Start each
      for_each: [nginx, haproxy]
      run: systemctl start nginx haproxy
",
        right: r"- name: Stop each
  for_each: [nginx, haproxy]
  run: systemctl stop {{ item | sh }}
  undo:
    - name: Start it again
      run: systemctl start {{ item | sh }}
",
    },
    Code {
        code: "PS0292",
        title: "`max_items` does not fit the list",
        text: "It limits a list whose length nobody has seen yet; 100 where nothing is written.",
        wrong: r"- name: Restart each
  for_each: [nginx, haproxy]
  max_items: 1
  run: systemctl restart {{ item | sh }}
",
        right: r"- name: Restart each
  for_each: [nginx, haproxy]
  run: systemctl restart {{ item | sh }}
",
    },
    Code {
        code: "PS0293",
        title: "the included file takes no parameters",
        text: "A file that is a plain list of steps reads the parameters of the runbook that includes it. One that declares its own is a map: `parameters`, then `steps`.",
        wrong: r"# file: pool.yml
- name: Is it known?
  assert: 1 == 1
# file: example.yml
schema: 1
runbook: example
title: An example
phases:
  - phase: only
    title: The only phase
    verify:
      - include: { file: pool.yml, with: { member: web1 } }
",
        right: r#"# file: pool.yml
parameters: { member: { type: string } }
steps:
  - name: Is it known?
    assert: params.member != ""
# file: example.yml
schema: 1
runbook: example
title: An example
phases:
  - phase: only
    title: The only phase
    verify:
      - include: { file: pool.yml, with: { member: web1 } }
"#,
    },
    Code {
        code: "PS0294",
        title: "the included file has no such parameter",
        text: "`with` gives values to the parameters that the file declares, and to nothing else.",
        wrong: r"# file: pool.yml
parameters: { port: { type: int, max: 65535 } }
steps:
  - name: Is it a port?
    assert: params.port > 0
# file: example.yml
schema: 1
runbook: example
title: An example
phases:
  - phase: only
    title: The only phase
    verify:
      - include: { file: pool.yml, with: { port: 80, ports: 80 } }
",
        right: r"# file: pool.yml
parameters: { port: { type: int, max: 65535 } }
steps:
  - name: Is it a port?
    assert: params.port > 0
# file: example.yml
schema: 1
runbook: example
title: An example
phases:
  - phase: only
    title: The only phase
    verify:
      - include: { file: pool.yml, with: { port: 80 } }
",
    },
    Code {
        code: "PS0295",
        title: "a parameter of the included file has no value",
        text: "It has no default: each include says what it is, under `with`.",
        wrong: r"# file: pool.yml
parameters: { port: { type: int, max: 65535 } }
steps:
  - name: Is it a port?
    assert: params.port > 0
# file: example.yml
schema: 1
runbook: example
title: An example
phases:
  - phase: only
    title: The only phase
    verify:
      - include: pool.yml
",
        right: r"# file: pool.yml
parameters: { port: { type: int, max: 65535 } }
steps:
  - name: Is it a port?
    assert: params.port > 0
# file: example.yml
schema: 1
runbook: example
title: An example
phases:
  - phase: only
    title: The only phase
    verify:
      - include: { file: pool.yml, with: { port: 80 } }
",
    },
    Code {
        code: "PS0296",
        title: "the included file does not allow this value",
        text: "`allowed`, `pattern`, `min` and `max` of the file's parameter hold for what an include gives, as they do for a change.",
        wrong: r"# file: pool.yml
parameters: { port: { type: int, max: 65535 } }
steps:
  - name: Is it a port?
    assert: params.port > 0
# file: example.yml
schema: 1
runbook: example
title: An example
phases:
  - phase: only
    title: The only phase
    verify:
      - include: { file: pool.yml, with: { port: 70000 } }
",
        right: r"# file: pool.yml
parameters: { port: { type: int, max: 65535 } }
steps:
  - name: Is it a port?
    assert: params.port > 0
# file: example.yml
schema: 1
runbook: example
title: An example
phases:
  - phase: only
    title: The only phase
    verify:
      - include: { file: pool.yml, with: { port: 8080 } }
",
    },
    Code {
        code: "PS0297",
        title: "a result of several hosts is read where there is no host",
        text: "A registered result belongs to its host. The bare name is the host's own result; that of a `once` step or of a phase with one host can be read everywhere. `results.NAME` is the list of all hosts' results, each with `host`: for a later phase, a gate and the final steady state.",
        wrong: r#"# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1, web2] } }
phases:
  - phase: ask
    title: Ask all
    targets: web
    verify:
      - { name: Which release?, run: cat /etc/release, register: release }
  - phase: tell
    title: Tell
    verify:
      - { name: The same?, assert: 'release.stdout == "7"' }
"#,
        right: r"# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1, web2] } }
phases:
  - phase: ask
    title: Ask all
    targets: web
    verify:
      - { name: Which release?, run: cat /etc/release, register: release }
  - phase: tell
    title: Tell
    verify:
      - { name: The same?, assert: 'results.release | length == 2' }
",
    },
];

pub(super) const PLANNED: &[Code] = &[
    Code {
        code: "PS0680",
        title: "a list has more items than are allowed",
        text: "No list is unlimited: `max_items` says how long it may be, 100 where nothing is written.",
        wrong: r#"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
parameters: { names: { type: list, default: [a, b, c] } }
phases:
  - phase: only
    title: The only phase
    verify:
      - name: Is it there?
        for_each: "{{ params.names }}"
        max_items: 2
        assert: item != ""
"#,
        right: r#"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
parameters: { names: { type: list, default: [a, b, c] } }
phases:
  - phase: only
    title: The only phase
    verify:
      - name: Is it there?
        for_each: "{{ params.names }}"
        max_items: 3
        assert: item != ""
"#,
    },
    Code {
        code: "PS0681",
        title: "`for_each` gives no list",
        text: "The parameter or the host's variable has another kind of value.",
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
    verify:
      - name: Is it there?
        for_each: "{{ host.vars.disks }}"
        run: lsblk {{ item | sh }}
# file: inventory.yml
schema: 1
hosts: { web1: { vars: { disks: sda } } }
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
    verify:
      - name: Is it there?
        for_each: "{{ host.vars.disks }}"
        run: lsblk {{ item | sh }}
# file: inventory.yml
schema: 1
hosts: { web1: { vars: { disks: [sda] } } }
"#,
    },
    Code {
        code: "PS0682",
        title: "an item of a written list is known only in the run",
        text: "The items of a list that is written out stand in the plan. A list that only the run knows is named as a whole, in one expression.",
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
    precheck:
      - { name: Which disk?, run: cat /etc/disk, as: lines, register: disks }
    verify:
      - name: Is it there?
        for_each: ["{{ disks.value | first }}"]
        run: lsblk {{ item | sh }}
# file: inventory.yml
schema: 1
hosts: { web1: {} }
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
    precheck:
      - { name: Which disk?, run: cat /etc/disk, as: lines, register: disks }
    verify:
      - name: Is it there?
        for_each: "{{ disks.value }}"
        run: lsblk {{ item | sh }}
# file: inventory.yml
schema: 1
hosts: { web1: {} }
"#,
    },
    Code {
        code: "PS0684",
        title: "an include gives a value of another type",
        text: "What the template gives when the plan is made is not what the included file declares.",
        wrong: r#"# $ pitstop plan example.yml
# file: pool.yml
parameters: { port: { type: int, max: 65535 } }
steps:
  - name: Is it a port?
    assert: params.port > 0
# file: example.yml
schema: 1
runbook: example
title: An example
parameters: { where: { type: string, default: http } }
phases:
  - phase: only
    title: The only phase
    verify:
      - include: { file: pool.yml, with: { port: "{{ params.where }}" } }
"#,
        right: r#"# $ pitstop plan example.yml
# file: pool.yml
parameters: { port: { type: int, max: 65535 } }
steps:
  - name: Is it a port?
    assert: params.port > 0
# file: example.yml
schema: 1
runbook: example
title: An example
parameters: { where: { type: int, default: 80 } }
phases:
  - phase: only
    title: The only phase
    verify:
      - include: { file: pool.yml, with: { port: "{{ params.where }}" } }
"#,
    },
    Code {
        code: "PS0685",
        title: "a step that is left out registers what others read",
        text: "A step that did not run has `ran` and `changed`, both false, and no other field. Who reads more asks first: `when: NAME.ran and …`.",
        wrong: r#"# $ pitstop plan example.yml --skip which=later
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    precheck:
      - { id: which, name: Which?, run: cat /etc/release, register: release }
      - { id: other, name: Wait, wait_for: { time: 5s } }
    verify:
      - { name: Good?, assert: 'release.stdout == "7"' }
# file: inventory.yml
schema: 1
hosts: { web1: {} }
"#,
        right: r#"# $ pitstop plan example.yml --skip other=later
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    precheck:
      - { id: which, name: Which?, run: cat /etc/release, register: release }
      - { id: other, name: Wait, wait_for: { time: 5s } }
    verify:
      - { name: Good?, assert: 'release.stdout == "7"' }
# file: inventory.yml
schema: 1
hosts: { web1: {} }
"#,
    },
];
