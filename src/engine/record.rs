//! What happened, into the journal: first durable, then shown and followed by whatever comes of it.
//!
//! Owns: the order of writing, applying, syncing and acting. Must not: decide what is written.
//!
//! A step's intent and end are *written* and applied at once, and [`Driver::sync`] waits for all of them together before it sends
//! or acknowledges anything: so a hundred hosts share one sync of the disk, and still no byte goes to a host before the
//! journal has its intent. Everything else is recorded with a wait of its own.

use jiff::Timestamp;

use super::EngineError;
use super::drive::{Busy, Driver, SET};
use crate::action::Job;
use crate::crash::{self, Moment};
use crate::id::{Digest, HostName};
use crate::journal::Receipt;
use crate::plan::Value;
use crate::run::event::{Event, Stamped, StepKey};
use crate::secret::Redactor;

/// Records that are applied and perhaps not yet durable, and what waits for that.
#[derive(Default)]
pub(super) struct Unsynced {
    records: Vec<(Receipt, Stamped)>,
    then: Vec<Then>,
}

/// What follows from a record once it is durable.
pub(super) enum Then {
    /// The intents stand: the steps are sent, together if they are several.
    Send(Vec<(StepKey, Job)>),
    /// The end stands: the host where it was done may forget the attempt, if it was latched there.
    Forget(StepKey, Option<HostName>),
    /// Nothing.
    Nothing,
}

impl Driver {
    /// Writes down that the wall clock was set, if it was since the last look: its own pace explains no more than a thousandth.
    pub(super) async fn look_at_the_clock(&mut self) -> Result<(), EngineError> {
        let clock = &self.setup.clock;
        let (now, passed) = (clock.now(), clock.passed());
        let (wall, since) = std::mem::replace(&mut self.looked, (now, passed));
        let since = passed.saturating_sub(since);
        let by_ms = now.as_millisecond() - wall.as_millisecond() - i64::try_from(since.as_millis()).unwrap_or(0);
        if by_ms.unsigned_abs() < u64::try_from(SET.max(since / 1000).as_millis()).unwrap_or(u64::MAX) {
            return Ok(());
        }
        let event = Event::ClockMoved { by_ms };
        self.sync().await?;
        let written = self.setup.journal.append(now, &event).await?;
        self.applied(written.seq, now, event, &written.hash);
        Ok(())
    }

    /// Writes an event down, durably, then applies and shows it.
    pub async fn record(&mut self, event: Event) -> Result<Digest, EngineError> {
        self.look_at_the_clock().await?;
        self.sync().await?;
        let at = self.setup.clock.now();
        let written = self.setup.journal.append(at, &event).await?;
        self.applied(written.seq, at, event, &written.hash);
        Ok(written.hash)
    }

    /// Writes several events down with one wait.
    pub async fn record_all(&mut self, events: Vec<Event>) -> Result<(), EngineError> {
        if events.is_empty() {
            return Ok(());
        }
        self.look_at_the_clock().await?;
        self.sync().await?;
        let at = self.setup.clock.now();
        let receipts: Vec<_> = events
            .iter()
            .map(|event| self.setup.journal.append(at, event))
            .collect();
        for (receipt, event) in receipts.into_iter().zip(events) {
            let written = receipt.await?;
            self.applied(written.seq, at, event, &written.hash);
        }
        Ok(())
    }

    /// Writes events down from which nothing follows before the next sync: what comes from many hosts at once shares it.
    pub(super) async fn tell(&mut self, events: Vec<Event>) -> Result<(), EngineError> {
        if events.is_empty() {
            return Ok(());
        }
        self.write_then(events, Then::Nothing).await
    }

    fn applied(&mut self, seq: u64, at: Timestamp, event: Event, hash: &Digest) {
        if let Event::GateOpened { gate, .. } = &event {
            self.openings.insert(gate.clone(), hash.clone());
        }
        self.seq = seq;
        let stamped = Stamped { seq, at, event };
        self.run.apply(&stamped);
        (self.setup.observer)(&stamped, &self.run);
        self.heard(&stamped);
    }

    /// Writes events down that something follows from once they are durable: see [`Driver::sync`].
    pub(super) async fn write_then(&mut self, events: Vec<Event>, then: Then) -> Result<(), EngineError> {
        self.look_at_the_clock().await?;
        let at = self.setup.clock.now();
        for event in events {
            let receipt = self.setup.journal.append(at, &event);
            self.seq += 1;
            let seq = self.seq;
            let stamped = Stamped { seq, at, event };
            self.run.apply(&stamped);
            self.unsynced.records.push((receipt, stamped));
        }
        self.unsynced.then.push(then);
        Ok(())
    }

    /// Waits until all that was written is durable; then does what follows from it.
    pub(super) async fn sync(&mut self) -> Result<(), EngineError> {
        let durable = self.durable().await;
        let then = std::mem::take(&mut self.unsynced.then);
        if let Err(error) = durable {
            for one in then {
                if let Then::Send(steps) = one {
                    for (key, _) in steps {
                        self.busy.remove(&Busy::Step(key));
                    }
                }
            }
            return Err(error);
        }
        for one in then {
            match one {
                Then::Send(steps) => {
                    crash::here(match steps.first() {
                        Some((key, _)) if key.pass != 0 => Moment::IntendedBack,
                        _ => Moment::Intended,
                    });
                    self.send_off(steps);
                }
                Then::Forget(key, on) => {
                    crash::here(Moment::Settled);
                    if let Some(on) = on {
                        self.acknowledge(on, &key);
                    }
                }
                Then::Nothing => {}
            }
        }
        Ok(())
    }

    /// Waits for every record that was written, and shows them.
    async fn durable(&mut self) -> Result<(), EngineError> {
        for (receipt, stamped) in std::mem::take(&mut self.unsynced.records) {
            // Nobody else writes to the journal of a run that is under way.
            if receipt.await?.seq != stamped.seq {
                return Err(EngineError::Bug);
            }
            (self.setup.observer)(&stamped, &self.run);
            self.heard(&stamped);
        }
        Ok(())
    }
}

/// Takes every secret out of a value.
pub(super) fn redact_value(value: &mut Value, redactor: &Redactor) {
    match value {
        Value::Text(text) => *text = redactor.redact_text(text),
        Value::List(items) => items.iter_mut().for_each(|v| redact_value(v, redactor)),
        Value::Map(fields) => {
            for (name, mut inner) in std::mem::take(fields) {
                redact_value(&mut inner, redactor);
                fields.insert(redactor.redact_text(&name), inner);
            }
        }
        Value::None
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Number(_)
        | Value::Duration { .. }
        | Value::Timestamp { .. } => {}
    }
}
