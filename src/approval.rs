//! Approvals: signed decisions of people, as two files each.
//!
//! Owns: the statement, making, writing and finding approvals, and whether one holds for what is asked. Must not: decide who
//! may approve (the groups come from the policy, the arithmetic is in `count`), or write the journal.
//!
//! ```text
//!  NAME.json      the statement, canonical JSON: exactly these bytes are signed
//!  NAME.json.sig  ssh-keygen -Y sign -n pitstop-approval -f KEY NAME.json
//! ```

mod count;
mod files;
mod statement;

pub use count::{Requirement, Tally, count};
pub use files::{Skipped, scan};
pub use statement::{Decision, Override, Statement, Subject};

use std::path::PathBuf;

use jiff::Timestamp;

use crate::control::{self, Protection};
use crate::id::Digest;
use crate::key::{AllowedSigners, KeyFault, Signer, VerifyError};

/// The namespace of the signatures: one made for anything else is no approval.
pub const NAMESPACE: &str = "pitstop-approval";

/// A statement and its signature; nothing about it is proven before [`Approval::judge`].
#[derive(Clone, Debug)]
pub struct Approval {
    /// Where the statement was read or written; before that its future name.
    pub file: PathBuf,
    /// What it says.
    pub statement: Statement,
    text: String,
    signature: String,
}

/// What an approval has to be about to count.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The plan.
    pub plan: &'a Digest,
    /// The plan itself, a gate of a run, or a run.
    pub subject: &'a Subject,
    /// The override that is asked for; an approval with one is good for nothing else.
    pub overrides: Option<Override>,
    /// The window's end: no approval of a plan holds longer.
    pub until: Option<Timestamp>,
}

/// An approval that was proven: its signature is good, by a key of its principal, and it is about what was asked.
#[derive(Clone, Debug)]
pub struct Vote {
    /// The statement's file.
    pub file: PathBuf,
    /// What it says.
    pub statement: Statement,
    /// The key that signed.
    pub fingerprint: String,
}

/// Why an approval holds for nothing that was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotValid {
    /// It approves another plan, or this one before it was changed.
    #[error("it is about the plan {}, not about {}", found.short(), wanted.short())]
    OtherPlan {
        /// What it names.
        found: Digest,
        /// What is asked.
        wanted: Digest,
    },
    /// It belongs to another run of the plan.
    #[error("it is about the run {found}, not about {wanted}")]
    OtherRun {
        /// What it names.
        found: String,
        /// What is asked.
        wanted: String,
    },
    /// It is about another gate, or about a plan where a gate is asked, or the reverse.
    #[error("it is about {found}, not about {wanted}")]
    OtherSubject {
        /// What it names.
        found: String,
        /// What is asked.
        wanted: String,
    },
    /// The gate was opened again since: what the person saw then is not what is asked now.
    #[error("the gate {gate} was asked again after it: look at the new evidence and approve again")]
    EarlierOpening {
        /// The gate.
        gate: String,
    },
    /// It overrides something that is not asked, or it is no override.
    #[error("it {}, which is not what is asked", found.map_or("overrides nothing", Override::says))]
    OtherOverride {
        /// What it overrides.
        found: Option<Override>,
    },
    /// It is too old.
    #[error("it expired at {at}")]
    Expired {
        /// When.
        at: Timestamp,
    },
    /// The signature counts for nothing.
    #[error(transparent)]
    Signature(#[from] VerifyError),
    /// The signature is good, but by somebody else.
    #[error("it speaks for {principal}, but the key {fingerprint} belongs to {owners}")]
    OtherPerson {
        /// Whom the statement names.
        principal: String,
        /// The key.
        fingerprint: String,
        /// Whose key it is.
        owners: String,
    },
}

impl NotValid {
    /// True for an approval that is simply about something else, as most in a shared folder are.
    pub fn is_about_something_else(&self) -> bool {
        matches!(
            self,
            Self::OtherPlan { .. } | Self::OtherRun { .. } | Self::OtherSubject { .. } | Self::OtherOverride { .. }
        )
    }
}

/// Why no approval was made.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalFault {
    /// The statement itself makes no sense.
    #[error("this cannot be approved: {why}")]
    Statement {
        /// Why.
        why: String,
    },
    /// It could not be signed.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// It could not be written.
    #[error("cannot write the approval {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The machine gave no random numbers.
    #[error("this machine gives no random numbers: {why}")]
    Random {
        /// Why.
        why: String,
    },
}

impl ApprovalFault {
    /// What to do.
    pub fn help(&self) -> String {
        match self {
            Self::Statement { .. } => "see `pitstop approve --help`".to_owned(),
            Self::Key(fault) => fault.help(),
            Self::Write { .. } => "make the folder writable, or run `pitstop approve` where it is".to_owned(),
            Self::Random { .. } => "getrandom(2) must work here".to_owned(),
        }
    }
}

impl Approval {
    /// Signs a statement.
    ///
    /// # Errors
    /// When the statement contradicts itself, or the key cannot sign.
    pub async fn sign(statement: Statement, signer: &Signer) -> Result<Self, ApprovalFault> {
        let text = statement.to_text().map_err(|why| ApprovalFault::Statement { why })?;
        let signature = signer.sign(NAMESPACE, text.as_bytes()).await?;
        let file = PathBuf::from(statement.file_name());
        Ok(Self {
            file,
            statement,
            text,
            signature,
        })
    }

    /// Whether this approval holds, at `at`, for what is asked.
    ///
    /// # Errors
    /// Says why not; every cause has its own reason.
    pub fn judge(&self, wanted: &Wanted<'_>, allowed: &AllowedSigners, at: Timestamp) -> Result<Vote, NotValid> {
        let statement = &self.statement;
        if control::off(Protection::Approval) {
            return Ok(Vote {
                file: self.file.clone(),
                statement: statement.clone(),
                fingerprint: String::new(),
            });
        }
        self.is_about(wanted)?;
        let verified = allowed.verify(NAMESPACE, self.text.as_bytes(), &self.signature, at)?;
        if !verified.speaks_for(&statement.principal) {
            return Err(NotValid::OtherPerson {
                principal: statement.principal.clone(),
                fingerprint: verified.fingerprint,
                owners: verified.principals.join(" or "),
            });
        }
        let until = match (&statement.subject, wanted.until) {
            (Subject::Plan, Some(window)) => statement.expires.min(window),
            _ => statement.expires,
        };
        if at >= until {
            return Err(NotValid::Expired { at: until });
        }
        Ok(Vote {
            file: self.file.clone(),
            statement: statement.clone(),
            fingerprint: verified.fingerprint,
        })
    }

    fn is_about(&self, wanted: &Wanted<'_>) -> Result<(), NotValid> {
        let statement = &self.statement;
        if statement.plan != *wanted.plan {
            return Err(NotValid::OtherPlan {
                found: statement.plan.clone(),
                wanted: wanted.plan.clone(),
            });
        }
        if let (Some(found), Some(asked)) = (statement.subject.run(), wanted.subject.run())
            && found != asked
        {
            return Err(NotValid::OtherRun {
                found: found.to_string(),
                wanted: asked.to_string(),
            });
        }
        match (&statement.subject, wanted.subject) {
            (
                Subject::Gate { gate, opened, .. },
                Subject::Gate {
                    gate: asked,
                    opened: now,
                    ..
                },
            ) if gate == asked && opened != now => {
                return Err(NotValid::EarlierOpening { gate: gate.clone() });
            }
            (found, asked) if found != asked => {
                return Err(NotValid::OtherSubject {
                    found: found.to_string(),
                    wanted: asked.to_string(),
                });
            }
            _ => {}
        }
        if statement.overrides != wanted.overrides {
            return Err(NotValid::OtherOverride {
                found: statement.overrides,
            });
        }
        Ok(())
    }
}
