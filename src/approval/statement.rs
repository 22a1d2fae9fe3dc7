//! What a person signs: one decision about one plan, gate or run.
//!
//! Owns: the fields, their one byte form, the file's name. Must not: sign, or read files.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ApprovalFault;
use crate::canon;
use crate::id::{Digest, RunId, hex};

/// The version of the statement.
const SCHEMA: &str = "pitstop.approval/v1";

/// A statement is some 500 bytes; the rest is room for the comment.
pub(super) const MAX_LEN: usize = 64 * 1024;

/// One decision, as it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The digest of the plan.
    pub plan: Digest,
    /// What of the plan.
    pub subject: Subject,
    /// Yes or no.
    pub decision: Decision,
    /// Who decides, as in `allowed_signers`.
    pub principal: String,
    /// As what: the group they speak for. For readers; who may approve is decided by the policy's groups.
    pub role: String,
    /// From then on it holds no more.
    pub expires: Timestamp,
    /// 32 hex digits: an approval counts once.
    pub nonce: String,
    /// Why; an override has to say it.
    pub comment: String,
    /// What it overrides.
    pub overrides: Option<Override>,
}

/// What a decision is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The plan, before it runs.
    Plan,
    /// A run, as it stands: only overrides are about one.
    Run(RunId),
    /// A gate that waits.
    Gate {
        /// The run.
        run: RunId,
        /// The gate's id.
        gate: String,
        /// The hash of the record that opened it: what the person has seen.
        opened: Digest,
    },
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Go on.
    Approve,
    /// Do not.
    Reject,
}

/// A rule that a person may set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Override {
    /// The window.
    Window,
    /// A freeze.
    Freeze,
}

impl Override {
    /// The word of the flag and of the statement.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Window => "window",
            Self::Freeze => "freeze",
        }
    }
}

impl Override {
    pub(super) fn says(self) -> &'static str {
        match self {
            Self::Window => "overrides the window",
            Self::Freeze => "overrides a freeze",
        }
    }
}

impl Subject {
    /// The run, if it is about one.
    pub fn run(&self) -> Option<&RunId> {
        match self {
            Self::Plan => None,
            Self::Run(run) | Self::Gate { run, .. } => Some(run),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan => f.write_str("the plan"),
            Self::Run(run) => write!(f, "the run {run}"),
            Self::Gate { gate, .. } => write!(f, "the gate {gate}"),
        }
    }
}

/// A new nonce.
///
/// # Errors
/// When the machine gives no random numbers.
pub(super) fn nonce() -> Result<String, ApprovalFault> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| ApprovalFault::Random { why: error.to_string() })?;
    Ok(hex(&bytes))
}

impl Statement {
    /// A decision with a nonce of its own.
    ///
    /// # Errors
    /// When the machine gives no random numbers.
    pub fn new(
        plan: Digest,
        subject: Subject,
        decision: Decision,
        principal: impl Into<String>,
        expires: Timestamp,
    ) -> Result<Self, ApprovalFault> {
        Ok(Self {
            plan,
            subject,
            decision,
            principal: principal.into(),
            role: String::new(),
            expires,
            nonce: nonce()?,
            comment: String::new(),
            overrides: None,
        })
    }

    /// The bytes that are signed.
    pub(super) fn to_text(&self) -> Result<String, String> {
        self.check()?;
        let text = canon::to_string(&Wire::from(self.clone())).map_err(|error| error.to_string())?;
        if text.len() > MAX_LEN {
            return Err("the comment is too long: a statement may have 64 KiB".to_owned());
        }
        Ok(text)
    }

    /// Reads a statement; only the one canonical form is accepted, so that what is shown is what was signed.
    pub(super) fn from_text(text: &str) -> Result<Self, String> {
        let wire: Wire = serde_json::from_str(text).map_err(|error| format!("not an approval: {error}"))?;
        let statement = Self::try_from(wire)?;
        if statement.to_text()? != text {
            return Err("it is not canonical JSON (keys sorted, no white space, no line end)".to_owned());
        }
        Ok(statement)
    }

    /// `<plan>-<gate or plan>-<principal>-<nonce>.json`.
    pub fn file_name(&self) -> String {
        let about = match &self.subject {
            Subject::Plan => "plan",
            Subject::Run(_) => "run",
            Subject::Gate { gate, .. } => gate,
        };
        let nonce = self.nonce.get(..8).unwrap_or(&self.nonce);
        format!(
            "{}-{}-{}-{nonce}.json",
            self.plan.short(),
            slug(about),
            slug(&self.principal)
        )
    }

    fn check(&self) -> Result<(), String> {
        let named = |text: &str| !text.is_empty() && text.len() <= 256 && !text.chars().any(char::is_control);
        if !named(&self.principal) {
            return Err("the principal is no name".to_owned());
        }
        if matches!(&self.subject, Subject::Gate { gate, .. } if !named(gate)) {
            return Err("the gate is no name".to_owned());
        }
        if self.nonce.len() != 32
            || !self
                .nonce
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        {
            return Err("the nonce is not 32 hex digits".to_owned());
        }
        match (self.overrides, &self.subject) {
            (Some(_), _) if self.comment.trim().is_empty() => {
                Err("an override needs a comment that says why".to_owned())
            }
            (Some(_), _) if self.decision == Decision::Reject => Err("a rejection overrides nothing".to_owned()),
            (None, Subject::Run(_)) => Err("a run is decided at its gates: name the gate".to_owned()),
            _ => Ok(()),
        }
    }
}

/// Letters, digits and dots stay; all else is one dash.
fn slug(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars().take(64) {
        match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' => out.push(letter),
            _ if out.ends_with('-') => {}
            _ => out.push('-'),
        }
    }
    let out = out.trim_matches(['-', '.']);
    if out.is_empty() { "x".to_owned() } else { out.to_owned() }
}

/// The form on disk: what does not apply is empty.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    schema: String,
    plan: Digest,
    run: String,
    gate: String,
    opened: String,
    decision: Decision,
    principal: String,
    role: String,
    expires: Timestamp,
    nonce: String,
    comment: String,
    #[serde(rename = "override")]
    overrides: String,
}

impl From<Statement> for Wire {
    fn from(statement: Statement) -> Self {
        let (run, gate, opened) = match statement.subject {
            Subject::Plan => Default::default(),
            Subject::Run(run) => (run.to_string(), String::new(), String::new()),
            Subject::Gate { run, gate, opened } => (run.to_string(), gate, opened.to_string()),
        };
        Self {
            schema: SCHEMA.to_owned(),
            plan: statement.plan,
            run,
            gate,
            opened,
            decision: statement.decision,
            principal: statement.principal,
            role: statement.role,
            expires: statement.expires,
            nonce: statement.nonce,
            comment: statement.comment,
            overrides: statement.overrides.map_or("", Override::as_str).to_owned(),
        }
    }
}

impl TryFrom<Wire> for Statement {
    type Error = String;

    fn try_from(wire: Wire) -> Result<Self, String> {
        if wire.schema != SCHEMA {
            return Err(format!("its schema is not {SCHEMA}"));
        }
        let run = || RunId::parse(&wire.run).ok_or("its run is no run id");
        let subject = match (wire.run.as_str(), wire.gate.as_str(), wire.opened.as_str()) {
            ("", "", "") => Subject::Plan,
            (_, "", "") => Subject::Run(run()?),
            (_, gate, opened) => Subject::Gate {
                run: run()?,
                gate: gate.to_owned(),
                opened: Digest::parse(opened).ok_or("`opened` is no digest")?,
            },
        };
        Ok(Self {
            plan: wire.plan,
            subject,
            decision: wire.decision,
            principal: wire.principal,
            role: wire.role,
            expires: wire.expires,
            nonce: wire.nonce,
            comment: wire.comment,
            overrides: match wire.overrides.as_str() {
                "" => None,
                "window" => Some(Override::Window),
                "freeze" => Some(Override::Freeze),
                _ => return Err("its override is neither `window` nor `freeze`".to_owned()),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Statement {
        let opened = Digest::of(b"record");
        let run = RunId::parse("20261206-010003-k3f9wq").unwrap();
        let subject = Subject::Gate {
            run,
            gate: "web/1".to_owned(),
            opened,
        };
        let expires = "2026-12-06T03:00:00Z".parse().unwrap();
        Statement::new(
            Digest::of(b"plan"),
            subject,
            Decision::Approve,
            "anna@example.com",
            expires,
        )
        .unwrap()
    }

    #[test]
    fn a_statement_has_one_form() {
        let mut all = [gate(), gate(), gate()];
        all[1].subject = Subject::Plan;
        all[2].subject = Subject::Run(RunId::parse("r1").unwrap());
        all[2].overrides = Some(Override::Freeze);
        all[2].comment = "CVE \"today\"\n".to_owned();
        for statement in all {
            let text = statement.to_text().unwrap();
            assert_eq!(Statement::from_text(&text), Ok(statement));
            for other in [
                format!("{text}\n"),
                text.replace(",\"plan\"", ", \"plan\""),
                text.replace("v1", "v2"),
            ] {
                assert!(Statement::from_text(&other).is_err(), "{other}");
            }
        }
        let twice = gate()
            .to_text()
            .unwrap()
            .replace("{\"comment\":\"\"", "{\"comment\":\"\",\"comment\":\"\"");
        assert!(Statement::from_text(&twice).is_err());
    }

    #[test]
    fn a_statement_that_contradicts_itself_is_not_made() {
        let broken: [fn(&mut Statement); 6] = [
            |s| s.overrides = Some(Override::Window),
            |s| s.principal.clear(),
            |s| s.principal = "anna\nboris".to_owned(),
            |s| s.nonce = "1".to_owned(),
            |s| s.subject = Subject::Run(RunId::parse("r1").unwrap()),
            |s| s.comment = "x".repeat(MAX_LEN),
        ];
        assert!(gate().to_text().is_ok());
        for change in broken {
            let mut statement = gate();
            change(&mut statement);
            assert!(statement.to_text().is_err(), "{statement:?}");
        }
    }

    #[test]
    fn a_name_is_safe_as_a_file() {
        let mut statement = gate();
        statement.nonce = "0123456789abcdef".repeat(2);
        let plan = Digest::of(b"plan");
        assert_eq!(
            statement.file_name(),
            format!("{}-web-1-anna-example.com-01234567.json", plan.short())
        );
        statement.principal = "../../etc/passwd".to_owned();
        assert_eq!(
            statement.file_name(),
            format!("{}-web-1-etc-passwd-01234567.json", plan.short())
        );
    }
}
