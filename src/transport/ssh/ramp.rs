//! How many logins of this process are under way at one time: few at first, more while they stay quick.
//!
//! All of a large fleet at once would make every login slow, and those at the end of the queue miss their limits, though their
//! hosts are well. A login that is not through in [`QUICK`] gives its place up and goes on: hosts that are dead or slow hold
//! nobody else up.
//!
//! Owns: the places. Must not: know hosts (that no server is asked too often at once is `SshTransport::gate`).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Places at first, and the fewest.
const FEWEST: usize = 64;
/// The most.
const MOST: usize = 1024;
/// A login within this is quick.
const QUICK: Duration = Duration::from_millis(500);

/// The places of a process.
#[derive(Debug)]
pub(super) struct Ramp {
    free: Semaphore,
    all: AtomicUsize,
}

impl Default for Ramp {
    fn default() -> Self {
        Self {
            free: Semaphore::new(FEWEST),
            all: AtomicUsize::new(FEWEST),
        }
    }
}

impl Ramp {
    /// Does a login in its turn.
    pub(super) async fn through<T>(&self, login: impl Future<Output = T>) -> T {
        // Nobody closes it.
        let place = self.free.acquire().await.ok();
        let mut login = std::pin::pin!(login);
        if let Ok(done) = timeout(QUICK, login.as_mut()).await {
            drop(place);
            if self.change(|all| (all < MOST).then_some(all + 1)) {
                self.free.add_permits(1);
            }
            return done;
        }
        let fewer = self.change(|all| (all > FEWEST).then(|| all - 1));
        match place {
            Some(place) if fewer => place.forget(),
            place => drop(place),
        }
        login.await
    }

    fn change(&self, how: impl Fn(usize) -> Option<usize>) -> bool {
        self.all.fetch_update(Ordering::Relaxed, Ordering::Relaxed, how).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    async fn logins(ramp: &Arc<Ramp>, many: usize, each: Duration) {
        let all: Vec<_> = (0..many)
            .map(|_| {
                let ramp = ramp.clone();
                tokio::spawn(async move { ramp.through(async { tokio::time::sleep(each).await }).await })
            })
            .collect();
        for one in all {
            one.await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn quick_logins_make_room_for_more_and_slow_ones_for_fewer() {
        let ramp = Arc::new(Ramp::default());
        logins(&ramp, 300, Duration::from_millis(20)).await;
        assert_eq!(ramp.all.load(Ordering::Relaxed), FEWEST + 300);
        assert_eq!(ramp.free.available_permits(), FEWEST + 300);
        logins(&ramp, 2000, Duration::from_millis(20)).await;
        assert_eq!(ramp.free.available_permits(), MOST);
        logins(&ramp, 400, Duration::from_secs(9)).await;
        assert_eq!(ramp.free.available_permits(), MOST - 400);
        logins(&ramp, 2000, Duration::from_secs(9)).await;
        assert_eq!(ramp.free.available_permits(), FEWEST);
    }

    #[tokio::test(start_paused = true)]
    async fn hosts_that_do_not_answer_hold_nobody_up_for_longer_than_a_moment() {
        let ramp = Arc::new(Ramp::default());
        let dead: Vec<_> = (0..640)
            .map(|_| {
                let ramp = ramp.clone();
                tokio::spawn(async move {
                    ramp.through(async { tokio::time::sleep(Duration::from_secs(20)).await })
                        .await
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(1)).await;
        let began = tokio::time::Instant::now();
        ramp.through(async {}).await;
        assert_eq!(
            began.elapsed(),
            QUICK * 10 - Duration::from_millis(1),
            "640 of them in places of 64"
        );
        dead.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
