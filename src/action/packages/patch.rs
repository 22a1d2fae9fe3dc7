//! `patch`: which updates there are, and exactly these installed.
//!
//! Owns: which updates are meant, how they are installed, and whether they are. Must not: run anything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::back::Back;
use super::family::{self, How, Look, listed};
use super::{Installed, State, Update, changes};
use crate::action::proven::{Fields, Proven, Todo};
use crate::plan::Value;
use crate::runbook::builtin::Conffiles;

/// A look before an install waits no longer for the lock; the install itself does.
const LOOK_WAIT: Duration = Duration::from_secs(60);

/// Which updates are meant.
#[derive(Clone, Debug, Default)]
struct Meant {
    /// Empty: of all classes.
    classes: Vec<String>,
    /// Names, or `name=version`; `None`: all.
    only: Option<Vec<String>>,
    exclude: Vec<String>,
}

impl Meant {
    fn is(&self, update: &Update) -> bool {
        let named = |list: &[String]| list.iter().any(|id| *id == update.name || *id == update.id());
        (self.classes.is_empty() || self.classes.iter().any(|class| class == update.class()))
            && self.only.as_deref().is_none_or(named)
            && !named(&self.exclude)
    }

    /// # Errors
    /// What was asked for by name and is not there in that version, or is held.
    fn of(&self, state: &State) -> Result<Vec<Update>, String> {
        self.told_by(state)?;
        let found: Vec<Update> = state.updates.iter().filter(|u| self.is(u)).cloned().collect();
        for id in self.only.iter().flatten() {
            let (name, version) = id
                .split_once('=')
                .map_or((id.as_str(), None), |(name, version)| (name, Some(version)));
            let is = |version: &str| state.find(name).is_some_and(|found| found.has(version));
            let there = found.iter().any(|u| u.name == name) || version.is_some_and(is);
            if there || self.exclude.iter().any(|out| out == name || out == id) {
                continue;
            }
            let offered = state.updates.iter().find(|u| u.name == name);
            return Err(match offered {
                _ if state.held.contains(name) => format!("{name} is held"),
                Some(update) => format!("{id} was asked for, and there is {} now: scan again", update.id()),
                None => format!("{id} was asked for, and there is no such update: scan again"),
            });
        }
        Ok(found)
    }

    /// # Errors
    /// When updates are asked for by classes of which the host's sources tell none: that it lists none then would say nothing.
    fn told_by(&self, state: &State) -> Result<(), String> {
        let told = |class: &String| state.classes.contains(class);
        match &state.unclassed {
            _ if self.classes.is_empty() || self.classes.iter().any(told) => Ok(()),
            Some(why) => Err(format!("`classes` cannot be honoured on this host: {why}")),
            // A look of an older release did not say it.
            None if state.classes.is_empty() => Ok(()),
            None => Err(format!(
                "`classes` cannot be honoured on this host: its sources tell {}, and no other",
                state.classes.join(", ")
            )),
        }
    }
}

/// `mode: scan`.
#[derive(Debug)]
pub struct Scan {
    /// The run.
    pub run: String,
    /// For so long the package manager's lock is waited for.
    pub lock_wait: Duration,
    meant: Meant,
}

impl Scan {
    /// Of these updates.
    pub fn new(
        run: String,
        lock_wait: Duration,
        classes: Vec<String>,
        only: Option<Vec<String>>,
        exclude: Vec<String>,
    ) -> Self {
        Self {
            run,
            lock_wait,
            meant: Meant { classes, only, exclude },
        }
    }

    /// What it does, in one line.
    pub fn words(&self) -> String {
        match (&self.meant.only, self.meant.classes.as_slice()) {
            (Some(only), _) => format!("list updates: {}", only.join(" ")),
            (None, []) => "list updates".to_owned(),
            (None, classes) => format!("list {} updates", classes.join(", ")),
        }
    }

    /// The look.
    pub fn script(&self) -> String {
        family::look(
            &self.run,
            &Look::Updates {
                lock_wait: self.lock_wait,
                refresh: true,
            },
        )
    }

    /// What was found.
    ///
    /// # Errors
    /// When it cannot be read, or packages are half-configured.
    pub fn fields(&self, said: &str) -> Result<Fields, String> {
        let state = State::read(said)?;
        state.sound()?;
        // What is held is no update of this scan, and is told.
        let meant = Meant {
            only: None,
            ..self.meant.clone()
        };
        let wanted = match &self.meant.only {
            Some(_) => self.meant.of(&state)?,
            None => meant.of(&state)?,
        };
        let mut fields = of_updates(&state, &wanted);
        let held = state.held.iter().filter_map(|name| {
            let (is, candidate) = (state.find(name)?, state.candidate.get(name)?);
            (!is.has(candidate)).then(|| Value::Text(format!("{name} {} -> {candidate}", is.version())))
        });
        fields.insert("held".to_owned(), Value::List(held.collect()));
        // A result tells what it was asked for: what it does not list is there, or was not asked for.
        let texts = |list: &[String]| Value::List(list.iter().cloned().map(Value::Text).collect());
        if let Some(only) = &self.meant.only {
            fields.insert("only".to_owned(), texts(only));
        }
        if !self.meant.exclude.is_empty() {
            fields.insert("exclude".to_owned(), texts(&self.meant.exclude));
        }
        Ok(fields)
    }
}

fn of_updates(state: &State, updates: &[Update]) -> Fields {
    let line = |u: &Update| match u.old.as_str() {
        "" => format!("{} {} is new ({})", u.name, u.new, u.class()),
        old => format!("{} {old} -> {} ({})", u.name, u.new, u.class()),
    };
    let old = updates.iter().filter(|u| !u.old.is_empty());
    let (kept, lost): (Vec<&Update>, Vec<&Update>) = old.partition(|u| state.can_be_kept(&u.name, &u.old));
    let texts = |list: Vec<String>| Value::List(list.into_iter().map(Value::Text).collect());
    let whole = |n: usize| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
    let fresh = updates.len() - kept.len() - lost.len();
    let rollback = BTreeMap::from([
        ("possible".to_owned(), whole(kept.len() + fresh)),
        ("of".to_owned(), whole(updates.len())),
        (
            "missing".to_owned(),
            texts(lost.iter().map(|u| format!("{}={}", u.name, u.old)).collect()),
        ),
    ]);
    Fields::from([
        ("count".to_owned(), whole(updates.len())),
        ("ids".to_owned(), texts(updates.iter().map(Update::id).collect())),
        ("changes".to_owned(), texts(updates.iter().map(line).collect())),
        ("rollback".to_owned(), Value::Map(rollback)),
    ])
}

/// `mode: install`.
#[derive(Debug)]
pub struct Install {
    /// The run, whose stash keeps the former packages.
    pub run: String,
    /// For so long the package manager's lock is waited for.
    pub lock_wait: Duration,
    /// What happens to settings that were changed by hand.
    pub conffiles: Conffiles,
    /// Keep the former packages.
    pub stash_old: bool,
    meant: Meant,
}

impl Install {
    /// Of these updates.
    pub fn new(of: Scan, conffiles: Conffiles, stash_old: bool) -> Self {
        Self {
            run: of.run,
            lock_wait: of.lock_wait,
            conffiles,
            stash_old,
            meant: of.meant,
        }
    }

    /// What of it is not there any more afterwards; also what would make room for all updates.
    fn replaced(state: &State, updates: &[Update]) -> Vec<(String, String)> {
        let old = updates.iter().filter(|u| !u.old.is_empty());
        let old = old.map(|u| (u.name.clone(), u.old.clone()));
        old.chain(state.gone.iter().cloned()).collect()
    }
}

impl Proven for Install {
    fn words(&self) -> String {
        let classes = match self.meant.classes.as_slice() {
            [] => "all updates".to_owned(),
            classes => format!("{} updates", classes.join(", ")),
        };
        match &self.meant.only {
            Some(ids) if ids.is_empty() => "install no updates".to_owned(),
            Some(ids) => format!("install {}", ids.join(" ")),
            None => format!("install {classes}"),
        }
    }

    fn capture(&self) -> String {
        family::look(
            &self.run,
            &Look::Updates {
                lock_wait: self.lock_wait.min(LOOK_WAIT),
                // What was not scanned before is asked for now.
                refresh: self.meant.only.is_none(),
            },
        )
    }

    fn todo(&self, former: &str) -> Result<Todo, String> {
        let state = State::read(former)?;
        state.sound()?;
        let updates = self.meant.of(&state)?;
        if updates.is_empty() {
            return Ok(Todo {
                script: None,
                words: format!("{}: there is none", self.words()),
            });
        }
        let wants: Vec<_> = updates.iter().map(|u| state.put(&u.name, &u.new)).collect();
        let how = How {
            run: &self.run,
            conffiles: Some(self.conffiles),
            lock_wait: self.lock_wait,
            older: false,
            may_remove: false,
            exact: true,
        };
        let install = state.manager.install(&how, &wants)?;
        let kept: Vec<(String, String)> = Self::replaced(&state, &updates)
            .into_iter()
            .filter(|(name, version)| state.can_be_kept(name, version))
            .map(|(name, version)| (state.full(&name, &version), version))
            .collect();
        let script = match self.stash_old && !kept.is_empty() {
            true => format!("(\n{}) || exit\n{install}", state.manager.stash(&self.run, &kept)),
            false => install,
        };
        Ok(Todo {
            script: Some(script),
            words: format!("install {}{}", listed(&wants), state.manager.unproven()),
        })
    }

    fn no_way_back(&self, former: &str) -> Option<String> {
        let state = State::read(former).ok()?;
        let updates = self.meant.of(&state).ok()?;
        let lost: Vec<String> = Self::replaced(&state, &updates)
            .into_iter()
            .filter(|(name, version)| match self.stash_old {
                true => !state.can_be_kept(name, version),
                false => !state.can_be_had(name, version),
            })
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        (!lost.is_empty()).then(|| {
            format!(
                "{} of {} former packages cannot be had any more ({}): there is no way back",
                lost.len(),
                updates.len(),
                lost.join(", ")
            )
        })
    }

    fn look(&self) -> String {
        family::look(&self.run, &Look::Of(&[]))
    }

    fn verify(&self, former: &str, after: &str) -> Result<Fields, String> {
        let (before, now) = (State::read(former)?, State::read(after)?);
        let updates = self.meant.of(&before)?;
        for update in &updates {
            let found = now.find(&update.name);
            if !found.is_some_and(|found| found.has(&update.new)) {
                let is = found.map_or("not there".to_owned(), Installed::version);
                return Err(format!("{} is {is}, not {}", update.name, update.new));
            }
        }
        if let Some(name) = now.broken().first() {
            return Err(format!("{name} is half-configured"));
        }
        let aside: Vec<&str> = now
            .left_aside
            .difference(&before.left_aside)
            .map(String::as_str)
            .collect();
        let taken: Vec<&str> = aside
            .iter()
            .copied()
            .filter(|aside| now.manager.took_settings(aside))
            .collect();
        if self.conffiles == Conffiles::Keep && !taken.is_empty() {
            return Err(format!(
                "settings that were changed by hand were replaced, which their package wants: {}",
                taken.join(", ")
            ));
        }
        if self.conffiles == Conffiles::Fail && !aside.is_empty() {
            return Err(format!(
                "settings that were changed by hand have a new version: {}",
                aside.join(", ")
            ));
        }
        let mut fields = of_updates(&before, &updates);
        fields.insert("changes".to_owned(), changes(&before, &now));
        Ok(fields)
    }

    fn back(&self, former: &str) -> Result<Arc<dyn Proven>, String> {
        Back::to(former, &self.run, self.words(), self.lock_wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMER: &str = "inst a:all 1 ii\ninst b:all 1 ii\ninst c:all 1 ii\nheld c\nhave a 1\nhave a 2\nhave b 2\ncand c 2\n\
                          sim Inst a [1] (2 Debian-Security:12 [all])\nsim Inst b [1] (2 Debian:12 [all])\n";

    fn scan(classes: &[&str], only: Option<&[&str]>) -> Scan {
        let own = |list: &[&str]| list.iter().map(|&s| s.to_owned()).collect::<Vec<_>>();
        Scan::new(
            "r".to_owned(),
            Duration::from_secs(1),
            own(classes),
            only.map(own),
            Vec::new(),
        )
    }

    fn install(of: Scan, conffiles: Conffiles) -> Install {
        Install::new(of, conffiles, true)
    }

    #[test]
    fn a_scan_tells_what_could_be_taken_back_and_what_is_held() {
        let fields = scan(&[], None).fields(FORMER).unwrap();
        assert_eq!(fields["ids"].plain(), "a=2,b=2");
        assert_eq!(fields["rollback"].plain(), "missing=b=1 of=2 possible=1");
        assert_eq!(fields["held"].plain(), "c 1 -> 2");
        assert_eq!(scan(&["security"], None).fields(FORMER).unwrap()["ids"].plain(), "a=2");
    }

    #[test]
    fn exactly_what_was_scanned_is_installed_or_nothing() {
        let only = |ids: &[&str]| install(scan(&[], Some(ids)), Conffiles::Keep).todo(FORMER);
        assert!(only(&["a=2"]).unwrap().script.unwrap().ends_with("install -- 'a=2'"));
        assert_eq!(
            only(&["a=3"]).unwrap_err(),
            "a=3 was asked for, and there is a=2 now: scan again"
        );
        assert_eq!(only(&["c=2"]).unwrap_err(), "c is held");
        assert_eq!(only(&[]).unwrap().script, None);
        assert!(
            install(scan(&[], Some(&["a=2"])), Conffiles::Keep)
                .no_way_back(FORMER)
                .is_none()
        );
        assert!(
            install(scan(&[], None), Conffiles::Keep)
                .no_way_back(FORMER)
                .unwrap()
                .contains("b 1")
        );
    }

    #[test]
    fn a_manager_that_no_test_has_seen_is_said_to_be_unproven_and_a_class_that_nobody_tells_is_an_error() {
        let former = format!(
            "manager apk\nunclassed nobody says so\n{}",
            FORMER.replace("sim Inst", "x")
        );
        let former = former + "up a 1 2 bugfix\n";
        let todo = install(scan(&[], None), Conffiles::Keep).todo(&former).unwrap();
        assert_eq!(todo.words, "install a=2 (with apk, which is unproven in this build)");
        let none = scan(&["security"], None).fields(&former).unwrap_err();
        assert!(none.contains("nobody says so"), "{none}");
        let none = scan(&["critical"], None)
            .fields(&format!("{FORMER}classes security bugfix\n"))
            .unwrap_err();
        assert!(
            none.contains("its sources tell security, bugfix, and no other"),
            "{none}"
        );
        assert!(
            scan(&["critical", "security"], None)
                .fields(&format!("{FORMER}classes security bugfix\n"))
                .is_ok()
        );
    }

    #[test]
    fn a_package_that_is_there_several_times_goes_back_to_the_versions_that_were() {
        let was = "manager dnf\narch x86_64\ninst k:x86_64 1-1 ii\ninst k:x86_64 2-1 ii\ninst a:noarch 1-1 ii\n";
        let now = "manager dnf\narch x86_64\ninst k:x86_64 2-1 ii\ninst k:x86_64 3-1 ii\ninst a:noarch 2-1 ii\n\
                   stash k:x86_64 1-1 /s/k-1-1.rpm\nhave a:noarch 1-1\n";
        let back = Back::to(was, "r", "it".to_owned(), Duration::ZERO).unwrap();
        let todo = back.todo(now).unwrap();
        assert_eq!(todo.words, "take back it: a=1-1 /s/k-1-1.rpm k-");
        let script = todo.script.unwrap();
        assert!(
            script
                .contains("do_it install --allowerasing 'a-1-1.noarch' '/s/k-1-1.rpm' && do_it remove 'k-3-1.x86_64'"),
            "{script}"
        );
        assert!(back.verify(now, was).is_ok() && back.verify(now, now).is_err());
    }

    #[test]
    fn an_install_is_proven_by_the_inventory() {
        let patch = install(scan(&[], Some(&["a=2"])), Conffiles::Fail);
        let after = |a: &str, more: &str| format!("inst a:all {a}\ninst b:all 1 ii\ninst c:all 1 ii\nheld c\n{more}");
        assert!(patch.verify(FORMER, &after("2 ii", "")).is_ok());
        assert!(patch.verify(FORMER, &after("1 ii", "")).is_err());
        assert!(
            patch
                .verify(FORMER, &after("2 iF", ""))
                .unwrap_err()
                .contains("half-configured")
        );
        assert!(
            patch
                .verify(FORMER, &after("2 ii", "dist /etc/x.dpkg-dist"))
                .unwrap_err()
                .contains("/etc/x.dpkg-dist")
        );
    }
}
