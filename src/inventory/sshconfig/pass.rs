//! One pass over the files: blocks, includes, and the first value of each keyword.
//!
//! Owns: which line counts for the host. Must not: judge the whole (`settings`).

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::criteria::{self, judge};
use super::expand::{About, Tokens};
use super::files::{Files, Operator, Stat, glob};
use super::found::{Found, Words, Wrong};
use super::keyword::{self, Keyword};
use super::line::{self, Line};
use crate::diag::{Diagnostic, Diagnostics, Source, Span, Spanned, nearest};
use crate::key::pattern::list_matches;

/// OpenSSH's own limit of includes inside includes.
const DEEPEST: usize = 16;
/// Files of one pass; includes of includes could be millions.
const MOST_FILES: usize = 1000;
/// Mistakes of one pass that are told.
const MOST_TOLD: usize = 50;

type File = Rc<Result<(Vec<Line>, Stat), String>>;

/// Files that were read, each once.
pub(super) struct Library<F> {
    files: F,
    read: RefCell<HashMap<PathBuf, Option<File>>>,
    globs: RefCell<HashMap<String, Rc<Vec<PathBuf>>>>,
}

impl<F: Files> Library<F> {
    pub(super) fn new(files: F) -> Self {
        Self {
            files,
            read: RefCell::default(),
            globs: RefCell::default(),
        }
    }

    /// `None`: there is no such file.
    fn file(&self, path: &Path) -> Option<File> {
        let known = self.read.borrow().get(path).cloned();
        known.unwrap_or_else(|| {
            let file = match self.files.read(path) {
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
                Err(e) => Some(Rc::new(Err(e.to_string()))),
                Ok((bytes, stat)) => {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    let source = Source::new(path.display().to_string(), text);
                    Some(Rc::new(Ok((line::lines(&source), stat))))
                }
            };
            self.read.borrow_mut().insert(path.to_path_buf(), file.clone());
            file
        })
    }

    fn glob(&self, pattern: &str) -> Rc<Vec<PathBuf>> {
        let known = self.globs.borrow().get(pattern).cloned();
        known.unwrap_or_else(|| {
            let found = Rc::new(glob(&self.files, pattern));
            self.globs.borrow_mut().insert(pattern.to_owned(), Rc::clone(&found));
            found
        })
    }
}

/// Where a file stands.
#[derive(Clone, Copy)]
struct Level {
    /// Includes it is inside of.
    depth: usize,
    /// The operator's own, not the system's: where relative includes begin.
    own: bool,
    /// Only its syntax counts: it is included by a block that does not hold.
    never: bool,
    /// Nobody else may be able to write it.
    checked: bool,
}

/// A pass.
pub(super) struct Pass<'a, F> {
    library: &'a Library<F>,
    operator: &'a Operator,
    found: &'a mut Found,
    /// What `Host` is held against.
    host: &'a str,
    original: &'a str,
    is_final: bool,
    wants_final: bool,
    files: usize,
    /// There are too many files: the rest is not read.
    over: bool,
    diags: &'a mut Diagnostics,
    before: usize,
}

impl<'a, F: Files> Pass<'a, F> {
    pub(super) fn new(
        library: &'a Library<F>,
        operator: &'a Operator,
        found: &'a mut Found,
        host: &'a str,
        original: &'a str,
        is_final: bool,
        diags: &'a mut Diagnostics,
    ) -> Self {
        Self {
            library,
            operator,
            found,
            host,
            original,
            is_final,
            wants_final: false,
            files: 0,
            over: false,
            before: diags.0.len(),
            diags,
        }
    }

    /// `~/.ssh/config`, if there is one.
    pub(super) fn user_config(&mut self, path: &Path) {
        self.top(path, true, true);
    }

    /// The system's own, if there is one.
    pub(super) fn system_config(&mut self, path: &Path) {
        self.top(path, false, false);
    }

    /// The one that was named; it must be there.
    pub(super) fn named_config(&mut self, path: &Path) {
        if self.library.file(path).is_none() {
            let name = path.display().to_string();
            let d = super::about(
                "PS0450",
                &name,
                format!("cannot read `{name}`: there is no such file"),
                "named as the ssh config",
            );
            self.diags.push(d.help("name another with --ssh-config, or none"));
            return;
        }
        self.top(path, true, false);
    }

    /// True if another pass is asked for; `None` after a mistake.
    pub(super) fn end(self) -> Option<bool> {
        (self.diags.0.len() == self.before).then_some(self.wants_final)
    }

    fn top(&mut self, path: &Path, own: bool, checked: bool) {
        let level = Level {
            depth: 0,
            own,
            never: false,
            checked,
        };
        self.file(path, level, true, None);
    }

    /// Reads a file; `active` is how the block stands that it begins in.
    fn file(&mut self, path: &Path, level: Level, mut active: bool, included: Option<&Span>) {
        let Some(file) = self.library.file(path).filter(|_| !self.over) else {
            return;
        };
        let name = path.display().to_string();
        let told = |code, message: String, label: &str| match included {
            Some(span) => Diagnostic::error(code, message, span.clone(), label),
            None => super::about(code, &name, message, label),
        };
        self.files += 1;
        if self.files > MOST_FILES || level.depth > DEEPEST {
            let d = told(
                "PS0457",
                "too many includes inside includes".to_owned(),
                "one more than is read",
            );
            self.diags.push(d.help("a file that includes itself has no end"));
            self.over = true;
            return;
        }
        let (lines, stat) = match file.as_ref() {
            Ok(read) => read,
            Err(why) => {
                let d = told("PS0450", format!("cannot read `{name}`: {why}"), "this file");
                self.diags
                    .push(d.help("make it readable, or name another config: --ssh-config FILE, or none"));
                return;
            }
        };
        let foreign = stat.uid != 0 && stat.uid != self.operator.uid;
        if level.checked && (foreign || stat.mode & 0o022 != 0) {
            let d = told(
                "PS0451",
                format!("`{name}` could have been written by somebody else"),
                "ssh refuses this too",
            );
            self.diags
                .push(d.help(format!("make it yours alone: chown $USER {name}; chmod 600 {name}")));
            return;
        }
        for line in lines {
            if self.over || self.diags.0.len() >= self.before + MOST_TOLD {
                return;
            }
            self.line(line, level, &mut active);
        }
    }

    fn line(&mut self, line: &Line, level: Level, active: &mut bool) {
        let keyword = &line.keyword;
        let Some(known) = self.keyword(keyword) else { return };
        let Ok(args) = &line.args else {
            let d = Diagnostic::error(
                "PS0453",
                "a quote is not closed",
                line.rest.span.clone(),
                "ssh refuses this too",
            );
            self.diags.push(d.help("close it, or write `\\\"` for a plain one"));
            return;
        };
        let words = Words {
            keyword,
            args,
            rest: &line.rest,
        };
        let done = if line.rest.value.is_empty() {
            words.text().map(drop)
        } else {
            self.meaning(known, &words, level, active)
        };
        if let Err(wrong) = done {
            self.diags.push(wrong.of(keyword));
        }
    }

    /// `None`: it is unknown, which is told unless the file says to ignore it.
    fn keyword(&mut self, keyword: &Spanned<String>) -> Option<Keyword> {
        if let Some(known) = keyword::find(keyword) {
            return Some(known);
        }
        let ignored = self.found.ignore_unknown.as_ref();
        if ignored.is_some_and(|list| list_matches(keyword, &list.to_ascii_lowercase())) {
            return Some(Keyword::Ignored);
        }
        let name = keyword.span.text();
        let d = Diagnostic::error(
            "PS0452",
            format!("ssh_config has no keyword `{name}`"),
            keyword.span.clone(),
            "ssh refuses this too",
        );
        self.diags.push(match nearest(keyword, keyword::names()) {
            Some(near) => d.help(format!("did you mean `{near}`?")),
            None => d.help(format!(
                "if another program needs it: `IgnoreUnknown {name}` in a line before"
            )),
        });
        None
    }

    fn meaning(&mut self, known: Keyword, words: &Words<'_>, level: Level, active: &mut bool) -> Result<(), Wrong> {
        match known {
            Keyword::Host => *active = self.host_block(&words.all()?) && !level.never,
            Keyword::Match => {
                let holds = self.match_block(words, level);
                *active = holds && !level.never;
            }
            Keyword::Include => {
                for pattern in words.all()? {
                    self.include(&pattern, level, *active);
                }
            }
            Keyword::IgnoreUnknown => {
                let list = words.text()?;
                if *active && self.found.ignore_unknown.is_none() {
                    self.found.ignore_unknown = Some(list);
                }
            }
            Keyword::Taken(taken) => self.found.take(taken, words, *active)?,
            Keyword::Refused(harmless, help) => {
                if *active && !self.found.refused.contains_key(&words.keyword.value) {
                    let value = Spanned::new(words.rest.value.trim().to_owned(), words.keyword.span.clone());
                    let name = words.keyword.value.clone();
                    self.found.refused.insert(name, (value, harmless, help));
                }
            }
            Keyword::Ignored => {}
        }
        Ok(())
    }

    fn host_block(&self, patterns: &[Spanned<String>]) -> bool {
        let mut holds = false;
        for pattern in patterns {
            match pattern.value.strip_prefix('!') {
                Some(not) if fits(self.host, not) => return false,
                Some(_) => {}
                None => holds |= fits(self.host, &pattern.value),
            }
        }
        holds
    }

    fn match_block(&mut self, words: &Words<'_>, level: Level) -> bool {
        let host = match &self.found.hostname {
            Some(name) if self.is_final => name.value.clone(),
            // A token that means nothing is told when all is read.
            Some(name) => Tokens::host_only(self.host).expand(name, None).unwrap_or_default(),
            None => self.host.to_owned(),
        };
        let asked = criteria::Asked {
            host: &host,
            original: self.original,
            user: self.found.user.as_ref().map_or(&self.operator.user, |u| &u.value),
            local_user: &self.operator.user,
            tag: self.found.tag.as_ref().map_or("", |t| &t.value),
            is_final: self.is_final,
        };
        match judge(words.keyword, words.args, &asked) {
            Ok(verdict) => {
                self.wants_final |= verdict.wants_final && !self.is_final;
                verdict.holds
            }
            // Of a file that counts only for its syntax nothing is asked.
            Err(d) if d.code == "PS0456" && level.never => false,
            Err(d) => {
                self.diags.push(d);
                false
            }
        }
    }

    fn include(&mut self, written: &Spanned<String>, level: Level, active: bool) {
        let wrong = |why: String| {
            let d = Diagnostic::error(
                "PS0457",
                format!("cannot include `{}`", written.value),
                written.span.clone(),
                why,
            );
            d.help("write an absolute path, or one relative to ~/.ssh")
        };
        let pattern = match self.include_pattern(written, level) {
            Ok(pattern) => pattern,
            Err(why) => {
                self.diags.push(wrong(why));
                return;
            }
        };
        let inner = Level {
            depth: level.depth + 1,
            own: level.own,
            never: level.never || !active,
            checked: true,
        };
        for path in self.library.glob(&pattern).iter() {
            self.file(path, inner, active, Some(&written.span));
        }
    }

    /// The absolute pattern.
    fn include_pattern(&self, written: &Spanned<String>, level: Level) -> Result<String, String> {
        let port = self.found.port.as_ref().map_or(22, |p| p.value);
        let about = About {
            host: self.host,
            original: self.original,
            port,
            user: self.found.user.as_ref().map_or(&self.operator.user, |u| &u.value),
            alias: self.found.alias.as_ref().map(|a| a.value.as_str()),
            jump: "",
        };
        let text = Tokens::all(self.operator, &about).expand(written, Some(&self.operator.env))?;
        if text.starts_with('~') {
            if !level.own {
                return Err("the system's config has no home".to_owned());
            }
            return self
                .operator
                .tilde(&text)
                .ok_or_else(|| "there is no such user".to_owned());
        }
        if text.starts_with('/') {
            return Ok(text);
        }
        let dir = if level.own {
            self.operator.home.join(".ssh")
        } else {
            let dir = self.operator.system.parent();
            dir.map(Path::to_path_buf).unwrap_or_default()
        };
        Ok(format!("{}/{text}", dir.display()))
    }
}

/// `Host` patterns tell upper and lower case apart, and know no lists.
fn fits(host: &str, pattern: &str) -> bool {
    crate::key::pattern::matches(host.as_bytes(), pattern.as_bytes())
}
