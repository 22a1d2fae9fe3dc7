//! What a name of a scope stands for: a value, or one that is made when somebody reads it.
//!
//! Owns: that it is made once at most. Must not: know names.

use std::cell::OnceCell;
use std::fmt;
use std::rc::Rc;

use super::Val;

/// A name's value. Lists of all hosts and of all their results are made only for the few templates that read them: a fleet
/// renders as many templates as it has hosts and steps.
#[derive(Clone)]
pub(super) struct Named<'a> {
    value: OnceCell<Val>,
    make: Option<Rc<dyn Fn() -> Val + 'a>>,
}

impl<'a> Named<'a> {
    pub fn known(value: Val) -> Self {
        Self {
            value: OnceCell::from(value),
            make: None,
        }
    }

    pub fn asked(make: impl Fn() -> Val + 'a) -> Self {
        Self {
            value: OnceCell::new(),
            make: Some(Rc::new(make)),
        }
    }

    pub fn value(&self) -> &Val {
        self.value
            .get_or_init(|| self.make.as_ref().map_or(Val::None, |make| make()))
    }
}

impl fmt::Debug for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}
