//! The link to a real OpenSSH server, cut at instants that nobody chose: what ran is known, and ran once.

use std::time::Duration;

use pitstop::transport::{How, LatchKey, Probe, SshTransport, Transport};

use crate::common::figures;
use crate::common::sshd::{Sshd, kill};
use crate::room::{Kept, fresh_run, latched, options, run};

/// How often the link is cut, in each of the tests.
const CUTS: u64 = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_cut_at_any_instant_starts_nothing_twice_and_hides_no_end_1() {
    cut_at_any_instant(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_cut_at_any_instant_starts_nothing_twice_and_hides_no_end_2() {
    cut_at_any_instant(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_cut_at_any_instant_starts_nothing_twice_and_hides_no_end_3() {
    cut_at_any_instant(3).await;
}

async fn cut_at_any_instant(part: u64) {
    let sshd = Sshd::start();
    let to = sshd.endpoint(&fresh_run());
    let transport = SshTransport::new(options());
    let mut session = transport.connect(&to).await.unwrap();
    let boot = session.facts().boot.clone();
    let starts = sshd.path("starts");
    let seed = figures::seed();
    println!("seed {seed} (PITSTOP_SEED={seed})");
    let mut seen = std::collections::BTreeMap::<&str, u32>::new();
    let mut ran = 0;
    for n in 0..CUTS {
        let instant = mixed(seed ^ part << 56 ^ n) % 256;
        let key = LatchKey::of(&format!("storm/{n}"));
        let ask = latched(
            &format!("echo {n} >>{}; sleep 0.00{}; exit 7", starts.display(), n % 10),
            &format!("storm/{n}"),
        );
        let link = sshd.sessions();
        let work = tokio::spawn({
            let (session, ask) = (session.clone(), ask.clone());
            async move { run(&session, ask).await.0 }
        });
        // The instant is the fault, nothing waits for it: at once, within 3 ms, within 15 ms.
        match n % 4 {
            0 => {}
            1 | 2 => tokio::time::sleep(Duration::from_micros(instant * 12)).await,
            _ => tokio::time::sleep(Duration::from_micros(instant * 60)).await,
        }
        link.into_iter().for_each(kill);
        let how = work.await.unwrap();
        session = transport.connect(&to).await.unwrap();
        let end = match how {
            How::Exited(7) => "known before the cut",
            How::NotSent(_) => "not sent",
            How::Unknown(_) => match session.probe(&key, &boot, None, &mut Kept::default()).await {
                Probe::Done(7) => "done",
                Probe::Never => "never",
                Probe::Running => {
                    assert_eq!(session.follow(&key, ask, &mut Kept::default()).await, How::Exited(7));
                    "followed"
                }
                other => panic!("attempt {n}: {other:?}"),
            },
            other => panic!("attempt {n}: {other:?}"),
        };
        ran += usize::from(!matches!(end, "not sent" | "never"));
        *seen.entry(end).or_default() += 1;
    }
    let text = std::fs::read_to_string(&starts).unwrap_or_default();
    let mut started: Vec<&str> = text.lines().collect();
    let all = started.len();
    started.sort_unstable();
    started.dedup();
    assert_eq!(
        (all, started.len()),
        (ran, ran),
        "starts, and different ones, against known ends: {seen:?}"
    );
    println!("{CUTS} cuts: {seen:?}");
    figures::print(
        &format!("real OpenSSH, link cut at a random instant, part {part}: begun twice, end not learnt"),
        format!("0 in {CUTS} cuts"),
        Some(seed),
    );
    session.leave().await.unwrap();
}

/// SplitMix64's last step: neighbours are far from each other.
fn mixed(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    n ^ (n >> 31)
}
