//! `PS0620`-`PS0639`: what only the change and the inventory show wrong, found when a plan is made.

use super::Code;

pub(super) const CODES: &[Code] = &[
    Code {
        code: "PS0620",
        title: "a phase names a set or rollout that is not declared",
        text: "Sets are declared under `targets`, rollouts under `rollouts`.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0621",
        title: "all hosts of a phase would be out of service at once",
        text: "A phase that drains more than one host says how its batches grow. If all at once is meant, write `batches: [\"100%\"]`.",
        wrong: r"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1, web2] } }
rollouts: { slow: { batches: [1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    on_failure: hold
    drain: [{ name: Take it out, run: lbctl disable }]
    verify: [{ name: Wait, wait_for: { time: 5s } }]
    undrain: [{ name: Put it back, run: lbctl enable }]
# file: inventory.yml
schema: 1
hosts: { web1: {}, web2: {} }
",
        right: r"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1, web2] } }
rollouts: { slow: { batches: [1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    rollout: slow
    on_failure: hold
    drain: [{ name: Take it out, run: lbctl disable }]
    verify: [{ name: Wait, wait_for: { time: 5s } }]
    undrain: [{ name: Put it back, run: lbctl enable }]
# file: inventory.yml
schema: 1
hosts: { web1: {}, web2: {} }
",
    },
    Code {
        code: "PS0622",
        title: "`soak` is no duration",
        text: "It is a duration such as `10m`, or a parameter of type duration.",
        wrong: r#"# $ pitstop plan example.yml --set soak=long
# file: example.yml
schema: 1
runbook: example
title: An example
parameters: { soak: { type: string } }
targets: { web: { hosts: [web1] } }
rollouts: { slow: { soak: "{{ params.soak }}" } }
phases:
  - phase: only
    title: The only phase
    targets: web
    rollout: slow
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
"#,
        right: r#"# $ pitstop plan example.yml --set soak=5m
# file: example.yml
schema: 1
runbook: example
title: An example
parameters: { soak: { type: duration } }
targets: { web: { hosts: [web1] } }
rollouts: { slow: { soak: "{{ params.soak }}" } }
phases:
  - phase: only
    title: The only phase
    targets: web
    rollout: slow
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
"#,
    },
    Code {
        code: "PS0623",
        title: "a host lacks the label that batches are kept apart by",
        text: "`apart` names a label that every host of the phase has.",
        wrong: r"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1, web2] } }
rollouts: { slow: { batches: [1], apart: room } }
phases:
  - phase: only
    title: The only phase
    targets: web
    rollout: slow
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts:
  web1: { labels: { room: north } }
  web2: {}
",
        right: r"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1, web2] } }
rollouts: { slow: { batches: [1], apart: room } }
phases:
  - phase: only
    title: The only phase
    targets: web
    rollout: slow
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts:
  web1: { labels: { room: north } }
  web2: { labels: { room: south } }
",
    },
    Code {
        code: "PS0624",
        title: "an assertion is false",
        text: "It reads only what the plan knows, so it is answered when the plan is made, before any host is touched.",
        wrong: r"# $ pitstop plan example.yml --set port=0
# file: example.yml
schema: 1
runbook: example
title: An example
parameters: { port: { type: int, max: 65535 } }
phases:
  - phase: only
    title: The only phase
    verify:
      - { name: Is it a port?, assert: params.port > 0 }
",
        right: r"# $ pitstop plan example.yml --set port=80
# file: example.yml
schema: 1
runbook: example
title: An example
parameters: { port: { type: int, max: 65535 } }
phases:
  - phase: only
    title: The only phase
    verify:
      - { name: Is it a port?, assert: params.port > 0 }
",
    },
    Code {
        code: "PS0625",
        title: "a step is delegated to something unknown",
        text: "`delegate_to` names a host, a set of `targets`, or `controller`.",
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
    verify: [{ name: Is it in?, delegate_to: "{{ host.labels.balancer }}", run: lbctl status }]
# file: inventory.yml
schema: 1
hosts:
  web1: { labels: { balancer: lb2 } }
  lb1: {}
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
    verify: [{ name: Is it in?, delegate_to: "{{ host.labels.balancer }}", run: lbctl status }]
# file: inventory.yml
schema: 1
hosts:
  web1: { labels: { balancer: lb1 } }
  lb1: {}
"#,
    },
    Code {
        code: "PS0626",
        title: "`host` has no value where a step is done once",
        text: "Steady-state steps and `once` steps belong to no host: they cannot be delegated by a host's labels.",
        wrong: r"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    precheck: [{ name: Can it be reached?, once: true, wait_for: { port: 443, from: controller } }]
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
",
        right: r"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    precheck: [{ name: Can it be reached?, wait_for: { port: 443 } }]
    verify: [{ name: Wait, wait_for: { time: 5s } }]
# file: inventory.yml
schema: 1
hosts: { web1: {} }
",
    },
    Code {
        code: "PS0627",
        title: "sudo on this host allows written commands only",
        text: "A host with `become: { exact: true }` has sudoers rules for single commands, and none for a shell. There a step that becomes another user is one command with its arguments, as the rule has it; it is run as `sudo -n -- COMMAND` (`-u USER` for others than root). A text for the shell, a script, a file or an environment would need a shell.",
        wrong: r"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    on_failure: hold
    steps: [{ name: Restart, run: systemctl restart nginx, become: true, undo: { none: it only restarts } }]
# file: inventory.yml
schema: 1
hosts: { web1: { become: { exact: true } } }
",
        right: r"# $ pitstop plan example.yml
# file: example.yml
schema: 1
runbook: example
title: An example
targets: { web: { hosts: [web1] } }
phases:
  - phase: only
    title: The only phase
    targets: web
    on_failure: hold
    steps: [{ name: Restart, run: [systemctl, restart, nginx], become: true, undo: { none: it only restarts } }]
# file: inventory.yml
schema: 1
hosts: { web1: { become: { exact: true } } }
",
    },
    Code {
        code: "PS0630",
        title: "the window has no usable start or zone",
        text: "The start is a local time in an IANA zone, or carries its own offset. A time that the clocks jump over, or that comes twice, needs an offset. A start needs a runbook with a `window`.",
        wrong: r"# $ pitstop plan example.yml --start 2026-12-06T01:00 --timezone Europe/Berlim
# file: example.yml
schema: 1
runbook: example
title: An example
window: { duration: 4h }
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
",
        right: r"# $ pitstop plan example.yml --start 2026-12-06T01:00 --timezone Europe/Berlin
# file: example.yml
schema: 1
runbook: example
title: An example
window: { duration: 4h }
phases:
  - phase: only
    title: The only phase
    verify: [{ name: Wait, wait_for: { time: 5s } }]
",
    },
    Code {
        code: "PS0631",
        title: "the cut-off is as long as the window",
        text: "`cutoff` is the last part of the window, in which no further host starts.",
        wrong: "",
        right: "",
    },
];
