//! `service`: a systemd unit in a state, and that it stays there.
//!
//! `systemctl start` ends with 0 as soon as a simple service was forked: one that dies a moment later was "started". So the unit is
//! watched for a few seconds: at the end of them it must be the same process that it was at their beginning.
//!
//! Owns: what systemd says of a unit, and what it proves. Must not: run anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::proven::{Fields, Proven, Todo};
use crate::plan::Value;
use crate::runbook::builtin::ServiceState;
use crate::runbook::expr::quote::sh_word as quote;

/// For so many seconds a service that was started must live to be believed.
const WATCHED: u32 = 3;

/// What is asked of a unit. `Id` first: it begins each answer.
const ASKED: &str = "Id,LoadState,ActiveState,SubState,UnitFileState,MainPID,InvocationID,NRestarts,Type,CanReload,Result,\
                     ExecMainStatus,NeedDaemonReload";

/// `service`.
#[derive(Clone, Debug)]
pub struct Service {
    /// The unit; without a suffix a service.
    pub name: String,
    /// What it shall be; `None`: as it is.
    pub state: Option<ServiceState>,
    /// Whether it starts with the host; `None`: as it is.
    pub enabled: Option<bool>,
}

/// One answer of `systemctl show`.
struct Unit<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Unit<'a> {
    fn read(said: &'a str) -> Self {
        Self(said.lines().filter_map(|line| line.split_once('=')).collect())
    }

    fn get(&self, key: &str) -> &'a str {
        self.0.get(key).copied().unwrap_or_default()
    }

    fn runs(&self) -> bool {
        matches!(self.get("ActiveState"), "active" | "reloading" | "refreshing")
    }

    /// It runs once and ends: that it is over is as it should be.
    fn runs_once(&self) -> bool {
        self.get("Type") == "oneshot"
    }

    fn starts_with_host(&self) -> bool {
        matches!(self.get("UnitFileState"), "enabled" | "enabled-runtime" | "alias")
    }

    /// As people say it.
    fn words(&self) -> String {
        let sub = match (self.get("SubState"), self.get("Result")) {
            (sub, "" | "success") => sub.to_owned(),
            (sub, result) => format!("{sub}, {result}"),
        };
        format!("{} ({sub})", self.get("ActiveState"))
    }
}

impl Service {
    fn unit(&self) -> String {
        quote(&self.name)
    }

    fn show(&self) -> String {
        format!("systemctl show -p {ASKED} -- {}", self.unit())
    }

    fn can_start_with_host(&self, unit: &Unit<'_>) -> Result<(), String> {
        match unit.get("UnitFileState") {
            "static" | "indirect" | "generated" | "transient" | "masked" | "bad" if self.enabled == Some(true) => {
                Err(format!(
                    "{} cannot be made to start with the host: it is {}",
                    self.name,
                    unit.get("UnitFileState")
                ))
            }
            _ => Ok(()),
        }
    }

    /// The words of `systemctl` for what is to be done; none: nothing is.
    fn verbs(&self, unit: &Unit<'_>) -> Result<Vec<&'static str>, String> {
        let name = &self.name;
        match unit.get("LoadState") {
            "loaded" => {}
            "masked" if self.state == Some(ServiceState::Stopped) && self.enabled.is_none() => {}
            "masked" => return Err(format!("{name} is masked: `systemctl unmask` it first")),
            "not-found" => return Err(format!("the host has no unit {name}")),
            other => return Err(format!("systemd cannot load {name}: {other}")),
        }
        self.can_start_with_host(unit)?;
        let mut verbs = Vec::new();
        match self.enabled {
            Some(true) if !unit.starts_with_host() => verbs.push("enable"),
            Some(false) if unit.starts_with_host() => verbs.push("disable"),
            _ => {}
        }
        match self.state {
            Some(ServiceState::Running) if !unit.runs() => verbs.push("start"),
            Some(ServiceState::Stopped) if !matches!(unit.get("ActiveState"), "inactive" | "failed") => {
                verbs.push("stop");
            }
            Some(ServiceState::Restarted) => verbs.push("restart"),
            Some(ServiceState::Reloaded) if !unit.runs() => {
                return Err(format!("{name} is {}: it has nothing to reload", unit.words()));
            }
            Some(ServiceState::Reloaded) if unit.get("CanReload") == "no" => {
                return Err(format!("{name} cannot reload: write `state: restarted`"));
            }
            Some(ServiceState::Reloaded) => verbs.push("reload"),
            _ => {}
        }
        Ok(verbs)
    }

    /// Whether the two looks, the second some seconds after the first, show what was wanted.
    fn state_holds(&self, former: &Unit<'_>, first: &Unit<'_>, last: &Unit<'_>) -> Result<(), String> {
        let (name, words) = (&self.name, last.words());
        let wanted = match self.state {
            None => return Ok(()),
            Some(ServiceState::Stopped) => {
                let over =
                    matches!(last.get("ActiveState"), "inactive" | "failed") && matches!(last.get("MainPID"), "" | "0");
                return if over {
                    Ok(())
                } else {
                    Err(format!("{name} is {words}"))
                };
            }
            Some(wanted) => wanted,
        };
        // Of a unit that ended well systemd soon knows nothing more, and then it has no invocation; one that ended badly it keeps.
        let ended_well = last.runs_once() && last.get("ActiveState") == "inactive" && last.get("Result") == "success";
        let again = last.get("InvocationID") != former.get("InvocationID")
            || (ended_well && last.get("InvocationID").is_empty());
        if wanted == ServiceState::Restarted && !again {
            return Err(format!("{name} did not begin anew"));
        }
        if ended_well && again {
            return Ok(());
        }
        let began_anew = |keys: &[&str]| match keys.iter().any(|key| first.get(key) != last.get(key)) {
            true => Err(format!(
                "{name} does not stay up: it began anew within {WATCHED} s ({words})"
            )),
            false => Ok(()),
        };
        began_anew(&["NRestarts"])?;
        if !last.runs() {
            let status = last.get("ExecMainStatus");
            let status = if matches!(status, "" | "0") {
                String::new()
            } else {
                format!(", its status is {status}")
            };
            return Err(format!("{name} is {words}{status}"));
        }
        began_anew(&["InvocationID", "MainPID"])?;
        if wanted == ServiceState::Reloaded && again {
            return Err(format!("{name} began anew instead of reading its settings anew"));
        }
        Ok(())
    }
}

impl Proven for Service {
    fn words(&self) -> String {
        let state = self.state.map(|s| format!("{s:?}").to_lowercase());
        let enabled = self
            .enabled
            .map(|on| if on { "enabled" } else { "disabled" }.to_owned());
        let all: Vec<String> = state.into_iter().chain(enabled).collect();
        format!("service {}: {}", self.name, all.join(", "))
    }

    fn capture(&self) -> String {
        format!(
            ": {0}\ncommand -v systemctl >/dev/null || {{ echo 'the host has no systemd' >&2; exit 1; }}\n{1}",
            quote(&format!("pitstop looks at service {}", self.name)),
            self.show()
        )
    }

    fn todo(&self, former: &str) -> Result<Todo, String> {
        let unit = Unit::read(former);
        let verbs = self.verbs(&unit)?;
        // Else systemctl warns, says 0, and starts it with the settings that it had.
        let stale =
            unit.get("NeedDaemonReload") == "yes" && verbs.iter().any(|verb| !matches!(*verb, "stop" | "disable"));
        let reread = stale.then(|| "systemctl daemon-reload".to_owned());
        let does = verbs.iter().map(|verb| format!("systemctl {verb} -- {}", self.unit()));
        let does: Vec<String> = reread.into_iter().chain(does).collect();
        Ok(Todo {
            words: match does.is_empty() {
                true => format!("{}: it is", self.words()),
                false => does.join(" && "),
            },
            script: (!does.is_empty()).then(|| does.join(" && ")),
        })
    }

    fn look(&self) -> String {
        let show = self.show();
        match self.state {
            None | Some(ServiceState::Stopped) => format!("{show}\necho\n{show}"),
            Some(_) => format!("{show} || exit\necho\nsleep {WATCHED}\n{show}"),
        }
    }

    fn verify(&self, former: &str, after: &str) -> Result<Fields, String> {
        let (first, last) = after.split_once("\n\n").unwrap_or((after, after));
        let (former, first, last) = (Unit::read(former), Unit::read(first), Unit::read(last));
        if last.get("ActiveState").is_empty() {
            return Err(format!("systemd says nothing of {}", self.name));
        }
        self.state_holds(&former, &first, &last)?;
        if let Some(on) = self.enabled
            && on != last.starts_with_host()
        {
            return Err(format!("{} is {}", self.name, last.get("UnitFileState")));
        }
        Ok(Fields::from([
            ("was".to_owned(), Value::Text(former.get("ActiveState").to_owned())),
            ("state".to_owned(), Value::Text(last.get("ActiveState").to_owned())),
        ]))
    }

    fn back(&self, former: &str) -> Result<Arc<dyn Proven>, String> {
        let unit = Unit::read(former);
        if unit.get("ActiveState").is_empty() {
            return Err(format!("what was captured of {} cannot be read", self.name));
        }
        let was = match unit.runs() || unit.get("ActiveState") == "activating" {
            true => ServiceState::Running,
            false => ServiceState::Stopped,
        };
        Ok(Arc::new(Self {
            name: self.name.clone(),
            state: self.state.map(|_| was),
            enabled: self.enabled.map(|_| unit.starts_with_host()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(state: &str, pid: u32, invocation: &str) -> String {
        format!(
            "Id=x.service\nLoadState=loaded\nActiveState={state}\nSubState=s\nUnitFileState=disabled\nMainPID={pid}\n\
             InvocationID={invocation}\nNRestarts=0\nType=simple\nCanReload=no\nResult=success\nExecMainStatus=0\n"
        )
    }

    fn service(state: ServiceState) -> Service {
        Service {
            name: "x".to_owned(),
            state: Some(state),
            enabled: None,
        }
    }

    fn twice(first: &str, last: &str) -> String {
        format!("{first}\n{last}")
    }

    #[test]
    fn what_is_as_it_should_be_is_left_alone() {
        let todo = |state, former: &str| service(state).todo(former).unwrap().script;
        assert_eq!(todo(ServiceState::Running, &said("active", 7, "a")), None);
        assert_eq!(todo(ServiceState::Stopped, &said("inactive", 0, "")), None);
        assert_eq!(todo(ServiceState::Stopped, &said("failed", 0, "")), None);
        assert_eq!(
            todo(ServiceState::Restarted, &said("active", 7, "a")).as_deref(),
            Some("systemctl restart -- 'x'")
        );
        assert!(service(ServiceState::Reloaded).todo(&said("active", 7, "a")).is_err());
        let stale = said("active", 7, "a") + "NeedDaemonReload=yes\n";
        assert_eq!(todo(ServiceState::Running, &stale), None);
        assert_eq!(
            todo(ServiceState::Stopped, &stale).as_deref(),
            Some("systemctl stop -- 'x'")
        );
        assert_eq!(
            todo(ServiceState::Restarted, &stale).as_deref(),
            Some("systemctl daemon-reload && systemctl restart -- 'x'")
        );
        let missing = "LoadState=not-found\nActiveState=inactive\n";
        assert_eq!(
            service(ServiceState::Running).todo(missing).unwrap_err(),
            "the host has no unit x"
        );
    }

    #[test]
    fn a_service_that_dies_or_begins_anew_while_it_is_watched_is_not_running() {
        let running = service(ServiceState::Running);
        let before = said("inactive", 0, "");
        let up = said("active", 7, "a");
        assert!(running.verify(&before, &twice(&up, &up)).is_ok());
        for bad in [
            said("failed", 0, "a"),
            said("active", 9, "b"),
            said("activating", 0, "a"),
            String::new(),
        ] {
            assert!(running.verify(&before, &twice(&up, &bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_restart_is_proven_by_another_invocation() {
        let restarted = service(ServiceState::Restarted);
        let (before, same, anew) = (said("active", 7, "a"), said("active", 7, "a"), said("active", 9, "b"));
        assert!(restarted.verify(&before, &twice(&same, &same)).is_err());
        assert!(restarted.verify(&before, &twice(&anew, &anew)).is_ok());
    }

    #[test]
    fn what_runs_once_may_end_and_be_forgotten_and_what_is_no_process_has_none() {
        let once = |said: String| said.replace("Type=simple", "Type=oneshot");
        let (before, ended, forgotten) = (
            once(said("inactive", 0, "a")),
            once(said("inactive", 0, "b")),
            once(said("inactive", 0, "")),
        );
        for state in [ServiceState::Running, ServiceState::Restarted] {
            assert!(service(state).verify(&before, &twice(&ended, &ended)).is_ok());
            assert!(
                service(state)
                    .verify(&forgotten, &twice(&forgotten, &forgotten))
                    .is_ok()
            );
            assert!(service(state).verify(&before, &twice(&before, &before)).is_err());
            let failed = once(said("failed", 0, "b"));
            assert!(service(state).verify(&before, &twice(&failed, &failed)).is_err());
        }
        let timer = "Id=x.timer\nLoadState=loaded\nActiveState=inactive\nSubState=dead\nResult=success\n";
        assert!(
            service(ServiceState::Stopped)
                .verify(timer, &twice(timer, timer))
                .is_ok()
        );
    }

    #[test]
    fn its_undo_wants_what_was() {
        let stopped = service(ServiceState::Restarted).back(&said("inactive", 0, "")).unwrap();
        assert_eq!(stopped.words(), "service x: stopped");
        let running = service(ServiceState::Stopped).back(&said("active", 7, "a")).unwrap();
        assert_eq!(running.words(), "service x: running");
    }
}
