//! The change record and its views: the promises of the reports, on a night with a gate, a crash, a rollback and a held host.

#[path = "data/report/sample.rs"]
mod sample;

use pitstop::report::record::{CloseCode, HostState, UndoState};

#[test]
fn the_record_counts_hosts_by_their_worst_state() {
    let r = sample::sample(&sample::plain());
    let of = |s: HostState| r.hosts.iter().filter(|h| h.state == Some(s)).count();
    assert_eq!(
        (of(HostState::Ok), of(HostState::RolledBack), of(HostState::Held)),
        (10, 1, 1)
    );
    assert_eq!(r.outcome.result, Some(CloseCode::Unsuccessful));
    assert_eq!(r.undo.iter().filter(|u| u.state == UndoState::Ran).count(), 3);
    assert_eq!(r.left_behind.len(), 2);
}

#[test]
fn dump() {
    let Ok(dir) = std::env::var("REPORT_DUMP") else { return };
    let r = sample::sample(&sample::plain());
    std::fs::write(format!("{dir}/after.html"), pitstop::report::html::html(&r)).unwrap();
    let plan = sample::plan(&sample::plain());
    let page = pitstop::plan::page::facts(&plan, &plan.digest().unwrap(), &pitstop::plan::page::Outside::default());
    std::fs::write(format!("{dir}/before.html"), pitstop::report::before::html(&page)).unwrap();
    std::fs::write(format!("{dir}/before.md"), pitstop::plan::page::markdown(&page)).unwrap();
    std::fs::write(format!("{dir}/before.txt"), pitstop::plan::page::text(&page, 100)).unwrap();
}
