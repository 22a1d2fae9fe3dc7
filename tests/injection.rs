//! What a host says is data for ever: nothing of it is evaluated, in whatever way it comes and wherever it goes.
//!
//! Sources: stdout, stderr, a fact, a registered value, a file's name. Sinks: templates, the command lines of three shells, every
//! report, the terminal. (Annotations and the other formats of diagnostics: `src/diag/render_tests.rs`.)

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

#[path = "common/figures.rs"]
mod figures;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use pitstop::runbook::Value;
use pitstop::runbook::expr::{Mode, Scope, Shell, Template, Val};

/// Each would leave a trace where it is evaluated: a file CANARY, the number 1337, an element or a line of its own.
const PAYLOADS: &[&str] = &[
    "$(touch CANARY)",
    "`touch CANARY`",
    "; touch CANARY",
    "&& touch CANARY",
    "|| touch CANARY",
    "| touch CANARY",
    "& touch CANARY &",
    "> CANARY",
    "'; touch CANARY; '",
    "\"; touch CANARY; \"",
    "'\"'\"'; touch CANARY #",
    "\\'; touch CANARY #",
    "${IFS}touch${IFS}CANARY",
    "$'\\x3b touch CANARY'",
    "!touch CANARY",
    "*",
    "~root",
    "-rf",
    "--",
    "\\",
    "#",
    "%PATH%",
    "^& echo 1337",
    "%COMSPEC% /c echo 1337",
    "'; Write-Output 1337; '",
    "$(7*191)",
    "\u{2019}; Write-Output 1337; \u{2019}",
    "{{ 7 * 191 }}",
    "{{ '7' ~ '191' }}",
    "{{ secrets.token }}",
    "{{ host.name }}",
    "{% raw %}{{ 7*191 }}{% endraw %}",
    "{# x #}",
    "{{",
    "}}",
    "{{ '{{ 7*191 }}' }}",
    "${7*191}",
    "<%= 7*191 %>",
    "#{7*191}",
    "<script>alert(1337)</script>",
    "<img src=x onerror=alert(1337)>",
    "\"><svg/onload=alert(1337)>",
    "' onmouseover='alert(1337)",
    "</td></tr></table><h1>owned</h1>",
    "</pre></details><iframe src=javascript:alert(1337)>",
    "<!-- ",
    "-->",
    "<style>*{display:none}</style>",
    "&lt;b&gt;&amp;&#60;script&#62;",
    "</script><script>1337",
    "]]><owned/><![CDATA[",
    "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY y \"z\">]>",
    "&y;",
    "# owned",
    "| owned | owned |",
    "[owned](javascript:alert(1337))",
    "![owned](http://192.0.2.1/x.png)",
    "```",
    "~~~",
    "<details open ontoggle=alert(1337)>",
    "**owned** _owned_ `owned`",
    "@everyone",
    "=1+1337",
    "=HYPERLINK(\"http://192.0.2.1\",\"owned\")",
    "+cmd|' /C calc'!A0",
    "@SUM(1,2)",
    "::error file=x,line=1::owned",
    "::set-output name=x::owned",
    "##vso[task.complete result=Failed]",
    "%0A::error::owned",
    "{\"owned\": true}",
    "\", \"owned\": true, \"x\": \"",
    "\\u0022,\\u0022owned\\u0022",
    "\\r\\n",
    "\u{1b}]0;owned\u{7}",
    "\u{1b}[2J\u{1b}[1;1Howned",
    "\u{1b}[8m owned",
    "\u{9b}31mowned",
    "\u{202e}denwo",
    "\u{2066}a\u{2069}",
    "\u{7}",
    "\u{8}\u{8}owned",
    "ow\u{1}ned",
    "\u{2028}owned",
    "\u{feff}owned",
    "\u{1b}[?1049h",
    "\u{7f}",
    "\u{200f}owned",
    "a\u{9}b",
    "ok\u{d}owned",
];

/// The names under which an expression meets what a host said.
const SOURCES: [&str; 5] = ["stdout", "stderr", "host.distro", "answer.value", "item"];

fn scope(said: &str) -> Scope<'static> {
    let text = || Value::Text(said.to_owned());
    let map = |key: &str| Value::Map([(key.to_owned(), text())].into());
    let mut scope = Scope::new();
    for (name, value) in [
        ("stdout", text()),
        ("stderr", text()),
        ("host", map("distro")),
        ("answer", map("value")),
        ("item", text()),
    ] {
        scope.set(name, Val::said(value));
    }
    scope
}

fn rendered(template: &str, said: &str, mode: Mode) -> Result<String, String> {
    let template = Template::parse(template).unwrap();
    template.render(&scope(said), mode).map_err(|e| e.message)
}

/// The text that PowerShell reads in single quotes, if it is one word.
fn powershell_reads(word: &str) -> Option<String> {
    let is_quote = |c: char| matches!(c, '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}');
    let mut rest = word.strip_prefix('\'')?.strip_suffix('\'')?.chars().peekable();
    let mut out = String::new();
    while let Some(c) = rest.next() {
        if is_quote(c) {
            rest.next_if(|next| is_quote(*next))?;
        }
        out.push(c);
    }
    Some(out)
}

/// The text that a program of Windows gets from `cmd.exe`, if it is one word and nothing in it is expanded.
fn cmd_reads(word: &str) -> Option<String> {
    let body = word.strip_prefix('"')?.strip_suffix('"')?;
    if body.contains(['"', '%', '!']) || body.contains(char::is_control) {
        return None;
    }
    let text = body.trim_end_matches('\\');
    let tail = body.len() - text.len();
    tail.is_multiple_of(2)
        .then(|| format!("{text}{}", "\\".repeat(tail / 2)))
}

#[test]
fn nothing_that_a_host_says_is_evaluated_in_a_template_or_a_command() {
    assert!(PAYLOADS.len() >= 60);
    let (mut tried, mut refused) = (0, 0);
    for source in SOURCES {
        let room = tempfile::tempdir().unwrap();
        let mut script = String::new();
        for said in PAYLOADS {
            // Once as text, and what came of it once more.
            let once = rendered(&format!("{{{{ {source} }}}}"), said, Mode::Text).unwrap();
            assert_eq!(&once, said);
            assert_eq!(
                &rendered(&format!("{{{{ {source} }}}}"), &once, Mode::Text).unwrap(),
                said
            );
            // Into a command only through the quoting of its shell.
            let bare = rendered(&format!("echo {{{{ {source} }}}}"), said, Mode::Command(Shell::Sh));
            assert!(bare.is_err(), "{source} {said:?} went unquoted into a command");
            let sh = rendered(&format!("{{{{ {source} | sh }}}}"), said, Mode::Command(Shell::Sh)).unwrap();
            script.push_str(&format!("printf '%s\\n' {sh}\n"));
            let ps = rendered(&format!("{{{{ {source} | ps }}}}"), said, Mode::Command(Shell::Ps)).unwrap();
            assert_eq!(powershell_reads(&ps).as_deref(), Some(*said), "{ps}");
            match rendered(&format!("{{{{ {source} | cmd }}}}"), said, Mode::Command(Shell::Cmd)) {
                Ok(cmd) => assert_eq!(cmd_reads(&cmd).as_deref(), Some(*said), "{cmd}"),
                Err(why) => {
                    assert!(why.contains("cmd.exe"), "{why}");
                    refused += 1;
                }
            }
            tried += 6;
        }
        let ran = Command::new("sh")
            .args(["-c", &script])
            .current_dir(room.path())
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8(ran.stdout).unwrap(),
            format!("{}\n", PAYLOADS.join("\n"))
        );
        assert!(ran.stderr.is_empty(), "{}", String::from_utf8_lossy(&ran.stderr));
        assert_eq!(fs::read_dir(room.path()).unwrap().count(), 0, "something was run");
    }
    println!(
        "{} sources x {} payloads: {tried} renderings, 0 evaluated, {refused} refused for cmd.exe",
        SOURCES.len(),
        PAYLOADS.len()
    );
    figures::print(
        &format!(
            "injection: {} sources x {} payloads into commands: evaluated",
            SOURCES.len(),
            PAYLOADS.len()
        ),
        format!("0 in {tried} renderings"),
        None,
    );
}

#[test]
fn no_place_that_takes_our_own_text_bare_takes_what_a_host_said() {
    // The places where the rule of `check` asks for no quotes: only the type of the text stands there.
    let (mut refused, mut control) = (0, 0);
    for (name, template) in [
        ("host", "echo {{ host.name }}"),
        ("run", "echo {{ run.mode }}"),
        ("run", "echo {{ run.id | upper }}"),
        ("run", "echo {{ 'x' ~ run.id }}"),
        ("file", "echo {{ file }}"),
        ("file", "echo {{ file if true else 'x' }}"),
    ] {
        let template = Template::parse(template).unwrap();
        for said in PAYLOADS {
            let fields = ["name", "id", "mode"].map(|f| (f.to_owned(), Value::Text((*said).to_owned())));
            let value = match name {
                "file" => Value::Text((*said).to_owned()),
                _ => Value::Map(fields.into()),
            };
            let mut scope = Scope::new();
            scope.set_trusted("file", "x");
            scope.set(name, value.clone());
            control += usize::from(template.render(&scope, Mode::Command(Shell::Sh)).is_ok());
            scope.set(name, Val::said(value));
            for shell in [Shell::Sh, Shell::Ps, Shell::Cmd] {
                let why = template.render(&scope, Mode::Command(shell)).unwrap_err();
                assert!(why.message.contains("unquoted"), "{said:?}: {}", why.message);
                refused += 1;
            }
        }
    }
    assert_eq!(control, 6 * PAYLOADS.len(), "the control: as our own text each goes in");
    println!("{refused} refused by the type alone, {control} let in without it");
}

#[test]
fn without_quoting_the_payloads_of_a_shell_do_run() {
    // The control: the same texts, as they are.
    let room = tempfile::tempdir().unwrap();
    let first = |n: usize| PAYLOADS.iter().take(n).map(|p| format!("echo x {p}\n"));
    for line in first(8) {
        Command::new("sh")
            .args(["-c", &line])
            .current_dir(room.path())
            .output()
            .unwrap();
    }
    assert!(room.path().join("CANARY").exists());
    let evaluated = Template::parse("{{ 7 * 191 }}")
        .unwrap()
        .render(&Scope::new(), Mode::Text);
    assert_eq!(evaluated.unwrap(), "1337");
}

const RUNBOOK: &str = r#"schema: 1
runbook: hostile
title: A host that says the worst
kind: change
targets: { all: { hosts: [a] } }
phases:
  - phase: one
    title: One
    targets: all
    on_failure: hold
    precheck:
      - id: texts
        name: What it says
        run: cd {{ host.vars.dir | sh }} && cat data && cat data >&2
        as: lines
        register: texts
      - id: names
        name: How its files are called
        run: cd {{ host.vars.dir | sh }}/names && for f in *; do printf '%s\n' "$f"; done
        as: lines
        register: names
    steps:
      - id: say
        name: Say it again, and fail
        read_only: true
        for_each: "{{ texts.value }}"
        max_items: 200
        run: |
          cd {{ host.vars.dir | sh }}
          printf '%s\n' {{ item | sh }} >> said
          printf '%s\n' {{ item | sh }}; printf '%s\n' {{ item | sh }} >&2
          exit 3
        may_fail: It is said to fail
      - id: whole
        name: Say all at once
        read_only: true
        run: cd {{ host.vars.dir | sh }} && printf '%s\n' {{ texts.stdout | sh }} > whole && printf '%s\n' "$TEXT" > env
        env: { TEXT: "{{ texts.stdout }}" }
      - id: file
        name: Name a file
        read_only: true
        for_each: "{{ names.value }}"
        max_items: 200
        run: cd {{ host.vars.dir | sh }} && printf '%s\n' {{ item | sh }} >> named
"#;

/// A run on a host that says this, and what pitstop printed of it.
struct Told {
    room: tempfile::TempDir,
    ran: Output,
}

impl Told {
    fn new(said: &[String]) -> Self {
        let room = tempfile::tempdir().unwrap();
        let at = |name: &str| room.path().join(name);
        for dir in ["p", "host/names", "home"] {
            fs::create_dir_all(at(dir)).unwrap();
        }
        let dir = at("host").display().to_string();
        let inventory = format!("schema: 1\nhosts: {{ a: {{ transport: local, vars: {{ dir: \"{dir}\" }} }} }}\n");
        fs::write(at("p/inventory.yml"), inventory).unwrap();
        fs::write(at("p/pitstop.yml"), "schema: 1\n").unwrap();
        fs::write(at("p/hostile.yml"), RUNBOOK).unwrap();
        fs::write(at("host/data"), format!("{}\n", said.join("\n"))).unwrap();
        for name in said.iter().filter(|n| !n.contains('/')) {
            fs::write(at("host/names").join(name), "").unwrap();
        }
        let ran = pitstop(room.path(), &["run", "hostile.yml", "--yes"]);
        assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
        Self { room, ran }
    }

    fn report(&self, format: &str) -> String {
        let out = pitstop(self.room.path(), &["report", "last", "--format", format]);
        assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    fn host_has(&self, name: &str) -> String {
        fs::read_to_string(self.room.path().join("host").join(name)).unwrap()
    }
}

fn pitstop(room: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pitstop"))
        .args(args)
        .current_dir(room.join("p"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", room.join("home"))
        .env("LANG", "C.UTF-8")
        .output()
        .unwrap()
}

/// What another reader finds in a report: its elements with the names of their attributes and where they lead; of XML the
/// number of test cases; of CSV the rows, and cells that a table program would calculate.
const READER: &str = r##"
import sys, csv, io, html.parser, xml.etree.ElementTree as tree
kind, text = sys.argv[1], sys.stdin.buffer.read().decode()
out = set()
if kind == "html":
    class Reader(html.parser.HTMLParser):
        def handle_starttag(self, tag, attributes):
            out.add(tag + " " + " ".join(sorted(k for k, _ in attributes)))
            out.update("leads out" for k, v in attributes if k in ("href", "src") and not v.startswith("#"))
        def handle_comment(self, text): out.add("comment")
    Reader().feed(text)
elif kind == "junit":
    root = tree.fromstring(text)
    out.update(e.tag for e in root.iter())
    out.add("cases %d" % sum(1 for e in root.iter("testcase")))
else:
    rows = list(csv.reader(io.StringIO(text)))
    out.add("rows %d" % len(rows))
    out.update("columns %d" % len(r) for r in rows)
    out.update("formula " + c for r in rows for c in r if c[:1] in ("=", "+", "-", "@", "\t", "\r") and c != "-")
print("\n".join(sorted(out)))
"##;

fn read_again(kind: &str, text: &str) -> BTreeSet<String> {
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    let out = Command::new("python3")
        .args(["-c", READER, kind])
        .stdin(file)
        .output()
        .unwrap();
    assert!(out.status.success(), "{kind}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

/// What of Markdown is not text: headings, rows of tables, HTML.
fn markdown(text: &str) -> (usize, usize, BTreeSet<String>) {
    let lines = |start: &str| text.lines().filter(|l| l.starts_with(start)).count();
    let elements = regex::Regex::new(r"</?[a-zA-Z!?][^\s>]*").unwrap();
    let elements = elements.find_iter(text).map(|m| m.as_str().to_owned()).collect();
    (lines("#"), lines("|"), elements)
}

fn unsafe_on_a_terminal(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[test]
fn every_report_of_the_worst_that_a_host_can_say_parses_again_and_has_nothing_of_its_own() {
    let said: Vec<String> = PAYLOADS.iter().map(|p| (*p).to_owned()).collect();
    let told = Told::new(&said);
    // As many lines and files of which nobody is afraid.
    let harmless = (0..PAYLOADS.len()).map(|n| {
        if said.get(n).is_some_and(|p| p.contains('/')) {
            format!("a/{n}")
        } else {
            format!("word {n}")
        }
    });
    let calm = Told::new(&harmless.collect::<Vec<_>>());

    let whole = format!("{}\n", PAYLOADS.join("\n"));
    for file in ["said", "whole", "env"] {
        assert_eq!(told.host_has(file), whole, "{file}");
    }
    assert!(!told.room.path().join("host/CANARY").exists() && !told.room.path().join("p/CANARY").exists());

    for kind in ["html", "junit", "csv"] {
        let (found, known) = (
            read_again(kind, &told.report(kind)),
            read_again(kind, &calm.report(kind)),
        );
        let strange: Vec<_> = found.difference(&known).collect();
        assert!(strange.is_empty(), "{kind}: {strange:?}");
    }
    assert_eq!(markdown(&told.report("md")), markdown(&calm.report("md")));
    let record: serde_json::Value = serde_json::from_str(&told.report("json")).unwrap();
    assert!(
        record.to_string().contains("onerror=alert(1337)"),
        "the record has lost what was said"
    );

    let logs = pitstop(told.room.path(), &["logs", "last"]);
    // JSON is for machines: it keeps every character, as its grammar allows.
    let reports = ["md", "junit", "csv", "html"].map(|kind| told.report(kind).replace("\r\n", "\n"));
    let screens = [&told.ran.stdout, &told.ran.stderr, &logs.stdout, &logs.stderr]
        .map(|bytes| String::from_utf8(bytes.clone()).unwrap());
    for text in reports.iter().chain(&screens) {
        if let Some(c) = text.chars().find(|c| unsafe_on_a_terminal(*c)) {
            let at = text.find(c).unwrap();
            panic!(
                "{c:?} in …{:?}",
                text.get(at.saturating_sub(60)..)
                    .map(|t| t.chars().take(90).collect::<String>())
            );
        }
    }
    println!(
        "{} payloads in {} reports and {} screens: 0 evaluated, all parse again",
        PAYLOADS.len(),
        reports.len() + 1,
        screens.len()
    );
}
