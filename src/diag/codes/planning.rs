//! `PS06xx`: what only the change, the inventory or the policy show wrong, found when a plan is made.

use super::Code;

pub(super) const CODES: &[Code] = &[
    Code {
        code: "PS0601",
        title: "the runbook has no such parameter",
        text: "A value was given for a name that the runbook does not declare.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0602",
        title: "a parameter has no value",
        text: "It has no default. Write it in the change under `parameters`, or give it with `--set`; on a terminal it is asked for.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0603",
        title: "a parameter's value has another type",
        text: "What is typed after `--set` is read as the type that the runbook declares.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0604",
        title: "a parameter's value is not allowed",
        text: "`allowed`, `pattern` (which must match the whole text), `min` and `max` of the runbook say what it may be. For a list they hold for every item.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0605",
        title: "the mode is missing or unknown",
        text: "A runbook with `modes` is planned for exactly one of them.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0610",
        title: "the inventory has no such host",
        text: "`hosts` of a set lists hosts by name. Groups are selected: `{ select: \"group=NAME\" }`.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0611",
        title: "a set selects no host",
        text: "A maintenance of nothing is a mistake more often than a success. Where `limit` empties a phase, the phase is left out and the plan says so.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0612",
        title: "the limit leaves no host at all",
        text: "Every phase with hosts was emptied by `limit`.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0614",
        title: "an expression has no value when the plan is made",
        text: "Targets, delegates, soak times and paths are frozen in the plan. They may read `params`, `targets`, `run.mode`, and for one host `host.name`, `host.address`, `host.labels` and `host.vars`: nothing that only the run knows.",
        wrong: "",
        right: "",
    },
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
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0622",
        title: "`soak` is no duration",
        text: "It is a duration such as `10m`, or a parameter of type duration.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0623",
        title: "a host lacks the label that batches are kept apart by",
        text: "`apart` names a label that every host of the phase has.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0624",
        title: "an assertion is false",
        text: "It reads only what the plan knows, so it is answered when the plan is made, before any host is touched.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0625",
        title: "a step is delegated to something unknown",
        text: "`delegate_to` names a host, a set of `targets`, or `controller`.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0626",
        title: "`host` has no value where a step is done once",
        text: "Steady-state steps and `once` steps belong to no host: they cannot be delegated by a host's labels.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0630",
        title: "the window has no usable start or zone",
        text: "The start is a local time in an IANA zone, or carries its own offset. A time that the clocks jump over, or that comes twice, needs an offset. A start needs a runbook with a `window`.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0631",
        title: "the cut-off is as long as the window",
        text: "`cutoff` is the last part of the window, in which no further host starts.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0640",
        title: "it is not said who must approve",
        text: "Under a policy every gate, and every plan that needs approval, says `need` and `approvers`.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0641",
        title: "there are too few people",
        text: "`need` counts different people out of all the groups together. A gate that could never pass is refused before it is reached at night.",
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
    need: 2
    approvers: [managers]
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
        code: "PS0642",
        title: "people are asked and there is no policy",
        text: "Who may approve, and with which key, is said by a policy file. Without one only a gate without `approvers` and with `not_operator: false` can pass: the operator types its name, unsigned.",
        wrong: r#"# file: pitstop.yml
schema: 1
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
        code: "PS0643",
        title: "a change file is required",
        text: "`require_change` of the policy names hosts that may be changed only under a change file with a ticket.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0644",
        title: "an approved plan is required",
        text: "`require_approval` of the policy names hosts that may be changed only by a plan that somebody approved.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0645",
        title: "a command would run on the control machine",
        text: "That machine holds keys and secrets. The policy allows it with `allow_local: true`; without a policy it is allowed where every target of the runbook is local.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0646",
        title: "the plan goes over a limit of the policy",
        text: "`limits` in policy.yml bounds `parallel`, `hosts`, `max_fail`, `timeout` and `window` for every runbook.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0650",
        title: "a secret or its provider is not declared",
        text: "Passwords of the inventory name secrets of the runbook; secrets name providers of pitstop.yml.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0651",
        title: "a file that a step uses cannot be used",
        text: "Scripts and uploads are files of the project. They are frozen in the plan by their digest; a template must be UTF-8 text whose expressions can be read.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0652",
        title: "no such step or phase",
        text: "Write the id of a phase, or PHASE/STEP, or the bare id of a step where only one phase has it.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0653",
        title: "a step may not be left out",
        text: "Other steps of its phase are taken back by its undo (`covered_by`).",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0654",
        title: "a gate may not be left out",
        text: "A gate is passed by people, never by leaving it out of a plan.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0660",
        title: "an objective could never be met",
        text: "No step of the chosen mode sets one of its marks.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0661",
        title: "a file cannot be formatted",
        text: "`fmt` writes a file only if the result holds the same values and the same comments. Here it would not, so the file was left as it is. It may be right all the same; plain block style always works.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0670",
        title: "the window begins inside a freeze",
        text: "Nothing starts in a freeze. Choose another start, or have the freeze set aside for the stored plan: `pitstop approve PLAN --override freeze --comment WHY`.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0671",
        title: "a freeze begins inside the window",
        text: "It ends the window: no host starts after its begin, hosts in flight finish.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0672",
        title: "the clocks change inside the window",
        text: "`duration` is elapsed time: the window closes an hour later or earlier on the wall than one might reckon.",
        wrong: "",
        right: "",
    },
];
