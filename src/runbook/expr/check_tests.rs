//! Promises of the static checks: names, quoting, and where in a command a value stands.

use std::process::Command;

use proptest::prelude::*;

use super::place::Spot;
use super::tests::scope;
use super::*;
use crate::runbook::ParamType;

pub(super) fn known() -> Known {
    let set = |l: &[&str]| l.iter().map(|n| (*n).to_owned()).collect();
    let params = [
        ("name", ParamType::String),
        ("n", ParamType::Int),
        ("yes", ParamType::Bool),
        ("soak", ParamType::Duration),
    ];
    Known {
        params: params.into_iter().map(|(n, k)| (n.to_owned(), k)).collect(),
        secrets: set(&["token"]),
        targets: set(&["web"]),
        marks: set(&["begin"]),
        registered: [(
            "pending".to_owned(),
            Fields::of([("count", FieldKind::Number), ("ids", FieldKind::Other)]),
        )]
        .into(),
        results: set(&["lag"]),
        own: None,
        host: true,
        item: false,
        extra: set(&[]),
    }
}

fn judged(text: &str, place: Place) -> Vec<(ErrorKind, String)> {
    let errors = check_template(text, place, &known());
    errors.into_iter().map(|e| (e.kind, text[e.range].to_owned())).collect()
}

#[test]
fn unknown_names_are_found_before_the_run_with_the_nearest_one() {
    for (text, word, help) in [
        ("{{ params.nmae }}", "params.nmae", "did you mean `name`?"),
        ("{{ parms.name }}", "parms.name", "did you mean `params`?"),
        ("{{ pending.cuont }}", "pending.cuont", "did you mean `count`?"),
        ("{{ host.nmae }}", "host.nmae", "did you mean `name`?"),
        ("{{ run.ID }}", "run.ID", "did you mean `id`?"),
        ("{{ 'a' ~ targets.wbe }}", "targets.wbe", "did you mean `web`?"),
        ("{{ secrets.tokn }}", "secrets.tokn", "did you mean `token`?"),
        ("{{ params }}", "params", "write `params.NAME`"),
    ] {
        let errors = check_template(text, Place::SecretAllowed, &known());
        let found: Vec<_> = errors
            .iter()
            .map(|e| (&text[e.range.clone()], e.help.as_deref()))
            .collect();
        assert_eq!(found, [(word, Some(help))], "{text}");
    }
    for fine in [
        "{{ pending.value.a.b }}",
        "{{ host.labels.any }}",
        "{{ marks.begin }}",
        "{{ results.lag | length }}",
        "no template",
    ] {
        assert_eq!(judged(fine, Place::Value), [], "{fine}");
    }
    let item = check_template("{{ item }}", Place::Value, &Known { item: true, ..known() });
    assert_eq!(item, []);
    let nohost = check_template("{{ host.name }}", Place::Value, &Known { host: false, ..known() });
    assert!(nohost[0].message.contains("belongs to no host"));
}

#[test]
fn conditions_are_judged_before_the_run() {
    let own = Known {
        own: Some(Fields::of([("status", FieldKind::Number)])),
        ..known()
    };
    for fine in [
        "status == 200",
        "stdout == ''",
        "stdout | int < 5",
        "value < 95",
        "not host.rolling_back",
        "pending.count > 0",
    ] {
        assert_eq!(check_condition(fine, &own), [], "{fine}");
    }
    for (text, word) in [
        ("stdout < 5", "stdout"),
        ("10 >= pending.stdout", "pending.stdout"),
        ("stdout | trim > 1", "stdout | trim"),
        ("rc == 0 and stdout < 5", "stdout"),
        ("stdout == 5", "stdout == 5"),
        ("stdout", "stdout"),
        ("1 + 1", "1 + 1"),
        ("secrets.token == 'x'", "secrets.token"),
        ("sttus == 200", "sttus"),
    ] {
        let errors = check_condition(text, &own);
        let found: Vec<_> = errors.iter().map(|e| &text[e.range.clone()]).collect();
        assert_eq!(found, [word], "{text}: {errors:?}");
    }
    let elsewhere = check_condition("stdout == ''", &known());
    assert!(
        elsewhere[0].help.as_deref().unwrap().contains("register"),
        "{elsewhere:?}"
    );
}

#[test]
fn unquoted_values_in_a_command_are_found_before_the_run() {
    let sh = Place::Command { shell: Some(Shell::Sh) };
    for fine in [
        "echo {{ params.name | sh }} {{ params.n }} {{ params.yes }} {{ params.n + 1 }} {{ pending.count }} {{ pending.rc }}",
        "echo {{ host.name }} {{ run.id }} {{ run.mode }} {{ params.name | raw }}",
        "x=$(cat {{ params.name | sh }}); echo \"$(cat {{ params.name | sh }})\"",
        "echo \"{{ host.name }} {{ params.n }}\"",
        "echo {{ params.soak }} {{ marks.begin }} {{ pending.duration * 2 }} {{ 'a' ~ params.n ~ host.name }}",
        "echo {{ 'real' | upper }} {{ pending.count | default(0) }} {{ '-v' if params.yes else '-q' | trim }}",
        // The random test found that a number was to be quoted here, and the run did not ask for it.
        "echo {{ pending.stdout | length | default('x') | abs }}",
    ] {
        assert_eq!(judged(fine, sh), [], "{fine}");
    }
    for (text, word) in [
        ("echo {{ params.name }}", "params.name"),
        ("echo {{ host.labels.rack }}", "host.labels.rack"),
        ("echo {{ host.address }}", "host.address"),
        ("echo {{ pending.stdout }}", "pending.stdout"),
        ("echo {{ params.name | lower }}", "params.name | lower"),
        ("echo {{ ('a' ~ params.name) | trim }}", "params.name"),
        ("echo {{ 'x' | replace('x', params.name) }}", "params.name"),
        ("echo {{ 'a' if params.yes else params.name }}", "params.name"),
        (
            "echo {{ pending.stdout | default('x') }}",
            "pending.stdout | default('x')",
        ),
        ("echo {{ targets.web | join(' ') }}", "targets.web | join(' ')"),
        ("echo {{ ['a'] | first }}", "['a'] | first"),
        ("echo {{ params.name | sh | upper }}", "params.name | sh | upper"),
        (
            "echo {{ results.lag | map('stdout') | join(',') }}",
            "results.lag | map('stdout') | join(',')",
        ),
        ("echo {{ params.name | ps }}", "params.name | ps"),
        ("echo \"{{ params.name | sh }}\"", "{{ params.name | sh }}"),
        ("echo '{{ params.name | sh }}'", "{{ params.name | sh }}"),
    ] {
        assert_eq!(judged(text, sh), [(ErrorKind::Unquoted, word.to_owned())], "{text}");
        assert_eq!(judged("{{ params.name }}", Place::Value), []);
    }
    assert_eq!(
        judged("echo {{ secrets.token | sh }}", sh),
        [(ErrorKind::Secret, "secrets.token".to_owned())]
    );
    assert_eq!(
        judged("{{ secrets.token }}", Place::Value),
        [(ErrorKind::Secret, "secrets.token".to_owned())]
    );
    assert_eq!(judged("{{ secrets.token }}", Place::SecretAllowed), []);
    let any = Place::Command { shell: None };
    assert_eq!(judged("x {{ params.name | cmd }} {{ params.name | ps }}", any), []);
    assert_eq!(judged("x {{ params.name }}", any).len(), 1);
}

#[test]
fn kinds_that_do_not_go_together_are_found_before_the_run() {
    let own = Known {
        own: Some(Fields::of([("status", FieldKind::Number)])),
        ..known()
    };
    for (text, word, says) in [
        ("params.name > 5", "params.name > 5", "text and a number have no order"),
        (
            "duration < 10",
            "duration < 10",
            "a duration and a number have no order",
        ),
        (
            "duration < '10m'",
            "duration < '10m'",
            "a duration and text have no order",
        ),
        (
            "params.n > none",
            "params.n > none",
            "nothing is greater or less than `none`",
        ),
        (
            "targets.web > 3",
            "targets.web > 3",
            "a list and a number have no order",
        ),
        (
            "params.yes == 'true'",
            "params.yes == 'true'",
            "true or false never equals text",
        ),
        ("params.n == '3'", "params.n == '3'", "a number never equals text"),
        ("rc == '0'", "rc == '0'", "a number never equals text"),
        (
            "params.n and params.yes",
            "params.n",
            "`and` needs true or false, this is a number",
        ),
        ("not stdout", "stdout", "`not` needs true or false, this is text"),
        (
            "params.n | upper == 'X'",
            "params.n | upper",
            "`upper` wants text, this is a number",
        ),
        (
            "stdout | first == 'x'",
            "stdout | first",
            "`first` wants a list, this is text",
        ),
        (
            "stdout + 1 == 2",
            "stdout + 1",
            "`+` cannot be done with text and a number",
        ),
        (
            "stdout.lines == 'x'",
            "stdout.lines",
            "`stdout` is text, it has no field `lines`",
        ),
        (
            "pending.stdout.status == 1",
            "pending.stdout.status",
            "`pending.stdout` is text, it has no field `status`",
        ),
        (
            "targets.web | length",
            "targets.web | length",
            "a condition must give true or false, this gives a number",
        ),
        ("none", "none", "a condition must give true or false, this gives none"),
        ("3 in params.name", "3 in params.name", "text cannot contain a number"),
    ] {
        let errors = check_condition(text, &own);
        let found: Vec<_> = errors
            .iter()
            .map(|e| (&text[e.range.clone()], e.message.as_str()))
            .collect();
        assert_eq!(found, [(word, says)], "{text}");
        assert!(errors[0].help.is_some(), "{text}");
    }
    for fine in [
        "duration < ('10m' | duration)",
        "marks.begin < ('2026-01-01T00:00:00Z' | timestamp)",
        "value > 3 and value | int > 2",
        "params.name == none",
        "pending.ids | length > 0 and pending.ids[0] == 'x'",
        "(stdout | lines | first | default('')) == 'x'",
        "params.n / 2 > 1.5 or params.yes",
        "host.version < '9'",
    ] {
        assert_eq!(check_condition(fine, &own), [], "{fine}");
    }
    assert_eq!(
        judged("all of {{ targets.web }}", Place::Value),
        [(ErrorKind::Kind, "targets.web".to_owned())]
    );
    assert_eq!(judged("{{ targets.web }}", Place::Value), []);
}

/// Expressions over names whose values `scope` has, without what may leave a part unasked.
fn expression() -> impl Strategy<Value = String> {
    let atom = prop::sample::select(vec![
        "params.name",
        "params.n",
        "params.yes",
        "params.names",
        "host.name",
        "pending.stdout",
        "pending.count",
        "'a'",
        "7",
        "1.5",
        "true",
        "['a', 'b']",
        "('10m' | duration)",
        "('2026-01-01T00:00:00Z' | timestamp)",
    ])
    .prop_map(str::to_owned);
    atom.prop_recursive(4, 24, 2, |inner| {
        let op = prop::sample::select(vec!["==", "!=", "<", ">=", "in", "~", "+", "-", "*"]);
        let filter = prop::sample::select(vec![
            "upper",
            "trim",
            "length",
            "int",
            "lines",
            "first",
            "abs",
            "join(',')",
            "sort",
            "round",
            "json",
            "sh",
            "default('x')",
        ]);
        prop_oneof![
            (inner.clone(), op, inner.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (inner.clone(), filter).prop_map(|(a, filter)| format!("({a} | {filter})")),
            inner.prop_map(|a| format!("(not {a})")),
        ]
    })
}

fn of_the_scope() -> Known {
    let mut known = known();
    known.params.insert("names".to_owned(), ParamType::List);
    known
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// No false alarm: what is refused before the run for its kinds would have failed in it, or is a comparison that never holds.
    #[test]
    fn what_is_refused_for_its_kinds_fails_with_every_value(text in expression()) {
        let found = check_condition(&text, &of_the_scope());
        let whole = format!("({text}) == 1");
        let Some(error) = found.iter().find(|e| e.kind == ErrorKind::Kind) else { return Ok(()) };
        if error.message.contains("never equals") || error.message.starts_with("a condition") {
            return Ok(());
        }
        if error.message.contains("no useful order") {
            return Ok(());
        }
        prop_assert!(Expr::parse(&whole).unwrap().value(&scope()).is_err(), "{text}: {error:?}");
    }

    /// No surprise at night: what `check` lets into a command, the run does not refuse for its quotes, and the other way round.
    #[test]
    fn the_run_and_the_check_agree_about_quotes(text in expression()) {
        let command = format!("echo {{{{ {text} }}}}");
        let sh = Place::Command { shell: Some(Shell::Sh) };
        let before = check_template(&command, sh, &of_the_scope());
        let now = Template::parse(&command).unwrap().render(&scope(), Mode::Command(Shell::Sh));
        if before.is_empty() {
            prop_assert!(now.as_ref().err().is_none_or(|e| e.kind != ErrorKind::Unquoted), "{text}: {now:?}");
        } else if before.iter().all(|e| e.kind == ErrorKind::Unquoted) {
            prop_assert!(now.is_err() || !command.contains("params.name") && !command.contains("stdout"), "{text}: {now:?}");
        }
    }
}

/// The spot of the last `{{ x | … }}`, written `@` in the command.
fn spot(shell: Shell, command: &str) -> Spot {
    let text = command.replace('@', "{{ x | sh }}");
    let pieces = split::split(&text).unwrap();
    place::spot(&text, &pieces, text.rfind("{{").unwrap(), shell)
}

#[test]
fn sh_quotes_are_followed_to_where_a_value_stands() {
    use Spot::{Comment, Escaped, Expansion, HereDocument, Quotes, Unsure, Word};
    for (command, want) in [
        ("echo @", Word),
        ("a=@; b='x' c=\"y\" @", Word),
        ("echo 'a @'", Quotes),
        ("echo \"a @\"", Quotes),
        ("echo \"a \\\" @\"", Quotes),
        ("echo 'a'@'b'", Word),
        ("echo \"$(cat @)\"", Word),
        ("echo \"$(cat \"@\")\"", Quotes),
        ("echo \"$(date) @\"", Quotes),
        ("echo `cat @`", Expansion),
        ("echo ${x:-@}", Expansion),
        ("echo \"${x:-$(cat @)}\"", Expansion),
        ("echo $((1 + @))", Expansion),
        ("echo $((1 + 2)) @", Word),
        ("echo ${x} @ `y` @", Word),
        ("\\\n# @", Comment),
        ("a $\\\n(b) @", Unsure),
        ("a && \\\n b @", Word),
        ("cat <<A\nx\\\nA\n@", Unsure),
        ("# it's @", Comment),
        ("# it's\necho @", Word),
        ("echo a#'b @", Quotes),
        ("echo \\@", Escaped),
        ("echo $@", Escaped),
        ("echo \\'@", Word),
        ("cat <<EOF\n@\nEOF", HereDocument),
        ("cat <<'EOF' >x\n'\nEOF\necho @", Word),
        ("cat <<-EOF\n\tit's\n\tEOF\necho @", Word),
        ("cat <<A; cat <<B\nA\n@\nB", HereDocument),
        ("cat <<<@", Word),
        ("echo $'a\\'b' @", Unsure),
        ("echo $'a' @", Word),
        ("x=$(case $y in a) echo @;; esac)", Unsure),
        ("case $y in a) echo @;; esac", Word),
        ("f() { echo @; }; (cd /x && ls @)", Word),
        ("echo \"'\" @", Word),
    ] {
        assert_eq!(spot(Shell::Sh, command), want, "{command}");
    }
}

#[test]
fn powershell_and_cmd_quotes_are_followed_too() {
    use Spot::{Comment, Escaped, Expansion, HereDocument, Quotes, Unsure, Word};
    for (command, want) in [
        ("Write-Host @x", Word),
        ("'it''s @x'", Quotes),
        ("\"a @x\"", Quotes),
        ("\"a `\" @x\"", Quotes),
        ("\"a $(Get @x)\"", Word),
        ("${a b @x}", Expansion),
        ("'a\u{2019} @x", Word),
        ("# it's @x", Comment),
        ("<# it's #> @x", Word),
        ("<# @x", Comment),
        ("`@x", Escaped),
        ("x --% @x", Unsure),
        ("AT'\nit's @x\n'AT", HereDocument),
        ("AT\"\nit's\n\"AT; @x", Word),
    ] {
        let text = command.replace("@x", "{{ x | ps }}").replace("AT", "@");
        let pieces = split::split(&text).unwrap();
        assert_eq!(
            place::spot(&text, &pieces, text.rfind("{{").unwrap(), Shell::Ps),
            want,
            "{command}"
        );
    }
    for (command, want) in [
        ("dir @", Word),
        ("dir \"@\"", Quotes),
        ("dir \"x\" @", Word),
        ("dir \"x\r\ndir @", Word),
        ("dir ^\"@", Word),
        ("dir ^@", Escaped),
        ("dir ^^@", Word),
    ] {
        assert_eq!(spot(Shell::Cmd, command), want, "{command}");
    }
}

#[test]
fn each_shell_gets_its_own_quotes_and_refuses_what_they_cannot_hold() {
    assert_eq!(quote::sh("").unwrap(), "''");
    assert_eq!(
        quote::ps("it's \u{2019}q\u{2018}").unwrap(),
        "'it''s \u{2019}\u{2019}q\u{2018}\u{2018}'"
    );
    assert_eq!(quote::cmd("a & b ^ |").unwrap(), "\"a & b ^ |\"");
    assert_eq!(quote::cmd("C:\\dir\\").unwrap(), "\"C:\\dir\\\\\"");
    for wrong in ["%PATH%", "a\"b", "a!b", "a\nb", "a\0"] {
        assert!(quote::cmd(wrong).is_err(), "{wrong}");
    }
    assert!(quote::sh("a\0b").is_err() && quote::ps("\0").is_err());
    let error = Template::parse("{{ '%PATH%' | cmd }}")
        .unwrap()
        .render(&scope(), Mode::Text);
    assert!(error.unwrap_err().message.contains("percent"));
}

proptest! {
    #[test]
    fn the_place_in_a_command_is_told_without_panic(command in "[@ a'\"`$(){}<#\\\\\n^;-]{0,30}") {
        for shell in [Shell::Sh, Shell::Ps, Shell::Cmd] {
            spot(shell, &format!("{command}@").replace('{', "{ "));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The claim of `place`, proved by a real shell: where it says `Word`, the value arrives whole and nothing of it runs.
    #[test]
    fn where_a_word_may_stand_a_hostile_value_never_runs(command in "[ a'\"`$(){}<#\\\\\n;]{0,12}") {
        let command = command.replace("{{", "{");
        let text = format!("{command}{{{{ x | sh }}}}");
        let Ok(pieces) = split::split(&text) else { return Ok(()) };
        if place::spot(&text, &pieces, command.len(), Shell::Sh) == Spot::Word {
            let dir = tempfile::tempdir().unwrap();
            let flag = dir.path().join("ran");
            let touch = format!("touch {}", flag.display());
            for evil in [format!("';{touch};'"), format!("$({touch})"), format!("`{touch}`"), format!("\n{touch}\n"), format!("\";{touch};\"")] {
                let line = format!("{command}{}", quote::sh(&evil).unwrap());
                Command::new("sh").arg("-c").arg(&line).current_dir(dir.path()).env("PATH", "/usr/bin:/bin").output().unwrap();
                prop_assert!(!flag.exists(), "{line:?}");
            }
        }
    }
}
