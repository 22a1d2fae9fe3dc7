//! Inventories made at random from a seed, many in one process of Ansible; and bytes that are no inventory at all.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pitstop::diag::{Diagnostics, Source, render};
use pitstop::inventory::{ansible, hosts};
use pitstop::runbook::files::Folder;
use pitstop::runbook::yaml::{self, ansible as loose};
use proptest::prelude::*;

use super::{Count, Oracle, compare, ours};

/// Numbers that look random and are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % sides
    }

    fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.roll(of.len())]
    }
}

const GROUPS: [&str; 9] = ["web", "db", "prod", "test", "eu", "z9", "a_a", "ungrouped", "all"];
const HOSTS: [&str; 10] = [
    "h1",
    "h2",
    "h[1:3]",
    "db-[a:c].x",
    "n[01:03]",
    "web",
    "h9:2222",
    "n[1:5:2]:22",
    "10.0.0.1",
    "solo",
];
const KEYS: [&str; 9] = [
    "a",
    "b",
    "ansible_host",
    "ansible_port",
    "ansible_user",
    "ansible_group_priority",
    "m",
    "key_2",
    "ansible_ssh_common_args",
];
const INI_VALUES: [&str; 22] = [
    "1",
    "-2",
    "yes",
    "True",
    "0644",
    "1.50",
    "[1,'b']",
    "\"x y\"",
    "'q'",
    "{'k':(1,)}",
    "a=b",
    "x#y",
    "None",
    "text",
    "1_0",
    "0x1f",
    "\"[1, 2]\"",
    "'\"in\"'",
    "5",
    "\"{{ t }}\"",
    "1e2",
    "\\\"",
];
const YAML_VALUES: [&str; 25] = [
    "1",
    "yes",
    "off",
    "0644",
    "0o17",
    "1_000",
    "1:30",
    "1.5e+3",
    "1e3",
    "~",
    "\"yes\"",
    "'it''s'",
    "[1, two, [3]]",
    "{k: v, 5: x}",
    "text here",
    "2001-12-14",
    "!unsafe '{{ u }}'",
    "\"{{ t }}\"",
    ".5",
    "0x1F",
    "!!str 7",
    "n",
    "10.0.0.1",
    "'#'",
    "a:b",
];

fn ini(dice: &mut Dice) -> String {
    let mut text = String::new();
    for _ in 0..=dice.roll(7) {
        let group = dice.one(&GROUPS);
        match dice.roll(5) {
            0 => {
                let _ = writeln!(text, "[{group}:vars]");
                for _ in 0..dice.roll(4) {
                    let key = dice.one(&KEYS);
                    let value = if key == "ansible_group_priority" {
                        "7"
                    } else {
                        dice.one(&INI_VALUES)
                    };
                    let _ = writeln!(text, "{key}{}{value}", dice.one(&["=", " = "]));
                }
            }
            1 => {
                let _ = writeln!(text, "[{group}:children]");
                for _ in 0..dice.roll(3) {
                    // Upwards in the list only: a circle is refused by both, and would be most of what there is.
                    let at = GROUPS.iter().position(|g| *g == group).unwrap();
                    let child = GROUPS[..at].get(dice.roll(at.max(1))).copied().unwrap_or("db");
                    let _ = writeln!(text, "{child}{}", dice.one(&["", "  # note"]));
                }
            }
            _ => {
                if dice.roll(8) > 0 {
                    let _ = writeln!(text, "[{group}]{}", dice.one(&["", " # note"]));
                }
                for _ in 0..dice.roll(4) {
                    let _ = write!(text, "{}", dice.one(&HOSTS));
                    for _ in 0..dice.roll(4) {
                        let key = dice.one(&KEYS);
                        let value = if key == "ansible_group_priority" {
                            "3"
                        } else {
                            dice.one(&INI_VALUES)
                        };
                        let _ = write!(text, " {key}={value}");
                    }
                    text.push_str(dice.one(&["\n", " # end\n", "\n\n; note\n"]));
                }
            }
        }
    }
    text
}

fn yaml_vars(dice: &mut Dice, indent: usize, text: &mut String) {
    for _ in 0..=dice.roll(3) {
        let key = dice.one(&KEYS);
        let value = if key == "ansible_group_priority" {
            "4"
        } else {
            dice.one(&YAML_VALUES)
        };
        let _ = writeln!(text, "{:indent$}{key}: {value}", "");
    }
}

fn yaml_group(dice: &mut Dice, name: &str, indent: usize, text: &mut String) {
    let _ = writeln!(text, "{:indent$}{name}:", "");
    let (key, inner) = (indent + 2, indent + 4);
    if dice.roll(3) > 0 {
        let _ = writeln!(text, "{:key$}hosts:", "");
        for _ in 0..dice.roll(3) {
            let _ = writeln!(text, "{:inner$}{}:", "", dice.one(&HOSTS));
            if dice.roll(2) == 0 {
                yaml_vars(dice, inner + 2, text);
            }
        }
    }
    if dice.roll(2) == 0 {
        let _ = writeln!(text, "{:key$}vars:", "");
        yaml_vars(dice, inner, text);
    }
    let at = GROUPS.iter().position(|g| *g == name).unwrap_or(GROUPS.len()).min(7);
    if at > 0 && indent < 12 && dice.roll(2) == 0 {
        let _ = writeln!(text, "{:key$}children:", "");
        for _ in 0..=dice.roll(2) {
            let child = GROUPS[dice.roll(at)];
            yaml_group(dice, child, inner, text);
        }
    }
}

/// Writes an inventory; its path.
fn make(dice: &mut Dice, dir: &Path) -> PathBuf {
    std::fs::create_dir(dir).unwrap();
    let yaml = |dice: &mut Dice| {
        let mut text = String::new();
        for _ in 0..=dice.roll(2) {
            let name = GROUPS[dice.roll(GROUPS.len())];
            yaml_group(dice, name, 0, &mut text);
        }
        text
    };
    let path = match dice.roll(4) {
        0 | 1 => {
            std::fs::write(dir.join("hosts"), ini(dice)).unwrap();
            dir.join("hosts")
        }
        2 => {
            std::fs::write(dir.join("hosts.yml"), yaml(dice)).unwrap();
            dir.join("hosts.yml")
        }
        _ => {
            std::fs::create_dir(dir.join("inventory")).unwrap();
            std::fs::write(dir.join("inventory/1"), ini(dice)).unwrap();
            std::fs::write(dir.join("inventory/2.yml"), yaml(dice)).unwrap();
            dir.join("inventory")
        }
    };
    let base = if path.is_dir() { path.clone() } else { dir.to_path_buf() };
    for (folder, names) in [
        ("group_vars", &GROUPS[..]),
        ("host_vars", &["h1", "h2", "web", "n01", "10.0.0.1"][..]),
    ] {
        for _ in 0..dice.roll(3) {
            let name = dice.one(names);
            let mut text = "---\n".to_owned();
            yaml_vars(dice, 0, &mut text);
            let file = match dice.roll(4) {
                0 => name.to_owned(),
                1 => format!("{name}.yaml"),
                2 => format!("{name}.yml"),
                _ => format!("{name}.d/none.yml"),
            };
            let file = base.join(folder).join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
    }
    path
}

#[test]
fn random_inventories_are_read_as_ansible_reads_them() {
    let seed = std::env::var("PITSTOP_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(0x5EED_0000_2025_1122_u64);
    // The same ones everywhere; a soak sets how many, and another seed.
    let many = std::env::var("PITSTOP_RUNS")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(400);
    let mut oracle = Oracle::start();
    let mut dice = Dice(seed);
    let (mut count, mut refused) = (Count::default(), 0);
    for n in 0..many {
        let path = make(&mut dice, &oracle.home.path().join(n.to_string()));
        let Some(theirs) = oracle.list(&path) else {
            refused += 1;
            let (list, _, _) = ours(&path);
            assert!(
                list.is_none(),
                "seed {seed}, {n}: Ansible refuses it, we do not\n{}",
                shown(&path)
            );
            continue;
        };
        // Ansible does not show the hosts of `all` itself, which come before all others.
        let text = shown(&path);
        let in_order = !text.contains("[all]") && !text.contains("all:");
        let (found, compared) = compare(&path, &theirs, in_order);
        assert!(
            found.is_empty(),
            "seed {seed}, {n}:\n{}\n{}",
            found.join("\n"),
            shown(&path)
        );
        count.add(compared);
    }
    oracle.end();
    println!("seed {seed}: compared {count:?}, {refused} refused by both");
    assert!(
        count.inventories >= 40 && count.values >= 200,
        "{count:?}, {refused} refused"
    );
}

fn shown(path: &Path) -> String {
    let mut text = String::new();
    let mut todo = vec![path.parent().unwrap().to_path_buf()];
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(dir).unwrap().flatten() {
            if entry.path().is_dir() {
                todo.push(entry.path());
            } else {
                let _ = writeln!(
                    text,
                    "--- {}\n{}",
                    entry.path().display(),
                    std::fs::read_to_string(entry.path()).unwrap()
                );
            }
        }
    }
    text
}

/// Every reader gets the text; none may panic, and each is done in bounded time.
fn read_everywhere(bytes: &[u8]) {
    let began = Instant::now();
    let mut diags = Diagnostics::new();
    for name in ["hosts", "hosts.yml", "hosts.json", "hosts.ini"] {
        if let Some(source) = yaml::source(name, bytes, &mut diags) {
            hosts::read(&source, &mut diags);
            loose::read(&source, &mut diags);
            ansible::printed(&source, None, &mut diags);
        }
    }
    let dir = tempfile::tempdir().unwrap();
    for file in ["hosts", "group_vars/all.yml", "host_vars/h"] {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let _ = hosts::read_at(&Folder::new(dir.path()), "hosts", &mut diags);
    let _ = hosts::read_at(&Folder::new(dir.path()), "", &mut diags);
    render::human(&diags, false, 80);
    assert!(
        began.elapsed() < Duration::from_secs(60),
        "{:?} for {} bytes",
        began.elapsed(),
        bytes.len()
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        read_everywhere(&bytes);
    }

    #[test]
    fn no_pieces_of_inventories_make_a_reader_panic(pieces in proptest::collection::vec(proptest::sample::select(vec![
        "[web]\n", "[a:vars]\n", "[a:children]\n", "h[1:3]", ":22 ", "a=", "{", "}", "[", "]", "'", "\"", "\\", "#", "all:\n", "  hosts:\n", "    h1:\n",
        "<<: ", "&a ", "*a", "!vault ", "!unsafe ", "|\n", "_meta", "hostvars", ": ", ", ", "1", "é", "\u{2028}", "\t", "-", "(", ")", "0x", "1e", "{{", "$ANSIBLE_VAULT;", "plugin: x\n",
        "[01:999999999]", "[z:a]", "ansible_ssh_common_args=-J", "schema: 1\n",
    ]), 0..40)) {
        read_everywhere(pieces.concat().as_bytes());
    }
}

#[test]
fn what_would_grow_without_end_is_stopped() {
    let deep_chain: String = (0..9_000)
        .map(|n| format!("[g{n}:children]\ng{}\n", n + 1))
        .collect::<String>()
        + "[g9000]\nh\n";
    let many = "a[1:1000]b[1:1000]c[1:1000]\n".to_owned();
    let brackets = format!("h x=\"{}\"\n", "[".repeat(200_000));
    let mut bomb = "a0: &a0 {vars: {x: 1}}\n".to_owned();
    for n in 1..40 {
        let _ = writeln!(bomb, "a{n}: &a{n} {{vars: {{l: *a{0}, r: *a{0}}}}}", n - 1);
    }
    for text in [
        deep_chain,
        many,
        brackets,
        bomb,
        "[".repeat(100_000),
        "- ".repeat(100_000),
    ] {
        read_everywhere(text.as_bytes());
    }
    let source = Source::new("hosts", "");
    assert!(hosts::read(&source, &mut Diagnostics::new()).is_none());
}
