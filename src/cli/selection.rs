//! The hosts and values that flags take from elsewhere: lists in files, an earlier run, files of parameters.
//!
//! Owns: `--limit @FILE`, `--hosts-of RUN=STATE`, `--set-file`. Must not: know which hosts and parameters there are (`plan` says).

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use crate::diag::{Diagnostics, Source, Spanned};
use crate::id::HostName;
use crate::run::event::HostState;
use crate::run::verdict::states;
use crate::runbook::change::{self, Given, flags};
use crate::runbook::files::{ReadError, read_regular};
use crate::runbook::yaml;

use super::console::Console;
use super::problem::Problem;
use super::project::ProjectArgs;
use super::stored::Stored;

const STATES: [HostState; 10] = [
    HostState::Ok,
    HostState::Warned,
    HostState::NotNeeded,
    HostState::NotStarted,
    HostState::Refused,
    HostState::Failed,
    HostState::RolledBack,
    HostState::Held,
    HostState::Broken,
    HostState::Unknown,
];

/// `--limit`: the terms that begin with `@` are files, the others a selector.
///
/// # Errors
/// When a file cannot be read or names no host.
pub fn limit(args: &mut ProjectArgs) -> Result<(), Problem> {
    let Some(text) = args.limit.take() else { return Ok(()) };
    let (files, terms): (Vec<&str>, Vec<&str>) = text.split_whitespace().partition(|term| term.starts_with('@'));
    if files.is_empty() {
        args.limit = Some(text);
        return Ok(());
    }
    let mut diags = Diagnostics::new();
    for file in files {
        let source = read(file.trim_start_matches('@'), &mut diags)?;
        let hosts = source.map(|s| flags::host_list(&s, &mut diags)).unwrap_or_default();
        if diags.has_errors() {
            return Err(Problem::Wrong(diags));
        }
        narrow(args, hosts)?;
    }
    args.limit = (!terms.is_empty()).then(|| terms.join(" "));
    Ok(())
}

/// `--hosts-of RUN=STATE[,STATE]`: the hosts whose worst state in that run is one of these.
///
/// # Errors
/// When the run or the state is unknown, or no host of it ended so.
pub fn hosts_of(text: &str, args: &mut ProjectArgs, console: &Console) -> Result<(), Problem> {
    let Some((run, wanted)) = text
        .split_once('=')
        .filter(|(run, state)| !run.is_empty() && !state.is_empty())
    else {
        return Err(Problem::wrong(
            format!("`{text}` names no hosts"),
            "write --hosts-of RUN=STATE, as last=refused",
        ));
    };
    let mut wanted_states = Vec::new();
    for word in wanted.split(',') {
        let Some(state) = STATES.into_iter().find(|s| s.as_str() == word) else {
            let words: Vec<&str> = STATES.iter().map(|s| s.as_str()).collect();
            let near = crate::diag::nearest(word, words.iter().copied());
            let help = near.map_or_else(
                || format!("states are: {}", words.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            return Err(Problem::wrong(format!("no host ever ends `{word}`"), help));
        };
        wanted_states.push(state);
    }
    let stored = Stored::find(console, run)?;
    let mut worst: BTreeMap<HostName, HostState> = BTreeMap::new();
    for standing in states(&stored.plan, &stored.run) {
        let state = worst.entry(standing.host).or_insert(standing.state);
        *state = (*state).max(standing.state);
    }
    worst.remove(&HostName::controller());
    let flag = change::flag("--hosts-of", text);
    let hosts: Vec<Spanned<String>> = worst
        .iter()
        .filter(|(_, state)| wanted_states.contains(state))
        .map(|(host, _)| Spanned::new(host.as_str().to_owned(), flag.span.clone()))
        .collect();
    if hosts.is_empty() {
        let mut counts: BTreeMap<HostState, usize> = BTreeMap::new();
        worst.values().for_each(|state| *counts.entry(*state).or_default() += 1);
        let ended: Vec<String> = counts
            .iter()
            .map(|(state, n)| format!("{n} {}", state.as_str()))
            .collect();
        let ended = if ended.is_empty() {
            "it had no hosts".to_owned()
        } else {
            format!("its hosts: {}", ended.join(", "))
        };
        return Err(Problem::wrong(
            format!("no host of the run {run} ended {wanted}: nothing would be done"),
            ended,
        ));
    }
    narrow(args, hosts)
}

/// Only hosts that every list names.
fn narrow(args: &mut ProjectArgs, mut hosts: Vec<Spanned<String>>) -> Result<(), Problem> {
    if let Some(had) = args.hosts.take() {
        hosts.retain(|h| had.iter().any(|x| x.value == h.value));
        if hosts.is_empty() {
            return Err(Problem::wrong(
                "no host stands in every list: nothing would be done",
                "give one list, or lists that overlap",
            ));
        }
    }
    args.hosts = Some(hosts);
    Ok(())
}

/// `--set-file FILE` (a map of parameters) or `--set-file NAME=FILE` (one text).
///
/// # Errors
/// When the file cannot be read or is no map.
pub fn set_file(text: &str, args: &mut ProjectArgs) -> Result<(), Problem> {
    let mut diags = Diagnostics::new();
    match text.split_once('=').filter(|(name, _)| !name.contains(['/', '.'])) {
        Some((name, file)) => {
            let Some(source) = read(file, &mut diags)? else {
                return Err(Problem::Wrong(diags));
            };
            let value = source.text.trim_end_matches(['\r', '\n']);
            let span = crate::diag::Span::new(&source, 0, value.len());
            let name = change::flag("--set-file", name);
            args.given
                .push((name, Given::Text(Spanned::new(value.to_owned(), span))));
        }
        None => {
            let source = read(text, &mut diags)?;
            args.given
                .extend(source.map(|s| flags::values(&s, &mut diags)).unwrap_or_default());
        }
    }
    if diags.has_errors() {
        Err(Problem::Wrong(diags))
    } else {
        Ok(())
    }
}

/// A file that was named on the command line; `-` is stdin.
fn read(file: &str, diags: &mut Diagnostics) -> Result<Option<Arc<Source>>, Problem> {
    let bytes = if file == "-" {
        let mut bytes = Vec::new();
        let most = yaml::MAX_BYTES as u64 + 1;
        let read = std::io::stdin().lock().take(most).read_to_end(&mut bytes);
        read.map(|_| bytes).map_err(|e| ReadError::Unreadable(e.to_string()))
    } else {
        read_regular(Path::new(file), yaml::MAX_BYTES)
    };
    let bytes = bytes.map_err(|e| Problem::wrong(format!("cannot read {file}: {e}"), "name a text file"))?;
    Ok(yaml::source(file, &bytes, diags))
}
