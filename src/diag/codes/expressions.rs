//! `PS03xx`: templates and conditions.

use super::Code;

pub(super) const CODES: &[Code] = &[
    Code {
        code: "PS0301",
        title: "this is no expression",
        text: "`when`, `expect` and `warn_unless` are bare expressions; in other values `{{ … }}` holds one. The syntax is a part of Jinja's.",
        wrong: r#"- name: One
  run: date
  expect: "rc =="
"#,
        right: r#"- name: One
  run: date
  expect: "rc == 0"
"#,
    },
    Code {
        code: "PS0302",
        title: "a name that does not exist here",
        text: "An expression names something that is declared nowhere, or that has no value yet where it stands.",
        wrong: r"- name: One
  run: date
  when: params.restart
",
        right: r#"modes: [test, real]
phases:
  - phase: p
    title: P
    on_failure: hold
    steps:
      - name: One
        run: date
        when: "run.mode == 'real'"
"#,
    },
    Code {
        code: "PS0303",
        title: "a name that has no value",
        text: "The name is known and has no value at this moment.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0304",
        title: "a comparison or value that cannot be meant",
        text: "Text is never ordered and never equals a number. Use `as: number` and compare `value`.",
        wrong: r#"- name: One
  run: df
  expect: "stdout < 5"
"#,
        right: r#"- name: One
  run: df
  as: number
  expect: "value < 5"
"#,
    },
    Code {
        code: "PS0305",
        title: "a value goes into a command without quotes",
        text: "A value that holds a space or a `;` would change the command. `| sh` quotes it for the shell, `| raw` is the written exception.",
        wrong: r"parameters:
  name: { type: string }
phases:
  - phase: p
    title: P
    on_failure: hold
    steps:
      - name: One
        run: systemctl restart {{ params.name }}
",
        right: r"parameters:
  name: { type: string }
phases:
  - phase: p
    title: P
    on_failure: hold
    steps:
      - name: One
        run: systemctl restart {{ params.name | sh }}
",
    },
    Code {
        code: "PS0306",
        title: "a secret stands where it could be seen",
        text: "Secrets go into `env`, `stdin`, headers and bodies of `http` and templates of `upload`, never into a command, a URL or a text that is shown.",
        wrong: r#"secrets:
  key: { from: prompt }
phases:
  - phase: p
    title: P
    on_failure: hold
    steps:
      - name: One
        http: { url: "http://localhost/?key={{ secrets.key }}" }
"#,
        right: r#"secrets:
  key: { from: prompt }
phases:
  - phase: p
    title: P
    on_failure: hold
    steps:
      - name: One
        http: { url: "http://localhost/", headers: { X-Key: "{{ secrets.key }}" } }
"#,
    },
    Code {
        code: "PS0307",
        title: "an expression is too large",
        text: "Expressions have limits of length, depth and work. What needs more is a script.",
        wrong: r#"- name: One
  assert: "((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((1)))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))) == 1"
"#,
        right: r#"- name: One
  assert: "1 == 1"
"#,
    },
    Code {
        code: "PS0309",
        title: "a word that this never equals",
        text: "`run.mode` is one of `modes`, a parameter one of its `allowed` values, `host.os` is `linux` or `windows`. A comparison with another word is never true.",
        wrong: r#"modes: [test, real]
phases:
  - phase: p
    title: P
    on_failure: hold
    steps:
      - name: One
        run: date
        when: "run.mode != 'tset'"
"#,
        right: r#"modes: [test, real]
phases:
  - phase: p
    title: P
    on_failure: hold
    steps:
      - name: One
        run: date
        when: "run.mode != 'test'"
"#,
    },
    Code {
        code: "PS0311",
        title: "a result that this mode does not have",
        text: "A step that a mode leaves out registers nothing in it. What reads the result runs in the same modes only, or says what holds without it.",
        wrong: r#"modes: [test, real]
phases:
  - phase: p
    title: P
    verify:
      - { name: Ask, run: ask, register: answer, only_in: [real] }
      - { name: Use, run: "use {{ answer.stdout | sh }}" }
"#,
        right: r#"modes: [test, real]
phases:
  - phase: p
    title: P
    verify:
      - { name: Ask, run: ask, register: answer, only_in: [real] }
      - { name: Use, run: "use {{ answer.stdout | sh }}", only_in: [real] }
"#,
    },
    Code {
        code: "PS0312",
        title: "a result of a step that may not have run",
        text: "A step with `when` that did not run has a result with `ran` false and no other field. What reads more asks `NAME.ran` first, or says what holds without it.",
        wrong: r#"parameters:
  deep: { type: bool }
phases:
  - phase: p
    title: P
    verify:
      - { name: Ask, run: ask, register: answer, when: params.deep }
      - { name: Use, run: "use {{ answer.stdout | sh }}" }
"#,
        right: r#"parameters:
  deep: { type: bool }
phases:
  - phase: p
    title: P
    verify:
      - { name: Ask, run: ask, register: answer, when: params.deep }
      - { name: Use, run: "use {{ answer.stdout | sh }}", when: answer.ran }
"#,
    },
];
