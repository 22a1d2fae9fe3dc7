//! `for_each` when its step is due: the items are asked once and written down before the first is done.
//!
//! Owns: that moment. Must not: ask a list again that the journal has.

use super::EngineError;
use super::drive::Driver;
use super::record::redact_value;
use super::render;
use crate::plan::{Items, PlannedEach, PlannedStep, Stage, Value};
use crate::run::event::{Event, Outcome, StepKey, StepResult};
use crate::runbook::expr::Expr;

/// What becomes of a step whose list is due.
enum Due {
    Items(Vec<Value>),
    LeftOut(String),
    Bad(String),
}

impl Driver {
    /// True if the step has a list that nobody asked yet. An undo step takes its item from the step it takes back.
    pub(super) fn wants_list(&self, step: &PlannedStep, key: &StepKey) -> bool {
        step.for_each.is_some() && key.stage != Stage::Undo && self.run.items(key, key.stage, &key.step).is_none()
    }

    /// Writes the items down, or leaves the whole step out, or fails it. Always: ask `next` again.
    pub(super) async fn list(&mut self, step: &PlannedStep, key: StepKey) -> Result<bool, EngineError> {
        match self.due(step, &key) {
            Due::Items(items) => {
                self.tell(vec![Event::Listed { key, items }]).await?;
            }
            Due::LeftOut(reason) => {
                let by_person = false;
                self.tell(vec![Event::Skipped { key, reason, by_person }]).await?;
            }
            Due::Bad(why) => self.no_list(step, key, &why).await?,
        }
        Ok(true)
    }

    fn due(&self, step: &PlannedStep, key: &StepKey) -> Due {
        let Some(each) = &step.for_each else {
            return Due::Bad("it has no list".to_owned());
        };
        let scopes = self.scopes();
        let scope = scopes.whole(step, key);
        // A condition that does not look at the item is asked once, before the list: it may be what guards it.
        if let Some(when) = step.when.as_ref().filter(|w| !reads_item(w)) {
            match render::truth(when, &scope) {
                Ok(true) => {}
                Ok(false) => return Due::LeftOut(format!("its condition is false: {when}")),
                Err(why) => return Due::Bad(format!("its condition: {why}")),
            }
        }
        let items = match (&each.items, each.known(key.host.as_ref())) {
            (_, Some(items)) => items.to_vec(),
            (Items::Late(template), None) => match render::value(template, &scope) {
                Ok(Value::List(items)) => items,
                Ok(other) => return Due::Bad(format!("`for_each` needs a list, this is {}", kind(&other))),
                Err(why) => return Due::Bad(format!("its list: {why}")),
            },
            (_, None) => Vec::new(),
        };
        self.judged(each, items)
    }

    fn judged(&self, each: &PlannedEach, items: Vec<Value>) -> Due {
        if items.is_empty() {
            return Due::LeftOut("its list is empty".to_owned());
        }
        let most = each.max_items;
        if items.len() > most as usize {
            return Due::Bad(format!("its list has {} items, `max_items` is {most}", items.len()));
        }
        let mut shown = items.clone();
        shown.iter_mut().for_each(|v| redact_value(v, &self.setup.redactor));
        if shown != items {
            return Due::Bad("an item of its list holds a declared secret, and the journal keeps the items".to_owned());
        }
        Due::Items(items)
    }

    /// The step has failed before anything of it was sent: nothing of it is owed.
    async fn no_list(&mut self, step: &PlannedStep, key: StepKey, why: &str) -> Result<(), EngineError> {
        let on = key.host.clone().unwrap_or_else(crate::id::HostName::controller);
        let intended = Event::Intended {
            key: key.clone(),
            on,
            call: "for_each".to_owned(),
            changes: false,
            latched: false,
            boot: String::new(),
            limit_ms: step.timeout_ms,
        };
        let result = StepResult {
            why: self.setup.redactor.redact_text(why),
            warned: step.may_fail.is_some(),
            ..StepResult::default()
        };
        let settled = Event::Settled {
            key,
            outcome: Outcome::Failed,
            result: result.into(),
        };
        self.tell(vec![intended, settled]).await
    }
}

/// True if a condition looks at the item: then it is asked for each.
pub(super) fn reads_item(when: &str) -> bool {
    Expr::parse(when).is_ok_and(|e| e.names().iter().any(|(n, _)| n == "item" || n.starts_with("item.")))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::None => "none",
        Value::Bool(_) => "true or false",
        Value::Int(_) | Value::Number(_) => "a number",
        Value::Text(_) => "text",
        Value::Duration { .. } => "a duration",
        Value::Timestamp { .. } => "a time",
        Value::List(_) => "a list",
        Value::Map(_) => "a map",
    }
}
