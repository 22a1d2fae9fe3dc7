//! The built-in actions: those that know what they change, look at, and how to take it back.
//!
//! Owns: their types, as runbooks and plans share them. Texts are templates until the step is due. Must not: resolve a name,
//! or do anything.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Become, Value};

/// A built-in action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum BuiltIn {
    /// Changes places of a file of the host.
    Edit {
        /// The file.
        file: String,
        /// A regular expression.
        find: String,
        /// What stands there afterwards; `$1` is a group.
        put: String,
        /// How many places must match.
        count: u32,
    },
    /// Looks at the host.
    Check(Check),
    /// Brings a service into a state.
    Service {
        /// Its name.
        name: String,
        /// The state; `None`: as it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<ServiceState>,
        /// Whether it starts with the host; `None`: as it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        enabled: Option<bool>,
    },
    /// Installs, removes or holds packages.
    Package {
        /// Which.
        names: Names,
        /// The state they come into.
        state: PackageState,
        /// The one version of the one package.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<String>,
        /// Whether they are held; `None`: as it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hold: Option<bool>,
    },
    /// Lists or installs updates.
    Patch(Patch),
    /// Restarts the host and proves it.
    Reboot {
        /// Only if the host does not prove that it need not.
        only_if_needed: bool,
        /// Limits of its four phases.
        limits: RebootLimits,
        /// Time to settle afterwards.
        settle_ms: u64,
    },
    /// Compares two sides.
    Compare {
        /// One side.
        left: Side,
        /// The other side.
        right: Side,
        /// How.
        mode: CompareMode,
        /// What difference is borne, with `bounded`: `10` or `0.1%`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tolerance: Option<String>,
    },
    /// Notes what is there, or what changed since.
    Baseline(Baseline),
}

/// `check`, and `check` of `wait_for`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// What is looked at: a key of [`CHECK_KINDS`](super::keys::CHECK_KINDS).
    pub kind: String,
    /// Its fields.
    pub fields: BTreeMap<String, Value>,
    /// Outside of this range the host ends `warned`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn: Option<String>,
    /// Outside of this range the step fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crit: Option<String>,
    /// It is good at every look of this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_ms: Option<u64>,
    /// Between two looks of that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_ms: Option<u64>,
    /// The id of an earlier check of the phase: what was as bad then is no regression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare_to: Option<String>,
}

/// Kinds of checks that this build plans and cannot perform.
pub const CHECKS_ONLY_PLANNED: &[&str] = &["replication", "cluster", "scheduled_job", "firewall"];

/// Texts, or one template that gives a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Names {
    /// A template.
    Rendered(String),
    /// Texts.
    List(Vec<String>),
}

/// `state` of a `service`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceState {
    /// It runs.
    Running,
    /// It does not run.
    Stopped,
    /// It runs, and began anew.
    Restarted,
    /// It runs, and has read its settings anew.
    Reloaded,
}

/// `state` of a `package`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PackageState {
    /// Installed.
    #[default]
    Present,
    /// Not installed.
    Absent,
    /// Installed in the newest version there is.
    Latest,
}

/// `patch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patch {
    /// List or install.
    pub mode: PatchMode,
    /// Classes of updates; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// These updates and no others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Names>,
    /// Not these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// What happens to settings that were changed by hand; never `None` for `install` on Linux.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conffiles: Option<Conffiles>,
    /// How long to wait for the package manager's lock.
    pub lock_wait_ms: u64,
    /// Keep the former packages, so that there is a way back.
    pub stash_old: bool,
}

/// `mode` of a `patch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatchMode {
    /// List what would be installed.
    Scan,
    /// Install it.
    Install,
}

/// `conffiles` of a `patch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conffiles {
    /// The file stays as it is.
    Keep,
    /// The package's file comes.
    New,
    /// The step fails.
    Fail,
}

/// Limits of the phases of a `reboot`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RebootLimits {
    /// Until it is seen to be down.
    pub down_ms: u64,
    /// Until its port answers.
    pub port_ms: u64,
    /// Until one can log in and the boot is another one.
    pub login_ms: u64,
    /// Until its services have started.
    pub ready_ms: u64,
}

/// A side of a `compare`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// A host or `controller`; `None`: where the step is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Where `host` reads what a host is labelled with: the machine for each host of the phase. The plan knows it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_host: BTreeMap<String, String>,
    /// Another user than the step becomes.
    #[serde(rename = "become", default, skip_serializing_if = "Option::is_none")]
    pub become_: Option<Become>,
    /// The command whose output is compared.
    pub run: String,
}

impl Side {
    /// The machine that the step's own host, `own`, is compared on; `None`: where the step is done.
    pub fn machine(&self, own: Option<&str>) -> Option<&str> {
        match self.by_host.is_empty() {
            true => self.host.as_deref(),
            false => self.by_host.get(own?).map(String::as_str),
        }
    }
}

/// `mode` of a `compare`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CompareMode {
    /// The same bytes.
    Exact,
    /// The same lines in any order.
    Rows,
    /// The same statements that make tables and what belongs to them, in any order.
    Schema,
    /// The same SHA-256.
    Digest,
    /// Numbers that differ by no more than `tolerance`.
    Bounded,
}

/// `baseline`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Baseline {
    /// Note these.
    Capture(Vec<String>),
    /// Tell what differs from what this step noted.
    Diff(String),
}

impl BuiltIn {
    /// The word of the language.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Edit { .. } => "edit",
            Self::Check(_) => "check",
            Self::Service { .. } => "service",
            Self::Package { .. } => "package",
            Self::Patch(_) => "patch",
            Self::Reboot { .. } => "reboot",
            Self::Compare { .. } => "compare",
            Self::Baseline(_) => "baseline",
        }
    }

    /// What it does: a verb, and the rest.
    pub fn in_words(&self) -> (&'static str, String) {
        match self {
            Self::Edit { file, find, put, count } => ("edits", format!("{file}: {count} × /{find}/ becomes {put}")),
            Self::Check(check) => ("checks", check.to_string()),
            Self::Service { name, state, enabled } => {
                let state = state.map(|s| format!("{s:?}").to_lowercase());
                let start = enabled.map(|e| {
                    if e {
                        "starts with the host"
                    } else {
                        "does not start with the host"
                    }
                });
                let all: Vec<String> = state.into_iter().chain(start.map(str::to_owned)).collect();
                ("brings the service", format!("{name}: {}", all.join(", ")))
            }
            Self::Package {
                names,
                state,
                version,
                hold,
            } => {
                let state = format!("{state:?}").to_lowercase();
                let version = version.as_ref().map(|v| format!(" {v}")).unwrap_or_default();
                let hold = hold
                    .map(|h| if h { ", held" } else { ", not held" })
                    .unwrap_or_default();
                (
                    "brings packages",
                    format!("{}{version}: {state}{hold}", names.texts().join(" ")),
                )
            }
            Self::Patch(patch) => {
                let mut text: Vec<String> = vec![if patch.classes.is_empty() {
                    "all classes".to_owned()
                } else {
                    patch.classes.join(", ")
                }];
                text.extend(
                    patch
                        .only
                        .as_ref()
                        .map(|only| format!("only {}", only.texts().join(" "))),
                );
                text.extend((!patch.exclude.is_empty()).then(|| format!("not {}", patch.exclude.join(" "))));
                text.extend(
                    patch
                        .conffiles
                        .map(|c| format!("changed settings: {c:?}").to_lowercase()),
                );
                let verb = match patch.mode {
                    PatchMode::Scan => "lists updates",
                    PatchMode::Install => "installs updates",
                };
                (verb, text.join("; "))
            }
            Self::Reboot { only_if_needed, .. } => (
                "restarts the host",
                if *only_if_needed {
                    "unless it proves that it need not"
                } else {
                    "always"
                }
                .to_owned(),
            ),
            Self::Compare {
                left,
                right,
                mode,
                tolerance,
            } => {
                let side = |side: &Side| format!("{}: {}", side.host.as_deref().unwrap_or("here"), side.run);
                let by = tolerance
                    .as_ref()
                    .map(|t| format!(" by at most {t}"))
                    .unwrap_or_default();
                let mode = format!("{mode:?}").to_lowercase();
                ("compares", format!("{} with {} ({mode}{by})", side(left), side(right)))
            }
            Self::Baseline(Baseline::Capture(what)) => ("notes", what.join(", ")),
            Self::Baseline(Baseline::Diff(step)) => ("tells what changed since", step.clone()),
        }
    }

    /// True if it changes nothing by nature.
    pub fn is_read_only(&self) -> bool {
        match self {
            Self::Check(_) | Self::Compare { .. } | Self::Baseline(_) => true,
            Self::Patch(patch) => patch.mode == PatchMode::Scan,
            Self::Edit { .. } | Self::Service { .. } | Self::Package { .. } | Self::Reboot { .. } => false,
        }
    }

    /// Every text of it that may hold templates.
    pub fn texts(&self) -> Vec<&str> {
        match self {
            Self::Edit { file, put, .. } => vec![file, put],
            Self::Check(check) => check.texts(),
            Self::Service { name, .. } => vec![name],
            Self::Package { names, version, .. } => names.texts().into_iter().chain(version.as_deref()).collect(),
            Self::Patch(patch) => {
                let only = patch.only.iter().flat_map(Names::texts);
                only.chain(patch.exclude.iter().map(String::as_str)).collect()
            }
            Self::Compare { left, right, .. } => vec![&left.run, &right.run],
            Self::Reboot { .. } | Self::Baseline(_) => Vec::new(),
        }
    }
}

impl Check {
    /// What of it this build cannot perform, in words.
    pub fn lacking(&self) -> Option<String> {
        let text = |name: &str| match self.fields.get(name) {
            Some(Value::Text(text)) => text.as_str(),
            _ => "",
        };
        let kind = self.kind.as_str();
        match (kind, text("engine"), text("format")) {
            (kind, ..) if CHECKS_ONLY_PLANNED.contains(&kind) => Some(format!("the check `{kind}`")),
            ("sql", "sqlserver", _) => Some("the check `sql` of a SQL Server".to_owned()),
            ("config_value", _, "registry") => Some("the check `config_value` of the registry".to_owned()),
            ("backup_age", ..) if text("tool") == "wbadmin" => Some("the check `backup_age` of wbadmin".to_owned()),
            _ => None,
        }
    }

    /// True if it is the control machine that looks, whatever host it is for.
    pub fn is_from_controller(&self) -> bool {
        matches!(self.fields.get("from"), Some(Value::Text(from)) if from == "controller")
    }

    /// The file of the project that it runs on the host.
    pub fn script(&self) -> Option<&str> {
        match (self.kind.as_str(), self.fields.get("script")) {
            ("command", Some(Value::Text(file))) => Some(file),
            _ => None,
        }
    }

    /// True if what it runs asks the environment for more, as for a password.
    pub fn reads_environment(&self) -> bool {
        matches!(self.kind.as_str(), "sql" | "command" | "backup_age")
    }

    /// True if it is only worth something where it is sent alone: it holds for a time, or compares the clocks of both sides.
    pub fn is_alone(&self) -> bool {
        self.for_ms.is_some() || self.fields.contains_key("controller")
    }

    /// Every text of it that may hold templates.
    pub fn texts(&self) -> Vec<&str> {
        fn of(value: &Value) -> Vec<&str> {
            match value {
                Value::Text(text) => vec![text],
                Value::List(items) => items.iter().flat_map(of).collect(),
                _ => Vec::new(),
            }
        }
        self.fields.values().flat_map(of).collect()
    }
}

impl Names {
    /// Its texts.
    pub fn texts(&self) -> Vec<&str> {
        match self {
            Self::Rendered(text) => vec![text],
            Self::List(texts) => texts.iter().map(String::as_str).collect(),
        }
    }
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.kind)?;
        for (name, value) in &self.fields {
            match value {
                // It may be as long as a file; it stands in the plan.
                Value::Text(text) if name == "input" && text.contains('\n') => {
                    write!(f, " input=({} lines)", text.lines().count())?;
                }
                value => write!(f, " {name}={}", value.plain())?,
            }
        }
        for (name, range) in [("warn", &self.warn), ("crit", &self.crit)] {
            if let Some(range) = range {
                write!(f, " {name} {range}")?;
            }
        }
        if let Some(ms) = self.for_ms {
            write!(f, " for {}", super::duration::print(ms))?;
        }
        match &self.compare_to {
            Some(step) => write!(f, " compared to {step}"),
            None => Ok(()),
        }
    }
}
