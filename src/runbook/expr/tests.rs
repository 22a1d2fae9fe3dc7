//! Promises of the expression language.

use std::process::Command;

use proptest::prelude::*;

use super::check_tests::known;
use super::*;

pub(super) fn text(t: &str) -> Value {
    Value::Text(t.to_owned())
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Map(entries.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
}

fn time(t: &str) -> Value {
    Value::Timestamp {
        timestamp: t.parse().unwrap(),
    }
}

fn ms(duration_ms: u64) -> Value {
    Value::Duration { duration_ms }
}

pub(super) fn scope() -> Scope<'static> {
    let mut scope = Scope::new();
    let names = |l: &[&str]| Value::List(l.iter().map(|n| text(n)).collect());
    let row = |host: &str, n| map([("host", text(host)), ("value", Value::Int(n))]);
    scope
        .set(
            "params",
            map([
                ("name", text("it's $(id) {{ 7*7 }}")),
                ("n", Value::Int(3)),
                ("big", Value::Number(3e9)),
                ("half", Value::Number(0.5)),
                ("yes", Value::Bool(true)),
                ("soak", ms(600_000)),
                ("start", time("2026-12-06T01:00:00Z")),
                ("end", time("2026-12-06T02:30:00Z")),
                ("names", names(&["a b", "c"])),
                ("empty", Value::List(vec![])),
                ("nothing", Value::None),
            ]),
        )
        .set(
            "host",
            map([("name", text("db1")), ("labels", map([("a-b", text("x"))]))]),
        )
        .set("run", map([("id", text("r1")), ("held_out", names(&["db2"]))]))
        .set(
            "pending",
            map([
                ("ran", Value::Bool(true)),
                ("count", Value::Int(2)),
                ("stdout", text("5")),
            ]),
        )
        .set(
            "skipped",
            map([("ran", Value::Bool(false)), ("changed", Value::Bool(false))]),
        )
        .set("results", map([("lag", Value::List(vec![row("a", 3), row("b", 1)]))]))
        .set("stdout", text("one\ntwo\nthree"))
        .set_secret("token", Secret::new("s3cret-s3cret".to_owned()));
    scope
}

fn value(expr: &str) -> Result<Value, ExprError> {
    Expr::parse(expr)?.value(&scope())
}

fn render(template: &str) -> Result<String, ExprError> {
    Template::parse(template)?.render(&scope(), Mode::Text)
}

fn in_sh(template: &str) -> Result<String, ExprError> {
    Template::parse(template)?.render(&scope(), Mode::Command(Shell::Sh))
}

#[test]
fn expressions_have_the_values_they_say() {
    let t = Value::Bool(true);
    let table = [
        ("1 + 2 * 3", Value::Int(7)),
        ("(1 + 2) * 3", Value::Int(9)),
        ("7 // 2", Value::Int(3)),
        ("-7 // 2", Value::Int(-4)),
        ("-7 % 3", Value::Int(2)),
        ("7 / 2", Value::Number(3.5)),
        ("- 1 | abs", Value::Int(1)),
        ("1 ~ '-' ~ true", text("1-true")),
        ("'a' + 'b'", text("ab")),
        (
            "[1, 2,] + [3]",
            Value::List(vec![Value::Int(1), Value::Int(2), Value::Int(3)]),
        ),
        ("params.n == 3.0", t.clone()),
        ("params.n != '3'", t.clone()),
        ("not params.yes or 1 < 2 and 2 >= 2", t.clone()),
        ("not 1 == 2", t.clone()),
        ("'a' in ['a', 'b'] and 'z' not in ['a']", t.clone()),
        ("'wo' in stdout", t.clone()),
        ("'count' in pending", t.clone()),
        ("host.labels['a-b']", text("x")),
        ("params.names[0]", text("a b")),
        ("params.names[-1]", text("c")),
        ("'yes' if params.yes else 'no'", text("yes")),
        ("1 if false else 2 if false else 3", Value::Int(3)),
        ("pending.count is defined", t.clone()),
        ("pending.nothere.deeper is not defined", t.clone()),
        ("nowhere is undefined", t.clone()),
        ("params.nothing is none", t.clone()),
        ("params.n is not none", t.clone()),
        ("skipped.count | default(0)", Value::Int(0)),
        ("params.nothing | default('x')", text("x")),
        ("params.empty | first | default(9)", Value::Int(9)),
        ("params.end - params.start", ms(5_400_000)),
        (
            "params.start + params.soak == params.start + ('10m' | duration)",
            t.clone(),
        ),
        ("params.end - params.soak > params.start", t.clone()),
        ("(params.start - params.end) | abs", ms(5_400_000)),
        ("params.start - params.end < params.soak", t.clone()),
        ("params.soak * 2", ms(1_200_000)),
        ("params.soak / 2", ms(300_000)),
        ("params.soak / ('5m' | duration)", Value::Number(2.0)),
        ("'2026-12-06 02:00:00+01' | timestamp == params.start", t.clone()),
        ("run.held_out | length", Value::Int(1)),
        ("results.lag | map('value') | max", Value::Int(3)),
        ("results.lag | map(attribute='value') | sort | first", Value::Int(1)),
        ("[3, 1, 2] | sort(reverse=true) | join('>')", text("3>2>1")),
        ("[1, 1.0, 2] | unique | length", Value::Int(2)),
        ("[1, 2.5] | sum", Value::Number(3.5)),
        ("[] | sum", Value::Int(0)),
        ("stdout | lines | last", text("three")),
        ("' 12 ' | int", Value::Int(12)),
        ("'1.5' | float", Value::Number(1.5)),
        ("2.5 | round", Value::Int(3)),
        ("2.345 | round(2)", Value::Number(2.35)),
        ("'a,b' | split(',') | length", Value::Int(2)),
        ("' a  b ' | split | last", text("b")),
        ("'aXa' | replace('a', 'b') | lower", text("bxb")),
        ("stdout | match('^one')", t.clone()),
        (
            "stdout | match('(t.o)\\\\n(th)')",
            Value::List(vec![text("two"), text("th")]),
        ),
        ("stdout | match('(nine)')", Value::None),
        ("stdout | contains('two')", t.clone()),
        ("'ü' | length", Value::Int(1)),
        (
            "[1, 'a', none, true, params.soak] | json",
            text("[1,\"a\",null,true,\"10m\"]"),
        ),
        ("9223372036854775807 == 9223372036854775808.0", Value::Bool(false)),
    ];
    for (expr, want) in table {
        assert_eq!(value(expr), Ok(want), "{expr}");
    }
}

#[test]
fn what_means_nothing_is_an_error_at_its_place() {
    use ErrorKind::{Kind, Limit, Secret, Syntax, Undefined, Unknown};
    let table = [
        ("stdout < 5", Kind, "stdout < 5"),
        ("true and '1' > 0", Kind, "'1' > 0"),
        ("params.nothing < 1", Kind, "params.nothing < 1"),
        ("params.soak < '10m'", Kind, "params.soak < '10m'"),
        ("params.start > 5", Kind, "params.start > 5"),
        ("true < false", Kind, "true < false"),
        ("params.start + params.end", Kind, "params.start + params.end"),
        ("1 + '1'", Kind, "1 + '1'"),
        ("[1, 'a'] | sort", Kind, "[1, 'a'] | sort"),
        ("[2, none] | max", Kind, "[2, none] | max"),
        ("not 1", Kind, "1"),
        ("'a' and true", Kind, "'a'"),
        ("1 if 1 else 2", Kind, "1"),
        ("1 / 0", Kind, "1 / 0"),
        ("5 % 0.0", Kind, "5 % 0.0"),
        ("9223372036854775807 + 1", Kind, "9223372036854775807 + 1"),
        ("'x' | int", Kind, "'x' | int"),
        ("'nan' | float", Kind, "'nan' | float"),
        ("params.start - params.end", Kind, "params.start - params.end"),
        ("nowhere.x", Undefined, "nowhere"),
        ("pending.cuont > 0", Undefined, "pending.cuont"),
        ("skipped.count > 0", Undefined, "skipped.count"),
        ("params.names[7]", Undefined, "params.names[7]"),
        ("[] | max", Undefined, "[] | max"),
        ("not nowhere", Undefined, "nowhere"),
        ("secrets.token", Secret, "secrets.token"),
        ("secrets", Secret, "secrets"),
        ("a = 1", Syntax, "="),
        ("a b", Syntax, "b"),
        ("a &&b", Syntax, "&"),
        ("!a", Syntax, "!"),
        ("1 <", Syntax, ""),
        ("1 < 2 < 3", Syntax, "<"),
        ("range(3)", Syntax, "range"),
        ("host.name.upper()", Syntax, "("),
        ("True", Syntax, "True"),
        ("10m", Syntax, "10m"),
        ("'abc", Syntax, "'abc"),
        ("a is odd", Syntax, "odd"),
        ("x | replace('a')", Syntax, "replace('a')"),
        ("x | abs(1)", Syntax, "1"),
        ("x | sort(up=true)", Syntax, "up=true"),
        ("x | match('(')", Syntax, "'('"),
        ("x | quote", Unknown, "quote"),
        ("x | matc('a')", Unknown, "matc"),
        ("{'a': 1}", Syntax, "{"),
        ("{{ a }}", Syntax, "{{ a }}"),
        ("", Syntax, ""),
        ("x | match('a{1000}{1000}')", Syntax, "'a{1000}{1000}'"),
        ("99999999999999999999", Syntax, "99999999999999999999"),
        ("1 if true", Syntax, ""),
    ];
    for (expr, kind, at) in table {
        let error = value(expr).expect_err(expr);
        assert_eq!(
            (error.kind, &expr[error.range.clone()]),
            (kind, at),
            "{expr}: {error:?}"
        );
    }
    assert_eq!(
        value(&format!("{}1{}", "(".repeat(200), ")".repeat(200)))
            .unwrap_err()
            .kind,
        Limit
    );
    assert_eq!(value(&["1"; 200].join("+")).unwrap_err().kind, Limit);
    let deep = format!("{}1{}", "-(".repeat(25), ")".repeat(25));
    assert_eq!(value(&deep), Ok(Value::Int(-1)), "what is allowed can be evaluated");
    assert_eq!(value(&"-".repeat(200)).unwrap_err().kind, Syntax);
    assert_eq!(value(&format!("{}true", "not ".repeat(200))).unwrap_err().kind, Limit);
}

#[test]
fn help_names_what_to_write() {
    let help = |expr: &str| value(expr).unwrap_err().help.unwrap_or_default();
    assert_eq!(help("pending.cuont"), "did you mean `count`?");
    assert_eq!(help("pendign.count"), "did you mean `pending`?");
    assert!(help("skipped.count").contains("the step did not run"));
    assert_eq!(help("x | quote"), "did you mean `sh`?");
    assert_eq!(help("x | lenght"), "did you mean `length`?");
    assert!(help("stdout > 1").contains("as: number"));
    assert!(help("a = 1").contains("=="));
}

#[test]
fn a_condition_gives_true_or_false_and_nothing_else() {
    let truth = |e: &str| Expr::parse(e).unwrap().truth(&scope());
    assert_eq!(truth("pending.count > 0"), Ok(true));
    assert_eq!(truth("value | default(false)"), Ok(false));
    for wrong in ["pending.count", "stdout", "params.names", "params.nothing", "1"] {
        assert_eq!(truth(wrong).unwrap_err().kind, ErrorKind::Kind, "{wrong}");
    }
}

#[test]
fn only_double_braces_are_a_template() {
    let table = [
        ("plain", "plain"),
        ("{% if x %}{# no #}{ } ${x} }}", "{% if x %}{# no #}{ } ${x} }}"),
        ("a{{ params.n }}b{{ params.n + 1 }}", "a3b4"),
        ("{{ \"}}\" }}", "}}"),
        ("{{ '{{' }}.Names}}", "{{.Names}}"),
        ("{{ 'it\\'s }}' }}!", "it's }}!"),
        ("{{\n  params.n\n}}", "3"),
        (
            "{{ params.big }} {{ params.half }} {{ params.yes }}",
            "3000000000 0.5 true",
        ),
        (
            "{{ params.soak }} {{ '90m' | duration }} {{ params.start }}",
            "10m 1h30m 2026-12-06T01:00:00Z",
        ),
        ("{{ params.names | join(', ') }}", "a b, c"),
    ];
    for (template, want) in table {
        assert_eq!(render(template).as_deref(), Ok(want), "{template}");
    }
}

#[test]
fn braces_that_are_not_ours_are_refused_with_the_way_to_write_them() {
    for (template, range) in [
        ("echo {{ x", 5..7),
        ("docker ps --format {{.Names}}", 19..29),
        ("docker ps --format '{{ .Names }}'", 20..32),
        ("x {{json .}}", 2..12),
        ("{{range .Items}}", 0..16),
        ("{{- x -}}", 0..9),
    ] {
        let error = Template::parse(template).unwrap_err();
        assert_eq!(
            (error.kind, error.range.clone()),
            (ErrorKind::Syntax, range),
            "{template}"
        );
        assert!(error.help.is_some(), "{template}");
    }
    let error = Template::parse("docker ps --format '{{.Names}}'").unwrap_err();
    assert!(error.help.unwrap().contains("`{{ \"{{\" }}.Names}}`"));
    assert_eq!(
        render("docker ps --format '{{ \"{{\" }}.Names}}'").unwrap(),
        "docker ps --format '{{.Names}}'"
    );
    let awk = Template::parse("awk '{{print $1}}'").unwrap_err();
    assert!(awk.help.unwrap().contains("as they stand"));
}

#[test]
fn one_expression_alone_keeps_its_kind() {
    let value = |t: &str| Template::parse(t).unwrap().render_value(&scope()).unwrap();
    assert_eq!(value("{{ params.n }}"), Value::Int(3));
    assert_eq!(value("{{ params.soak }}"), ms(600_000));
    assert_eq!(value("{{ params.start }}"), time("2026-12-06T01:00:00Z"));
    assert_eq!(value("{{ params.names | length }}"), Value::Int(2));
    assert_eq!(value("{{ params.nothing }}"), Value::None);
    assert_eq!(value(" {{ params.n }}"), text(" 3"));
    assert_eq!(value("3"), text("3"));
}

#[test]
fn lists_maps_and_none_are_never_printed() {
    for template in [
        "{{ params.names }}!",
        "{{ pending }}!",
        "{{ params.nothing }}!",
        "{{ 'a' ~ params.names }}",
    ] {
        assert_eq!(render(template).unwrap_err().kind, ErrorKind::Kind, "{template}");
        assert_eq!(in_sh(template).unwrap_err().kind, ErrorKind::Kind, "{template}");
    }
}

#[test]
fn a_command_takes_only_what_is_quoted_for_its_shell() {
    for (template, want) in [
        ("echo {{ params.name | sh }}", r"echo 'it'\''s $(id) {{ 7*7 }}'"),
        (
            "echo {{ params.n }} {{ params.yes }} {{ host.name }} {{ run.id }}",
            "echo 3 true db1 r1",
        ),
        ("rm {{ params.names | sh }}", "rm 'a b' 'c'"),
        ("echo {{ pending.stdout | int }}", "echo 5"),
        ("{{ params.name | raw }}", "it's $(id) {{ 7*7 }}"),
        ("{{ '-x' if params.yes else '' }}", "-x"),
        ("{{ ('a ' ~ params.n) | sh }}", "'a 3'"),
        ("echo {{ '$HOME' }}", "echo $HOME"),
    ] {
        assert_eq!(in_sh(template).as_deref(), Ok(want), "{template}");
    }
    for template in [
        "echo {{ params.name }}",
        "echo {{ pending.stdout }}",
        "echo {{ params.name | upper }}",
        "echo {{ 'a' ~ params.name }}",
        "echo {{ params.name if params.yes else 'x' }}",
        "echo {{ params.name | default('x') }}",
        "echo {{ params.name | sh | upper }}",
        "echo {{ params.name | ps }}",
        "echo {{ params.names | first }}",
        "echo {{ host.labels['a-b'] }}",
    ] {
        assert_eq!(in_sh(template).unwrap_err().kind, ErrorKind::Unquoted, "{template}");
    }
    let mut own = scope();
    own.set_trusted("file", "/tmp/x");
    let validate = Template::parse("visudo -cf {{ file }}").unwrap();
    assert_eq!(
        validate.render(&own, Mode::Command(Shell::Sh)).unwrap(),
        "visudo -cf /tmp/x"
    );
}

#[test]
fn a_secret_leaves_only_through_render_secret_and_taints_what_it_touches() {
    let secret = |t: &str| {
        Template::parse(t)
            .unwrap()
            .render_secret(&scope())
            .map(|s| s.expose().to_owned())
    };
    assert_eq!(secret("Bearer {{ secrets.token }}").unwrap(), "Bearer s3cret-s3cret");
    assert_eq!(
        secret("{{ 'Bearer ' ~ secrets.token }}").unwrap(),
        "Bearer s3cret-s3cret"
    );
    assert_eq!(
        secret("{\"t\": {{ secrets.token | json }}}").unwrap(),
        "{\"t\": \"s3cret-s3cret\"}"
    );
    assert_eq!(secret("plain {{ params.n }}").unwrap(), "plain 3");
    assert_eq!(secret("{{ secrets.nope }}").unwrap_err().kind, ErrorKind::Undefined);
    for template in [
        "{{ secrets.token == 'x' }}",
        "{{ secrets.token | length }}",
        "{{ secrets.token | upper }}",
        "{{ [secrets.token] | json }}",
        "{{ [secrets.token] | join }}",
        "{{ 'x' | replace('x', secrets.token) }}",
        "{{ secrets.token in ['a'] }}",
        "{{ 'a' | contains(secrets.token) }}",
        "{{ secrets }}",
    ] {
        assert_eq!(
            secret(template).map_err(|e| e.kind),
            Err(ErrorKind::Secret),
            "{template}"
        );
        assert_eq!(render(template).unwrap_err().kind, ErrorKind::Secret, "{template}");
    }
    let uses = Template::parse("{{ 'a' ~ secrets.token }}").unwrap();
    assert!(uses.uses_secrets());
    assert!(uses.render_value(&scope()).is_err() && uses.render(&scope(), Mode::Text).is_err());
    assert!(!format!("{:?}", uses.render_secret(&scope())).contains("s3cret"));
}

#[test]
fn work_and_size_are_limited() {
    let mut big = Scope::new();
    big.set("s", text(&"x".repeat(MAX_OUTPUT)));
    big.set("l", Value::List(vec![Value::Int(1); 500_000]));
    for expr in [
        "s ~ 'y'",
        "s | replace('x', s)",
        "s | sh",
        "[s, s] | join",
        "l",
        "l | length",
        "[l, 1] | length",
    ] {
        let error = Expr::parse(expr).unwrap().value(&big).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Limit, "{expr}");
        assert!(error.help.is_some(), "{expr} says no way out");
    }
    let twice = Template::parse("{{ s }}{{ s }}").unwrap().render(&big, Mode::Text);
    let beyond = [
        twice.unwrap_err(),
        Expr::parse(&"1 or ".repeat(4000)).unwrap_err(),
        value(&"(".repeat(200)).unwrap_err(),
        value(&format!("'a' | match('{}')", "a".repeat(2000))).unwrap_err(),
    ];
    for error in beyond {
        assert_eq!(error.kind, ErrorKind::Limit, "{error:?}");
        assert!(error.help.is_some(), "{error:?} says no way out");
    }
    assert!(Expr::parse("s | length > 5").unwrap().truth(&big).unwrap());
}

#[test]
fn names_and_lateness_are_known_before_any_value() {
    let template = Template::parse("a {{ params.x | sh }} {{ pending.ids[0].n + host.labels['a-b'] }}").unwrap();
    let names: Vec<_> = template.names().into_iter().map(|(n, r)| (n, r.start)).collect();
    let want = [("params.x", 5), ("pending.ids", 25), ("host.labels.a-b", 44)];
    assert_eq!(names, want.map(|(n, at)| (n.to_owned(), at)));
    assert!(template.is_late());
    for (text, late) in [
        ("{{ params.x ~ host.name ~ host.vars.y ~ run.mode }}", false),
        ("{{ targets.web | join }}", false),
        ("{{ host.kernel }}", true),
        ("{{ host.state }}", true),
        ("{{ marks.begin }}", true),
        ("{{ results.lag }}", true),
        ("{{ run.held_out }}", true),
        ("plain", false),
    ] {
        assert_eq!(Template::parse(text).unwrap().is_late(), late, "{text}");
    }
}

fn shell_reads(command: &str) -> Vec<u8> {
    let out = Command::new("sh").arg("-c").arg(command).output().unwrap();
    assert!(
        out.status.success(),
        "{command}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    out.stdout
}

#[test]
fn what_a_host_said_is_never_run_and_never_read_as_a_template() {
    for said in [
        "{{ 7*7 }}",
        "$(id)",
        "`id`",
        "'; id; '",
        "{{ secrets.token }}",
        "a\nb",
        "\\",
        "$'\\x41'",
        "-n",
        "%s",
    ] {
        let mut scope = scope();
        scope.set("said", map([("stdout", text(said))]));
        let command = Template::parse("printf %s {{ said.stdout | sh }}").unwrap();
        let rendered = command.render(&scope, Mode::Command(Shell::Sh)).unwrap();
        assert_eq!(shell_reads(&rendered), said.as_bytes(), "{rendered}");
        let plain = Template::parse("{{ said.stdout }}").unwrap();
        assert_eq!(plain.render(&scope, Mode::Text).unwrap(), said);
        assert_eq!(plain.render_value(&scope).unwrap(), text(said));
    }
}

proptest! {
    #[test]
    fn reading_never_panics(text in "(\\PC|[\\{\\}'\"|().\\[\\]a-z0-9 <>=~+*/%-]){0,60}") {
        if let Err(e) = Template::parse(&text) {
            prop_assert!(text.get(e.range).is_some());
        }
        if let Err(e) = Expr::parse(&text) {
            prop_assert!(text.get(e.range).is_some());
        }
        for place in [Place::Value, Place::Command { shell: Some(Shell::Sh) }, Place::Command { shell: Some(Shell::Ps) }] {
            check_template(&text, place, &known());
        }
        check_condition(&text, &known());
    }

    #[test]
    fn evaluating_never_panics(words in prop::collection::vec(prop::sample::select(vec![
        "params.n", "params.names", "stdout", "pending", "params.soak", "params.start", "none", "true", "1", "0", "2.5", "'a'",
        "9223372036854775807", "+", "-", "*", "/", "//", "%", "~", "<", "==", "in", "and", "or", "not", "(", ")", "[", "]", "|",
        "first", "sort", "int", "abs", "sum", "lines", "json", "sh", "is", "defined", "if", "else",
    ]), 1..12)) {
        let text = words.join(" ");
        if let Ok(expr) = Expr::parse(&text)
            && let Err(e) = expr.value(&scope())
        {
            prop_assert!(text.get(e.range).is_some());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sh_reads_back_exactly_what_was_quoted(said in "[^\\x00]{0,40}") {
        let command = format!("printf %s {}", quote::sh(&said).unwrap());
        prop_assert_eq!(shell_reads(&command), said.as_bytes());
    }
}
