//! Tests of `provider`: real variables, files, pipes and commands.

use super::*;

struct Room {
    dir: tempfile::TempDir,
    commands: BTreeMap<String, Vec<String>>,
}

impl Room {
    fn new() -> Self {
        let argv = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect();
        let commands = BTreeMap::from([
            ("print".to_owned(), argv(&["printf", "%s\\n"])),
            ("sh".to_owned(), argv(&["sh", "-c"])),
        ]);
        Self {
            dir: tempfile::tempdir().unwrap(),
            commands,
        }
    }

    async fn fetch(&self, source: SecretSource, timeout: Duration) -> Result<Found, ProviderError> {
        let ask = |name: &str| Ok(Secret::new(format!("typed for {name}")));
        let sources = Sources {
            base: self.dir.path(),
            commands: &self.commands,
            prompt: Some(&ask),
            timeout,
        };
        fetch("db", &source, &sources).await
    }

    async fn value(&self, source: SecretSource) -> String {
        self.fetch(source, TIMEOUT).await.unwrap().secret.expose().to_owned()
    }

    async fn error(&self, source: SecretSource) -> ProviderError {
        self.fetch(source, TIMEOUT).await.unwrap_err()
    }

    fn file(&self, bytes: &[u8]) -> SecretSource {
        std::fs::write(self.dir.path().join("f"), bytes).unwrap();
        SecretSource::File { path: "f".to_owned() }
    }
}

fn command(provider: &str, args: &[&str]) -> SecretSource {
    SecretSource::Provider {
        provider: provider.to_owned(),
        args: args.iter().map(|a| (*a).to_owned()).collect(),
    }
}

#[tokio::test]
async fn a_file_gives_its_text_without_one_newline_and_a_note_when_others_can_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let room = Room::new();
    let source = room.file(b"correct horse\n\n");
    let path = room.dir.path().join("f");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let found = room.fetch(source.clone(), TIMEOUT).await.unwrap();
    assert_eq!(found.secret.expose(), "correct horse\n");
    assert!(found.note.unwrap().contains("chmod 600"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(room.fetch(source, TIMEOUT).await.unwrap().note.is_none());
}

#[tokio::test]
async fn a_command_runs_without_a_shell_and_its_output_is_the_value() {
    let room = Room::new();
    assert_eq!(room.value(command("print", &["$(id) `id` ;x"])).await, "$(id) `id` ;x");
}

#[tokio::test]
async fn a_prompt_is_asked_and_without_a_terminal_it_is_an_error() {
    let room = Room::new();
    assert_eq!(room.value(SecretSource::Prompt).await, "typed for db");
    let sources = Sources {
        base: room.dir.path(),
        commands: &room.commands,
        prompt: None,
        timeout: TIMEOUT,
    };
    let error = fetch("db", &SecretSource::Prompt, &sources).await.unwrap_err();
    assert!(error.to_string().contains("terminal"));
}

#[tokio::test]
async fn the_environment_gives_a_value() {
    let room = Room::new();
    // Cargo sets this one for every test, as long as it wants to be wherever the sources lie.
    let source = SecretSource::Env {
        name: "CARGO_PKG_DESCRIPTION".to_owned(),
    };
    assert_eq!(room.value(source).await, env!("CARGO_PKG_DESCRIPTION"));
    let source = SecretSource::Env {
        name: "PITSTOP_TEST_NOT_SET".to_owned(),
    };
    assert!(room.error(source).await.cause.contains("not set"));
}

#[tokio::test]
async fn no_error_tells_a_value() {
    let room = Room::new();
    let canary = "geheim7";
    let long = canary.repeat(MAX_VALUE);
    let cases = [
        (room.file(canary.as_bytes()), "shorter than 8"),
        (command("print", &[canary]), "shorter than 8"),
        (
            command("sh", &["printf geheim7geheim7; printf geheim7 >&2; exit 3"]),
            "failed (exit status: 3)",
        ),
        (command("sh", &["printf 'geheim7geheim7\\377'"]), "no UTF-8"),
        (command("sh", &["yes geheim7"]), "longer than"),
        (command("none", &[]), "no secret provider"),
        (
            SecretSource::File {
                path: "missing".to_owned(),
            },
            "cannot read",
        ),
    ];
    for (source, why) in cases {
        let error = room.error(source).await;
        assert!(error.cause.contains(why), "{error}");
        assert!(!format!("{error} {error:?}").contains(canary), "{error}");
        assert!(!error.help.is_empty());
    }
    let error = room.error(room.file(long.as_bytes())).await;
    assert!(error.cause.contains("longer than") && !error.to_string().contains(canary));
}

#[tokio::test]
async fn a_command_past_its_time_is_stopped_with_what_it_started() {
    let room = Room::new();
    let source = command("sh", &["sleep 600 & echo $! > pid; wait"]);
    let error = room.fetch(source, Duration::from_millis(300)).await.unwrap_err();
    assert!(error.cause.contains("took longer"), "{error}");
    let pid = std::fs::read_to_string(room.dir.path().join("pid")).unwrap();
    // Dead: gone, or waiting for init to collect it.
    let dead = || match std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())) {
        Ok(stat) => stat.contains(") Z "),
        Err(_) => true,
    };
    let limit = std::time::Instant::now() + Duration::from_secs(5);
    while !dead() && std::time::Instant::now() < limit {
        tokio::task::yield_now().await;
    }
    assert!(dead());
}
