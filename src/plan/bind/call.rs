//! What a step does, and which of two actions the operating systems of its hosts ask for.
//!
//! Owns: action → [`Call`]. Must not: know the other keys of a step.

use super::phase::Site;
use super::{Binder, millis, names};
use crate::diag::{Diagnostic, Spanned};
use crate::id::HostName;
use crate::inventory::Os;
use crate::plan::{BuiltIn, Call, Check, Place, Stage, Value};
use crate::runbook::builtin::{PatchMode, Side};
use crate::runbook::{Action, Command, Step, Text, WaitFor};

impl Binder<'_, '_> {
    /// Where the step is done: where it says, or on the control machine if that one waits for a port.
    pub(super) fn place_of(&mut self, step: &Step, site: Site<'_>) -> Option<Place> {
        let from_controller = step.action.parts().into_iter().find_map(|part| match part {
            Action::WaitFor {
                what:
                    WaitFor::Port {
                        host,
                        from_controller: true,
                        ..
                    },
                ..
            } => Some(host.is_none()),
            Action::WaitFor {
                what: WaitFor::Check { check, .. },
                ..
            }
            | Action::BuiltIn {
                what: BuiltIn::Check(check),
                ..
            } if check.is_from_controller() => Some(false),
            _ => None,
        });
        let Some(is_of_host) = from_controller else {
            return self.place(step, site);
        };
        if is_of_host && (step.once || site.stage == Stage::Steady) {
            let d = Diagnostic::error(
                "PS0626",
                "`host` has no value here",
                step.action.span.clone(),
                "this step is done once, for no host",
            );
            self.diags.push(d.help("write `host: ADDRESS` beside `port`"));
            return None;
        }
        Some(Place::Hosts(vec![HostName::controller()]))
    }

    /// The call, chosen by operating system where all the step's hosts have one.
    pub(super) fn call_by_os(&mut self, step: &Step, place: Option<&Place>, site: Site<'_>) -> Option<Call> {
        let place = place?;
        let asks = |part: &&Action| {
            matches!(
                part,
                Action::BuiltIn {
                    what: BuiltIn::Patch(_),
                    ..
                }
            )
        };
        let by_os = matches!(step.action.value, Action::ByOs { .. });
        if !by_os && !step.action.parts().iter().any(asks) {
            return self.call(&step.action.value, site);
        }
        let systems = self.systems(place, site);
        if let Action::ByOs { linux, windows } = &step.action.value {
            for (os, part) in [(Os::Linux, linux), (Os::Windows, windows)] {
                if let Some(host) = systems.iter().find(|(o, _)| *o == os).map(|(_, host)| host)
                    && part.is_none()
                {
                    let d = Diagnostic::error(
                        "PS0230",
                        format!("the step has no action for `{host}`"),
                        step.action.span.clone(),
                        format!("its `os` is {}", os.as_str()),
                    );
                    self.diags
                        .push(d.help(format!("add `{}: {{ … }}` with its action", os.as_str())));
                    return None;
                }
            }
            let only = match systems.as_slice() {
                [(Os::Linux, _)] => linux,
                [(Os::Windows, _)] => windows,
                _ => &None,
            };
            if let Some(only) = only {
                self.conffiles(&only.value, &systems, step);
                return self.call(&only.value, site);
            }
        }
        for part in step.action.parts() {
            self.conffiles(part, &systems, step);
        }
        self.call(&step.action.value, site)
    }

    /// The operating systems where the step is done, each with the first host by name that has it.
    fn systems(&self, place: &Place, site: Site<'_>) -> Vec<(Os, HostName)> {
        let hosts: Box<dyn Iterator<Item = &HostName> + '_> = match place {
            Place::Own => Box::new(site.hosts.iter()),
            Place::Hosts(hosts) | Place::OneOf(hosts) => Box::new(hosts.iter()),
            Place::ByHost(map) => Box::new(map.values().flatten()),
        };
        let mut found: Vec<(Os, &HostName)> = Vec::new();
        for host in hosts {
            let os = self.input.inventory.host(host.as_str()).map_or(Os::Linux, |h| h.os);
            match found.iter_mut().find(|(known, _)| *known == os) {
                Some((_, first)) => *first = host.min(first),
                None => found.push((os, host)),
            }
        }
        found.sort_by_key(|(_, host)| *host);
        found.into_iter().map(|(os, host)| (os, host.clone())).collect()
    }

    /// What happens to changed settings is never left to the package manager.
    fn conffiles(&mut self, part: &Action, systems: &[(Os, HostName)], step: &Step) {
        let Action::BuiltIn {
            what: BuiltIn::Patch(patch),
            ..
        } = part
        else {
            return;
        };
        let linux = systems.iter().find(|(os, _)| *os == Os::Linux);
        if let (PatchMode::Install, None, Some((_, host))) = (patch.mode, patch.conffiles, linux) {
            let d = Diagnostic::error(
                "PS0227",
                "an install on Linux says what happens to changed settings",
                step.action.span.clone(),
                "`conffiles` is missing here",
            );
            let d = d.help("write `conffiles: keep` (yours stay), `new` (the package's come) or `fail`");
            self.diags.push(d.help(format!("`{host}` is a Linux host")));
        }
    }

    /// One part of a step for both systems; `None` where it could not be read.
    fn part(&mut self, part: Option<&Spanned<Action>>, site: Site<'_>) -> Option<Option<Box<Call>>> {
        match part {
            None => Some(None),
            Some(action) => self.call(&action.value, site).map(|call| Some(Box::new(call))),
        }
    }

    fn built_in(&mut self, what: &BuiltIn, texts: &[Text], site: Site<'_>) -> Option<BuiltIn> {
        let mut what = what.clone();
        match &mut what {
            BuiltIn::Compare { left, right, .. } => {
                for side in [left, right] {
                    self.side(side, texts, site)?;
                }
            }
            BuiltIn::Check(check) => self.script_of(check, texts)?,
            _ => {}
        }
        Some(what)
    }

    /// The file that a check runs: its digest comes into the plan.
    fn script_of(&mut self, check: &mut Check, texts: &[Text]) -> Option<()> {
        let Some(written) = check.script() else { return Some(()) };
        let at = texts.iter().find(|t| t.text.value == written && !t.command)?;
        let file = self.file(&at.text, false)?;
        check.fields.insert("script".to_owned(), Value::Text(file));
        Some(())
    }

    /// The machine of a side, by name; by the step's host, where it is a template over that.
    fn side(&mut self, side: &mut Side, texts: &[Text], site: Site<'_>) -> Option<()> {
        let Some(written) = &side.host else { return Some(()) };
        let at = texts.iter().find(|t| t.text.value == *written && !t.command)?;
        let reads = names::template_names(&at.text);
        if !names::read_host(&reads) {
            let word = self.text_now(&at.text)?;
            side.host = Some(self.machine(&word, &at.text)?.to_string());
            return Some(());
        }
        let mut scope = self.scope(&reads);
        for name in site.hosts {
            if let Some(host) = self.input.inventory.host(name.as_str()) {
                names::set_host(&mut scope, host);
            }
            let word = self.text_in(&at.text, &scope)?;
            let machine = self.machine(&word, &at.text)?;
            side.by_host.insert(name.to_string(), machine.to_string());
        }
        Some(())
    }

    /// The one machine that a side names.
    fn machine(&mut self, word: &str, written: &Spanned<String>) -> Option<HostName> {
        let hosts = self.hosts_of(word, written)?;
        let [host] = hosts.as_slice() else {
            let d = Diagnostic::error(
                "PS0625",
                format!("`{word}` is {} hosts", hosts.len()),
                written.span.clone(),
                "a side of `compare` is one machine",
            );
            self.diags.push(d.help("name one host, or `controller`"));
            return None;
        };
        self.touch(&hosts);
        Some(host.clone())
    }

    fn call(&mut self, action: &Action, site: Site<'_>) -> Option<Call> {
        let text = |t: &Spanned<String>| t.value.clone();
        let maybe = |t: &Option<Spanned<String>>| t.as_ref().map(text);
        Some(match action {
            Action::Run(Command::Shell(command)) => Call::Run { command: text(command) },
            Action::Run(Command::Argv(argv)) => Call::Argv {
                argv: argv.iter().map(text).collect(),
            },
            Action::Script {
                file,
                interpreter,
                args,
            } => Call::Script {
                file: self.file(file, false)?,
                interpreter: maybe(interpreter),
                args: args.iter().map(text).collect(),
            },
            Action::Upload {
                src,
                dest,
                mode,
                owner,
                template,
                validate,
            } => Call::Upload {
                src: self.file(src, *template)?,
                dest: text(dest),
                mode: *mode,
                owner: maybe(owner),
                template: *template,
                validate: maybe(validate),
            },
            Action::Download { src, max_bytes } => Call::Download {
                src: text(src),
                max_bytes: *max_bytes,
            },
            Action::Http {
                method,
                url,
                headers,
                body,
            } => Call::Http {
                method: text(method),
                url: text(url),
                headers: headers.iter().map(|(k, v)| (text(k), text(v))).collect(),
                body: maybe(body),
            },
            Action::Assert(that) => Call::Assert { that: text(that) },
            Action::WaitFor { what, every } => {
                let every_ms = millis(*every);
                match what {
                    WaitFor::Port {
                        host,
                        port,
                        from_controller,
                    } => Call::WaitPort {
                        host: maybe(host).or_else(|| from_controller.then(|| "{{ host.address }}".to_owned())),
                        port: text(port),
                        every_ms,
                    },
                    WaitFor::Path(path) => Call::WaitPath {
                        path: text(path),
                        every_ms,
                    },
                    WaitFor::Connection => Call::WaitConnection { every_ms },
                    WaitFor::Time(time) => Call::WaitTime { time: text(time) },
                    WaitFor::Check { check, texts } => {
                        let mut check = check.clone();
                        self.script_of(&mut check, texts)?;
                        Call::WaitCheck { check, every_ms }
                    }
                }
            }
            Action::Manual(instructions) => Call::Manual {
                text: text(instructions),
            },
            Action::Powershell(command) => Call::Powershell { command: text(command) },
            Action::BuiltIn { what, texts } => Call::BuiltIn(self.built_in(what, texts, site)?),
            Action::ByOs { linux, windows } => {
                let (linux, windows) = (self.part(linux.as_deref(), site), self.part(windows.as_deref(), site));
                Call::ByOs {
                    linux: linux?,
                    windows: windows?,
                }
            }
        })
    }
}
