//! Where a step is done.

use std::collections::BTreeMap;

use super::phase::Site;
use super::{Binder, names};
use crate::diag::{Diagnostic, Spanned, nearest};
use crate::id::HostName;
use crate::plan::Place;
use crate::runbook::{Delegate, Step};

impl Binder<'_, '_> {
    pub(super) fn place(&mut self, step: &Step, site: Site<'_>) -> Option<Place> {
        let place = match &step.delegate_to {
            None => Place::Own,
            Some(Spanned {
                value: Delegate::OneOf(set),
                span,
            }) => {
                let written = Spanned::new(set.clone(), span.clone());
                let set = self.text_now(&written)?;
                match self.targets.get(&set) {
                    Some(hosts) => Place::OneOf(hosts.clone()),
                    None => {
                        let d = self.unknown_place(&set, &written);
                        self.diags.push(d);
                        return None;
                    }
                }
            }
            Some(Spanned {
                value: Delegate::To(text),
                span,
            }) => self.delegated(&Spanned::new(text.clone(), span.clone()), site)?,
        };
        match &place {
            Place::Own => {}
            Place::Hosts(hosts) | Place::OneOf(hosts) => self.touch(hosts),
            Place::ByHost(map) => map.values().for_each(|hosts| self.touch(hosts)),
        }
        Some(place)
    }

    fn delegated(&mut self, to: &Spanned<String>, site: Site<'_>) -> Option<Place> {
        let reads = names::template_names(to);
        if !names::read_host(&reads) {
            let word = self.text_now(to)?;
            return self.hosts_of(&word, to).map(Place::Hosts);
        }
        let mut map = BTreeMap::new();
        let mut scope = self.scope(&reads);
        for name in site.hosts {
            if let Some(host) = self.input.inventory.host(name.as_str()) {
                names::set_host(&mut scope, host);
            }
            // One host is enough to tell what is wrong with the template.
            let word = self.text_in(to, &scope)?;
            map.insert(name.clone(), self.hosts_of(&word, to)?);
        }
        Some(Place::ByHost(map))
    }

    /// A host, a set or `controller`.
    pub(super) fn hosts_of(&mut self, word: &str, written: &Spanned<String>) -> Option<Vec<HostName>> {
        if word == "controller" {
            return Some(vec![HostName::controller()]);
        }
        if let Some(hosts) = self.targets.get(word) {
            return Some(hosts.clone());
        }
        if self.input.inventory.host(word).is_some() {
            return Some(vec![HostName::new(word)]);
        }
        let d = self.unknown_place(word, written);
        self.diags.push(d);
        None
    }

    fn unknown_place(&self, word: &str, written: &Spanned<String>) -> Diagnostic {
        let inventory = self.input.inventory;
        let d = Diagnostic::error(
            "PS0625",
            format!("`{word}` is neither a set nor a host"),
            written.span.clone(),
            "the step is done there",
        );
        let hosts = inventory.hosts().iter().map(|h| h.name.value.as_str());
        let names = self
            .targets
            .keys()
            .map(String::as_str)
            .chain(["controller"])
            .chain(hosts);
        match nearest(word, names) {
            Some(near) => d.help(format!("did you mean `{near}`?")),
            None => d.help("name a set of `targets`, a host of the inventory, or `controller`"),
        }
    }
}
