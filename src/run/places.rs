//! A step's results for one host, by item and host of a delegated set.
//!
//! Owns: [`Places`]. Must not: know what a result means.

use std::sync::Arc;

use super::event::{Outcome, StepResult};

/// Results in the order of their places. There is one, or a few; a fleet has as many of these as it does steps, so that an empty
/// place costs nothing and a result is shared with the event that told it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Places(Vec<Place>);

type Place = (u32, (Outcome, Arc<StepResult>));

impl Places {
    /// The result of a place; it replaces a former one.
    pub fn insert(&mut self, nth: u32, outcome: Outcome, result: Arc<StepResult>) {
        match self.0.binary_search_by_key(&nth, |(at, _)| *at) {
            Ok(at) => {
                if let Some((_, place)) = self.0.get_mut(at) {
                    *place = (outcome, result);
                }
            }
            Err(at) => {
                self.0.reserve_exact(1);
                self.0.insert(at, (nth, (outcome, result)));
            }
        }
    }

    /// The result of a place.
    pub fn get(&self, nth: u32) -> Option<&(Outcome, Arc<StepResult>)> {
        let at = self.0.binary_search_by_key(&nth, |(at, _)| *at).ok()?;
        self.0.get(at).map(|(_, place)| place)
    }

    /// The last place's result.
    pub fn last(&self) -> Option<&(Outcome, Arc<StepResult>)> {
        self.0.last().map(|(_, place)| place)
    }

    /// Places with their results, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &(Outcome, Arc<StepResult>))> {
        self.0.iter().map(|(nth, place)| (*nth, place))
    }

    /// Results in the order of their places.
    pub fn values(&self) -> impl Iterator<Item = &(Outcome, Arc<StepResult>)> {
        self.0.iter().map(|(_, place)| place)
    }

    /// How many places have a result.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}
