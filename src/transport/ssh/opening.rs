//! Opening channels in a way that loses none of them.
//!
//! A server that was asked for a channel confirms it, whether anybody still waits or not, and counts it (`MaxSessions`) until
//! it is closed. Whoever waits may be dropped at any instant: a limit, a cancelled step.
//!
//! Owns: that a channel which nobody takes, or which is dropped wherever it stands, is closed. Must not: decide how many there
//! may be.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use russh::client::Msg;
use russh::{ChannelReadHalf, ChannelWriteHalf};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::timeout;

/// A server that has not answered by then never will; its connection is not held for it.
const LOST: Duration = Duration::from_secs(300);

/// What this opens. It goes on when nobody waits any more, and what it has opened then is dropped: that must close it.
/// `None`: it had no end.
pub(super) async fn kept<T: Send + 'static>(opening: impl Future<Output = T> + Send + 'static) -> Option<T> {
    let (give, take) = oneshot::channel();
    tokio::spawn(async move {
        if let Ok(opened) = timeout(LOST, opening).await {
            // Dropped, if nobody takes it.
            let _ = give.send(opened);
        }
    });
    take.await.ok()
}

/// A session channel, and its place among those of its connection.
pub(super) struct Opened {
    pub(super) from: ChannelReadHalf,
    pub(super) to: To,
    pub(super) free: OwnedSemaphorePermit,
}

impl Opened {
    /// This channel, which has taken this place.
    pub(super) fn new(channel: russh::Channel<Msg>, free: OwnedSemaphorePermit) -> Self {
        let (from, to) = channel.split();
        Self {
            from,
            to: To(Arc::new(to)),
            free,
        }
    }
}

/// The way to the far end of a channel. Dropping it closes the channel.
pub(super) struct To(Arc<ChannelWriteHalf<Msg>>);

impl Deref for To {
    type Target = ChannelWriteHalf<Msg>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Drop for To {
    fn drop(&mut self) {
        let to = self.0.clone();
        // Without a runtime the connection has ended, too.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                // The connection may have ended before.
                let _ = to.close().await;
            });
        }
    }
}
