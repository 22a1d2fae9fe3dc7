//! An included file's parameters: what it declares, and what the include gives.
//!
//! Owns: these types. Must not: know the steps, which only point here.

use std::sync::Arc;

use super::{Parameter, Value};
use crate::diag::{Span, Spanned};

/// What `params` means in the steps of an included file that declares parameters: these, and nothing of the file around it.
#[derive(Debug)]
pub struct Fragment {
    /// What the file declares.
    pub declared: Vec<Parameter>,
    /// What the include gives.
    pub given: Vec<(Spanned<String>, FragmentValue)>,
    /// The included file in which the include stands, if that has parameters of its own: the templates of `given` read those.
    pub outer: Option<Arc<Fragment>>,
    /// The include.
    pub span: Span,
}

/// A value that an include gives.
#[derive(Clone, Debug)]
pub enum FragmentValue {
    /// As it is.
    Is(Spanned<Value>),
    /// A template that the plan renders.
    Rendered(Spanned<String>),
}

/// A file that was included, and where.
#[derive(Clone, Debug)]
pub struct Included {
    /// Its path in the project.
    pub file: String,
    /// The include.
    pub at: Span,
}
