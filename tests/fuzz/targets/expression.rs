//! Templates and conditions: read, judged and rendered with values of every kind.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use pitstop::runbook::Value;
use pitstop::runbook::expr::{Expr, Mode, Scope, Template};

fn scope() -> Scope<'static> {
    let mut scope = Scope::new();
    let map: BTreeMap<String, Value> = [
        ("name".to_owned(), Value::Text("web1".to_owned())),
        ("n".to_owned(), Value::Int(7)),
    ]
    .into();
    scope.set("params", Value::Map(map.clone()));
    scope.set("host", Value::Map(map));
    scope.set(
        "list",
        Value::List(vec![
            Value::Int(i64::MIN),
            Value::Text("ä\"'`$".to_owned()),
            Value::Bool(true),
        ]),
    );
    scope.set("n", Value::Int(i64::MAX));
    scope
}

fuzz_target!(|text: &str| {
    let scope = scope();
    if let Ok(template) = Template::parse(text) {
        let _ = (template.names(), template.is_late(), template.uses_secrets());
        let _ = template.render(&scope, Mode::Text);
        let _ = template.render_value(&scope);
    }
    match Expr::parse(text) {
        Ok(condition) => {
            let _ = (condition.names(), condition.truth(&scope), condition.value(&scope));
        }
        Err(error) => assert!(text.get(error.range).is_some(), "the mistake is nowhere"),
    }
});
