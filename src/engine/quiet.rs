//! Monitoring that keeps quiet, in the loop: asked before a host is worked on, and told when it may speak again.
//!
//! Owns: that the intent is durable before a request is sent, and that every request gets an end. Must not: decide when
//! (`run::quiet` does).

use std::collections::BTreeMap;
use std::time::Duration;

use super::EngineError;
use super::drive::{Busy, Driver, Message};
use super::render;
use super::task::{BROKEN, side_by_side, sound};
use crate::action::Outside;
use crate::action::silence::{Alertmanager, NotSet, Silence};
use crate::crash::{self, Moment};
use crate::plan::PlannedSilence;
use crate::run::event::{Event, SilenceKey};
use crate::run::quiet::to_take_off;
use crate::text;

/// Silences that are taken off at one time when the run ends, and how long that may take in all.
const AT_ONCE: usize = 16;
const ENDING: Duration = Duration::from_secs(60);
/// Characters of the runbook's title in a comment.
const TITLE: usize = 120;
/// Hosts that a dry run names for a silence.
const NAMED: usize = 5;

impl Driver {
    /// Asks for these silences, or for a later end of them, unless one is being asked for.
    /// True: something was written down from which more follows.
    pub(super) async fn hush(&mut self, mut keys: Vec<SilenceKey>) -> Result<bool, EngineError> {
        keys.retain(|key| !self.busy.contains(&Busy::Silence(key.clone())));
        if keys.is_empty() {
            return Ok(false);
        }
        let (mut events, mut asked) = (Vec::new(), Vec::new());
        for key in keys {
            match self.silence(&key) {
                Ok((to, silence)) => {
                    let lasts = Duration::from_millis(self.setup.plan.silenced_for(&key.name));
                    let now = self.setup.clock.now();
                    let until = now.saturating_add(lasts).unwrap_or(now);
                    let silencing = Event::Silencing {
                        silence: key.clone(),
                        until,
                    };
                    events.push(silencing);
                    asked.push((key, to, silence, until));
                }
                Err(why) => events.push(Event::NotSilenced {
                    silence: key,
                    why: self.setup.redactor.redact_text(&why),
                    perhaps: false,
                }),
            }
        }
        self.record_all(events).await?;
        crash::here(Moment::Silencing);
        for (key, to, silence, until) in asked {
            self.busy.insert(Busy::Silence(key.clone()));
            let (hands, send) = (self.hands.clone(), self.send.clone());
            tokio::spawn(async move {
                let set = async move {
                    match hands.outside {
                        Outside::Told(_) => to.set(&silence, until, &hands).await,
                        Outside::Nobody => Ok(silence.comment),
                    }
                };
                let broken = NotSet {
                    why: BROKEN.to_owned(),
                    perhaps: true,
                };
                let came = sound(set, Err(broken)).await;
                let _ = send.send(Message::Hushed { key, until, came });
            });
        }
        Ok(true)
    }

    /// What came of one.
    pub(super) async fn hushed(
        &mut self,
        key: SilenceKey,
        until: jiff::Timestamp,
        came: Result<String, NotSet>,
    ) -> Result<(), EngineError> {
        crash::here(Moment::Silenced);
        let event = match came {
            Ok(id) => Event::Silenced {
                silence: key,
                id: self.setup.redactor.redact_text(&text::terminal_line(&id)),
                until,
            },
            Err(NotSet { why, perhaps }) => Event::NotSilenced {
                silence: key,
                why: self.setup.redactor.redact_text(&why),
                perhaps,
            },
        };
        self.tell(vec![event]).await
    }

    /// Lets monitoring speak again.
    pub(super) fn unhush(&mut self, keys: Vec<SilenceKey>) {
        for key in keys {
            if !self.busy.insert(Busy::Silence(key.clone())) {
                continue;
            }
            let came = self.taking_off(&key);
            let send = self.send.clone();
            tokio::spawn(async move {
                let came = sound(came, Err(BROKEN.to_owned())).await;
                let _ = send.send(Message::Unhushed { key, came });
            });
        }
    }

    /// What came of one.
    pub(super) async fn unhushed(&mut self, key: SilenceKey, came: Result<(), String>) -> Result<(), EngineError> {
        let event = self.off(key, came);
        self.tell(vec![event]).await
    }

    fn off(&self, silence: SilenceKey, came: Result<(), String>) -> Event {
        match came {
            Ok(()) => Event::Unsilenced { silence },
            Err(why) => Event::StillSilenced {
                silence,
                why: self.setup.redactor.redact_text(&why),
            },
        }
    }

    fn taking_off(&self, key: &SilenceKey) -> impl Future<Output = Result<(), String>> + Send + use<> {
        let (hands, silence) = (self.hands.clone(), self.silence(key));
        async move {
            let (to, silence) = silence?;
            match hands.outside {
                Outside::Told(_) => to.take_off(&silence, &hands).await,
                Outside::Nobody => Ok(()),
            }
        }
    }

    /// At the end of a process: whatever nobody needs any more, once more if it failed before.
    pub(super) async fn all_speak_again(&mut self) -> Result<(), EngineError> {
        let keys = to_take_off(&self.setup.plan, &self.run, self.setup.clock.now());
        if keys.is_empty() {
            return Ok(());
        }
        let work: Vec<_> = keys.iter().map(|key| self.taking_off(key)).collect();
        let limited = |one| async move {
            let late = Err("no answer came before the run ended".to_owned());
            tokio::time::timeout(ENDING, one).await.unwrap_or(late)
        };
        let all = side_by_side(work, AT_ONCE, limited);
        let came = tokio::time::timeout(ENDING, all).await.unwrap_or_default();
        let mut came = came.into_iter();
        let late = || Err("no answer came before the run ended".to_owned());
        let events = keys
            .into_iter()
            .map(|key| {
                let one = came.next().flatten().unwrap_or_else(late);
                self.off(key, one)
            })
            .collect();
        self.record_all(events).await
    }

    /// Where a silence goes, and what it says.
    fn silence(&self, key: &SilenceKey) -> Result<(Alertmanager, Silence), String> {
        let plan = &self.setup.plan;
        let found = plan.named_silences().find(|(name, _)| *name == key.name);
        let planned = found.and_then(|(_, s)| Some((s, plan.silencers.get(&s.via)?)));
        let Some((planned, through)) = planned else {
            return Err(format!("the plan has no silence `{}`", key.name));
        };
        let token = through.token.as_ref().and_then(|name| self.setup.secrets.get(name));
        let to = Alertmanager {
            url: through.alertmanager.clone(),
            token: token.cloned(),
        };
        let title: String = plan.title.chars().take(TITLE).collect();
        let known = self.run.silences.get(key);
        let silence = Silence {
            matchers: self.matchers(planned, key)?,
            comment: format!("{title} (pitstop run {}, {key})", self.setup.id),
            id: known.and_then(|s| s.id.clone()),
            unsure: known.is_some_and(crate::run::quiet::Silence::unsure),
        };
        Ok((to, silence))
    }

    fn matchers(&self, planned: &PlannedSilence, key: &SilenceKey) -> Result<BTreeMap<String, String>, String> {
        let scopes = self.scopes();
        let scope = scopes.step("", key.host.as_ref());
        let rendered = planned.matchers.iter().map(|(name, template)| {
            let value = render::text(template, &scope).map_err(|why| format!("its matcher {name}: {why}"))?;
            Ok((name.clone(), value))
        });
        rendered.collect()
    }

    /// What a dry run says of silences: which would be set.
    pub(super) fn silences_foreseen(&self) -> Vec<Event> {
        let plan = &self.setup.plan;
        let changing = plan.phases().filter(|p| p.changes);
        let worked: std::collections::BTreeSet<_> = changing.flat_map(|p| &p.hosts).collect();
        let mut events = Vec::new();
        for (name, planned) in plan.named_silences().filter(|_| !worked.is_empty()) {
            let hosts: Vec<_> = match planned.by_host {
                true => worked
                    .iter()
                    .filter(|h| !h.is_controller())
                    .map(|h| Some((*h).clone()))
                    .collect(),
                false => vec![None],
            };
            for host in hosts.iter().take(NAMED) {
                let key = SilenceKey {
                    name: name.clone(),
                    host: host.clone(),
                };
                let what = match self.matchers(planned, &key) {
                    Ok(matchers) => {
                        let pairs: Vec<String> =
                            matchers.iter().map(|(name, value)| format!("{name}={value}")).collect();
                        format!("would set {}: {}", crate::run::quiet::words(&key), pairs.join(" "))
                    }
                    Err(why) => format!("could not set {}: {why}", crate::run::quiet::words(&key)),
                };
                events.push(self.setup.redactor.redact_text(&what));
            }
            if let Some(more) = hosts.len().checked_sub(NAMED).filter(|more| *more > 0) {
                events.push(format!("would set the silence of {name} about {more} more hosts"));
            }
        }
        events.into_iter().map(|text| Event::Noted { text }).collect()
    }
}
