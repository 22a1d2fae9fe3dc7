//! Logins by password, on real servers: by PAM's questions, beside a key, and what is said where it is not enough.
//!
//! Users are made and removed here, which only root can: for anybody else these tests fail and say so.

use pitstop::secret::Secret;
use pitstop::transport::{ConnectError, Endpoint, How, SshTransport, Transport};

use crate::common::person::{Person, needs_root, program};
use crate::common::sshd::Sshd;
use crate::room::{fresh_run, options, request, run};

const PASSWORD: &str = "korrekt horse' battery";
/// PAM asks, and nothing else takes a password.
const ASKS: &str = "UsePAM yes\nKbdInteractiveAuthentication yes";

/// Logs in as this person, with the key if there is one; by whom a step is run then.
async fn login(sshd: &Sshd, person: &Person, key: bool, password: Option<&str>) -> Result<String, ConnectError> {
    let to = sshd.endpoint(&fresh_run());
    let to = Endpoint {
        user: Some(person.name.clone()),
        identities: if key { to.identities.clone() } else { vec![] },
        password: password.map(|p| Secret::new(p.to_owned())),
        ..to
    };
    let session = SshTransport::new(options()).connect(&to).await?;
    let (how, kept) = run(&session, request("id -un")).await;
    assert_eq!(how, How::Exited(0));
    session.leave().await.unwrap();
    session.close().await;
    Ok(String::from_utf8(kept.out).unwrap().trim().to_owned())
}

/// Why nobody was let in, and how often the server has counted a password that was wrong.
async fn refusal(sshd: &Sshd, person: &Person, key: bool, password: Option<&str>) -> (String, usize) {
    let counted = |sshd: &Sshd| {
        let log = std::fs::read_to_string(sshd.path("log")).unwrap();
        log.matches("Failed password").count() + log.matches("PAM: Authentication failure").count()
    };
    let before = counted(sshd);
    let refused = login(sshd, person, key, password).await.unwrap_err();
    assert!(
        !refused.transient && !refused.to_string().contains(PASSWORD),
        "{refused:?}"
    );
    sshd.wait_until_nobody_is_there();
    (refused.cause, counted(sshd) - before)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_questions_of_pam_are_answered_and_a_wrong_password_is_sent_once() {
    needs_root();
    let person = Person::new("k", PASSWORD);
    for further in ["", "\nPasswordAuthentication yes"] {
        let sshd = Sshd::with(&format!("{ASKS}{further}"));
        assert_eq!(login(&sshd, &person, false, Some(PASSWORD)).await.unwrap(), person.name);
        let (why, counted) = refusal(&sshd, &person, false, Some("wrong password")).await;
        assert!(why.contains("the password was refused"), "{why}");
        assert_eq!(counted, 1, "{further}");
    }
    // PAM wants another password now: the old one is no answer to that.
    assert!(program("chage", &["-d", "0", &person.name]));
    let (why, _) = refusal(&Sshd::with(ASKS), &person, false, Some(PASSWORD)).await;
    assert!(
        why.contains("asks something else") && why.contains("Current password:"),
        "{why}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_key_and_a_password_are_wanted_both_are_given() {
    needs_root();
    let person = Person::new("m", PASSWORD);
    let password = "PasswordAuthentication yes\nAuthenticationMethods publickey,password";
    let asks = format!("{ASKS}\nAuthenticationMethods publickey,keyboard-interactive");
    for (config, wanted) in [(password, "password"), (&asks, "keyboard-interactive")] {
        let sshd = Sshd::with(config);
        assert_eq!(login(&sshd, &person, true, Some(PASSWORD)).await.unwrap(), person.name);
        let (why, _) = refusal(&sshd, &person, true, None).await;
        assert!(
            why.contains(&format!("a key was taken, and the server wants more: {wanted}")),
            "{why}"
        );
        let (why, counted) = refusal(&sshd, &person, true, Some("wrong password")).await;
        assert!(why.contains("the password was refused"), "{why}");
        assert_eq!(counted, 1, "{wanted}");
        let (why, counted) = refusal(&sshd, &person, false, Some(PASSWORD)).await;
        assert!(why.contains("the server takes no password"), "{why}");
        assert_eq!(counted, 0, "{wanted}: nothing was sent");
    }
}
