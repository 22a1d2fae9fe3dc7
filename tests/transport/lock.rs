//! One machine under two names in one run: it has one lock, and it is this run's.

use pitstop::transport::{LockNote, LockOutcome};

use crate::room::{Room, fresh_run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_two_names_take_and_give_back_at_once_is_never_somebody_elses() {
    let room = Room::local();
    let (one, two) = (room.connect().await, room.connect().await);
    let note = |run: &pitstop::id::RunId| LockNote {
        run: run.to_string(),
        operator: "o".into(),
        controller: "c".into(),
        at: "t".into(),
    };
    let mine = note(&room.to.run);
    for _ in 0..20 {
        let taken = tokio::join!(one.lock(&mine), two.lock(&mine));
        assert_eq!(taken, (LockOutcome::Taken, LockOutcome::Taken));
        let given = tokio::join!(one.unlock(&room.to.run), two.unlock(&room.to.run));
        assert_eq!(given, (Ok(()), Ok(())));
    }
    let other = fresh_run();
    assert_eq!(
        one.lock(&note(&other)).await,
        LockOutcome::Taken,
        "nothing of it is left"
    );
    one.unlock(&other).await.unwrap();
    one.close().await;
    two.close().await;
}
