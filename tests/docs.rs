//! What is shipped beside the program is true: runbooks pass `check`, the guide's commands run, dependencies are explained.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail loudly")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use pitstop::diag::{Diagnostics, render};
use pitstop::runbook::check;
use pitstop::runbook::files::Folder;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// What `check` says about a runbook, as people would see it. Empty: nothing.
fn complaints(project: &Path, path: &str) -> String {
    let mut diags = Diagnostics::new();
    check::linted(&Folder::new(project), path, &mut diags);
    if diags.0.is_empty() {
        String::new()
    } else {
        render::human(&diags, false, 120)
    }
}

#[test]
fn every_shipped_runbook_passes_check_without_a_warning() {
    let mut seen = 0;
    for dir in ["runbooks", "examples/quickstart", "examples/patch-playbooks"] {
        for entry in fs::read_dir(root().join(dir)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".yml") && !name.ends_with(".test.yml") {
                // Without a pitstop.yml the project is the folder of the runbook.
                let found = complaints(&root().join(dir), &name);
                assert!(found.is_empty(), "{found}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 15, "only {seen} runbooks were found");
}

#[test]
fn every_shipped_runbook_passes_its_test_and_stands_in_the_index() {
    let typed = |words: &[&str]| {
        let mut pitstop = std::process::Command::new(env!("CARGO_BIN_EXE_pitstop"));
        pitstop.current_dir(root()).args(words).env_clear().output().unwrap()
    };
    let laid_out = typed(&["fmt", "--check", "runbooks"]);
    assert!(
        laid_out.status.success(),
        "{}",
        String::from_utf8_lossy(&laid_out.stdout)
    );
    let tested = typed(&["test", "runbooks"]);
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&tested.stdout),
        String::from_utf8_lossy(&tested.stderr)
    );
    assert!(tested.status.success(), "{said}");
    let index = read("docs/runbooks.md");
    let mut files = 0;
    for entry in fs::read_dir(root().join("runbooks")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(name) = name.strip_suffix(".yml").filter(|n| !n.ends_with(".test")) else {
            continue;
        };
        assert!(
            root().join(format!("runbooks/{name}.test.yml")).exists(),
            "{name} has no test"
        );
        files += 1;
        assert!(
            index.contains(&format!("](../runbooks/{name}.yml)")),
            "{name} does not stand in docs/runbooks.md"
        );
        let text = read(&format!("runbooks/{name}.yml"));
        for parameter in must_be_given(&text) {
            let row = index
                .lines()
                .find(|l| l.contains(&format!("](../runbooks/{name}.yml)")))
                .unwrap();
            assert!(
                row.contains(&format!("`{parameter}`")),
                "the row of {name} does not name {parameter}"
            );
        }
    }
    assert!(said.contains(&format!(" cases of {files} files")), "{said}");
}

/// The parameters of a runbook that have no default.
fn must_be_given(text: &str) -> Vec<String> {
    let lines = text.lines().skip_while(|l| *l != "parameters:").skip(1);
    let mut all: Vec<(String, String)> = Vec::new();
    for line in lines.take_while(|l| l.is_empty() || l.starts_with(' ')) {
        let inner = line.strip_prefix("  ").unwrap_or_default();
        match (inner.starts_with([' ', '#']), inner.split_once(':'), all.last_mut()) {
            (false, Some((name, rest)), _) => all.push((name.to_owned(), rest.to_owned())),
            (true, _, Some((_, rest))) => rest.push_str(line),
            _ => {}
        }
    }
    let without = all.into_iter().filter(|(_, rest)| !rest.contains("default:"));
    without.map(|(name, _)| name).collect()
}

#[test]
fn the_playbooks_written_again_can_be_planned_and_are_as_long_as_the_page_says() {
    let page = read("docs/coming-from-ansible.md");
    let state = tempfile::tempdir().unwrap();
    for name in ["lamp-rolling-update", "apt-upgrade-restart", "rhel-service-patch"] {
        let file = format!("examples/patch-playbooks/{name}.yml");
        let done = std::process::Command::new(env!("CARGO_BIN_EXE_pitstop"))
            .current_dir(root())
            .args([
                "plan",
                &file,
                "-i",
                "examples/patch-playbooks/hosts/inventory.yml",
                "--state",
            ])
            .arg(state.path())
            .env_clear()
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let row = page.lines().find(|l| l.starts_with(&format!("| [{name}]"))).unwrap();
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let lines = read(&file).lines().count();
        assert_eq!(cells.get(4), Some(&lines.to_string().as_str()), "{row}");
        let shown = String::from_utf8(done.stdout).unwrap().lines().count();
        let about: usize = cells
            .get(5)
            .and_then(|c| c.strip_prefix("about "))
            .unwrap()
            .parse()
            .unwrap();
        assert!(shown.abs_diff(about) * 4 <= about, "{shown} lines: {row}");
    }
}

/// The names under a heading of `Cargo.toml`.
fn declared(section: &str) -> BTreeSet<String> {
    let manifest = read("Cargo.toml");
    let lines = manifest.lines().skip_while(|l| *l != section).skip(1);
    let lines = lines.take_while(|l| !l.starts_with('['));
    lines
        .filter_map(|l| l.split_once(" =").or_else(|| l.split_once('.')))
        .map(|(name, _)| name.trim().to_owned())
        .collect()
}

#[test]
fn the_page_of_dependencies_explains_exactly_those_there_are() {
    let page = read("docs/dependencies.md");
    let explained: BTreeSet<String> = page
        .lines()
        .filter_map(|l| l.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(explained, declared("[dependencies]"));
    for name in declared("[dev-dependencies]") {
        assert!(
            page.contains(&format!("`{name}` (")),
            "docs/dependencies.md does not explain {name}"
        );
    }
}

/// The fenced blocks of a page whose info string is `info`.
fn blocks(page: &str, info: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(found) = line.strip_prefix("```") else {
            continue;
        };
        let body: Vec<&str> = lines.by_ref().take_while(|l| *l != "```").collect();
        if found == info {
            out.push(body.join("\n") + "\n");
        }
    }
    out
}

/// Steps as they stand in the reference, with a runbook round them.
fn around(steps: &str) -> String {
    let steps: String = steps.lines().map(|l| format!("      {l}\n")).collect();
    let head =
        "schema: 1\nrunbook: example\ntitle: Example\nkind: change\ntargets: { web: { select: role=web } }\nphases:\n";
    format!("{head}  - phase: p\n    title: P\n    targets: web\n    on_failure: hold\n    steps:\n{steps}")
}

#[test]
fn every_runbook_in_readme_and_the_language_reference_passes_check() {
    let page = read("docs/language.md") + &read("README.md");
    let whole = blocks(&page, "yaml");
    let steps = blocks(&page, "yaml steps");
    assert!(
        whole.len() >= 2 && steps.len() >= 2,
        "{} and {} examples were found",
        whole.len(),
        steps.len()
    );
    for text in whole.into_iter().chain(steps.iter().map(|s| around(s))) {
        let id = text.lines().find_map(|l| l.strip_prefix("runbook: ")).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = format!("{id}.yml");
        fs::write(dir.path().join(&path), &text).unwrap();
        let found = complaints(dir.path(), &path);
        assert!(found.is_empty(), "{found}\n{text}");
    }
}

#[test]
fn the_included_file_in_the_language_reference_can_be_included() {
    let found = blocks(&read("docs/language.md"), "yaml fragment");
    assert_eq!(found.len(), 1);
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("pool-out.yml"), &found[0]).unwrap();
    let runbook = around("- include: { file: pool-out.yml, with: { pool: web } }\n");
    fs::write(dir.path().join("example.yml"), runbook).unwrap();
    let found = complaints(dir.path(), "example.yml");
    assert!(found.is_empty(), "{found}");
}

#[test]
fn every_other_file_in_the_language_reference_can_be_read() {
    use pitstop::diag::Source;
    use pitstop::{inventory, runbook};
    let page = read("docs/language.md");
    for kind in ["inventory", "change", "policy", "project", "review"] {
        let found = blocks(&page, &format!("yaml {kind}"));
        assert_eq!(found.len(), 1, "{kind}");
        let source = Source::new(format!("{kind}.yml"), found[0].as_str());
        let mut diags = Diagnostics::new();
        let good = match kind {
            "inventory" => inventory::hosts::read(&source, &mut diags).is_some(),
            "change" => runbook::change::read(&source, &mut diags).is_some(),
            "project" => runbook::project::read(&source, &mut diags).is_some(),
            "review" => runbook::reviewfile::read(&source, &mut diags).is_some(),
            _ => runbook::policyfile::read(&source, &mut diags).is_some(),
        };
        assert!(good && diags.0.is_empty(), "{kind}: {:?}", diags.0);
    }
}

/// The pages whose commands are run, and where: the repository itself, or a folder of their own.
const PAGES: &[(&str, bool)] = &[
    ("README.md", true),
    ("docs/first-hour.md", false),
    ("docs/operating.md", false),
    ("docs/connecting.md", false),
    ("docs/testing-runbooks.md", false),
];

/// What a page tells people to do, in its order.
enum Deed {
    /// Write a file.
    File { path: String, text: String },
    /// Type a command; it ends with this code and shows these lines.
    Command {
        line: String,
        exit: i32,
        shows: Vec<String>,
    },
}

fn deeds(page: &str) -> Vec<Deed> {
    let mut out = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let body: Vec<&str> = lines.by_ref().take_while(|l| *l != "```").collect();
        if let Some((_, path)) = info.split_once(" file=") {
            out.push(Deed::File {
                path: path.to_owned(),
                text: body.join("\n") + "\n",
            });
        } else if info == "console" {
            for line in body {
                match (line.strip_prefix("$ "), out.last_mut()) {
                    (Some(command), _) => out.push(typed(command)),
                    (None, Some(Deed::Command { shows, .. })) => shows.push(line.trim().to_owned()),
                    (None, _) => panic!("a block of commands begins with `$ `, not `{line}`"),
                }
            }
        }
    }
    out
}

/// A command, with the exit code that a comment at its end announces.
fn typed(text: &str) -> Deed {
    let (line, comment) = text.split_once(" # ").unwrap_or((text, ""));
    let exit = comment.trim().strip_prefix("exit ");
    Deed::Command {
        line: line.trim().to_owned(),
        exit: exit.map_or(0, |n| {
            n.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
        }),
        shows: Vec::new(),
    }
}

/// Does what a page says, as a person at a keyboard without a terminal would.
fn follow(page: &str, in_repository: bool) -> usize {
    let room = tempfile::tempdir().unwrap();
    let (home, bin, mut here) = (
        room.path().join("home"),
        room.path().join("bin"),
        room.path().join("project"),
    );
    for dir in [&home, &bin, &here] {
        fs::create_dir(dir).unwrap();
    }
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_pitstop"), bin.join("pitstop")).unwrap();
    if in_repository {
        here = root();
    }
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut done = 0;
    for deed in deeds(&read(page)) {
        let (line, exit, shows) = match deed {
            Deed::File { path, text } => {
                assert!(!in_repository, "{page} writes {path} into the repository");
                let file = here.join(path);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, text).unwrap();
                continue;
            }
            Deed::Command { line, exit, shows } => (line, exit, shows),
        };
        if let Some(dir) = line.strip_prefix("cd ") {
            here = here.join(dir);
            assert!(here.is_dir(), "{page}: {line}");
            continue;
        }
        if line == "tests/run" {
            // This test is a part of it.
            assert!(here.join("tests/run").is_file());
            continue;
        }
        let command = line.replace("cargo run --", "pitstop");
        let out = std::process::Command::new("sh")
            .args(["-c", &command])
            .current_dir(&here)
            .env_clear()
            .env("PATH", &path)
            .env("HOME", &home)
            .env("LANG", "C.UTF-8")
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        );
        assert_eq!(out.status.code(), Some(exit), "{page}: {line}\n{said}");
        for shown in shows.iter().filter(|l| !l.is_empty() && *l != "…") {
            assert!(
                said.contains(shown.as_str()),
                "{page}: {line}\ndoes not show: {shown}\nbut:\n{said}"
            );
        }
        done += 1;
    }
    done
}

#[test]
fn every_command_of_readme_and_docs_does_what_the_page_says() {
    let mut done = 0;
    for (page, in_repository) in PAGES {
        done += follow(page, *in_repository);
    }
    assert!(done >= 15, "only {done} commands were found");
}

#[test]
fn every_page_with_commands_is_followed_and_every_link_leads_somewhere() {
    let mut pages = vec!["README.md".to_owned()];
    for dir in ["docs", "docs/runbooks"] {
        for entry in fs::read_dir(root().join(dir)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".md") {
                pages.push(format!("{dir}/{name}"));
            }
        }
    }
    // Those of the runbooks are followed where their hosts are: on whole machines.
    let machines: String = fs::read_dir(root().join("tests/machines"))
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    for page in pages {
        let text = read(&page);
        let followed = PAGES.iter().any(|(p, _)| *p == page) || machines.contains(&format!("\"{page}\""));
        assert!(
            followed || blocks(&text, "console").is_empty(),
            "{page} shows commands that no test runs"
        );
        let dir = root().join(&page).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap();
            if !file.is_empty() && !file.contains("://") {
                assert!(dir.join(file).exists(), "{page}: {link} leads nowhere");
            }
        }
    }
}

#[test]
fn the_operators_page_lists_exactly_the_exit_codes_there_are() {
    let source = read("src/cli/exit.rs");
    let constants = source
        .lines()
        .filter_map(|l| l.strip_prefix("pub const ")?.split_once(": u8 = "));
    let known: Vec<u8> = constants
        .map(|(_, n)| n.trim_end_matches(';').parse().unwrap())
        .collect();
    assert_eq!(known.len(), 10);
    let page = read("docs/operating.md");
    let listed = page
        .lines()
        .filter_map(|l| l.strip_prefix("| ")?.split(' ').next()?.parse().ok());
    assert_eq!(listed.collect::<Vec<u8>>(), known);
}

#[test]
fn the_continuous_build_runs_the_command_of_the_readme_and_nothing_else() {
    use std::os::unix::fs::PermissionsExt as _;
    assert!(blocks(&read("README.md"), "console").contains(&"$ tests/run\n".to_owned()));
    let ci = read(".ci/run");
    let commands: Vec<&str> = ci.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
    assert_eq!(commands, ["exec \"$(dirname \"$0\")/../tests/run\""]);
    for script in [".ci/run", "tests/run"] {
        let mode = fs::metadata(root().join(script)).unwrap().permissions().mode();
        assert!(mode & 0o111 == 0o111, "{script} cannot be executed");
    }
}

#[test]
fn the_parts_of_the_test_command_are_allowed_an_hour_at_most() {
    let script = read("tests/run");
    let table = script.split_once("parts=(\n").unwrap().1.split_once("\n)").unwrap().0;
    let minutes = table
        .lines()
        .map(|l| l.split_whitespace().nth(1).unwrap().parse::<u32>().unwrap());
    let all: u32 = minutes.sum();
    assert!((1..=60).contains(&all), "{all} minutes");
}
