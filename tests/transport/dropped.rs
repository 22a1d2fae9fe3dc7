//! Whoever waits for a channel may be dropped at any instant: no channel is lost to it, for a server allows ten and no more.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use pitstop::transport::{How, Put, Session};

use crate::common::figures;
use crate::room::{Kept, Room, latched, run};

/// How often an opening is dropped: each lost one would cost the server one of ten.
const DROPS: u64 = 400;
/// Steps that a host runs at one time.
const AT_ONCE: usize = 5;

/// Lets the work go on `turns` times, and drops it a moment after the last.
async fn dropped_after(turns: u64, moment: Duration, work: impl Future) -> bool {
    let mut work = pin!(work);
    let mut left = turns;
    let is_over = std::future::poll_fn(|cx| {
        if work.as_mut().poll(cx).is_ready() {
            return Poll::Ready(true);
        }
        left = left.saturating_sub(1);
        if left == 0 { Poll::Ready(false) } else { Poll::Pending }
    })
    .await;
    // The instant is the fault, nothing waits for it. Meanwhile the connection's own tasks go on.
    std::thread::sleep(moment);
    is_over
}

/// Steps that all end only once all of them have begun.
async fn as_many_as_ever(room: &Room, session: &Arc<dyn Session>, name: &str) {
    let meet = room.home.join(name);
    std::fs::create_dir(&meet).unwrap();
    let work = (0..AT_ONCE).map(|n| {
        let text = format!(
            "cd {} && : >{n} && until [ $(ls | wc -l) -eq {AT_ONCE} ]; do sleep 0.01; done",
            meet.display()
        );
        let (session, ask) = (session.clone(), latched(&text, &format!("{name}/{n}")));
        tokio::spawn(async move { run(&session, ask).await.0 })
    });
    for one in work.collect::<Vec<_>>() {
        assert_eq!(one.await.unwrap(), How::Exited(0), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_opening_that_is_dropped_at_any_instant_costs_the_host_no_channel() {
    let room = Room::ssh();
    let session = room.connect().await;
    as_many_as_ever(&room, &session, "before").await;
    let file = room.home.join("file").display().to_string();
    std::fs::write(&file, "content").unwrap();
    let seed = figures::seed();
    println!("seed {seed} (PITSTOP_SEED={seed})");
    let mut dropped = 0;
    for n in 0..DROPS {
        let chance = seed.wrapping_add(n).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        let (turns, moment) = (1 + n / 2 % 8, Duration::from_micros(chance % 4 * (chance % 300)));
        let is_over = if n % 2 == 0 {
            let mut kept = Kept::default();
            dropped_after(turns, moment, session.get(&file, 1 << 20, None, &mut kept)).await
        } else {
            let put = Put {
                content: Arc::new(b"content".to_vec().into()),
                dest: format!("{file}.{n}"),
                mode: None,
                owner: None,
                validate: None,
                become_user: None,
                timeout: Duration::from_secs(60),
            };
            dropped_after(turns, moment, session.put(put)).await
        };
        dropped += u64::from(!is_over);
    }
    assert!(
        dropped > DROPS / 2,
        "{dropped} of {DROPS} were dropped before their end"
    );
    as_many_as_ever(&room, &session, "after").await;
    figures::print(
        "real OpenSSH, openings of a channel dropped at a random instant: channels lost",
        format!("0 in {dropped} drops"),
        Some(seed),
    );
    session.leave().await.unwrap();
}
