//! The workflow files of `examples/ci`, as CI would run them: the commands that stand in them, in an empty folder, against a whole machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use pitstop::diag::{Diagnostics, Source};
use pitstop::runbook::yaml::{self, Node, NodeKind};

use crate::machines::{Machines, ran};

fn repository(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn document(path: &str) -> Node {
    let mut diags = Diagnostics::new();
    let node = yaml::read(&Source::new(path, repository(path)), &mut diags);
    assert!(!diags.has_errors(), "{path}: {diags:?}");
    node.unwrap()
}

fn map(node: &Node) -> Vec<(&str, &Node)> {
    match &node.kind {
        NodeKind::Map(entries) => entries.iter().map(|e| (e.key.value.as_str(), &e.value)).collect(),
        other => panic!("no map: {other:?}"),
    }
}

fn get<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    map(node).into_iter().find(|(k, _)| *k == key).map(|(_, value)| value)
}

fn list(node: &Node) -> Vec<&Node> {
    match &node.kind {
        NodeKind::Seq(items) => items.iter().collect(),
        other => panic!("no list: {other:?}"),
    }
}

fn text(node: &Node) -> &str {
    match &node.kind {
        NodeKind::Scalar { text, .. } => text,
        other => panic!("no text: {other:?}"),
    }
}

fn only_keys(what: &str, node: &Node, allowed: &[&str]) {
    for (key, _) in map(node) {
        assert!(allowed.contains(&key), "{what} has no key `{key}`");
    }
}

/// What a workflow tells to do in its restore test: each is a script of its own; `always`: also after one that failed.
struct Step {
    name: String,
    script: String,
    env: BTreeMap<String, String>,
    always: bool,
}

fn env_of(node: Option<&Node>) -> BTreeMap<String, String> {
    let pairs = node.map(map).unwrap_or_default();
    pairs
        .into_iter()
        .map(|(k, v)| (k.to_owned(), text(v).to_owned()))
        .collect()
}

/// Of GitHub, whose shape is looked at, too: keys of its workflow syntax and no others.
fn github() -> Vec<Step> {
    let root = document("examples/ci/github.yml");
    only_keys(
        "the workflow",
        &root,
        &["name", "on", "permissions", "env", "jobs", "concurrency", "defaults"],
    );
    only_keys(
        "`on`",
        get(&root, "on").unwrap(),
        &["schedule", "workflow_dispatch", "pull_request"],
    );
    let env = env_of(get(&root, "env"));
    let mut steps = Vec::new();
    for (name, job) in map(get(&root, "jobs").unwrap()) {
        only_keys(
            name,
            job,
            &[
                "if",
                "runs-on",
                "timeout-minutes",
                "concurrency",
                "env",
                "steps",
                "needs",
                "environment",
            ],
        );
        text(get(job, "runs-on").unwrap());
        let minutes: u32 = text(get(job, "timeout-minutes").unwrap()).parse().unwrap();
        for step in list(get(job, "steps").unwrap()) {
            only_keys("a step", step, &["name", "if", "uses", "run", "with", "env", "id"]);
            assert!(
                get(step, "uses").is_some() != get(step, "run").is_some(),
                "a step has `uses` or `run`"
            );
            assert!(get(step, "with").is_none() || get(step, "uses").is_some());
            let Some(run) = get(step, "run") else { continue };
            // A value of an expression comes into a script by its environment only: else it could be a command.
            assert!(!text(run).contains("${{"), "{}", text(run));
            if name == "restore-test" {
                assert_eq!(minutes, 60);
                let mut env = env.clone();
                env.extend(env_of(get(job, "env")));
                env.extend(env_of(get(step, "env")));
                steps.push(Step {
                    name: text(get(step, "name").unwrap()).to_owned(),
                    script: text(run).to_owned(),
                    env,
                    always: get(step, "if").is_some_and(|when| text(when) == "always()"),
                });
            }
        }
    }
    steps
}

/// Of GitLab: `before_script` and `script` are one shell, `after_script` another.
fn gitlab() -> Vec<Step> {
    let root = document("examples/ci/gitlab.yml");
    only_keys(
        "the pipeline",
        &root,
        &["stages", "default", "variables", "check", "restore-test"],
    );
    only_keys("`default`", get(&root, "default").unwrap(), &["image", "before_script"]);
    let stages: Vec<&str> = list(get(&root, "stages").unwrap()).into_iter().map(text).collect();
    for name in ["check", "restore-test"] {
        let job = get(&root, name).unwrap();
        only_keys(
            name,
            job,
            &[
                "stage",
                "timeout",
                "rules",
                "script",
                "after_script",
                "artifacts",
                "variables",
                "resource_group",
                "interruptible",
            ],
        );
        assert!(stages.contains(&text(get(job, "stage").unwrap())));
        only_keys(
            "`artifacts`",
            get(job, "artifacts").unwrap(),
            &["when", "expire_in", "paths", "reports"],
        );
    }
    let job = get(&root, "restore-test").unwrap();
    let lines = |node: Option<&Node>| -> String {
        let lines: Vec<&str> = list(node.unwrap())
            .into_iter()
            .map(|line| text(line).trim_end())
            .collect();
        lines.join("\n")
    };
    let mut env = env_of(get(&root, "variables"));
    env.extend(env_of(get(job, "variables")));
    let before = lines(get(get(&root, "default").unwrap(), "before_script"));
    let step = |name: &str, script: String, always: bool| Step {
        name: name.to_owned(),
        script,
        env: env.clone(),
        always,
    };
    vec![
        step("script", format!("{before}\n{}", lines(get(job, "script"))), false),
        step("after_script", lines(get(job, "after_script")), true),
    ]
}

/// An empty machine of CI with the repository checked out, and the host on which is restored.
struct Machine {
    machines: Machines,
}

impl Machine {
    fn new() -> Self {
        let machine = Self {
            machines: Machines::start_with_backups(1),
        };
        std::fs::create_dir_all(machine.path("home")).unwrap();
        // What docs/ci.md says that the repository needs, but for where the host is.
        let page = repository("docs/ci.md");
        let inventory = page.split("```yaml inventory\n").nth(1).unwrap();
        let inventory = inventory.split("```").next().unwrap();
        let inventory = inventory
            .replace("lab1.example.com", &machine.machines.hosts["h01"])
            .replace("user: restore", "user: deploy");
        assert!(inventory.contains("identity: ~/.ssh/restore_test"), "{inventory}");
        machine.file("pitstop.yml", "schema: 1\ninventory: inventory.yml\n");
        machine.file("inventory.yml", &inventory);
        let known = std::fs::read_to_string(machine.machines.lab().join("known_hosts")).unwrap();
        machine.file("known_hosts", &known);
        for name in [
            "restore-file-tree.yml",
            "restore-file-tree.test.yml",
            "files/scratch.sh",
            "files/tree.sh",
        ] {
            let text = repository(&format!("runbooks/{name}"));
            let place = if name.starts_with("files/") {
                name.to_owned()
            } else {
                format!("runbooks/{name}")
            };
            machine.file(&place, &text);
        }
        machine.backup("one");
        machine.machines.at("h01", "touch /etc/pitstop-restore-target");
        machine
    }

    /// Writes a backup on the host whose list is of the first one.
    fn backup(&self, words: &str) {
        self.machines.at(
            "h01",
            &format!(
                "mkdir -p /backup /srv/shop && cd /srv/shop && echo {words} >a && echo two >b && \
                 {{ [ -e /backup/shop.sha256 ] || find . -type f -exec sha256sum {{}} + >/backup/shop.sha256; }} && \
                 tar -czf /backup/shop.tar.gz ."
            ),
        );
    }

    fn path(&self, name: &str) -> PathBuf {
        self.machines.path("ci").join(name)
    }

    fn file(&self, name: &str, words: &str) {
        self.machines.file(&format!("ci/repo/{name}"), words);
    }

    /// What stands in a workflow for a value that the repository's settings have.
    fn setting(&self, written: &str) -> String {
        let key = || std::fs::read_to_string(self.machines.lab().join("id")).unwrap();
        match written {
            "${{ vars.PITSTOP_URL }}" => format!("file://{}", env!("CARGO_BIN_EXE_pitstop")),
            "${{ vars.PITSTOP_SHA256 }}" => {
                let said = Command::new("sha256sum")
                    .arg(env!("CARGO_BIN_EXE_pitstop"))
                    .output()
                    .unwrap();
                String::from_utf8(said.stdout)
                    .unwrap()
                    .split(' ')
                    .next()
                    .unwrap()
                    .to_owned()
            }
            "${{ secrets.RESTORE_SSH_KEY }}" => key(),
            other => other.to_owned(),
        }
    }

    /// Runs the steps as CI does; which failed with which code, and everything that was said.
    fn runs(&self, steps: &[Step]) -> (Vec<(String, i32)>, String) {
        let (mut failed, mut said) = (Vec::new(), String::new());
        for step in steps {
            if !failed.is_empty() && !step.always {
                continue;
            }
            let mut shell = self.machines.there("bash");
            // As the runners of both start one; GitLab does not stop at a failure in `after_script`.
            let flags = if step.name == "after_script" {
                ""
            } else {
                "set -eo pipefail\n"
            };
            shell
                .args(["-c", &format!("{flags}{}", step.script)])
                .current_dir(self.path("repo"))
                .env_remove("PITSTOP_OPERATOR")
                .env("PATH", "/usr/local/bin:/usr/bin:/bin")
                .env("HOME", self.path("home"));
            // GitLab's own settings, and its secret as a file.
            if step.name.ends_with("script") {
                for name in ["PITSTOP_URL", "PITSTOP_SHA256"] {
                    shell.env(name, self.setting(&format!("${{{{ vars.{name} }}}}")));
                }
                shell.env("RESTORE_SSH_KEY", self.machines.lab().join("id"));
            }
            for (name, value) in &step.env {
                shell.env(name, self.setting(value));
            }
            let done = ran(shell);
            said.push_str(&done.said);
            if done.code != 0 {
                failed.push((step.name.clone(), done.code));
            }
        }
        (failed, said)
    }

    fn report(&self, name: &str) -> String {
        std::fs::read_to_string(self.path("repo/reports").join(name)).unwrap_or_default()
    }
}

fn restores(which: &str, steps: &[Step], name: &str) {
    let machine = Machine::new();
    let nothing_is_left = || {
        let left = "ls -d /var/tmp/pitstop-* /run/systemd/transient/pitstop-* 2>/dev/null || true";
        assert_eq!(
            machine.machines.at("h01", left),
            "",
            "{which}: something is left behind"
        );
    };
    let (failed, said) = machine.runs(steps);
    assert_eq!(failed, [], "{which}: {said}");
    assert!(said.contains("Left behind: nothing"), "{which}: {said}");
    let junit = machine.report("restore-test.xml");
    assert!(
        junit.contains("failures=\"0\"") && junit.contains("rto"),
        "{which}: {junit}"
    );
    assert!(machine.report("restore-test.html").contains("</html>"), "{which}");
    let record: serde_json::Value = serde_json::from_str(&machine.report("record.json")).unwrap();
    assert_eq!(
        record["operators"][0]["name"].as_str(),
        Some("ci@example.com"),
        "{record}"
    );
    assert!(
        !machine.path("home/.ssh/restore_test").exists(),
        "{which}: the key stays on the machine"
    );

    // A file of the backup is not what it was: the job fails, and its report is written all the same.
    nothing_is_left();
    machine.backup("other");
    std::fs::remove_dir_all(machine.path("repo/reports")).unwrap();
    let (failed, said) = machine.runs(steps);
    assert_eq!(failed, [(name.to_owned(), 1)], "{which}: {said}");
    assert!(machine.report("restore-test.xml").contains("<failure"), "{which}");
    assert!(
        machine.report("restore-test.html").contains("./a"),
        "{which}: the report does not name the file"
    );
    assert!(!machine.path("home/.ssh/restore_test").exists(), "{which}");
    nothing_is_left();

    // Nobody may be let in, and what was downloaded must be what it should be.
    machine.file("known_hosts", "");
    let (failed, said) = machine.runs(steps);
    assert_eq!(failed.first(), Some(&(name.to_owned(), 3)), "{which}: {said}");
    let mut other: Vec<Step> = Vec::new();
    for step in steps {
        let script = step.script.replace("$PITSTOP_SHA256", &"0".repeat(64));
        let env = step.env.clone();
        other.push(Step {
            name: step.name.clone(),
            script,
            env,
            always: false,
        });
    }
    let (failed, said) = machine.runs(&other);
    assert!(failed.len() == 1 && said.contains("FAILED"), "{which}: {said}");
}

#[test]
fn the_workflow_for_github_restores_and_keeps_its_reports_also_when_it_fails() {
    restores("github", &github(), "Restore, compare, erase");
}

#[test]
fn the_pipeline_for_gitlab_restores_and_keeps_its_reports_also_when_it_fails() {
    restores("gitlab", &gitlab(), "script");
}

/// A restore that takes too long ends by itself before the job is killed, and the next command erases what it left.
#[test]
fn a_restore_that_takes_too_long_ends_at_its_deadline_and_leaves_nothing() {
    let machine = Machine::new();
    let path = machine.path("repo/runbooks/restore-file-tree.yml");
    let runbook = std::fs::read_to_string(&path).unwrap();
    let slow = runbook.replace("said=$(LC_ALL=C tar -C tree", "said=$(sleep 600; LC_ALL=C tar -C tree");
    assert_ne!(slow, runbook);
    std::fs::write(&path, slow).unwrap();
    let mut steps = github();
    for step in &mut steps {
        step.script = step
            .script
            .replace("--deadline 45m --grace 5m", "--deadline 8s --grace 1s");
    }
    let began = std::time::Instant::now();
    let (failed, said) = machine.runs(&steps);
    assert!(began.elapsed() < std::time::Duration::from_secs(60));
    let codes: Vec<(&str, i32)> = failed.iter().map(|(name, code)| (name.as_str(), *code)).collect();
    let expected = [
        ("Restore, compare, erase", 7),
        ("Take back what a run left that was stopped", 4),
    ];
    assert_eq!(codes, expected, "{said}");
    assert!(said.contains("the grace after the deadline is over"), "{said}");
    assert!(machine.report("restore-test.html").contains("</html>"), "{said}");
    let record: serde_json::Value = serde_json::from_str(&machine.report("record.json")).unwrap();
    assert_eq!(record["left_behind"].as_array().map_or(0, Vec::len), 0, "{record}");
}
