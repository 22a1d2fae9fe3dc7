//! Time as a seam: the real clock, and one that a test moves.
//!
//! Owns: "now" (wall clock) and waiting (monotonic). Must not: know windows or zones.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

/// A wait that ends by itself.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Time, as the engine sees it.
pub trait Clock: Send + Sync {
    /// The wall clock, UTC.
    fn now(&self) -> Timestamp;
    /// Ends after `wait` on the monotonic clock.
    fn sleep(&self, wait: Duration) -> Sleep;
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealClock;

impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        // The journal keeps milliseconds: what is compared later must have been that coarse from the start.
        let now = Timestamp::now();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    fn sleep(&self, wait: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(wait))
    }
}

/// A clock that stands still until something waits on it; each wait moves it on at once.
#[derive(Clone, Debug)]
pub struct SimClock(Arc<Mutex<Timestamp>>);

impl SimClock {
    /// Starts at `at`.
    pub fn new(at: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(at)))
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.saturating_add(by).unwrap_or(*now);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep(&self, wait: Duration) -> Sleep {
        let clock = self.clone();
        Box::pin(async move {
            tokio::task::yield_now().await;
            clock.advance(wait);
        })
    }
}
