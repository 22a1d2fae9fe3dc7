//! Approvals on disk, from the hand of a person to the count.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::{MetadataExt as _, symlink};

use pitstop::approval::{
    Approval, Decision, NotValid, Override, Requirement, Statement, Subject, Tally, Wanted, count, scan,
};
use pitstop::control::{self, Protection};
use pitstop::id::{Digest, RunId};

use super::*;

const EXPIRES: &str = "2026-12-06T03:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn plan() -> Digest {
    Digest::of(b"the plan")
}

fn gate(run: &str, gate: &str, record: &str) -> Subject {
    let run = RunId::parse(run).unwrap();
    let (gate, opened) = (gate.to_owned(), Digest::of(record.as_bytes()));
    Subject::Gate { run, gate, opened }
}

fn yes(subject: Subject, principal: &str) -> Statement {
    Statement::new(plan(), subject, Decision::Approve, principal, at(EXPIRES)).unwrap()
}

async fn issue(room: &Room, key: &str, statement: Statement) -> PathBuf {
    let mut approval = Approval::sign(statement, &room.signer(key)).await.unwrap();
    approval.write(&room.path("approvals")).unwrap()
}

/// The one approval in the folder, judged an hour before it expires.
fn judge(room: &Room, allowed: &AllowedSigners, wanted: &Wanted<'_>) -> Result<(), NotValid> {
    judge_at(room, allowed, wanted, "2026-12-06T02:00:00Z")
}

fn judge_at(room: &Room, allowed: &AllowedSigners, wanted: &Wanted<'_>, when: &str) -> Result<(), NotValid> {
    let (found, skipped) = scan(&[&room.path("approvals")]);
    assert_eq!((found.len(), skipped), (1, Vec::new()));
    found[0].judge(wanted, allowed, at(when)).map(|_| ())
}

fn wanted<'a>(plan: &'a Digest, subject: &'a Subject) -> Wanted<'a> {
    Wanted {
        plan,
        subject,
        overrides: None,
        until: None,
    }
}

#[tokio::test]
async fn an_approval_on_disk_verifies_with_stock_openssh_and_here() {
    let room = Room::new();
    let list = format!("anna@example.com {}\n", room.key("anna", "ed25519", ""));
    let file = issue(&room, "anna", yes(Subject::Plan, "anna@example.com")).await;
    let signature = file.with_extension("json.sig");
    for written in [&file, &signature] {
        assert_eq!(fs::metadata(written).unwrap().mode() & 0o7777, 0o600);
    }
    let statement = fs::read(&file).unwrap();
    let armored = fs::read_to_string(&signature).unwrap();
    assert!(room.keygen_verify(&list, "anna@example.com", &statement, &armored));
    judge(&room, &allowed(&list), &wanted(&plan(), &Subject::Plan)).unwrap();
}

#[tokio::test]
async fn a_statement_that_ssh_keygen_signed_is_an_approval() {
    let room = Room::new();
    let list = allowed(&format!("anna {}\n", room.key("anna", "ed25519", "")));
    room.key("other", "ed25519", "");
    let file = issue(&room, "other", yes(Subject::Plan, "anna")).await;
    let armored = room.keygen_sign("anna", NAMESPACE, &fs::read(&file).unwrap());
    fs::write(file.with_extension("json.sig"), armored).unwrap();
    judge(&room, &list, &wanted(&plan(), &Subject::Plan)).unwrap();
}

#[tokio::test]
async fn a_gates_approval_is_good_for_that_opening_of_that_gate_of_that_run_only() {
    let room = Room::new();
    let list = allowed(&format!("anna {}\n", room.key("anna", "ed25519", "")));
    issue(&room, "anna", yes(gate("run-1", "web/1", "record 12"), "anna")).await;
    let (this, other) = (plan(), Digest::of(b"the plan, one byte longer"));
    let ask = |plan: &Digest, subject: Subject| judge(&room, &list, &wanted(plan, &subject));
    ask(&this, gate("run-1", "web/1", "record 12")).unwrap();
    let refused = [
        ask(&other, gate("run-1", "web/1", "record 12")),
        ask(&this, gate("run-2", "web/1", "record 12")),
        ask(&this, gate("run-1", "web/2", "record 12")),
        ask(&this, gate("run-1", "web/1", "record 40")),
        ask(&this, Subject::Plan),
    ];
    assert!(matches!(refused[0], Err(NotValid::OtherPlan { .. })), "{refused:?}");
    assert!(matches!(refused[1], Err(NotValid::OtherRun { .. })), "{refused:?}");
    assert!(matches!(refused[2], Err(NotValid::OtherSubject { .. })), "{refused:?}");
    assert!(
        matches!(refused[3], Err(NotValid::EarlierOpening { .. })),
        "{refused:?}"
    );
    assert!(matches!(refused[4], Err(NotValid::OtherSubject { .. })), "{refused:?}");
    let reasons: BTreeSet<String> = refused.into_iter().map(|r| r.unwrap_err().to_string()).collect();
    assert_eq!(reasons.len(), 5, "{reasons:?}");
}

#[tokio::test]
async fn an_approval_ends_at_its_expiry_and_with_the_window() {
    let room = Room::new();
    let list = allowed(&format!("anna {}\n", room.key("anna", "ed25519", "")));
    issue(&room, "anna", yes(Subject::Plan, "anna")).await;
    let (plan, subject) = (plan(), Subject::Plan);
    let mut wanted = wanted(&plan, &subject);
    judge_at(&room, &list, &wanted, "2026-12-06T02:59:59Z").unwrap();
    let expired = Err(NotValid::Expired { at: at(EXPIRES) });
    assert_eq!(judge_at(&room, &list, &wanted, EXPIRES), expired);
    let end = "2026-12-06T01:00:00Z";
    wanted.until = Some(at(end));
    assert_eq!(
        judge_at(&room, &list, &wanted, end),
        Err(NotValid::Expired { at: at(end) })
    );
}

#[tokio::test]
async fn an_override_is_good_for_what_it_overrides_only() {
    let room = Room::new();
    let list = allowed(&format!("anna {}\n", room.key("anna", "ed25519", "")));
    let mut statement = yes(Subject::Plan, "anna");
    statement.overrides = Some(Override::Freeze);
    statement.comment = "CVE-2026-1 is exploited".to_owned();
    issue(&room, "anna", statement).await;
    let (plan, subject) = (plan(), Subject::Plan);
    for (asked, good) in [
        (Some(Override::Freeze), true),
        (Some(Override::Window), false),
        (None, false),
    ] {
        let wanted = Wanted {
            overrides: asked,
            ..wanted(&plan, &subject)
        };
        assert_eq!(judge(&room, &list, &wanted).is_ok(), good, "{asked:?}");
    }
}

#[tokio::test]
async fn nobody_speaks_for_another_and_no_signature_is_moved() {
    let room = Room::new();
    let (anna, boris) = (room.key("anna", "ed25519", ""), room.key("boris", "ed25519", ""));
    let (plan, subject) = (plan(), Subject::Plan);
    let wanted = wanted(&plan, &subject);
    let file = issue(&room, "boris", yes(Subject::Plan, "anna")).await;

    let both = allowed(&format!("anna {anna}\nboris {boris}\n"));
    let refused = judge(&room, &both, &wanted);
    assert!(
        matches!(&refused, Err(NotValid::OtherPerson { owners, .. }) if owners == "boris"),
        "{refused:?}"
    );
    let only_anna = allowed(&format!("anna {anna}\n"));
    let refused = judge(&room, &only_anna, &wanted);
    assert!(
        matches!(refused, Err(NotValid::Signature(VerifyError::UnknownSigner { .. }))),
        "{refused:?}"
    );
    let expired = allowed(&format!("anna valid-before=\"20260101Z\" {boris}\n"));
    let refused = judge(&room, &expired, &wanted);
    assert!(
        matches!(refused, Err(NotValid::Signature(VerifyError::NoLonger { .. }))),
        "{refused:?}"
    );

    let as_file = room.keygen_sign("anna", "file", &fs::read(&file).unwrap());
    fs::write(file.with_extension("json.sig"), as_file).unwrap();
    let refused = judge(&room, &both, &wanted);
    assert!(
        matches!(refused, Err(NotValid::Signature(VerifyError::OtherNamespace { .. }))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn no_changed_byte_of_a_statement_passes() {
    let flips = Flips::of_one_approval().await;
    let (passed, judged) = flips.count();
    assert_eq!(passed, Vec::<String>::new());
    assert!(
        judged > 50,
        "{judged} of the changed ones are about what is asked: too few"
    );
    figures::print(
        "approvals: a changed byte of the statement that counts",
        format!("0 of {}", flips.all()),
        None,
    );
}

#[tokio::test]
async fn control_without_the_check_of_approvals_changed_statements_pass() {
    let flips = Flips::of_one_approval().await;
    let (passed, _) = control::without(Protection::Approval, || flips.count());
    assert!(
        passed.len() > 50,
        "{} pass without the check: the suite proves nothing",
        passed.len()
    );
}

/// An approval of which every byte is changed in three ways.
struct Flips {
    room: Room,
    list: AllowedSigners,
    subject: Subject,
    file: PathBuf,
    good: Vec<u8>,
}

impl Flips {
    async fn of_one_approval() -> Self {
        let room = Room::new();
        let list = allowed(&format!("anna {}\n", room.key("anna", "ed25519", "")));
        let subject = gate("run-1", "web/1", "record 12");
        let file = issue(&room, "anna", yes(subject.clone(), "anna")).await;
        let good = fs::read(&file).unwrap();
        let flips = Self {
            room,
            list,
            subject,
            file,
            good,
        };
        assert!(flips.passes(&flips.good).0, "the unchanged one does not pass");
        flips
    }

    fn all(&self) -> usize {
        3 * self.good.len()
    }

    /// Whether it counts, and whether it says that it is about what is asked.
    fn passes(&self, bytes: &[u8]) -> (bool, bool) {
        fs::write(&self.file, bytes).unwrap();
        let plan = plan();
        let (found, _) = scan(&[&self.room.path("approvals")]);
        let same = |s: &Statement| s.plan == plan && s.subject == self.subject && s.principal == "anna";
        let good = |a: &Approval| {
            let wanted = wanted(&plan, &self.subject);
            a.judge(&wanted, &self.list, at("2026-12-06T02:00:00Z")).is_ok()
        };
        (found.iter().any(good), found.iter().any(|a| same(&a.statement)))
    }

    /// The changed statements that count, and how many are about what is asked.
    fn count(&self) -> (Vec<String>, usize) {
        let (mut passed, mut judged) = (Vec::new(), 0);
        for place in 0..self.good.len() {
            for flip in [1, 2, 32] {
                let mut bytes = self.good.clone();
                bytes[place] ^= flip;
                let (counts, same) = self.passes(&bytes);
                judged += usize::from(same);
                if counts {
                    passed.push(format!("byte {place}: {}", String::from_utf8_lossy(&bytes)));
                }
            }
        }
        (passed, judged)
    }
}

#[tokio::test]
async fn what_is_no_approval_is_passed_over_and_named() {
    let room = Room::new();
    room.key("anna", "ed25519", "");
    let dir = room.path("approvals");
    let good = issue(&room, "anna", yes(Subject::Plan, "anna")).await;
    fs::write(dir.join("plan.json"), "{}").unwrap();
    fs::write(dir.join("long.json"), "x".repeat(70_000)).unwrap();
    fs::write(dir.join("other.json"), "{\"a\":1}").unwrap();
    fs::write(dir.join("binary.json"), [0xff, 0xfe]).unwrap();
    symlink(&good, dir.join("link.json")).unwrap();
    let pipe = Command::new("mkfifo").arg(dir.join("pipe.json")).status().unwrap();
    assert!(pipe.success());
    fs::create_dir(dir.join("folder.json")).unwrap();
    for name in ["long", "other", "binary", "link", "pipe", "folder", "absent"] {
        fs::write(dir.join(format!("{name}.json.sig")), "x").unwrap();
    }
    symlink(&dir, room.path("link")).unwrap();
    let (found, skipped) = scan(&[&dir, &room.path("nowhere"), &room.path("link")]);
    assert_eq!(found.iter().map(|a| &a.file).collect::<Vec<_>>(), [&good]);
    let reason = |name: &str| {
        let skip = skipped.iter().find(|skip| skip.file.ends_with(name));
        skip.unwrap_or_else(|| panic!("{name}: {skipped:?}")).reason.clone()
    };
    assert!(reason("long.json").contains("64 KiB"));
    assert!(reason("other.json").contains("not an approval"));
    assert!(reason("binary.json").contains("UTF-8"));
    assert!(reason("link.json").contains("links are not followed"));
    assert!(reason("pipe.json").contains("not a regular file"));
    assert!(reason("folder.json").contains("not a regular file"));
    assert!(reason("absent.json").contains("No such file"));
    assert!(reason("link").contains("links are not followed"));
    assert_eq!(skipped.len(), 8, "the plan beside them is not meant: {skipped:?}");
}

#[tokio::test]
async fn an_approval_is_never_written_over_another_file() {
    let room = Room::new();
    room.key("anna", "ed25519", "");
    let mut approval = Approval::sign(yes(Subject::Plan, "anna"), &room.signer("anna"))
        .await
        .unwrap();
    let victim = room.write("victim", "precious");
    let file = room.path("approvals").join(approval.statement.file_name());
    fs::create_dir(room.path("approvals")).unwrap();
    symlink(&victim, &file).unwrap();
    let fault = approval.write(&room.path("approvals")).unwrap_err();
    assert!(fault.to_string().contains("cannot write the approval"), "{fault}");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    assert!(!file.with_extension("json.sig").exists(), "no half of it stays");
}

#[tokio::test]
async fn four_eyes_from_files_to_the_count() {
    let room = Room::new();
    let mut list = String::new();
    for (person, key) in [
        ("anna", "anna"),
        ("anna", "anna-2"),
        ("boris", "boris"),
        ("olga", "olga"),
    ] {
        list += &format!("{person} {}\n", room.key(key, "ed25519", ""));
    }
    let list = allowed(&list);
    let subject = gate("run-1", "web/1", "record 12");
    let plan = plan();
    let tally = |used: &BTreeSet<String>| -> Tally {
        let (found, _) = scan(&[&room.path("approvals")]);
        let wanted = wanted(&plan, &subject);
        let votes: Vec<_> = found
            .iter()
            .filter_map(|a| a.judge(&wanted, &list, at("2026-12-06T02:00:00Z")).ok())
            .collect();
        let people = ["anna", "boris", "olga"].map(str::to_owned).to_vec();
        let requirement = Requirement {
            need: 2,
            approvers: vec!["dba".to_owned()],
            not_operator: true,
            operators: vec!["olga".to_owned()],
        };
        count(
            &requirement,
            &BTreeMap::from([("dba".to_owned(), people)]),
            &votes,
            used,
        )
    };
    let none = BTreeSet::new();
    issue(&room, "anna", yes(subject.clone(), "anna")).await;
    issue(&room, "anna-2", yes(subject.clone(), "anna")).await;
    issue(&room, "olga", yes(subject.clone(), "olga")).await;
    let first = tally(&none);
    assert_eq!(
        (first.missing, first.ignored.len()),
        (1, 2),
        "her second key and the operator: {first:?}"
    );
    issue(&room, "boris", yes(subject.clone(), "boris")).await;
    let second = tally(&none);
    assert!(second.passed(), "{second:?}");
    let used = second
        .approved_by
        .iter()
        .map(|vote| vote.statement.nonce.clone())
        .collect();
    // Anna's other approval was never counted, so it still is one; Boris has none left.
    assert_eq!(tally(&used).missing, 1, "what counted once does not count again");
    let mut no = yes(subject.clone(), "boris");
    no.decision = Decision::Reject;
    issue(&room, "boris", no).await;
    assert!(!tally(&none).passed());
}
