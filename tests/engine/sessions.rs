//! How many sessions a run keeps open.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

use pitstop::action::Hands;
use pitstop::clock::{Clock, RealClock};
use pitstop::http::Tls;
use pitstop::id::{HostName, RunId};
use pitstop::transport::script::{ScriptTransport, World};
use pitstop::transport::{ConnectError, Endpoint, Pending, Session, Transport};

use crate::room::{block, endpoint};

/// Scripted hosts, and which of their sessions live.
struct Watched {
    real: ScriptTransport,
    opened: Mutex<BTreeMap<HostName, Vec<Weak<dyn Session>>>>,
}

impl Watched {
    fn open(&self, host: &HostName) -> bool {
        let opened = self.opened.lock().unwrap();
        opened[host].iter().any(|session| session.strong_count() > 0)
    }

    fn count(&self) -> usize {
        let opened = self.opened.lock().unwrap();
        opened.values().flatten().filter(|s| s.strong_count() > 0).count()
    }
}

impl Transport for Watched {
    fn connect<'a>(&'a self, to: &'a Endpoint) -> Pending<'a, Result<Arc<dyn Session>, ConnectError>> {
        Box::pin(async move {
            let session = self.real.connect(to).await?;
            let mut opened = self.opened.lock().unwrap();
            opened
                .entry(to.host.clone())
                .or_default()
                .push(Arc::downgrade(&session));
            Ok(session)
        })
    }
}

#[test]
fn of_more_than_a_thousand_sessions_those_are_closed_that_nobody_has_used_for_longest() {
    let clock: Arc<dyn Clock> = Arc::new(RealClock);
    let watched = Arc::new(Watched {
        real: ScriptTransport::new(World::new(Vec::new(), BTreeMap::new()), clock.clone()),
        opened: Mutex::default(),
    });
    let run = RunId::new(clock.now(), [0; 6]);
    let names: Vec<HostName> = (0..1200).map(|n| HostName::new(format!("h{n:04}"))).collect();
    let mut hands = Hands::new(clock, Tls::platform());
    for name in &names {
        hands.add(watched.clone(), endpoint(name.as_str(), &run));
    }
    // The first is at work all the time, the second is used again just before the thousandth.
    block(async {
        let _busy = hands.session(&names[0]).await.unwrap();
        for name in &names[1..1000] {
            hands.session(name).await.unwrap();
        }
        hands.session(&names[1]).await.unwrap();
        for name in &names[1000..] {
            hands.session(name).await.unwrap();
            // Those that are closed are let go by tasks of their own.
            while watched.count() > 1024 {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(watched.count(), 1024);
        assert!(watched.open(&names[0]) && watched.open(&names[1]));
        let closed: Vec<&HostName> = names.iter().filter(|name| !watched.open(name)).collect();
        assert_eq!(closed, names[2..178].iter().collect::<Vec<_>>());
        // One that was closed is there again when it is wanted.
        hands.session(&names[2]).await.unwrap();
        assert!(watched.open(&names[2]));
    });
}
