//! What Ansible's files say: groups, hosts, membership, variables; and what that comes to.
//!
//! Owns: Ansible's rules for groups (who is whose parent, depth, priority, `all` and `ungrouped`), and the order of hosts.
//! Must not: read a file, or know what a variable means to pitstop.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use crate::diag::{Diagnostic, Diagnostics, Span, Spanned};
use crate::runbook::yaml::ansible::{Datum, Kind};

/// Most groups of an inventory, and most hosts.
const MOST_GROUPS: usize = 10_000;
const MOST_HOSTS: usize = 200_000;
/// Deepest nesting of groups.
const MAX_DEPTH: usize = 64;

/// Variables by name.
pub(super) type Vars = BTreeMap<String, Arc<Datum>>;

/// A group.
#[derive(Debug)]
pub(super) struct Group {
    pub name: Spanned<String>,
    /// Direct members, in the order in which they were named.
    pub hosts: Vec<usize>,
    members: HashSet<usize>,
    pub children: Vec<usize>,
    parents: Vec<usize>,
    pub depth: usize,
    pub priority: i64,
    pub vars: Vars,
}

/// A host.
#[derive(Debug)]
pub(super) struct Machine {
    pub name: Spanned<String>,
    pub vars: Vars,
    /// All its groups with their ancestors, in the order in which groups were made.
    pub groups: Vec<usize>,
}

/// Everything that was read so far.
#[derive(Debug)]
pub(super) struct Model {
    pub groups: Vec<Group>,
    pub hosts: Vec<Machine>,
    by_group: HashMap<String, usize>,
    by_host: HashMap<String, usize>,
    full: bool,
}

/// The group that every group and host is in.
pub(super) const ALL: usize = 0;
/// The group of hosts that no other group has.
pub(super) const UNGROUPED: usize = 1;

impl Model {
    pub(super) fn new(anywhere: &Span) -> Self {
        let mut model = Self {
            groups: Vec::new(),
            hosts: Vec::new(),
            by_group: HashMap::new(),
            by_host: HashMap::new(),
            full: false,
        };
        for name in ["all", "ungrouped"] {
            model.add_group(&Spanned::new(name.to_owned(), anywhere.clone()));
        }
        model.join(ALL, UNGROUPED);
        model
    }

    pub(super) fn group(&self, name: &str) -> Option<usize> {
        self.by_group.get(name).copied()
    }

    pub(super) fn host(&self, name: &str) -> Option<usize> {
        self.by_host.get(name).copied()
    }

    /// The group with this name, made if there is none.
    pub(super) fn add_group(&mut self, name: &Spanned<String>) -> usize {
        if let Some(found) = self.group(name) {
            return found;
        }
        if self.groups.len() >= MOST_GROUPS {
            self.full = true;
            return UNGROUPED;
        }
        self.by_group.insert(name.value.clone(), self.groups.len());
        self.groups.push(Group {
            name: name.clone(),
            hosts: Vec::new(),
            members: HashSet::new(),
            children: Vec::new(),
            parents: Vec::new(),
            depth: 0,
            priority: 1,
            vars: Vars::new(),
        });
        self.groups.len() - 1
    }

    /// Puts a host into a group. Its port counts only where the host is named for the first time.
    pub(super) fn add_host(&mut self, name: &Spanned<String>, group: usize, port: Option<i64>) {
        let host = match self.host(name) {
            Some(found) => found,
            None if self.hosts.len() >= MOST_HOSTS => {
                self.full = true;
                return;
            }
            None => {
                let port = port.map(|p| Datum {
                    kind: Kind::Int(p),
                    span: name.span.clone(),
                });
                self.by_host.insert(name.value.clone(), self.hosts.len());
                self.hosts.push(Machine {
                    name: name.clone(),
                    vars: port
                        .into_iter()
                        .map(|p| ("ansible_port".to_owned(), Arc::new(p)))
                        .collect(),
                    groups: Vec::new(),
                });
                self.hosts.len() - 1
            }
        };
        self.enter(group, host);
    }

    fn enter(&mut self, group: usize, host: usize) {
        if let Some(group) = self.groups.get_mut(group)
            && group.members.insert(host)
        {
            group.hosts.push(host);
        }
    }

    fn join(&mut self, parent: usize, child: usize) {
        if let Some(p) = self.groups.get_mut(parent)
            && !p.children.contains(&child)
        {
            p.children.push(child);
            if let Some(c) = self.groups.get_mut(child) {
                c.parents.push(parent);
            }
        }
    }

    /// Puts what is called `child` under a group: a group, or else a host.
    pub(super) fn add_child(&mut self, parent: usize, child: &Spanned<String>, diags: &mut Diagnostics) {
        match (self.group(child), self.host(child)) {
            (Some(group), _) if group == parent || group == ALL => diags.push(circle(child)),
            (Some(group), _) => self.join(parent, group),
            (None, Some(host)) => self.enter(parent, host),
            (None, None) => diags.push(
                Diagnostic::error(
                    "PS0416",
                    format!("there is no group `{}`", child.value),
                    child.span.clone(),
                    "named here and nowhere made",
                )
                .help(format!("make it: `[{0}]` in INI, `{0}: {{}}` in YAML", child.value)),
            ),
        }
    }

    /// Sets a variable. Where a group and a host have one name, Ansible gives it to the group.
    pub(super) fn set(&mut self, entity: &str, key: &str, value: Datum, diags: &mut Diagnostics) {
        if let Some(group) = self.group(entity) {
            self.set_of_group(group, key, value, diags);
        } else if let Some(host) = self.host(entity).and_then(|n| self.hosts.get_mut(n)) {
            host.vars.insert(key.to_owned(), Arc::new(value));
        }
    }

    pub(super) fn set_of_group(&mut self, group: usize, key: &str, value: Datum, diags: &mut Diagnostics) {
        let Some(group) = self.groups.get_mut(group) else {
            return;
        };
        if key != "ansible_group_priority" {
            group.vars.insert(key.to_owned(), Arc::new(value));
            return;
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "as Python's int() does; a priority is small"
        )]
        let priority = match &value.kind {
            Kind::Int(n) => Some(*n),
            Kind::Bool(b) => Some(i64::from(*b)),
            Kind::Number(n) => Some(*n as i64),
            Kind::Text(t) => t.trim().parse().ok(),
            _ => None,
        };
        match priority {
            Some(priority) => group.priority = priority,
            None => diags.push(
                Diagnostic::error(
                    "PS0418",
                    "`ansible_group_priority` is a whole number",
                    value.span.clone(),
                    format!("this is {}", value.what()),
                )
                .help("write a number; the group with the larger one wins"),
            ),
        }
    }

    /// Ends the reading: every group is under `all`, hosts without a group are in `ungrouped`, depths and memberships are known.
    pub(super) fn reconcile(&mut self, diags: &mut Diagnostics) {
        if self.full {
            let span = self.groups.first().map(|g| g.name.span.clone());
            if let Some(span) = span {
                let message = format!("the inventory has more than {MOST_HOSTS} hosts or {MOST_GROUPS} groups");
                diags.push(Diagnostic::error("PS0002", message, span, "in this inventory"));
            }
        }
        for g in 0..self.groups.len() {
            if g != ALL && self.groups.get(g).is_some_and(|g| g.parents.is_empty()) {
                self.join(ALL, g);
            }
        }
        let Some(order) = self.by_depth() else {
            let inside = self.groups.iter().skip(1).find(|g| g.depth == 0);
            diags.extend(inside.map(|g| circle(&g.name)));
            return;
        };
        if let Some(group) = self.groups.iter().find(|g| g.depth > MAX_DEPTH) {
            let d = Diagnostic::error(
                "PS0406",
                format!("the group `{}` is nested deeper than {MAX_DEPTH}", group.name.value),
                group.name.span.clone(),
                "too deep",
            );
            return diags.push(d.help("take it out of one of the groups that hold it"));
        }
        let above = self.ancestors(&order);
        let of_host = self.memberships(&above);
        let mut left = HashSet::new();
        for (host, groups) in of_host.iter().enumerate() {
            let elsewhere = groups.iter().any(|g| !matches!(*g, ALL | UNGROUPED));
            if groups.contains(&UNGROUPED) && elsewhere {
                if let Some(ungrouped) = self.groups.get_mut(UNGROUPED)
                    && ungrouped.members.remove(&host)
                {
                    left.insert(host);
                    ungrouped.hosts.retain(|h| *h != host);
                }
            } else if !groups.contains(&UNGROUPED) && !elsewhere {
                // By its name, as Ansible does: where a group has the same one, that group is taken.
                let namesake = self.hosts.get(host).and_then(|h| self.group(&h.name));
                match namesake {
                    Some(group) if !matches!(group, ALL | UNGROUPED) => self.join(UNGROUPED, group),
                    _ => self.enter(UNGROUPED, host),
                }
            }
        }
        // Such a group may lie deeper now.
        let Some(order) = self.by_depth() else {
            return diags.extend(self.groups.get(UNGROUPED).map(|g| circle(&g.name)));
        };
        let above = self.ancestors(&order);
        let of_host = self.memberships(&above);
        for (n, (host, mut groups)) in self.hosts.iter_mut().zip(of_host).enumerate() {
            if left.contains(&n) {
                leave(&mut groups, UNGROUPED, &above);
            }
            host.groups = groups;
        }
    }

    /// Gives every group its depth below `all`; parents come first. `None`: a group holds itself.
    fn by_depth(&mut self) -> Option<Vec<usize>> {
        let mut waits: Vec<usize> = self.groups.iter().map(|g| g.parents.len()).collect();
        let mut ready: VecDeque<usize> = (0..waits.len()).filter(|g| waits.get(*g) == Some(&0)).collect();
        let mut order = Vec::with_capacity(waits.len());
        while let Some(g) = ready.pop_front() {
            order.push(g);
            let Some(depth) = self.groups.get(g).map(|g| g.depth) else {
                continue;
            };
            for child in self.groups.get(g).map(|g| g.children.clone()).unwrap_or_default() {
                if let (Some(group), Some(left)) = (self.groups.get_mut(child), waits.get_mut(child)) {
                    group.depth = group.depth.max(depth + 1);
                    *left -= 1;
                    if *left == 0 {
                        ready.push_back(child);
                    }
                }
            }
        }
        (order.len() == self.groups.len()).then_some(order)
    }

    /// For each group: itself and all above it.
    fn ancestors(&self, parents_first: &[usize]) -> Vec<Vec<usize>> {
        let mut above: Vec<Vec<usize>> = vec![Vec::new(); self.groups.len()];
        for g in parents_first {
            let parents = self.groups.get(*g).map_or(&[][..], |g| &g.parents);
            let mut all: Vec<usize> = parents
                .iter()
                .filter_map(|p| above.get(*p))
                .flatten()
                .copied()
                .collect();
            all.push(*g);
            all.sort_unstable();
            all.dedup();
            if let Some(slot) = above.get_mut(*g) {
                *slot = all;
            }
        }
        above
    }

    fn memberships(&self, above: &[Vec<usize>]) -> Vec<Vec<usize>> {
        let mut of_host: Vec<Vec<usize>> = vec![Vec::new(); self.hosts.len()];
        for (group, above) in self.groups.iter().zip(above) {
            for host in &group.hosts {
                if let Some(groups) = of_host.get_mut(*host) {
                    groups.extend(above);
                }
            }
        }
        for groups in &mut of_host {
            groups.sort_unstable();
            groups.dedup();
        }
        of_host
    }

    /// The hosts below a group, nearest level first: Ansible's own order.
    pub(super) fn hosts_below(&self, group: usize) -> Vec<usize> {
        let (mut groups, mut seen) = (VecDeque::from([group]), HashSet::from([group]));
        let (mut hosts, mut known) = (Vec::new(), HashSet::new());
        while let Some(group) = groups.pop_front().and_then(|g| self.groups.get(g)) {
            hosts.extend(group.hosts.iter().copied().filter(|h| known.insert(*h)));
            groups.extend(group.children.iter().copied().filter(|c| seen.insert(*c)));
        }
        hosts
    }
}

/// A host leaves a group as in Ansible: also where another of its groups lies below that one, and with the groups above it that
/// none of the others lies below.
fn leave(groups: &mut Vec<usize>, group: usize, above: &[Vec<usize>]) {
    let Some(at) = groups.iter().position(|g| *g == group) else {
        return;
    };
    groups.remove(at);
    for old in above.get(group).into_iter().flatten().filter(|g| !matches!(**g, ALL)) {
        let lies_below = |g: &usize| g != old && above.get(*g).is_some_and(|above| above.binary_search(old).is_ok());
        if !groups.iter().any(lies_below) {
            leave(groups, *old, above);
        }
    }
}

fn circle(name: &Spanned<String>) -> Diagnostic {
    Diagnostic::error(
        "PS0406",
        format!("the group `{}` holds itself", name.value),
        name.span.clone(),
        "over groups inside it, or as `all`",
    )
    .help("take it out of the groups that it holds")
}
