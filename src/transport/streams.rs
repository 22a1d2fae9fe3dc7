//! A step that changes nothing and may say more than anybody wants to keep: nothing of it lies on the host, it waits until what
//! it said is taken.
//!
//! ```text
//! we     _b …            NONCE  NONCE            NONCE           end
//! lane         → B               → piece G  → piece G    → (nothing) G     → O E 0
//! ```
//!
//! Some pieces are asked for ahead, so that a slow link is full all the time.
//!
//! Owns: the asking, its limits, its proven stop. Must not: be used for what changes something.

use super::channel::ends;
use super::host::Host;
use super::latch::{Lane, Pulled, Reply, Runs};
use super::steps::cancelled;
use super::{How, Request, Sink, Stream};

/// Pieces that are asked for before the first of them is here: so much fits into what a channel may hold however full others are.
const AHEAD: usize = 2;

/// What came of a streaming lane.
enum Came {
    Begun,
    Piece(Vec<u8>),
    Reply(Reply),
}

impl Host {
    /// Runs it to its end, its limit, or the operator's wish.
    pub(super) async fn stream(&self, key: &str, request: &Request, sink: &mut dyn Sink) -> How {
        let user = request.become_user.as_deref();
        if *request.cancel.borrow() {
            return How::NotSent("stopped before it was sent".to_owned());
        }
        if self.state().left {
            return How::NotSent("the run has left this host".to_owned());
        }
        let prepared = async {
            let turn = self.turn().await?;
            let mut lane = self.lane(user).await?;
            let (Some(dir), Some(by)) = (lane.hello.dir.clone(), lane.hello.process.clone()) else {
                self.give_back(user, lane);
                return Ok(None);
            };
            let text = self.deliver_step(&mut lane, &format!("{dir}/{key}"), request).await?;
            Ok(Some((turn, lane, by, text)))
        };
        let (_turn, mut lane, by, text) = match tokio::time::timeout(request.timeout, prepared).await {
            Ok(Ok(Some(prepared))) => prepared,
            // What it starts by itself could not be stopped there.
            Ok(Ok(None)) => return self.step(key, request, Runs::InLane, sink).await,
            Ok(Err(why)) => return How::NotSent(why),
            Err(_) => return How::NotSent("what it needs did not arrive within its limit".to_owned()),
        };
        if !lane.send_stream(key, &text, &self.worth_removing(user)) {
            return How::NotSent("the connection had ended".to_owned());
        }
        let deadline = ends(request.timeout);
        let mut cancel = request.cancel.clone();
        let (mut begun, mut over, mut asked) = (false, false, 0_usize);
        let stop = loop {
            let came = tokio::select! {
                came = next(&mut lane, begun, asked) => came,
                () = cancelled(&mut cancel) => break How::Cancelled,
                () = tokio::time::sleep_until(deadline) => break How::TimedOut,
            };
            match came {
                Ok(Came::Begun) => begun = true,
                Ok(Came::Piece(piece)) => {
                    asked -= 1;
                    if piece.is_empty() && !over {
                        over = true;
                        lane.end_stream();
                    } else if !piece.is_empty() {
                        sink.take(Stream::Out, &piece);
                    }
                }
                Ok(Came::Reply(reply)) => {
                    return self.ended(lane, key, request, &reply, Pulled::default(), sink).await;
                }
                Err(why) => return How::Unknown(why),
            }
            while !over && asked < AHEAD {
                lane.ask_piece();
                asked += 1;
            }
        };
        self.stop(key, user, Some(&by), stop, Pulled::default(), sink).await
    }
}

async fn next(lane: &mut Lane, begun: bool, asked: usize) -> Result<Came, String> {
    match (begun, asked) {
        (false, _) => lane.begun().await.map(|()| Came::Begun),
        (true, 0) => lane.step_reply().await.map(Came::Reply),
        (true, _) => lane.piece().await.map(Came::Piece),
    }
}
