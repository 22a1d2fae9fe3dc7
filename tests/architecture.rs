//! The shape of the source tree: who may use whom, where a crate may be named, how large a file may be.
//!
//! It reads `src/` as text. It judges what people write, not what the compiler makes of it; a path that only a macro makes is
//! not seen.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail loudly"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules by row: a module uses only lower rows, and neighbours in a row do not know each other.
const ROWS: &[&[&str]] = &[
    // A digest, a name and its hex are written the same everywhere: in canonical JSON, in file names, in forms of secrets.
    &["id", "control"],
    &["secret", "text", "canon", "clock", "cores", "crash", "disk", "diag"],
    &["window", "policy", "key", "http"],
    // A schedule is read where it is written, so that `check` finds a wrong one.
    &["runbook"],
    // Inventory files are read with the tree and the complaints of `runbook`, which knows nothing of hosts.
    &["inventory"],
    &["plan"],
    &["run"],
    &["transport", "journal", "provider"],
    &["action", "approval"],
    &["engine", "report"],
    &["cli"],
];

/// A crate, and the beginnings of the paths under `src/` that may name it.
const PINNED: &[(&str, &[&str])] = &[
    ("granit_parser", &["runbook/yaml"]),
    ("annotate_snippets", &["diag/render.rs"]),
    ("russh", &["transport/ssh", "key"]),
    ("russh_sftp", &["transport/ssh"]),
    ("hyper", &["http"]),
    ("hyper_util", &["http"]),
    ("http_body_util", &["http"]),
    ("rustls", &["http"]),
    ("rustls_platform_verifier", &["http"]),
    ("tokio_rustls", &["http"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("quick_junit", &["report/junit"]),
    ("similar", &["cli", "plan/page"]),
    ("aho_corasick", &["secret"]),
    ("mimalloc", &["main.rs"]),
];

/// What `report` and the pure core must not name: they are told the time and touch no file.
const PURE: &[(&str, &[&str])] = &[
    ("report", &["tokio", "crate::clock"]),
    (
        "run",
        &[
            "tokio",
            "crate::clock",
            "crate::disk",
            "std::fs",
            "std::net",
            "std::process",
        ],
    ),
    (
        "plan",
        &[
            "tokio",
            "crate::clock",
            "crate::disk",
            "std::fs",
            "std::net",
            "std::process",
        ],
    ),
];

const LONGEST_FILE: usize = 600;
const MEDIAN_FILE: usize = 200;

/// What may lie at the top of the repository, besides names that begin with a dot.
const TOP: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "docs",
    "examples",
    "runbooks",
    "src",
    "target",
    "tests",
];

/// A file of `src/`.
struct File {
    /// Under `src/`, with `/`.
    path: String,
    text: String,
}

impl File {
    /// True for a file that holds only tests.
    fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap();
        name == "tests.rs" || name.ends_with("_tests.rs") || self.path.contains("/tests/")
    }

    /// The top-level module it belongs to; `None` for `main.rs` and `lib.rs`.
    fn module(&self) -> Option<&str> {
        let first = self.path.split('/').next().unwrap();
        let name = first.strip_suffix(".rs").unwrap_or(first);
        let name = name.strip_suffix("_tests").unwrap_or(name);
        (!matches!(name, "main" | "lib")).then_some(name)
    }

    /// Its lines without the tests at its end.
    fn lines(&self) -> Vec<&str> {
        let all: Vec<&str> = self.text.lines().collect();
        let is_cfg = |line: &str| line == "#[cfg(test)]";
        let opens = |line: &str| line.starts_with("mod ") && line.ends_with('{');
        let end = all.windows(2).position(|w| is_cfg(w[0]) && opens(w[1]));
        all[..end.unwrap_or(all.len())].to_vec()
    }

    /// Its lines of code: no comments, no tests. Numbers are from 1.
    fn code(&self) -> Vec<(usize, &str)> {
        let lines = self.lines().into_iter().enumerate();
        lines
            .map(|(n, line)| (n + 1, line.find("//").map_or(line, |at| uncommented(line, at))))
            .filter(|(_, line)| !line.trim().is_empty())
            .collect()
    }
}

/// `line` without its comment, if what begins at `at` is one and not part of a text such as "http://".
fn uncommented(line: &str, at: usize) -> &str {
    let before = &line[..at];
    if before.matches('"').count().is_multiple_of(2) {
        before
    } else {
        line
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, out);
        } else {
            out.push(path);
        }
    }
}

fn sources() -> Vec<File> {
    let src = root().join("src");
    let mut paths = Vec::new();
    walk(&src, &mut paths);
    paths.sort();
    let files: Vec<File> = paths
        .into_iter()
        .filter(|p| p.extension().is_some_and(|e| e == "rs"))
        .map(|p| File {
            path: p.strip_prefix(&src).unwrap().to_str().unwrap().to_owned(),
            text: fs::read_to_string(&p).unwrap(),
        })
        .collect();
    assert!(
        files.len() > 20,
        "only {} files under src/: is this the whole tree?",
        files.len()
    );
    files
}

fn row(module: &str) -> Option<usize> {
    ROWS.iter().position(|names| names.contains(&module))
}

/// The top-level modules that a file names by `crate::`, each with the line.
fn used(file: &File) -> Vec<(usize, String)> {
    let code = file.code();
    let text: String = code.iter().map(|(_, line)| format!("{line}\n")).collect();
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        if text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let line = code[text[..at].matches('\n').count()].0;
        let rest = &text[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(heads(group).into_iter().map(|name| (line, name))),
            None => found.push((line, ident(rest))),
        }
    }
    found
}

fn ident(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The first names inside `{a::b, c::{d, e}, f}`, the opening brace taken off.
fn heads(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut fresh) = (0, Vec::new(), true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            c if fresh && (c.is_alphanumeric() || c == '_') => {
                heads.push(ident(&group[at..]));
                fresh = false;
            }
            _ => {}
        }
    }
    heads
}

/// True if the code names the crate: as a path's first part or in a `use`.
fn names(line: &str, krate: &str) -> bool {
    line.match_indices(krate).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = &line[at + krate.len()..];
        let begins = before.is_none_or(|c| !(c.is_alphanumeric() || matches!(c, '_' | '"' | '`' | '-' | '/' | ':')));
        begins && (after.starts_with("::") || line.trim_start().starts_with("use ") && after.starts_with(';'))
    })
}

fn none(wrong: Vec<String>, rule: &str) {
    assert!(wrong.is_empty(), "{rule}\n\n{}\n", wrong.join("\n"));
}

#[test]
fn every_module_has_a_row_and_every_row_is_in_the_picture() {
    let picture = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let mut wrong = Vec::new();
    for file in sources() {
        if let Some(module) = file.module() {
            if row(module).is_none() {
                wrong.push(format!("src/{}: `{module}` is in no row", file.path));
            }
            let drawn = |l: &&str| l.starts_with("//!  ") && l.split_whitespace().any(|word| word == module);
            if !picture.lines().any(|l| drawn(&l)) {
                wrong.push(format!("src/lib.rs: the picture does not show `{module}`"));
            }
        }
    }
    wrong.dedup();
    none(
        wrong,
        "each module stands in one row, and the picture in lib.rs shows it",
    );
}

#[test]
fn a_module_uses_only_lower_rows() {
    let mut wrong = Vec::new();
    for file in sources().iter().filter(|f| !f.is_test()) {
        let Some(module) = file.module() else { continue };
        let Some(mine) = row(module) else { continue };
        for (line, other) in used(file) {
            if other == module || row(&other).is_some_and(|theirs| theirs < mine) {
                continue;
            }
            wrong.push(format!("src/{}:{line}: `{module}` uses `{other}`", file.path));
        }
    }
    none(
        wrong,
        "a module uses only lower rows; neighbours in a row do not know each other",
    );
}

#[test]
fn a_pinned_crate_is_named_in_its_one_place() {
    let mut wrong = Vec::new();
    for file in sources().iter().filter(|f| !f.is_test()) {
        for (line, text) in file.code() {
            for (krate, places) in PINNED {
                let home = |place: &&str| {
                    let rest = file.path.strip_prefix(*place);
                    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '.']))
                };
                if names(text, krate) && !places.iter().any(home) {
                    wrong.push(format!(
                        "src/{}:{line}: {krate} belongs to {}",
                        file.path,
                        places.join(", ")
                    ));
                }
            }
        }
    }
    none(wrong, "each of these crates has one place");
}

#[test]
fn deciding_and_reporting_know_no_clock_and_no_machine() {
    let mut wrong = Vec::new();
    for file in sources().iter().filter(|f| !f.is_test()) {
        let rules = PURE.iter().filter(|(module, _)| file.module() == Some(module));
        for (line, text) in file.code() {
            for (module, words) in rules.clone() {
                let word = words
                    .iter()
                    .find(|w| names(text, w) || text.contains(&format!("{w}::")));
                wrong.extend(word.map(|w| format!("src/{}:{line}: `{module}` names `{w}`", file.path)));
            }
        }
    }
    none(wrong, "these modules are pure");
}

#[test]
fn files_are_short() {
    let files = sources();
    let mut sizes: Vec<usize> = Vec::new();
    let mut wrong = Vec::new();
    for file in files.iter().filter(|f| !f.is_test()) {
        let lines = file.lines().len();
        sizes.push(lines);
        if lines > LONGEST_FILE {
            wrong.push(format!("src/{}: {lines} lines", file.path));
        }
    }
    sizes.sort_unstable();
    let median = sizes[sizes.len() / 2];
    println!(
        "{} files, median {median} lines, longest {}",
        sizes.len(),
        sizes[sizes.len() - 1]
    );
    none(
        wrong,
        &format!("a file has at most {LONGEST_FILE} lines without its tests: above, it is two files"),
    );
    assert!(
        median <= MEDIAN_FILE,
        "the median file has {median} lines, more than {MEDIAN_FILE}"
    );
}

#[test]
fn every_file_opens_with_what_it_owns() {
    let files = sources();
    let wrong = files.iter().filter(|f| !f.text.starts_with("//! "));
    none(
        wrong.map(|f| format!("src/{}", f.path)).collect(),
        "a file opens with `//! ` and what it owns",
    );
}

#[test]
fn no_file_has_a_name_that_says_nothing() {
    const EMPTY: &[&str] = &[
        "utils", "util", "helpers", "common", "imp", "manager", "errors", "error", "misc",
    ];
    let files = sources();
    let empty = |f: &&File| {
        f.path
            .split('/')
            .any(|part| EMPTY.contains(&part.strip_suffix(".rs").unwrap_or(part)))
    };
    none(
        files.iter().filter(empty).map(|f| format!("src/{}", f.path)).collect(),
        "a name says what is inside; an error type lives beside the function that raises it",
    );
}

#[test]
fn lints_are_never_switched_off_in_silence() {
    // Taken apart, so that this file does not hold what it looks for.
    let (allow, inner) = (concat!("#[", "allow"), concat!("#![", "allow"));
    let mut paths = Vec::new();
    walk(&root().join("src"), &mut paths);
    walk(&root().join("tests"), &mut paths);
    let mut wrong = Vec::new();
    for path in paths.iter().filter(|p| p.extension().is_some_and(|e| e == "rs")) {
        for (n, line) in fs::read_to_string(path).unwrap().lines().enumerate() {
            let line = line.trim_start();
            if line.starts_with(allow) || line.starts_with(inner) {
                wrong.push(format!("{}:{}", path.strip_prefix(root()).unwrap().display(), n + 1));
            }
        }
    }
    none(wrong, "write `#[expect(lint, reason = \"…\")]`");
}

#[test]
fn the_top_of_the_repository_holds_what_was_agreed() {
    let mut wrong = Vec::new();
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.starts_with('.') && !TOP.contains(&name.as_str()) {
            wrong.push(name);
        }
    }
    none(wrong, "nothing else lies at the top");
}

/// Name and version of each package of a lock file.
fn locked(path: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join(path)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let value = |line: &str, key: &str| Some(line.strip_prefix(key)?.trim_matches('"').to_owned());
    lines
        .windows(2)
        .filter_map(|w| Some((value(w[0], "name = ")?, value(w[1], "version = ")?)))
        .collect()
}

#[test]
fn fuzzing_is_done_with_the_versions_that_the_product_has() {
    const ITS_OWN: [&str; 4] = ["pitstop-fuzz", "libfuzzer-sys", "arbitrary", "jobserver"];
    let product = locked("Cargo.lock");
    let fuzzed = locked("tests/fuzz/Cargo.lock");
    assert!(fuzzed.len() > 100, "only {} packages", fuzzed.len());
    let others = fuzzed
        .iter()
        .filter(|p| !ITS_OWN.contains(&p.0.as_str()) && !product.contains(p));
    none(
        others.map(|(name, version)| format!("{name} {version}")).collect(),
        "tests/fuzz/Cargo.lock follows Cargo.lock: cp Cargo.lock tests/fuzz/ && cargo fetch --manifest-path tests/fuzz/Cargo.toml",
    );
}

#[test]
fn this_test_sees_what_breaks_a_rule() {
    let file = |path: &str, text: &str| File {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let f = file(
        "run/next.rs",
        "//! x\nuse crate::{plan::{Plan, Step}, engine::drive};\nfn f() { crate::disk::x() } // crate::cli\n#[cfg(test)]\nmod tests {\nuse crate::cli;\n}\n",
    );
    let found: BTreeMap<String, usize> = used(&f).into_iter().map(|(line, name)| (name, line)).collect();
    let expected = [("plan", 2), ("engine", 2), ("disk", 3)].map(|(n, l)| (n.to_owned(), l));
    assert_eq!(found, BTreeMap::from(expected));
    assert_eq!(f.lines().len(), 3);
    assert!(names("use russh::client;", "russh") && names("    russh::keys::x()", "russh"));
    assert!(names("pub use clap;", "clap") || names("use clap;", "clap"));
    assert!(!names("use russh_sftp::x;", "russh") && !names("let s = \"russh::x\";", "russh"));
    assert!(!names("use crate::http::rustls::x;", "rustls"));
}
