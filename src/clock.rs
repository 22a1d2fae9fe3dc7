//! Time as a seam: whoever needs it is handed a clock.
//!
//! Owns: "now" (wall clock) and waiting (monotonic), real and simulated. Must not: know windows or zones.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

/// A wait that ends by itself.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Time, as the engine sees it.
pub trait Clock: Send + Sync {
    /// The wall clock, UTC.
    fn now(&self) -> Timestamp;
    /// Time that has passed, also while the machine slept, since a moment that stays the same while the process lives. Nobody
    /// can set it.
    fn passed(&self) -> Duration;
    /// Ends after `wait` on the monotonic clock.
    fn sleep(&self, wait: Duration) -> Sleep;
}

/// Goes on while the machine is suspended.
#[cfg(target_os = "linux")]
const SINCE_BOOT: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const SINCE_BOOT: ClockId = ClockId::Monotonic;

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealClock;

impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        // The journal keeps milliseconds: what is compared later must have been that coarse from the start.
        let now = Timestamp::now();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    fn passed(&self) -> Duration {
        Duration::try_from(clock_gettime(SINCE_BOOT)).unwrap_or_default()
    }

    fn sleep(&self, wait: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(wait))
    }
}

/// A runtime whose time is simulated: it stands while anything can be done, and jumps to the next end of a wait when nothing
/// can. One thread, so the same work goes the same way each time.
///
/// Nothing on it may wait for another thread or for the network: while it waits, time would jump.
///
/// # Errors
/// When the machine gives no runtime.
pub fn simulated_runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_time().start_paused(true).build()
}

/// The clock of a [`simulated_runtime`]: all waits on it, also those that do not ask a [`Clock`], move it.
#[derive(Clone, Copy, Debug)]
pub struct SimulatedClock {
    began: Timestamp,
    zero: Instant,
}

impl SimulatedClock {
    /// Says `began` now. To be made on the runtime it belongs to.
    pub fn starting(began: Timestamp) -> Self {
        Self {
            began,
            zero: Instant::now(),
        }
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.zero.elapsed()).unwrap_or(SignedDuration::MAX);
        let now = self.began.checked_add(passed).unwrap_or(Timestamp::MAX);
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    fn passed(&self) -> Duration {
        self.zero.elapsed()
    }

    fn sleep(&self, wait: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_simulated_hours_pass_at_once_and_to_the_millisecond() {
        let real = std::time::Instant::now();
        let began: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let seen = simulated_runtime().unwrap().block_on(async {
            let clock = SimulatedClock::starting(began);
            let other = tokio::spawn(async move {
                clock.sleep(Duration::from_millis(1500)).await;
                clock.now()
            });
            clock.sleep(Duration::from_secs(7200)).await;
            [other.await.unwrap(), clock.now()].map(|t| t.to_string())
        });
        assert_eq!(seen, ["2026-01-01T00:00:01.5Z", "2026-01-01T02:00:00Z"]);
        assert!(real.elapsed() < Duration::from_secs(60), "it waited for real");
    }
}
