//! `for_each`: the items, where the plan knows them.

use super::phase::Site;
use super::{Binder, names};
use crate::diag::{Diagnostic, Span, Spanned};
use crate::id::HostName;
use crate::plan::{Items, PlannedEach, Value};
use crate::runbook::expr::{Scope, Template};
use crate::runbook::{EachList, ForEach, Step};

/// Items of one list where nothing is written.
const MAX_ITEMS: u32 = 100;

impl Binder<'_, '_> {
    /// `None`, with a diagnostic, if the list is wrong; `Some(None)`: the step has none.
    pub(super) fn for_each(&mut self, step: &Step, site: Site<'_>) -> Option<Option<PlannedEach>> {
        let Some(each) = &step.for_each else { return Some(None) };
        let max_items = each.max_items.as_ref().map_or(MAX_ITEMS, |m| m.value);
        let texts: Vec<&Spanned<String>> = match &each.list {
            EachList::Written { texts, .. } => texts.iter().collect(),
            EachList::From(text) => vec![text],
        };
        if let Some(late) = texts.iter().find(|t| self.template_is_late(t)) {
            return match &each.list {
                EachList::From(text) => Some(Some(PlannedEach {
                    items: Items::Late(text.value.clone()),
                    max_items,
                })),
                EachList::Written { .. } => {
                    self.diags.push(late_item(late));
                    None
                }
            };
        }
        let reads: Vec<_> = texts.iter().flat_map(|t| names::template_names(t)).collect();
        let mut scope = self.scope(&reads);
        let items = if names::read_host(&reads) && !step.once {
            let mut map = std::collections::BTreeMap::new();
            for name in site.hosts {
                if let Some(host) = self.input.inventory.host(name.as_str()) {
                    names::set_host(&mut scope, host);
                }
                map.insert(name.clone(), self.items(each, &scope, max_items, Some(name))?);
            }
            Items::ByHost(map)
        } else {
            Items::Same(self.items(each, &scope, max_items, None)?)
        };
        Some(Some(PlannedEach { items, max_items }))
    }

    fn items(&mut self, each: &ForEach, scope: &Scope, most: u32, host: Option<&HostName>) -> Option<Vec<Value>> {
        let of = host.map_or_else(String::new, |h| format!(" for host `{h}`"));
        let (items, span) = match &each.list {
            EachList::Written { items, .. } => {
                let items: Option<Vec<Value>> = items.iter().map(|i| self.item_value(i, scope)).collect();
                (items?, &each.span)
            }
            EachList::From(text) => match Template::parse(text).and_then(|t| t.render_value(scope)) {
                Ok(Value::List(items)) => (items, &text.span),
                Ok(_) => {
                    let message = format!("`for_each` gives no list{of}");
                    let d = Diagnostic::error("PS0681", message, text.span.clone(), "this is another kind of value");
                    self.diags
                        .push(d.help("name a parameter of type list, or a list among the host's `vars`"));
                    return None;
                }
                Err(e) => {
                    self.diags.push(names::not_now(text, &e));
                    return None;
                }
            },
        };
        if items.len() > most as usize {
            self.diags.push(too_many(each, span, items.len(), most, &of));
            return None;
        }
        Some(items)
    }

    /// An item with the templates in it rendered.
    fn item_value(&mut self, item: &Spanned<Value>, scope: &Scope) -> Option<Value> {
        rendered(&item.value, scope)
            .map_err(|message| {
                let d = Diagnostic::error("PS0614", message, item.span.clone(), "the plan needs its value");
                self.diags.push(d);
            })
            .ok()
    }
}

fn rendered(value: &Value, scope: &Scope) -> Result<Value, String> {
    match value {
        Value::Text(text) => Template::parse(text)
            .and_then(|t| t.render_value(scope))
            .map_err(|e| e.message),
        Value::List(items) => items
            .iter()
            .map(|v| rendered(v, scope))
            .collect::<Result<_, _>>()
            .map(Value::List),
        Value::Map(fields) => fields
            .iter()
            .map(|(k, v)| rendered(v, scope).map(|v| (k.clone(), v)))
            .collect::<Result<_, _>>()
            .map(Value::Map),
        other => Ok(other.clone()),
    }
}

fn late_item(text: &Spanned<String>) -> Diagnostic {
    Diagnostic::error(
        "PS0682",
        "an item of a written list needs something that only the run knows",
        text.span.clone(),
        "the plan shows the items",
    )
    .help("name the whole list in one expression: `for_each: \"{{ NAME.value }}\"`")
}

fn too_many(each: &ForEach, span: &Span, items: usize, most: u32, of: &str) -> Diagnostic {
    let d = Diagnostic::error(
        "PS0680",
        format!("the list has {items} items{of}, at most {most} are allowed"),
        span.clone(),
        "this list",
    );
    match &each.max_items {
        Some(max) => d
            .also(max.span.clone(), "the limit")
            .help("raise `max_items`, or shorten the list"),
        None => d.help(format!(
            "write `max_items: {items}` if so many are meant; the default is {MAX_ITEMS}"
        )),
    }
}
