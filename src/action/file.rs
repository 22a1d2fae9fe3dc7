//! `upload`, its undo, and `download`.
//!
//! Owns: what was there before, that it arrived, and putting it back. Must not: leave half a file under its final name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Done, End, Hands, Job};
use crate::id::{Content, Digest};
use crate::plan::Value;
use crate::runbook::expr::quote::sh_word as quote;
use crate::transport::{Command, How, Put, Request, Session, Sink, Stream, look};

/// A host whose link was lost under a file is asked what stands there, for so long.
const ASK_WITHIN: Duration = Duration::from_secs(20);
/// Largest former content that is kept for the way back.
const FORMER_MAX: u64 = 16 * 1024 * 1024;

pub(super) struct Upload<'a> {
    pub content: &'a Arc<Content>,
    /// What must still stand there when it is put in place; `None`: whatever does.
    pub instead_of: Option<&'a Digest>,
    pub dest: &'a str,
    pub mode: Option<u32>,
    pub owner: Option<&'a str>,
    pub validate: Option<&'a str>,
}

/// What stood at a path before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Former {
    /// Its bytes; `None`: nothing stood there.
    pub content: Option<Vec<u8>>,
    /// Its mode.
    pub mode: Option<u32>,
}

/// Collects bytes in memory, so many of each stream; a host that says more is not believed to be short.
pub(super) struct Memory {
    pub out: Vec<u8>,
    pub err: Vec<u8>,
    most: usize,
}

impl Memory {
    /// For the answer to a question.
    fn of_words() -> Self {
        Self::of(64 << 10)
    }

    pub fn of(most: usize) -> Self {
        let (out, err) = Default::default();
        Self { out, err, most }
    }
}

impl Sink for Memory {
    fn take(&mut self, stream: Stream, bytes: &[u8]) {
        let to = if stream == Stream::Out {
            &mut self.out
        } else {
            &mut self.err
        };
        let room = self.most.saturating_sub(to.len()).min(bytes.len());
        to.extend(bytes.iter().take(room));
    }

    fn restart(&mut self) {
        self.out.clear();
        self.err.clear();
    }
}

/// Reads what stands at the upload's destination now. Repeatable; changes nothing.
///
/// # Errors
/// When it cannot be read, or is too large to be kept: then the upload must not begin.
pub(super) async fn capture(job: &Job, dest: &str, hands: &Hands) -> Result<Former, End> {
    let session = session(job, hands).await?;
    let mut answer = Memory::of_words();
    let look = look::kind_and_mode(dest);
    let how = session.run(plain(job, look), &mut answer).await;
    let said = String::from_utf8_lossy(&answer.out).trim().to_owned();
    match (how, said.as_str()) {
        (How::Exited(0), "none") => Ok(Former {
            content: None,
            mode: None,
        }),
        (How::Exited(0), "other") => Err(End::Failed(format!("{dest} exists and is no plain file"))),
        (How::Exited(0), mode) => {
            let mode = u32::from_str_radix(mode, 8).ok();
            let mut content = Memory::of(usize::try_from(FORMER_MAX).unwrap_or(usize::MAX));
            read(job, &*session, dest, FORMER_MAX, &mut content)
                .await
                .map_err(|why| End::Failed(format!("the former content of {dest} cannot be kept: {why}")))?;
            Ok(Former {
                content: Some(content.out),
                mode,
            })
        }
        (How::Exited(_), _) => Err(End::Failed(format!(
            "cannot look at {dest}: {}",
            String::from_utf8_lossy(&answer.err).trim()
        ))),
        (other, _) => Err(End::Unreachable(format!("cannot look at {dest}: {}", other.words()))),
    }
}

pub(super) async fn put(job: &Job, file: &Upload<'_>, hands: &Hands) -> Done {
    let session = match session(job, hands).await {
        Ok(session) => session,
        Err(end) => return Done::end(end),
    };
    let digest = file.content.digest();
    let more: BTreeMap<String, Value> = [
        ("sha256".to_owned(), Value::Text(digest.hex().to_owned())),
        (
            "size".to_owned(),
            Value::Int(i64::try_from(file.content.len()).unwrap_or(i64::MAX)),
        ),
    ]
    .into();
    // Already there, byte for byte, and no mode or owner to set: nothing to do, nothing to take back.
    if file.mode.is_none()
        && file.owner.is_none()
        && there(job, &*session, file.dest).await.as_deref() == Some(digest.hex())
    {
        return Done {
            end: End::Good,
            unchanged: true,
            rc: None,
            more,
        };
    }
    if let Some(former) = file.instead_of
        && there(job, &*session, file.dest).await.as_deref() != Some(former.hex())
    {
        // Nothing was sent, so nothing is owed: taking it back would undo what the other one wrote.
        let why = format!("{} was changed by somebody else meanwhile", file.dest);
        return Done::end(End::Unreachable(why));
    }
    let put = Put {
        content: Arc::clone(file.content),
        dest: file.dest.to_owned(),
        mode: file.mode,
        owner: file.owner.map(str::to_owned),
        validate: file.validate.map(str::to_owned),
        become_user: job.become_user.clone(),
        timeout: job.timeout,
    };
    let end = match session.put(put).await {
        Ok(()) => End::Good,
        Err(why) => not_said(job, &session, file.dest, digest, why, hands).await,
    };
    Done {
        end,
        unchanged: false,
        rc: None,
        more,
    }
}

/// It was not said to have arrived: the host is asked what stands there now, over a new connection if this one was lost.
async fn not_said(
    job: &Job,
    session: &Arc<dyn Session>,
    dest: &str,
    digest: &Digest,
    why: String,
    hands: &Hands,
) -> End {
    let is_it = |now: Option<String>| now.as_deref() == Some(digest.hex());
    if let Ok(now) = stands(job, &**session, dest).await {
        return if is_it(now) { End::Good } else { End::Failed(why) };
    }
    hands.lost(&job.on, session).await;
    let asked = match hands.reopen(&job.on, ASK_WITHIN).await {
        Ok(session) => stands(job, &*session, dest).await,
        Err(error) => Err(error.to_string()),
    };
    match asked {
        Ok(now) if is_it(now.clone()) => End::Good,
        Ok(_) => End::NeverBegan,
        Err(error) => End::Unknown {
            why: format!("{why}, and the host cannot be asked: {error}"),
            stopped: true,
        },
    }
}

/// After a cut: either the whole file stands there, or the rename never came.
pub(super) async fn landed(job: &Job, content: &Arc<Content>, dest: &str, hands: &Hands) -> Done {
    let session = match session(job, hands).await {
        Ok(session) => session,
        Err(_) => {
            let why = "the host cannot be asked whether the file arrived".to_owned();
            return Done::end(End::Unknown { why, stopped: true });
        }
    };
    if there(job, &*session, dest).await.as_deref() == Some(content.digest().hex()) {
        Done::end(End::Good)
    } else {
        Done::end(End::NeverBegan)
    }
}

pub(super) async fn restore(
    job: &Job,
    former: Option<&Arc<Content>>,
    mode: Option<u32>,
    dest: &str,
    hands: &Hands,
) -> Done {
    let Some(content) = former else {
        let session = match session(job, hands).await {
            Ok(session) => session,
            Err(end) => return Done::end(end),
        };
        let mut said = Memory::of_words();
        let how = session
            .run(plain(job, format!("rm -f -- {}", quote(dest))), &mut said)
            .await;
        let words = String::from_utf8_lossy(&said.err).trim().to_owned();
        return Done::end(match how {
            How::Exited(0) => End::Good,
            How::Exited(_) if !words.is_empty() => End::Failed(format!("{dest} cannot be removed: {words}")),
            other => End::Failed(format!("{dest} cannot be removed: {}", other.words())),
        });
    };
    put(
        job,
        &Upload {
            content,
            instead_of: None,
            dest,
            mode,
            owner: None,
            validate: None,
        },
        hands,
    )
    .await
}

pub(super) async fn get(job: &Job, src: &str, max_bytes: u64, hands: &Hands, sink: &mut dyn Sink) -> Done {
    let session = match session(job, hands).await {
        Ok(session) => session,
        Err(end) => return Done::end(end),
    };
    Done::end(match read(job, &*session, src, max_bytes, sink).await {
        Ok(()) => End::Good,
        Err(why) => End::Failed(why),
    })
}

/// Reads a file within the step's limit.
async fn read(job: &Job, session: &dyn Session, path: &str, max_bytes: u64, sink: &mut dyn Sink) -> Result<(), String> {
    let reading = session.get(path, max_bytes, job.become_user.as_deref(), sink);
    match tokio::time::timeout(job.timeout, reading).await {
        Ok(done) => done,
        Err(_) => Err(format!("{path} was not read within {} s", job.timeout.as_secs())),
    }
}

/// The digest of a file on the host, in hex.
async fn there(job: &Job, session: &dyn Session, path: &str) -> Option<String> {
    stands(job, session, path).await.ok().flatten()
}

/// The same; an error if the host could not be asked.
async fn stands(job: &Job, session: &dyn Session, path: &str) -> Result<Option<String>, String> {
    let mut answer = Memory::of_words();
    match session.run(plain(job, look::digest(path)), &mut answer).await {
        How::Exited(0) => {
            let said = String::from_utf8_lossy(&answer.out);
            Ok(said.split_whitespace().next().map(str::to_owned))
        }
        How::Exited(_) => Ok(None),
        other => Err(other.words()),
    }
}

async fn session(job: &Job, hands: &Hands) -> Result<Arc<dyn Session>, End> {
    hands
        .session(&job.on)
        .await
        .map_err(|error| End::Unreachable(error.advised()))
}

/// A read-only look at the host beside the step itself.
pub(super) fn plain(job: &Job, script: String) -> Request {
    Request {
        command: Command::Shell(script),
        env: Vec::new(),
        stdin: None,
        become_user: job.become_user.clone(),
        timeout: job.timeout.min(Duration::from_secs(60)),
        latch: None,
        step_key: job.step_key.clone(),
        streams: false,
        cancel: job.cancel.clone(),
    }
}
