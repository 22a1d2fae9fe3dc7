//! What the texts of a plan read: some of what a host could tell costs it something, and is asked only where it is read.
//!
//! Owns: finding it, rather once too often than too seldom. Must not: evaluate.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

use super::{Call, Plan};
use crate::id::Content;
use crate::runbook::expr::reads;

/// True if a text or condition of the plan, or of a template that it uploads, may read `host.FACT`. `files` are the plan's, by path.
pub fn reads_fact(plan: &Plan, files: &BTreeMap<String, Arc<Content>>, fact: &str) -> bool {
    let Ok(all) = serde_json::to_value(plan) else {
        return true;
    };
    let mut found = false;
    texts(&all, &mut |text| found = found || may_read(text, fact));
    let steps = plan.written_steps().flat_map(|(_, step)| step.with_undo());
    let templates = steps.filter_map(|step| match &step.call {
        Call::Upload {
            src, template: true, ..
        } => files.get(src),
        _ => None,
    });
    let mut templates = templates.filter_map(|file| std::str::from_utf8(file).ok());
    found || templates.any(|text| may_read(text, fact))
}

/// Whether a text stands for a condition or a template is not asked: it is read as either. Who takes the whole `host` takes each fact.
fn may_read(text: &str, fact: &str) -> bool {
    let of_fact = |path: &str| match path.strip_prefix("host") {
        Some("") => true,
        Some(rest) => rest.strip_prefix('.').and_then(|r| r.split('.').next()) == Some(fact),
        None => false,
    };
    let either = || [true, false].into_iter().flat_map(|condition| reads(text, condition));
    text.contains("host") && either().any(|read| of_fact(&read.path))
}

/// Every text in a value.
pub fn texts(value: &Json, take: &mut dyn FnMut(&str)) {
    match value {
        Json::String(text) => take(text),
        Json::Array(items) => items.iter().for_each(|v| texts(v, take)),
        Json::Object(map) => map.values().for_each(|v| texts(v, take)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::may_read;

    #[test]
    fn a_fact_is_asked_for_wherever_a_text_may_read_it() {
        for text in [
            "host.virtual",
            "host.virtual == 'kvm' and host.os == 'linux'",
            "{{ host.virtual }}",
            "on {{ host.name }}: {{ host['virtual'] | upper }}",
            "{{ host[params.which] }}",
            "{{ host | json }}",
            "true if host['virt' ~ 'ual'] else false",
        ] {
            assert!(may_read(text, "virtual"), "{text}");
        }
        for text in [
            "host.version",
            "{{ host.name }}",
            "virtual",
            "the virtual host",
            "{{ params.host }}",
            "host1",
            "host.vars.virtual",
        ] {
            assert!(!may_read(text, "virtual"), "{text}");
        }
    }
}
