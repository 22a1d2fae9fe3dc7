//! Silences in Alertmanager: set, given a later end, found again, taken off. Its API v2 (0.16 and later).
//!
//! Owns: these requests, and what an answer proves. Must not: decide when, or write the journal.
//!
//! Alertmanager gives a silence its id in the answer. Where the answer never came, the silence is looked up: its comment names the
//! run and what it is for, so no second one is set and none is left that nobody knows.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};

use super::Hands;
use crate::http::{Body, HttpError, Limits, Request, Response, Url};
use crate::secret::Secret;
use crate::text;

/// For one request.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is tried where another try may help.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);
/// A new silence begins in the past: its clock may be behind ours, and Alertmanager makes `now` of it.
const EARLIER: SignedDuration = SignedDuration::from_hours(1);
const CREATED_BY: &str = "pitstop";
/// Most that is repeated of what a server said.
const SAID: usize = 200;

/// An Alertmanager.
#[derive(Clone, Debug)]
pub struct Alertmanager {
    /// Its URL.
    pub url: String,
    /// Sent as a bearer token.
    pub token: Option<Secret>,
}

/// A silence.
#[derive(Clone, Debug)]
pub struct Silence {
    /// Label → value; all must be equal.
    pub matchers: BTreeMap<String, String>,
    /// For people, and for finding it again: no other silence has it.
    pub comment: String,
    /// What Alertmanager calls it, if that is known.
    pub id: Option<String>,
    /// It may be there under another id, or none that is known.
    pub unsure: bool,
}

/// It was not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotSet {
    /// Why.
    pub why: String,
    /// It may be there all the same.
    pub perhaps: bool,
}

/// Why a request came to nothing.
struct Failed {
    why: String,
    /// The server may have acted.
    acted: bool,
    /// Another try may help.
    again: bool,
}

impl From<HttpError> for Failed {
    fn from(error: HttpError) -> Self {
        Self {
            why: error.to_string(),
            acted: error.may_have_acted(),
            again: !matches!(error, HttpError::Invalid { .. }),
        }
    }
}

/// A silence as Alertmanager has it.
struct There {
    id: String,
    starts: String,
}

impl Alertmanager {
    /// Sets the silence until then, or gives it that end if it is there: its id.
    ///
    /// # Errors
    /// When it does not answer, or says no.
    pub async fn set(&self, silence: &Silence, until: Timestamp, hands: &Hands) -> Result<String, NotSet> {
        let mut silence = silence.clone();
        let mut tries = 0;
        loop {
            tries += 1;
            let failed = match self.set_once(&mut silence, until, hands).await {
                Ok(id) => return Ok(id),
                Err(failed) => failed,
            };
            silence.unsure |= failed.acted;
            if !failed.again || tries >= TRIES {
                return Err(NotSet {
                    why: failed.why,
                    perhaps: silence.unsure,
                });
            }
            hands.clock.sleep(PAUSE).await;
        }
    }

    async fn set_once(&self, silence: &mut Silence, until: Timestamp, hands: &Hands) -> Result<String, Failed> {
        let looked = |mut failed: Failed| {
            // Looking changes nothing.
            failed.acted = false;
            failed
        };
        let mut there = match &silence.id {
            Some(id) => self.by_id(id, hands).await.map_err(looked)?,
            None => None,
        };
        if there.is_none() && silence.unsure {
            there = self.ours(&silence.comment, hands).await.map_err(looked)?.pop();
            silence.unsure = there.is_some();
        }
        let now = hands.clock.now();
        let starts = now.checked_sub(EARLIER).unwrap_or(now);
        let matchers = silence.matchers.iter();
        let matchers =
            matchers.map(|(name, value)| json!({ "name": name, "value": value, "isRegex": false, "isEqual": true }));
        let mut body = json!({
            "matchers": matchers.collect::<Vec<_>>(),
            "startsAt": format!("{starts:.3}"),
            "endsAt": format!("{until:.3}"),
            "createdBy": CREATED_BY,
            "comment": silence.comment,
        });
        if let (Some(there), Json::Object(map)) = (there, &mut body) {
            // With the beginning that it has it is changed in its place.
            map.insert("id".to_owned(), Json::String(there.id));
            map.insert("startsAt".to_owned(), Json::String(there.starts));
        }
        let answer = self.ask("POST", "silences", Some(&body), hands).await?;
        if answer.status == 404 {
            // It was there a moment ago.
            silence.id = None;
        }
        let answer = self.good(answer)?;
        let id = answer.get("silenceID").and_then(Json::as_str).map(str::to_owned);
        id.ok_or_else(|| Failed {
            why: format!("{} gave no id for it: is this an Alertmanager?", self.name()),
            acted: true,
            again: false,
        })
    }

    /// Takes the silence off; it is no error if there is none any more.
    ///
    /// # Errors
    /// When it does not answer, or says no: it may be there still.
    pub async fn take_off(&self, silence: &Silence, hands: &Hands) -> Result<(), String> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.take_off_once(silence, hands).await {
                Ok(()) => return Ok(()),
                Err(failed) if !failed.again || tries >= TRIES => return Err(failed.why),
                Err(_) => hands.clock.sleep(PAUSE).await,
            }
        }
    }

    async fn take_off_once(&self, silence: &Silence, hands: &Hands) -> Result<(), Failed> {
        let mut ids: Vec<String> = silence.id.iter().cloned().collect();
        if silence.unsure {
            let ours = self.ours(&silence.comment, hands).await?;
            ids.extend(
                ours.into_iter()
                    .map(|t| t.id)
                    .filter(|id| silence.id.as_ref() != Some(id)),
            );
        }
        for id in ids {
            let answer = self.ask("DELETE", &format!("silence/{id}"), None, hands).await?;
            // One that has ended already is refused in other words by each version.
            if !(200..300).contains(&answer.status) && self.by_id(&id, hands).await?.is_some() {
                self.good(answer)?;
            }
        }
        Ok(())
    }

    /// The silence with this id, unless it is over.
    async fn by_id(&self, id: &str, hands: &Hands) -> Result<Option<There>, Failed> {
        let answer = self.ask("GET", &format!("silence/{id}"), None, hands).await?;
        match answer.status {
            404 => Ok(None),
            _ => self.good(answer).map(|json| there(&json)),
        }
    }

    /// Silences with this comment that are not over.
    async fn ours(&self, comment: &str, hands: &Hands) -> Result<Vec<There>, Failed> {
        let all = self.good(self.ask("GET", "silences", None, hands).await?)?;
        let text = |json: &Json, key: &str| json.get(key).and_then(Json::as_str).map(str::to_owned);
        let ours = |json: &&Json| {
            text(json, "comment").as_deref() == Some(comment) && text(json, "createdBy").as_deref() == Some(CREATED_BY)
        };
        Ok(all
            .as_array()
            .into_iter()
            .flatten()
            .filter(ours)
            .filter_map(there)
            .collect())
    }

    async fn ask(&self, method: &str, path: &str, body: Option<&Json>, hands: &Hands) -> Result<Response, Failed> {
        let url = format!("{}/api/v2/{path}", self.url.trim_end_matches('/'));
        let url = Url::parse(&url).map_err(|error| Failed {
            why: error.to_string(),
            acted: false,
            again: false,
        })?;
        let mut request = Request::new(method, url);
        request.timeout = Some(TIMEOUT);
        if let Some(token) = &self.token {
            let value = Secret::new(format!("Bearer {}", token.expose()));
            request = request.header("authorization", value);
        }
        if let Some(body) = body {
            request = request.header("content-type", Secret::new("application/json".to_owned()));
            request.body = Some(Body::Text(Secret::new(body.to_string())));
        }
        Ok(hands.http.send(request, Limits::default()).await?)
    }

    /// What a good answer holds.
    fn good(&self, answer: Response) -> Result<Json, Failed> {
        if !(200..300).contains(&answer.status) {
            let said = text::terminal_line(&String::from_utf8_lossy(&answer.body));
            let said: String = said.trim().chars().take(SAID).collect();
            let busy = answer.status == 429 || answer.status >= 500;
            return Err(Failed {
                why: format!("{} answered {}: {said}", self.name(), answer.status),
                acted: answer.status >= 500,
                again: busy || answer.status == 404,
            });
        }
        if answer.body.is_empty() {
            return Ok(Json::Null);
        }
        serde_json::from_slice(&answer.body).map_err(|_| Failed {
            why: format!(
                "{} answered with what is no JSON: is this an Alertmanager?",
                self.name()
            ),
            acted: true,
            again: false,
        })
    }

    fn name(&self) -> String {
        Url::parse(&self.url).map_or_else(|_| "the server".to_owned(), |url| url.to_string())
    }
}

/// A silence that is not over, of what the API tells of it.
fn there(json: &Json) -> Option<There> {
    let text = |json: &Json, key: &str| json.get(key).and_then(Json::as_str).map(str::to_owned);
    let state = json.get("status").and_then(|s| text(s, "state"))?;
    (state != "expired").then_some(())?;
    Some(There {
        id: text(json, "id")?,
        starts: text(json, "startsAt")?,
    })
}
