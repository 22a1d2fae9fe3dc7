//! Named moments at which a debug build can be told to die by SIGKILL: `PITSTOP_CRASH_AT=MOMENT[:NTH[:MICROSECONDS]],…`,
//! at whichever comes first. It says which on standard error.
//!
//! The crash drive (`tests/fleet/drive.rs`) kills at random instants too, but the windows that matter are narrow, and chance would
//! seldom meet them. In a release build nothing of this exists.
//!
//! Owns: the moments' names. Must not: do anything but die.

/// A moment between two things that must not be taken for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A step's intent is durable, nothing was sent.
    Intended,
    /// The same of a step that goes back.
    IntendedBack,
    /// A step's end is known here, and not written down.
    Ended,
    /// The same of a step that goes back.
    EndedBack,
    /// A step's end is durable; the host still has its record.
    Settled,
    /// Half of a batch of records is in the journal.
    Torn,
    /// A batch is written and not synced.
    Written,
    /// A batch is durable, and nobody was told.
    Synced,
    /// Hosts are logged into, and the journal does not know whether.
    Entered,
    /// Hosts are locked, and the journal does not know.
    Locked,
    /// Monitoring is about to be asked to keep quiet, nothing was sent.
    Silencing,
    /// It was asked and has answered, and the journal does not know.
    Silenced,
    /// Hosts are given back, and the journal does not know.
    GivenBack,
    /// The run has ended, and no report was written.
    Reporting,
}

impl Moment {
    /// All of them, by name.
    pub const ALL: [(&str, Self); 14] = [
        ("intended", Self::Intended),
        ("intended-back", Self::IntendedBack),
        ("ended", Self::Ended),
        ("ended-back", Self::EndedBack),
        ("settled", Self::Settled),
        ("torn", Self::Torn),
        ("written", Self::Written),
        ("synced", Self::Synced),
        ("entered", Self::Entered),
        ("locked", Self::Locked),
        ("silencing", Self::Silencing),
        ("silenced", Self::Silenced),
        ("given-back", Self::GivenBack),
        ("reporting", Self::Reporting),
    ];
}

/// Dies here, if this is the moment.
pub fn here(moment: Moment) {
    if due(moment) {
        die();
    }
}

#[cfg(not(debug_assertions))]
pub use released::{die, due};

#[cfg(not(debug_assertions))]
mod released {
    use super::Moment;

    /// Never.
    pub fn due(_: Moment) -> bool {
        false
    }

    /// Does nothing.
    pub fn die() {}
}

#[cfg(debug_assertions)]
pub use armed::{die, due};

#[cfg(debug_assertions)]
mod armed {
    use std::io::Write as _;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use rustix::process::{Signal, getpid, kill_process};

    use super::Moment;

    /// What was asked for, and how often its moment has still to pass by.
    struct Order {
        name: &'static str,
        moment: Moment,
        left: AtomicU64,
        delay: Duration,
    }

    impl Order {
        fn parse(text: &str) -> Option<Self> {
            let mut words = text.split(':');
            let wanted = words.next()?;
            let (name, moment) = *Moment::ALL.iter().find(|(name, _)| *name == wanted)?;
            let mut number = |or| words.next().map_or(Some(or), |w| w.parse::<u64>().ok());
            Some(Self {
                name,
                moment,
                left: AtomicU64::new(number(1)?),
                delay: Duration::from_micros(number(0)?),
            })
        }
    }

    fn orders() -> &'static [Order] {
        static ORDERS: OnceLock<Vec<Order>> = OnceLock::new();
        ORDERS.get_or_init(|| {
            let text = std::env::var("PITSTOP_CRASH_AT").unwrap_or_default();
            text.split(',').filter_map(Order::parse).collect()
        })
    }

    /// Whether this is the moment to die. With a delay it is not: the end comes by itself, from another thread.
    pub fn due(moment: Moment) -> bool {
        let passed = |o: &&Order| o.moment == moment && o.left.fetch_sub(1, Ordering::SeqCst) == 1;
        let Some(order) = orders().iter().find(passed) else {
            return false;
        };
        let _ = writeln!(std::io::stderr(), "killed: {}", order.name);
        if order.delay.is_zero() {
            return true;
        }
        std::thread::spawn(|| {
            std::thread::sleep(order.delay);
            die();
        });
        false
    }

    /// Ends this process as SIGKILL does: nothing more is flushed, told or dropped.
    pub fn die() {
        let _ = kill_process(getpid(), Signal::KILL);
        // The signal is pending: nothing may happen before it arrives.
        loop {
            std::thread::park();
        }
    }
}
