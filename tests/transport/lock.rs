//! The lock of a machine: under two names of one run, under many runs at once, over a link that breaks.

use pitstop::transport::{LockNote, LockOutcome};

use crate::room::{Room, fresh_run};

fn note(run: &pitstop::id::RunId) -> LockNote {
    LockNote {
        run: run.to_string(),
        operator: "o".into(),
        controller: "c".into(),
        at: "t".into(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_two_names_take_and_give_back_at_once_is_never_somebody_elses() {
    let room = Room::local();
    let (one, two) = (room.connect().await, room.connect().await);
    let mine = note(&room.to.run);
    for _ in 0..20 {
        let taken = tokio::join!(one.lock(&mine), two.lock(&mine));
        assert_eq!(taken, (Ok(LockOutcome::Taken), Ok(LockOutcome::Taken)));
        let given = tokio::join!(one.unlock(&room.to.run), two.unlock(&room.to.run));
        assert_eq!(given, (Ok(()), Ok(())));
    }
    let other = fresh_run();
    assert_eq!(
        one.lock(&note(&other)).await,
        Ok(LockOutcome::Taken),
        "nothing of it is left"
    );
    one.unlock(&other).await.unwrap();
    one.close().await;
    two.close().await;
}

/// What a loser reads may be gone while it reads: it is told a run, or gets the lock; never a message of a tool for a run's name,
/// and never that the host has no place for locks, for then it would go on without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_given_back_while_another_run_looks_at_it_is_held_by_a_run_or_free() {
    let room = Room::ssh();
    let runs: Vec<_> = (0..4).map(|_| fresh_run()).collect();
    let mut contenders = Vec::new();
    for mine in runs.clone() {
        let (session, runs) = (room.connect().await, runs.clone());
        contenders.push(tokio::spawn(async move {
            let (mut taken, mut held) = (0, 0);
            for _ in 0..50 {
                match session.lock(&note(&mine)).await {
                    Ok(LockOutcome::Taken) => {
                        session.unlock(&mine).await.unwrap();
                        taken += 1;
                    }
                    Ok(LockOutcome::Held(by)) => {
                        assert!(runs.iter().any(|run| run.as_str() == by.run), "{by:?}");
                        held += 1;
                    }
                    odd => panic!("{odd:?}"),
                }
            }
            session.close().await;
            (taken, held)
        }));
    }
    let mut all = (0, 0);
    for contender in contenders {
        let (taken, held) = contender.await.unwrap();
        all = (all.0 + taken, all.1 + held);
    }
    println!("taken {} times, held {} times", all.0, all.1);
    assert!(all.0 > 0 && all.1 > 0, "{all:?}");
}

/// It was taken for a host without a place for locks: the run went on with none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_breaks_while_the_lock_is_taken_is_no_host_without_a_place_for_locks() {
    let room = Room::ssh();
    let session = room.connect().await;
    room.cut();
    let took = session.lock(&note(&room.to.run)).await;
    assert!(took.is_err(), "{took:?}");
    session.close().await;
}
