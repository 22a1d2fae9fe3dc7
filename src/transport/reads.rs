//! Steps that change nothing, several in one write: one round trip for all of them.
//!
//! ```text
//! we     _r 1 … _r 2 … _r 3 …
//! lane        1 → E 0      2 → E 0      3 → E 1
//! ```
//!
//! The lane runs each only if the one before it ended with 0, nobody has set the fence, and whoever asked is still there: what
//! must not run after a failure does not, without a round trip to find out.
//!
//! Owns: their order, and that each has an end. Must not: send anything that changes something.

use tokio::sync::watch;

use super::host::Host;
use super::latch::{ANSWER, LONGEST_COMMAND, Lane, Pulled, Reply};
use super::shell;
use super::steps::{Answered, REST_OF_OUTPUT, in_time, unheard};
use super::{Command, Each, How, Request};

/// What is told of a step that one before it kept from being run.
const PASSED_OVER: &str = "a step that was sent with it did not end well";

impl Host {
    /// [`Session::run_reads`].
    pub(super) async fn reads(&self, requests: &[Request], hold: watch::Receiver<bool>, each: &mut dyn Each) {
        let Some(user) = requests.first().map(|r| r.become_user.as_deref()) else {
            return;
        };
        let prepared = async {
            let texts = texts(requests, user)?;
            let turn = self.turn().await.ok()?;
            let lane = self.lane(user).await.ok()?;
            let by = lane.hello.process.clone()?;
            lane.hello.dir.as_ref()?;
            Some((texts, turn, lane, by))
        };
        let Some((texts, _turn, mut lane, by)) = prepared.await.filter(|_| !*hold.borrow() && !self.state().left)
        else {
            return super::one_by_one(self, requests, hold, each).await;
        };
        let fence = texts.first().map(|(key, _)| key.clone()).unwrap_or_default();
        let by = format!("{by} {fence}");
        if lane.send_reads(&texts, &fence, &self.worth_removing(user)) {
            self.answers(lane, requests, &texts, &by, hold, each).await;
        } else {
            for nth in 0..requests.len() {
                each.ended(nth, How::NotSent("the connection had ended".to_owned()));
            }
        }
        for (key, _) in texts {
            self.settled(user, key);
        }
    }

    /// Takes the answers as they come.
    async fn answers(
        &self,
        mut lane: Lane,
        requests: &[Request],
        texts: &[(String, String)],
        by: &str,
        hold: watch::Receiver<bool>,
        each: &mut dyn Each,
    ) {
        let mut hold = Some(hold);
        let mut stopped = false;
        let mut lost: Option<String> = None;
        for (nth, (request, (key, _))) in requests.iter().zip(texts).enumerate() {
            if let Some(why) = &lost {
                each.ended(nth, How::Unknown(why.clone()));
                continue;
            }
            let mut pulled = Pulled::default();
            let answered = if stopped {
                rest(&mut lane).await
            } else {
                let sink = each.sink(nth);
                self.answered(&mut lane, key, request, Some(by), &mut hold, &mut pulled, sink)
                    .await
            };
            let how = match answered {
                Answered::Reply(reply) => self.end(request, key, &reply, pulled, each.sink(nth)).await,
                Answered::Over(how) => {
                    // The lane tells of this one too, before it comes to those behind it.
                    if !stopped && let Answered::Over(How::Unknown(why)) = rest(&mut lane).await {
                        lost = Some(why);
                    }
                    stopped = true;
                    how
                }
            };
            if let How::Unknown(why) = &how {
                lost = Some(why.clone());
            }
            each.ended(nth, how);
        }
        if lost.is_none() && !stopped {
            self.give_back(requests.first().and_then(|r| r.become_user.as_deref()), lane);
        }
    }

    /// What one answer means, and the rest of its output: by another lane, since this one has more to say.
    async fn end(
        &self,
        request: &Request,
        key: &str,
        reply: &Reply,
        mut pulled: Pulled,
        sink: &mut dyn super::Sink,
    ) -> How {
        let user = request.become_user.as_deref();
        let Some(status) = reply.status else {
            return match reply.passed_over {
                true => How::NotSent(PASSED_OVER.to_owned()),
                false => How::Unknown("the host does not say how it ended".to_owned()),
            };
        };
        if reply.give(&mut pulled, sink) {
            let rest = async {
                let mut side = self.lane(user).await?;
                side.pull_both(key, &mut pulled, sink).await?;
                side.count_rest(key, &pulled, sink).await?;
                self.give_back(user, side);
                Ok(())
            };
            if let Err(why) = in_time(request.timeout.max(REST_OF_OUTPUT), rest).await {
                return How::Unknown(unheard(status, &why));
            }
        }
        self.leaves(user, key, pulled.bytes());
        How::Exited(status)
    }
}

/// The answer for a step that was stopped, or stands behind one that was: the lane has it at once.
async fn rest(lane: &mut Lane) -> Answered {
    in_time(ANSWER, lane.step_reply()).await.into()
}

/// A key and the text of each; `None`: these do not go together.
fn texts(requests: &[Request], user: Option<&str>) -> Option<Vec<(String, String)>> {
    let mut all = 0;
    let mut texts = Vec::with_capacity(requests.len());
    for request in requests {
        let alone = request.latch.is_some() || request.stdin.is_some() || request.become_user.as_deref() != user;
        if alone || matches!(request.command, Command::Script { .. }) {
            return None;
        }
        let text = shell::text(request, "").ok()?;
        all += text.len();
        texts.push((shell::nonce().ok()?, text));
    }
    (all <= LONGEST_COMMAND).then_some(texts)
}
