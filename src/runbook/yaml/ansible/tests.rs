//! What Ansible's YAML and JSON come to.

use super::*;

fn json(datum: &Datum) -> serde_json::Value {
    match &datum.kind {
        Kind::None => serde_json::Value::Null,
        Kind::Bool(b) => (*b).into(),
        Kind::Int(n) => (*n).into(),
        Kind::Number(n) => (*n).into(),
        Kind::Text(t) => t.as_str().into(),
        Kind::Unsafe(t) => serde_json::json!({ "unsafe": t }),
        Kind::Vault => "vault".into(),
        Kind::Foreign(what) => serde_json::json!({ "foreign": what }),
        Kind::List(items) => items.iter().map(json).collect::<Vec<_>>().into(),
        Kind::Map(pairs) => {
            let pairs = pairs.iter().map(|(k, v)| (k.as_key().unwrap(), json(v)));
            serde_json::Value::Object(pairs.collect())
        }
    }
}

fn value(text: &str) -> serde_json::Value {
    let mut diags = Diagnostics::new();
    let datum = read(&Source::new("x.yml", text), &mut diags);
    assert!(diags.0.is_empty(), "{text}: {:?}", diags.0);
    datum.as_ref().map_or(serde_json::Value::Null, json)
}

fn code(text: &str) -> &'static str {
    let mut diags = Diagnostics::new();
    assert!(read(&Source::new("x.yml", text), &mut diags).is_none(), "{text}");
    diags.0.first().unwrap().code
}

#[test]
fn scalars_have_the_kinds_of_yaml_1_1() {
    for (text, expected) in [
        ("yes", "true"),
        ("Off", "false"),
        ("y", "\"y\""),
        ("'yes'", "\"yes\""),
        ("0644", "420"),
        ("0o644", "\"0o644\""),
        ("08", "\"08\""),
        ("0x1F", "31"),
        ("0b101", "5"),
        ("1_000", "1000"),
        ("22:30", "1350"),
        ("-1:30:00", "-5400"),
        ("1e5", "\"1e5\""),
        ("1.5e3", "\"1.5e3\""),
        ("1.5e+3", "1500.0"),
        ("1.", "1.0"),
        (".5", "0.5"),
        ("1:30.5", "90.5"),
        ("~", "null"),
        ("2001-12-14", "\"2001-12-14\""),
        ("2001-12-14t21:59:43.10-05:00", "\"2001-12-14T21:59:43.100000-05:00\""),
        ("2001-12-14 21:59:43", "\"2001-12-14T21:59:43\""),
        ("192.0.2.1", "\"192.0.2.1\""),
        (".inf", "{\"foreign\":\"a number that is not finite\"}"),
        ("9999999999999999999", "{\"foreign\":\"a number beyond 64 bits\"}"),
        ("!!str 5", "\"5\""),
        ("!!int '5'", "5"),
        ("!unsafe '{{ x }}'", "{\"unsafe\":\"{{ x }}\"}"),
        ("!vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  61\n", "\"vault\""),
    ] {
        let expected: serde_json::Value = serde_json::from_str(expected).unwrap();
        assert_eq!(value(text), expected, "{text}");
    }
}

#[test]
fn anchors_merges_and_double_keys_are_read_as_pyyaml_does() {
    let text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: {y: 4, <<: [{y: 5, z: 6}, *a]}\nd: 1\nd: 2\n5: five\n";
    assert_eq!(
        value(text),
        serde_json::json!({"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": {"x": 1, "y": 4, "z": 6}, "d": 2, "5": "five"})
    );
}

#[test]
fn json_is_read_by_its_own_rules() {
    let text = "{\"a\":\t1e5, \"b\": \"\\ud83d\\ude00\\/\", \"c\": {\"__ansible_unsafe\": \"{{ x }}\"}, \"d\": {\"__ansible_vault\": \"x\"}, \"e\": \"yes\", \"e\": 2}";
    assert_eq!(
        value(text),
        serde_json::json!({"a": 100_000.0, "b": "\u{1f600}/", "c": {"unsafe": "{{ x }}"}, "d": "vault", "e": 2})
    );
}

#[test]
fn what_ansible_refuses_is_refused_and_bombs_are_stopped() {
    assert_eq!(code("a: *b\n"), "PS0005");
    assert_eq!(code("a: &a [*a]\n"), "PS0005");
    assert_eq!(code("<<: 5\n"), "PS0006");
    assert_eq!(code("a: !mine x\n"), "PS0007");
    assert_eq!(code("a: 1\n---\nb: 2\n"), "PS0008");
    assert_eq!(code("a: {{ x }}\n"), "PS0011");
    assert_eq!(code("? [a]\n: 1\n"), "PS0009");
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for n in 1..12 {
        let of = format!("*a{}", n - 1);
        bomb.push_str(&format!("a{n}: &a{n} [{}]\n", vec![of; 10].join(",")));
    }
    assert_eq!(code(&bomb), "PS0002");
}
