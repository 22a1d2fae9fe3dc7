//! An approved plan, and one byte of it or of what it was made from that is another: nothing of it starts.

use crate::figures;
use crate::room::{Done, Room};

const PARTS: [(&str, &str); 3] = [
    (
        "p/release.yml",
        "schema: 1\nrunbook: release\ntitle: A release\nkind: change\nparameters:\n  version: { type: string, default: \"2.4\" }\ntargets: { all: { select: role=x } }\nphases:\n  - phase: one\n    title: One\n    targets: all\n    on_failure: hold\n    steps:\n      - include: part.yml\n",
    ),
    (
        "p/part.yml",
        "- id: s\n  name: Note it\n  run: \"echo {{ params.version | sh }} >> {{ host.vars.dir | sh }}/log\"\n  undo: { none: a line stays }\n",
    ),
    (
        "p/c1.yml",
        "schema: 1\nchange: C1\nrunbook: release.yml\nneed: 1\napprovers: [cm]\n",
    ),
];

/// A plan that somebody approved.
struct Approved {
    room: Room,
    plan: Vec<u8>,
}

impl Approved {
    fn new() -> Self {
        let room = Room::alone(&["a"]);
        let (anna, _) = room.policy("require_approval: [role=x]\n");
        for (file, text) in PARTS {
            room.file(file, text);
        }
        room.run(&["plan", "c1.yml", "-o", "plan.json"]).code(0);
        room.run(&["approve", "plan.json", "--key", &anna])
            .code(0)
            .says("Nobody is missing");
        let plan = std::fs::read(room.project("plan.json")).unwrap();
        Self { room, plan }
    }

    /// Runs the plan as it lies there.
    fn run(&self, without: &str) -> Done {
        let mut command = self
            .room
            .command(&["run", "plan.json", "--yes", "--operator", "olga@x"]);
        command.env("PITSTOP_WITHOUT", without).output().unwrap().into()
    }

    /// Starts the plan with one changed byte, at about so many places; how many were tried, and those that began.
    fn flipped(&self, seed: u64, places: usize, without: &str) -> (usize, Vec<usize>) {
        let step = (self.plan.len() / places).max(1);
        let first = usize::try_from(seed).unwrap_or(0) % step;
        let (mut tried, mut begun) = (0, Vec::new());
        for place in (first..self.plan.len()).step_by(step) {
            let mut bytes = self.plan.clone();
            bytes[place] ^= 1;
            std::fs::write(self.room.project("plan.json"), &bytes).unwrap();
            let done = self.run(without);
            tried += 1;
            let runs = std::fs::read_dir(self.room.project(".pitstop/runs")).map_or(0, Iterator::count);
            if done.code == 0 || !self.room.effects().is_empty() || runs > begun.len() {
                begun.push(place);
            } else {
                assert!(matches!(done.code, 2 | 6), "byte {place}: {}", done.err);
            }
        }
        std::fs::write(self.room.project("plan.json"), &self.plan).unwrap();
        (tried, begun)
    }
}

#[test]
fn p6_an_approved_plan_with_one_changed_byte_anywhere_starts_nothing() {
    let approved = Approved::new();
    let seed = figures::seed();
    let (tried, begun) = approved.flipped(seed, 120, "");
    assert_eq!(begun, Vec::<usize>::new(), "seed {seed}");
    assert!(tried >= 100, "{tried}");
    // As it was approved it does start.
    approved.run("").code(0);
    assert_eq!(approved.room.effects(), ["2.4"]);
    figures::print(
        "approvals: a changed byte of the plan, and it starts",
        format!("{} of {tried}", begun.len()),
        Some(seed),
    );
}

#[test]
fn control_without_the_check_of_approvals_a_changed_plan_starts() {
    let approved = Approved::new();
    let (tried, begun) = approved.flipped(figures::seed(), 120, "approval");
    println!("{} of {tried} changed plans begin without the check", begun.len());
    assert!(!begun.is_empty(), "the suite proves nothing");
}

#[test]
fn p6_a_plan_of_a_changed_runbook_part_inventory_or_parameter_needs_another_approval() {
    let approved = Approved::new();
    let room = &approved.room;
    let inventory = std::fs::read_to_string(room.project("inventory.yml")).unwrap();
    let edits = [
        ("p/release.yml", PARTS[0].1.replace("A release", "A Release"), None),
        ("p/part.yml", PARTS[1].1.replace("Note it", "Note us"), None),
        ("p/part.yml", PARTS[1].1.replace("a line stays", "a line stays."), None),
        (
            "p/inventory.yml",
            inventory.replace("role: x", "role: x, rack: r2"),
            None,
        ),
        ("p/c1.yml", format!("{}reason: because\n", PARTS[2].1), None),
        ("p/c1.yml", PARTS[2].1.to_owned(), Some("version=2.5")),
    ];
    let mut refused = 0;
    for (file, text, set) in &edits {
        let before = std::fs::read_to_string(room.path(file)).unwrap();
        room.file(file, text);
        let mut args = vec!["plan", "c1.yml", "-o", "plan.json"];
        args.extend(set.iter().flat_map(|s| ["--set", *s]));
        room.run(&args).code(0);
        approved.run("").code(6).says("needs 1 more approval");
        refused += 1;
        room.file(file, &before);
    }
    assert!(room.effects().is_empty() && !room.project(".pitstop/runs").exists());
    std::fs::write(room.project("plan.json"), &approved.plan).unwrap();
    approved.run("").code(0);
    figures::print(
        "approvals: a changed runbook, part, inventory, parameter refused",
        format!("{refused} of {}", edits.len()),
        None,
    );
}
