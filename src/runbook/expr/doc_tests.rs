//! The examples of `docs/language.md` give what stands beside them, and every filter has one.

use super::filter::Filter;
use super::tests::text;
use super::*;

/// The rows of the table: expression and result.
fn rows() -> Vec<(String, String)> {
    let page = include_str!("../../../docs/language.md");
    let lines = page.lines().skip_while(|l| *l != "| expression | gives |").skip(2);
    let cell = |c: &str| c.trim().trim_matches('`').replace("\\|", "|");
    lines
        .take_while(|l| l.starts_with('|'))
        .map(|l| {
            let (left, right) = l.trim_matches('|').rsplit_once(" | ").unwrap();
            (cell(left), cell(right))
        })
        .collect()
}

#[test]
fn every_documented_expression_gives_what_is_documented() {
    let mut scope = Scope::new();
    let names = Value::List(["b", "a", "b"].map(text).to_vec());
    let params = [("unit", text("web")), ("names", names), ("n", Value::Int(3))];
    scope.set(
        "params",
        Value::Map(params.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
    );
    scope.set("stdout", text("one=1\ntwo=2"));
    let lag = |n| Value::Map([("value".to_owned(), Value::Int(n))].into());
    let results = [("lag".to_owned(), Value::List(vec![lag(3), lag(5)]))];
    scope.set("results", Value::Map(results.into()));
    let rows = rows();
    for (expression, gives) in &rows {
        let shown = Template::parse(&format!("{{{{ {expression} }}}}")).and_then(|t| t.render(&scope, Mode::Text));
        assert_eq!(shown.as_deref(), Ok(gives.as_str()), "{expression}");
    }
    for filter in Filter::names() {
        let used = rows.iter().any(|(e, _)| e.contains(&format!("| {filter}")));
        assert!(used, "`{filter}` has no example in docs/language.md");
    }
}
