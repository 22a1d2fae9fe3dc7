//! The same work on many things, on all cores of this machine.
//!
//! Owns: how many threads there are, and that the results stand in the order of the things. Must not: know what the work is.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Stack of each thread, bytes: as much as the main thread has. What people write may be nested.
const STACK: usize = 8 << 20;

/// Does `work` for 0, 1, 2 … `count` - 1 and gives the results in this order. The calling thread takes part; where the system
/// gives no further one, it does all of it. A panic of `work` is one of the caller.
pub fn each<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                return done;
            }
            done.push((at, work(at)));
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut all = thread::scope(|scope| {
        let spawn = |_| thread::Builder::new().stack_size(STACK).spawn_scoped(scope, worker);
        let others: Vec<_> = (1..cores.min(count)).flat_map(spawn).collect();
        let mut all = worker();
        for other in others {
            match other.join() {
                Ok(done) => all.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    });
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, done)| done).collect()
}

/// Does both, side by side where the system gives a thread for the first.
pub fn both<A: Send, B>(first: impl Fn() -> A + Sync, second: impl FnOnce() -> B) -> (A, B) {
    thread::scope(|scope| {
        let other = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, &first);
        let done = second();
        match other.map(thread::ScopedJoinHandle::join) {
            Ok(Ok(other)) => (other, done),
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(_) => (first(), done),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_is_done_once_and_the_results_stand_in_order() {
        for count in [0, 1, 2, 1000] {
            let done = AtomicUsize::new(0);
            let squares = each(count, |n| {
                done.fetch_add(1, Ordering::Relaxed);
                n * n
            });
            assert_eq!(done.into_inner(), count);
            assert_eq!(squares, (0..count).map(|n| n * n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_panic_of_the_work_is_one_of_the_caller() {
        let fails = || each(100, |n| assert_ne!(n, 99));
        assert!(std::panic::catch_unwind(fails).is_err());
    }
}
