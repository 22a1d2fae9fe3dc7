//! Wrong files of every kind, and the program itself: exit 2, a place in the file, soon, in bounded memory, never a panic.
//!
//! `INSTA_UPDATE=always cargo test --test wrong_files` rewrites the snapshots; read the difference before it is committed.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "common/figures.rs"]
mod figures;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// CPU seconds that a file may take, and kilobytes of address space: `ulimit -t` and `ulimit -v`, which no load of the machine
/// moves. A monster of megabytes takes a build without optimisation longer.
const SECONDS: u32 = 2;
const SECONDS_FOR_A_MONSTER: u32 = 20;
const KILOBYTES: u32 = 512 << 10;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

/// The program under limits.
fn pitstop(dir: &Path, args: &[&str]) -> Output {
    limited(dir, args, SECONDS)
}

fn limited(dir: &Path, args: &[&str], seconds: u32) -> Output {
    let limits = format!("ulimit -t {seconds}; ulimit -v {KILOBYTES}; exec \"$0\" \"$@\"");
    Command::new("sh")
        .args(["-c", &limits, env!("CARGO_BIN_EXE_pitstop")])
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", dir)
        .output()
        .unwrap()
}

/// What people see of a file that must be refused.
fn refused(dir: &Path, args: &[&str]) -> String {
    refused_within(dir, args, SECONDS)
}

fn refused_within(dir: &Path, args: &[&str], seconds: u32) -> String {
    let out = limited(dir, args, seconds);
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2), "{args:?}\n{text}");
    assert!(!text.contains("panicked"), "{args:?}\n{text}");
    text
}

fn has_place(text: &str) -> bool {
    regex::Regex::new(r"--> [^\s:]+:\d+:\d+").unwrap().is_match(text)
}

/// Every wrong file: the project it is checked in, and its path there.
fn wrong_files() -> Vec<(PathBuf, String)> {
    let root = corpus();
    let files = |dir: &Path| -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap())
            .filter(|e| e.file_type().unwrap().is_file())
            .map(|e| e.file_name().into_string().unwrap())
            .filter(|n| n.ends_with(".yml"))
            .collect();
        names.sort();
        names
    };
    let mut out = Vec::new();
    for (project, below) in [
        ("", ""),
        ("runbook", ""),
        ("change", ""),
        ("inventory", ""),
        ("site", "runbooks/"),
        ("site", "changes/"),
    ] {
        let dir = root.join(project);
        out.extend(
            files(&dir.join(below))
                .into_iter()
                .map(|name| (dir.clone(), format!("{below}{name}"))),
        );
    }
    out.retain(|(dir, name)| !dir.ends_with("site") || name.contains('/'));
    for (kind, file) in [("policy", "policy.yml"), ("project", "pitstop.yml")] {
        let mut dirs: Vec<PathBuf> = fs::read_dir(root.join(kind))
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        dirs.sort();
        out.extend(dirs.into_iter().map(|dir| (dir, file.to_owned())));
    }
    out
}

#[test]
fn the_program_refuses_every_wrong_file_with_its_place() {
    let files = wrong_files();
    let all = files.len();
    assert!(all >= 500, "only {all} wrong files");
    for (dir, file) in files {
        let text = refused(&dir, &["check", "--project", ".", &file]);
        assert!(has_place(&text), "{file}: {text}");
        let inside = dir.strip_prefix(corpus()).unwrap().to_string_lossy().replace('/', "-");
        if inside.is_empty() {
            // `bad_input` has the pictures of these.
            continue;
        }
        let name = format!("{inside}-{}", file.trim_end_matches(".yml").replace('/', "-"));
        insta::with_settings!({ snapshot_suffix => name, omit_expression => true }, {
            insta::assert_snapshot!("wrong", text);
        });
    }
    figures::print(
        "bad-input corpus: not refused with exit 2 and file:line:col",
        format!("0 of {all} files"),
        None,
    );
}

const HEAD: &str = "schema: 1\nrunbook: example\ntitle: An example\n";
const PHASES: &str = "phases:\n  - phase: only\n    title: The only phase\n    on_failure: hold\n    steps:\n      - name: Say it\n        run: |\n          date\n          uptime\n";

#[test]
fn monsters_are_refused_in_bounded_time_and_memory() {
    let head = format!("{HEAD}{PHASES}");
    let bomb = (0..9).fold("x: &a0 [lol]\n".to_owned(), |text, i| {
        format!("{text}b{i}: &a{} [{}]\n", i + 1, vec![format!("*a{i}"); 10].join(", "))
    });
    let utf16 = |mark: u16, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        std::iter::once(mark)
            .chain(head.encode_utf16())
            .flat_map(bytes)
            .collect()
    };
    let deep = format!(
        "{HEAD}{}",
        PHASES.replace(
            "date",
            &format!("echo {{{{ {}1{} }}}}", "(".repeat(5000), ")".repeat(5000))
        )
    );
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("alias-bomb", bomb.into(), "anchors are not part of the language"),
        ("brackets", "[".repeat(50_000).into(), "nested deeper than 64"),
        ("braces", "{a: ".repeat(50_000).into(), "nested deeper than 64"),
        ("dashes", "- ".repeat(50_000).into(), "nested deeper than 64"),
        ("nul", head.replace("date", "da\0te").into(), "U+0000"),
        (
            "utf16-le",
            utf16(0xfeff, u16::to_le_bytes),
            "this begins as UTF-16 does",
        ),
        (
            "utf16-be",
            utf16(0xfeff, u16::to_be_bytes),
            "this begins as UTF-16 does",
        ),
        (
            "latin1",
            head.replace("date", "gr\u{1}")
                .into_bytes()
                .into_iter()
                .map(|b| if b == 1 { 0xfc } else { b })
                .collect(),
            "this byte is no UTF-8",
        ),
        ("tabs", head.replace("    ", "\t").into(), "a tab"),
        ("deep-template", deep.into(), "nested too deeply"),
        (
            "keys",
            format!(
                "{HEAD}{PHASES}{}",
                (0..100_000).map(|n| format!("k{n}: 1\n")).collect::<String>()
            )
            .into(),
            "this key is not known here",
        ),
        (
            "huge-number",
            format!("{head}        timeout: {}s\n", "9".repeat(5000)).into(),
            "not a duration",
        ),
        (
            "huge-float",
            format!("{HEAD}parameters: {{ n: {{ type: number, default: 1e999 }} }}\n{PHASES}").into(),
            "example",
        ),
        (
            "long-key",
            format!("{head}{}: 1\n", "k".repeat(1 << 20)).into(),
            "example",
        ),
        (
            "long-line",
            format!("title: [{}\n", "x ".repeat(5 << 19)).into(),
            "opened and not closed",
        ),
        ("binary", (0..=255_u8).cycle().take(1 << 20).collect(), "example"),
    ];
    for (name, bytes, says) in cases {
        let room = tempfile::tempdir().unwrap();
        fs::write(room.path().join("example.yml"), bytes).unwrap();
        let text = refused_within(
            room.path(),
            &["check", "--project", ".", "example.yml"],
            SECONDS_FOR_A_MONSTER,
        );
        assert!(
            has_place(&text) && text.contains(says),
            "{name}: {}",
            text.chars().take(2000).collect::<String>()
        );
        assert!(
            !text.contains(|c: char| c.is_control() && c != '\n'),
            "{name} reached the terminal"
        );
    }
}

#[test]
fn a_gigabyte_in_one_line_is_not_read() {
    let room = tempfile::tempdir().unwrap();
    let mut file = fs::File::create(room.path().join("example.yml")).unwrap();
    file.write_all(b"title: ").unwrap();
    file.set_len(1 << 30).unwrap();
    for command in ["check", "plan"] {
        let text = refused(room.path(), &[command, "--project", ".", "example.yml"]);
        assert!(text.contains("larger than 16 MiB"), "{text}");
    }
}

#[test]
fn what_is_no_regular_file_is_refused_and_never_waited_for() {
    let room = tempfile::tempdir().unwrap();
    let at = |name: &str| room.path().join(name);
    fs::create_dir(at("folder.yml")).unwrap();
    fs::create_dir(at("project")).unwrap();
    fs::write(at("outside.yml"), format!("{HEAD}{PHASES}")).unwrap();
    std::os::unix::fs::symlink("../outside.yml", at("project/link.yml")).unwrap();
    std::os::unix::fs::symlink("nowhere", at("project/broken.yml")).unwrap();
    let made = Command::new("mkfifo").arg(at("project/pipe.yml")).status().unwrap();
    assert!(made.success());
    let dir = at("project");
    assert!(refused(&dir, &["check", "--project", ".", "pipe.yml"]).contains("it is no regular file"));
    assert!(refused(&dir, &["plan", "--project", ".", "pipe.yml"]).contains("it is no regular file"));
    assert!(refused(&dir, &["check", "--project", ".", "link.yml"]).contains("outside the project"));
    assert!(
        refused(&dir, &["check", "--project", ".", "broken.yml"]).contains("a link to something that is not there")
    );
    assert!(refused(&dir, &["check", "--project", ".", "none.yml"]).contains("there is no file"));
    fs::write(
        dir.join("example.yml"),
        format!(
            "{HEAD}{}",
            PHASES.replace(
                "        run: |\n          date\n          uptime\n",
                "        script: { file: pipe.yml }\n"
            )
        ),
    )
    .unwrap();
    assert!(refused(&dir, &["plan", "--project", ".", "example.yml"]).contains("it is no regular file"));
    // A folder without a file of ours is nothing wrong.
    let out = pitstop(room.path(), &["check", "folder.yml"]);
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn settings_or_a_policy_that_are_no_file_are_refused_and_not_passed_over() {
    type Make = fn(&Path);
    let makes: [(Make, &str); 3] = [
        (|path| fs::create_dir(path).unwrap(), "it is a folder"),
        (
            |path| rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RUSR).unwrap(),
            "it is no regular file but a pipe",
        ),
        (
            |path| std::os::unix::fs::symlink("nowhere", path).unwrap(),
            "a link to something that is not there",
        ),
    ];
    for (make, says) in makes {
        for name in ["pitstop.yml", "policy.yml"] {
            let room = tempfile::tempdir().unwrap();
            fs::write(room.path().join("example.yml"), format!("{HEAD}{PHASES}")).unwrap();
            if name == "policy.yml" {
                fs::write(room.path().join("pitstop.yml"), "schema: 1\npolicy: policy.yml\n").unwrap();
            }
            make(&room.path().join(name));
            for args in [&["plan", "example.yml"][..], &["check", "example.yml"], &["check", "."]] {
                // One file is checked without the policy; and of a folder with a file's name, what is in it.
                let passed = args != ["plan", "example.yml"] && (args != ["check", "."] || says == "it is a folder");
                if name == "policy.yml" && passed {
                    continue;
                }
                let text = refused(room.path(), args);
                assert!(text.contains(says) && text.contains(name), "{args:?}: {text}");
            }
        }
    }
}

#[test]
fn line_ends_and_a_byte_order_mark_change_no_digest() {
    let text = format!("{HEAD}{PHASES}");
    let digest = |text: &str| {
        let room = tempfile::tempdir().unwrap();
        fs::write(room.path().join("pitstop.yml"), "schema: 1\n").unwrap();
        fs::write(room.path().join("example.yml"), text).unwrap();
        let out = pitstop(room.path(), &["plan", "example.yml", "-o", "plan.json"]);
        assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
        fs::read(room.path().join("plan.json")).unwrap()
    };
    let plain = digest(&text);
    for form in [
        text.replace('\n', "\r\n"),
        format!("\u{feff}{text}"),
        format!("\u{feff}{}", text.replace('\n', "\r\n")),
    ] {
        assert_eq!(digest(&form), plain);
    }
    assert_ne!(digest(&text.replace("uptime", "uptime -p")), plain);
}

#[test]
fn all_files_of_a_folder_are_told_in_one_pass_in_every_format() {
    let dir = corpus().join("site");
    let out = pitstop(&dir, &["check", "--project", ".", ".", "--format", "json"]);
    assert_eq!(out.status.code(), Some(2));
    let text = String::from_utf8(out.stdout).unwrap();
    let found: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let mut files: Vec<&str> = found.iter().map(|d| d["file"].as_str().unwrap()).collect();
    files.dedup();
    assert!(files.len() >= 25 && files.is_sorted(), "{files:?}");
    let human = String::from_utf8(pitstop(&dir, &["check", "--project", ".", "."]).stderr).unwrap();
    assert!(found.iter().all(|d| human.contains(d["message"].as_str().unwrap())));
    let github =
        String::from_utf8(pitstop(&dir, &["check", "--project", ".", ".", "--format", "github"]).stdout).unwrap();
    assert_eq!(github.lines().count(), found.len());
    assert!(
        github
            .lines()
            .all(|l| l.starts_with("::error file=") || l.starts_with("::warning file="))
    );
    let sarif = pitstop(&dir, &["check", "--project", ".", ".", "--format", "sarif"]).stdout;
    let sarif: serde_json::Value = serde_json::from_slice(&sarif).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    let rules: Vec<&str> = run["tool"]["driver"]["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["id"].as_str().unwrap())
        .collect();
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), found.len());
    for (result, d) in results.iter().zip(&found) {
        assert!(rules.contains(&result["ruleId"].as_str().unwrap()));
        assert_eq!(result["level"], d["severity"]);
        let region = &result["locations"][0]["physicalLocation"]["region"];
        assert_eq!((&region["startLine"], &region["startColumn"]), (&d["line"], &d["col"]));
        assert!(region["endColumn"].as_u64() >= Some(1));
    }
}

/// Said beside the code that an example is about: what this build cannot perform yet, and what `check` warns of before
/// `plan` refuses it.
fn beside(code: &str) -> &'static [&'static str] {
    match code {
        "PS0229" => &[],
        "PS0660" => &["PS0229", "PS0212"],
        _ => &["PS0229"],
    }
}

/// Does what an example of files says (its first line may be `# $ pitstop …`, else all is checked) in a folder that holds
/// its files (each after a line `# file: PATH`). The exit code, the codes that are said, and the screen.
fn played(example: &str) -> (Option<i32>, Vec<String>, String) {
    let room = tempfile::tempdir().unwrap();
    let mut command = "check .";
    let mut files: Vec<(&str, String)> = Vec::new();
    for line in example.lines() {
        if let Some(said) = line.strip_prefix("# $ pitstop ") {
            command = said;
        } else if let Some(path) = line.strip_prefix("# file: ") {
            files.push((path, String::new()));
        } else if let Some((_, text)) = files.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }
    for (path, text) in files {
        let path = room.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let mut args: Vec<&str> = command.split(' ').collect();
    if !args.contains(&"--project") {
        args.extend(["--project", "."]);
    }
    let out = limited(room.path(), &args, SECONDS_FOR_A_MONSTER);
    let screen = String::from_utf8(out.stderr).unwrap();
    let codes = regex::Regex::new(r"(?m)^(?:error|warning)\[(PS\d{4})\]").unwrap();
    let found = codes.captures_iter(&screen).map(|c| c[1].to_owned()).collect();
    (out.status.code(), found, format!("{command}\n{screen}"))
}

#[test]
fn every_example_of_files_does_what_it_says() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for code in pitstop::diag::codes::all().filter(|c| c.wrong.starts_with("# ")) {
        let about = |found: Vec<String>| -> Vec<String> {
            found
                .into_iter()
                .filter(|c| !beside(code.code).contains(&c.as_str()))
                .collect()
        };
        let (exit, found, screen) = played(code.wrong);
        // `plan` shows what it can of a host that nobody could reach: only `run` needs the way there.
        let warning =
            screen.contains(&format!("warning[{}]", code.code)) || screen.contains("`run` would refuse this plan");
        // A test that is sound and fails is no wrong file.
        let failed = code.code >= "PS0720" && code.code <= "PS0730";
        let wanted = if warning { 0 } else { 2 - u8::from(failed) };
        if about(found) != [code.code] || exit != Some(wanted.into()) {
            wrong.push(format!("{}: the wrong example, exit {exit:?}\n{screen}", code.code));
        }
        let (exit, found, screen) = played(code.right);
        if !about(found).is_empty() || exit != Some(0) {
            wrong.push(format!("{}: the right example, exit {exit:?}\n{screen}", code.code));
        }
        seen += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{seen} examples of files were run, wrong and right");
    assert!(seen >= 90, "only {seen} examples of files");
}

#[test]
fn the_ten_mistakes_of_the_first_hour_give_the_screens_that_are_printed() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/first-mistakes.md")).unwrap();
    let mut seen = 0;
    for part in page.split("```yaml mistake\n").skip(1) {
        let (file, rest) = part.split_once("```\n").unwrap();
        let (_, rest) = rest.split_once("```text\n").unwrap();
        let (screen, _) = rest.split_once("```").unwrap();
        let room = tempfile::tempdir().unwrap();
        fs::write(room.path().join("restart.yml"), file).unwrap();
        let text = refused(room.path(), &["check", "--project", ".", "restart.yml"]);
        assert_eq!(text.trim_end(), screen.trim_end(), "{file}");
        seen += 1;
    }
    assert_eq!(seen, 10);
}

/// `--set-file` and `--limit @FILE` waited for a pipe for ever, and read a device without an end.
#[test]
fn what_is_no_readable_file_is_refused_by_name_wherever_one_is_wanted() {
    let room = tempfile::tempdir().unwrap();
    let dir = room.path();
    // Root may read every file: then it is asked as somebody else, with a program and a folder that are theirs to use.
    let program = dir.join("pitstop");
    fs::copy(env!("CARGO_BIN_EXE_pitstop"), &program).unwrap();
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
    let host = "schema: 1\nhosts: { web1: {} }\n";
    let look = format!(
        "{HEAD}targets: {{ t: {{ hosts: [web1] }} }}\nphases:\n  - {{ phase: p, title: P, targets: t, precheck: [{{ name: N, run: uptime }}] }}\n"
    );
    for (name, text) in [
        ("example.yml", look.as_str()),
        ("inventory.yml", host),
        ("closed", "x: 1\n"),
        ("closed.yml", "x: 1\n"),
    ] {
        fs::write(dir.join(name), text).unwrap();
    }
    for ending in ["", ".yml"] {
        let path = |name: &str| dir.join(format!("{name}{ending}"));
        fs::set_permissions(path("closed"), fs::Permissions::from_mode(0o000)).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, path("pipe"), rustix::fs::Mode::RUSR).unwrap();
        std::os::unix::fs::symlink("nowhere", path("dangling")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("endless")).unwrap();
        fs::create_dir(path("folder")).unwrap();
    }
    let (list, set) = ("--limit", "--set-file");
    let uses: [(&[&str], &str, &[&str]); 9] = [
        (&["hosts", "-i"], "", &[]),
        (&["plan", "example.yml", "-i"], "", &[]),
        (&["plan"], "", &[]),
        (&["run"], "", &["--dry"]),
        (&["check"], "", &[]),
        (&["fmt"], "", &[]),
        (&["plan", "example.yml", list], "@", &[]),
        (&["plan", "example.yml", set], "", &[]),
        (&["plan", "example.yml", set], "x=", &[]),
    ];
    for (before, prefix, after) in uses {
        for (file, says) in [
            ("pipe", "it is no regular file but a pipe"),
            ("folder", "folder"),
            ("closed", "Permission denied"),
            ("dangling", "a link to something that is not there"),
            ("endless", "endless"),
            ("/dev/zero", "/dev/zero"),
        ] {
            // A folder is searched by these two.
            if file == "folder" && matches!(before[0], "check" | "fmt") {
                continue;
            }
            for ending in ["", ".yml"].into_iter().take(if file.starts_with('/') { 1 } else { 2 }) {
                let mut command = Command::new("sh");
                let limits = format!("ulimit -t {SECONDS}; exec timeout 60 \"$0\" \"$@\"");
                command
                    .args(["-c", &limits])
                    .arg(&program)
                    .args(before)
                    .arg(format!("{prefix}{file}{ending}"))
                    .args(after);
                if rustix::process::geteuid().is_root() {
                    command.uid(65534).gid(65534);
                }
                let out = command
                    .current_dir(dir)
                    .stdin(std::process::Stdio::null())
                    .env_clear()
                    .env("PATH", "/usr/bin:/bin")
                    .env("HOME", "/nonexistent")
                    .output()
                    .unwrap();
                let text = String::from_utf8_lossy(&out.stderr).into_owned();
                assert_eq!(out.status.code(), Some(2), "{before:?} {file}{ending}: {text}");
                assert!(
                    text.contains(says) && text.contains(file),
                    "{before:?} {file}{ending}: {text}"
                );
            }
        }
    }
}

/// PS0413 underlined the whole line, and with it the password; so did every other complaint about such a line.
#[test]
fn a_secret_that_stands_in_a_file_is_printed_nowhere() {
    let inventory = |host: &str| ("inventory.yml", format!("schema: 1\nhosts:\n  web1: {host}\n"));
    let runbook = |secrets: &str| ("example.yml", format!("{HEAD}secrets:\n  db: {secrets}\n{PHASES}"));
    let cases = [
        inventory("{ password: hunter22, prot: 1 }"),
        inventory("{ prot: 1, become: { password: hunter22 } }"),
        inventory("{ password: [hunter22] }"),
        inventory("{ password: { value: hunter22 } }"),
        inventory("{ password: { value: [a, { b: hunter22 }] } }"),
        inventory("\n    password: |\n      first\n      hunter22\n    prot: 1"),
        inventory("{ password: hunter22, password: hunter22b }"),
        inventory("{ password: hunter22, x: [ }"),
        inventory("\n    password: hunter22: x"),
        inventory("\n    password: \"hunter22\\q\""),
        runbook("hunter22"),
        runbook("[hunter22]"),
        runbook("{ value: hunter22 }"),
        runbook("{ from: env, value: hunter22 }"),
        runbook("|\n    first\n    hunter22"),
        (
            "inventory.ini",
            "[web]\nw1 ansible_password=hunter22 ansible_port=x\n[web:vars\n".to_owned(),
        ),
        (
            "hosts.yml",
            "all:\n  hosts:\n    w1: { ansible_password: hunter22, ansible_port: x }\n  vars: [1]\n".to_owned(),
        ),
    ];
    for (name, text) in cases {
        let room = tempfile::tempdir().unwrap();
        fs::write(room.path().join(name), &text).unwrap();
        for format in ["human", "json", "sarif", "github"] {
            let out = pitstop(room.path(), &["check", "--project", ".", "--format", format, name]);
            let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
            assert_eq!(out.status.code(), Some(2), "{text}\n{said}");
            assert!(said.contains("PS0") && !said.contains("hunter22"), "{text}\n{said}");
        }
    }
}
