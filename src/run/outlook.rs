//! What a dry run says of a step that it does not do.
//!
//! Owns: the kinds of such a sentence. Must not: find one (that is `engine::foresee`).

use serde::{Deserialize, Serialize};

/// What a real run would make of a step, as far as it can be known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Outlook {
    /// It would be sent.
    Would {
        /// What, rendered and redacted.
        words: String,
        /// What it would change in a file: a unified difference, or a sentence. Empty where there is nothing to compare.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        difference: String,
    },
    /// Its condition is false, or its list is empty.
    LeftOut {
        /// Which of them.
        why: String,
    },
    /// It depends on a step that a dry run does not do.
    Open {
        /// On what.
        why: String,
    },
    /// It would fail before anything is sent.
    Fails {
        /// Why.
        why: String,
    },
}

impl Outlook {
    /// The same with each of its texts changed: the redactor's way in.
    #[must_use]
    pub fn each_text(self, change: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Would { words, difference } => Self::Would {
                words: change(&words),
                difference: change(&difference),
            },
            Self::LeftOut { why } => Self::LeftOut { why: change(&why) },
            Self::Open { why } => Self::Open { why: change(&why) },
            Self::Fails { why } => Self::Fails { why: change(&why) },
        }
    }
}
