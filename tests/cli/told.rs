//! Messages on events: a web server that is as strict as those of Slack and Teams and answers badly on demand, and commands.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::outside::eventually;
use crate::room::Room;

/// How it answers one request.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// As the service would: 200, or 400 for what it does not take.
    Well,
    Status(&'static str),
    /// It reads and says nothing.
    Hang,
    /// It reads and closes.
    Close,
}

/// One request as it came.
#[derive(Clone, Debug)]
struct Post {
    path: String,
    body: Value,
    /// What is wrong with it.
    faults: Vec<String>,
}

/// The double: three services under three paths.
struct Web {
    port: u16,
    posts: Arc<Mutex<Vec<Post>>>,
}

impl Web {
    fn start(answers: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let posts: Arc<Mutex<Vec<Post>>> = Arc::default();
        let answers: Arc<Mutex<VecDeque<Answer>>> = Arc::new(Mutex::new(answers.iter().copied().collect()));
        let kept = Arc::clone(&posts);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = answers.lock().unwrap().pop_front().unwrap_or(Answer::Well);
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || serve(stream, answer, &kept));
            }
        });
        Self { port, posts }
    }

    fn posts(&self) -> Vec<Post> {
        self.posts.lock().unwrap().clone()
    }

    /// The events that came under a path, which all were as the service wants them.
    #[track_caller]
    fn good(&self, path: &str) -> Vec<Value> {
        let mut posts = self.posts();
        posts.retain(|p| p.path == path);
        for post in &posts {
            assert_eq!(post.faults, Vec::<String>::new(), "{post:#?}");
        }
        posts.into_iter().map(|p| p.body).collect()
    }
}

fn serve(mut stream: TcpStream, answer: Answer, kept: &Mutex<Vec<Post>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let header = |name: &str| {
        let fits = |l: &&String| l.to_ascii_lowercase().starts_with(&format!("{name}:"));
        head.iter()
            .find(fits)
            .map(|l| l.split_once(':').unwrap().1.trim().to_owned())
    };
    let length: usize = header("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let mut words = head[0].split(' ');
    let (method, path) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
    let mut faults = Vec::new();
    if method != "POST" {
        faults.push(format!("{method} is not POST"));
    }
    if header("content-type").as_deref() != Some("application/json") {
        faults.push("the content type is not application/json".to_owned());
    }
    let json: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let service = path.split('/').nth(1).unwrap_or_default();
    faults.extend(match service {
        "slack" => slack(&json),
        "teams" => teams(&json, body.len()),
        _ => own(&json),
    });
    let wrong = !faults.is_empty();
    kept.lock().unwrap().push(Post {
        path,
        body: json,
        faults,
    });
    let status = match answer {
        Answer::Well if wrong => "400 Bad Request",
        Answer::Well => "200 OK",
        Answer::Status(status) => status,
        Answer::Close => return,
        Answer::Hang => {
            let _ = reader.read(&mut [0]);
            return;
        }
    };
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
}

/// <https://api.slack.com/reference/block-kit/blocks>: at most 50 blocks, 3000 characters in the text of a section.
fn slack(body: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    if !body["text"]
        .as_str()
        .is_some_and(|t| !t.is_empty() && t.chars().count() <= 40_000)
    {
        faults.push("no `text`".to_owned());
    }
    let blocks = body["blocks"].as_array().cloned().unwrap_or_default();
    if blocks.is_empty() || blocks.len() > 50 {
        faults.push(format!("{} blocks", blocks.len()));
    }
    for block in &blocks {
        let text = &block["text"];
        let said = text["text"].as_str().unwrap_or_default();
        if block["type"] != "section" || text["type"] != "mrkdwn" || said.is_empty() || said.chars().count() > 3000 {
            faults.push(format!("no section: {block}"));
        }
        let bare = said.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "");
        if bare.contains(['<', '>', '&']) || said.chars().any(char::is_control) {
            faults.push(format!("not escaped: {said}"));
        }
    }
    faults
}

/// A message with one Adaptive Card of at most 28 KB.
fn teams(body: &Value, bytes: usize) -> Vec<String> {
    let mut faults = Vec::new();
    let card = &body["attachments"][0];
    if body["type"] != "message" || card["contentType"] != "application/vnd.microsoft.card.adaptive" {
        faults.push("no message with a card".to_owned());
    }
    let content = &card["content"];
    if content["type"] != "AdaptiveCard" || !content["version"].is_string() {
        faults.push("no Adaptive Card".to_owned());
    }
    let blocks = content["body"].as_array().cloned().unwrap_or_default();
    for block in &blocks {
        let runs = block["inlines"].as_array().cloned().unwrap_or_default();
        let text = |run: &Value| run["type"] == "TextRun" && run["text"].is_string();
        if block["type"] != "RichTextBlock" || runs.is_empty() || !runs.iter().all(text) {
            faults.push(format!("no text: {block}"));
        }
    }
    if blocks.is_empty() || bytes > 28 * 1024 {
        faults.push(format!("{} blocks in {bytes} bytes", blocks.len()));
    }
    faults
}

/// What docs/operating.md says of pitstop's own form.
fn own(body: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    if body["schema"] != "pitstop.notice/v1" {
        faults.push("no schema".to_owned());
    }
    for key in ["event", "at", "run", "plan", "runbook", "title", "operator", "next"] {
        if !body[key].is_string() {
            faults.push(format!("no `{key}`"));
        }
    }
    if !body["counts"].is_object() {
        faults.push("no counts".to_owned());
    }
    faults
}

const EVENTS: &str = "[started, gate_waiting, host_failed, unknown, finished]";

/// A project that tells everything through all of these; `notify` is what pitstop.yml says.
fn room(notify: &str, vias: &[&str], run: &str) -> Room {
    let room = Room::alone(&["a"]);
    room.file(
        "p/pitstop.yml",
        &format!("schema: 1\ninventory: inventory.yml\nnotify:\n{notify}"),
    );
    let items: Vec<String> = vias
        .iter()
        .map(|via| format!("{{ events: {EVENTS}, via: {via} }}"))
        .collect();
    let text = format!(
        "schema: 1\nrunbook: told\ntitle: Work that people hear of\nkind: change\ntargets: {{ all: {{ select: role=x }} }}\nnotify: [{}]\nphases:\n  - phase: one\n    title: One\n    targets: all\n    on_failure: hold\n    steps: [{{ id: work, name: Work, run: {run}, undo: {{ none: it is a test }} }}]\n",
        items.join(", ")
    );
    room.file("p/told.yml", &text);
    room
}

fn hooks(port: u16) -> String {
    format!(
        "  own: {{ webhook: \"http://127.0.0.1:{port}/own\" }}\n  chat: {{ slack: {{ from: env, name: SLACK_URL }} }}\n  team: {{ teams: {{ from: file, path: teams.url }} }}\n"
    )
}

fn command(room: &Room, port: u16, args: &[&str]) -> std::process::Command {
    room.file("p/teams.url", &format!("http://127.0.0.1:{port}/teams/hook\n"));
    let mut command = room.command(args);
    command.env(
        "SLACK_URL",
        format!("http://127.0.0.1:{port}/slack/T0SECRET/B0SECRET/SLACKCANARY"),
    );
    command
}

fn warnings(room: &Room) -> String {
    let text = std::fs::read_to_string(room.last_run().join("report/record.json")).unwrap();
    let record: Value = serde_json::from_str(&text).unwrap();
    record["warnings"].to_string()
}

#[test]
fn each_event_is_told_once_in_the_form_of_each_service() {
    let web = Web::start(&[]);
    let said = r#"'echo "<!channel> *bold* `x` & [link](http://x)" >&2; printf "\\033[31mred\\n" >&2; exit 3'"#;
    let room = room(&hooks(web.port), &["own", "chat", "team"], said);
    let ended = command(&room, web.port, &["run", "--yes", "told.yml"])
        .output()
        .unwrap();
    assert_eq!(
        ended.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    let own = web.good("/own");
    let events: Vec<&str> = own.iter().map(|n| n["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["started", "host_failed", "finished"]);
    let run = room.last_run().file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(own[1]["host"], "a");
    assert_eq!(own[1]["state"], "held");
    assert!(own[1]["reason"].as_str().unwrap().contains("work"), "{}", own[1]);
    assert_eq!((&own[2]["verdict"], &own[2]["exit"]), (&"stuck".into(), &1.into()));
    assert_eq!(own[2]["counts"]["held"], 1);
    assert_eq!(own[2]["next"], format!("pitstop owed {run}"));
    assert_eq!(web.good("/slack/T0SECRET/B0SECRET/SLACKCANARY").len(), 3);
    assert_eq!(web.good("/teams/hook").len(), 3);
    // Who goes on with it hears of what is new alone.
    let again = command(&room, web.port, &["resume", "last"]).output().unwrap();
    assert_eq!(again.status.code(), Some(1));
    let events: Vec<Value> = web.good("/own").iter().map(|n| n["event"].clone()).collect();
    assert_eq!(events.iter().filter(|e| *e == "started").count(), 1);
    assert_eq!(events.iter().filter(|e| *e == "finished").count(), 2);
}

#[test]
fn what_a_host_says_is_text_in_every_form() {
    let web = Web::start(&[]);
    let room = room(&hooks(web.port), &["own", "chat", "team"], "\"true\"");
    // The reason of a refusal is what the host said: an assert over it.
    let text = std::fs::read_to_string(room.project("told.yml")).unwrap();
    let precheck = "    precheck: [{ id: look, name: Look, run: 'printf \"<!channel> *b* `c` & \\\\033[31m%03000d\" 7', as: json }]\n    steps:";
    room.file("p/told.yml", &text.replace("    steps:", precheck));
    let ended = command(&room, web.port, &["run", "--yes", "told.yml"])
        .output()
        .unwrap();
    assert_eq!(
        ended.status.code(),
        Some(3),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    assert_eq!(web.good("/own").len(), 3);
    assert_eq!(web.good("/teams/hook").len(), 3);
    let slack = web.good("/slack/T0SECRET/B0SECRET/SLACKCANARY");
    assert_eq!(
        slack[1]["text"].as_str().unwrap(),
        "Work that people hear of: a is refused"
    );
}

#[test]
fn a_message_that_fails_is_a_warning_and_never_fails_a_run() {
    use Answer::{Close, Hang, Status};
    for (answers, requests, says) in [
        (&[Status("429 Too Many Requests\r\nRetry-After: 1")][..], 3, None),
        (
            &[Status("503 Busy"), Status("503 Busy"), Status("503 Busy")][..],
            4,
            Some("answered 503"),
        ),
        (
            &[Status("302 Found\r\nLocation: http://127.0.0.1:1/")][..],
            2,
            Some("redirects are not followed"),
        ),
        (
            &[Status("429 Too Many\r\nRetry-After: 3600")][..],
            2,
            Some("answered 429"),
        ),
        (&[Close][..], 2, Some("ended before the answer")),
        (&[Hang][..], 2, Some("gave no whole answer")),
    ] {
        let web = Web::start(answers);
        let notify = format!("  own: {{ webhook: \"http://127.0.0.1:{}/own\" }}\n", web.port);
        let room = room(&notify, &["own"], "\"true\"");
        let began = Instant::now();
        let ended = command(&room, web.port, &["run", "--yes", "told.yml"])
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(0), "{answers:?}: {words}");
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "{answers:?} took {:?}",
            began.elapsed()
        );
        assert_eq!(web.posts().len(), requests, "{answers:?}: {words}");
        match says {
            Some(says) => {
                assert!(
                    words.contains("own was not told `started`") && words.contains(says),
                    "{answers:?}: {words}"
                );
                assert!(warnings(&room).contains(says), "{answers:?}: {}", warnings(&room));
            }
            None => assert_eq!(warnings(&room), "[]", "{answers:?}"),
        }
    }
}

#[test]
fn a_server_that_is_not_there_holds_a_run_up_for_a_few_seconds_at_most() {
    let port = crate::outside::free_port();
    let notify = format!("  own: {{ webhook: \"http://127.0.0.1:{port}/own\" }}\n");
    let room = room(&notify, &["own"], "\"true\"");
    let began = Instant::now();
    room.run(&["run", "--yes", "told.yml"])
        .code(0)
        .says("own was not told `finished`");
    assert!(began.elapsed() < Duration::from_secs(25));
}

#[test]
fn a_gate_that_waits_is_told_once_with_the_command_that_answers_it() {
    let web = Web::start(&[]);
    let room = room(&hooks(web.port), &["own"], "\"true\"");
    let (anna, _) = room.policy("");
    let text = std::fs::read_to_string(room.project("told.yml")).unwrap();
    let gate = "phases:\n  - gate: go\n    title: Shall we?\n    need: 1\n    approvers: [cm]\n    expires: 1h\n    not_operator: false\n";
    room.file("p/told.yml", &text.replace("phases:\n", gate));
    let ran = |args: &[&str]| command(&room, web.port, args).output().unwrap().status.code();
    let settings = std::fs::read_to_string(room.project("pitstop.yml")).unwrap();
    room.file("p/pitstop.yml", &format!("{settings}policy: policy.yml\n"));
    assert_eq!(ran(&["run", "--yes", "told.yml"]), Some(5));
    let own = web.good("/own");
    let events: Vec<&str> = own.iter().map(|n| n["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["started", "gate_waiting"]);
    let gate = &own[1]["gate"];
    assert_eq!((&gate["id"], &gate["waits_for"]), (&"go".into(), &"1 of cm".into()));
    assert!(gate["expires"].is_string());
    let next = own[1]["next"].as_str().unwrap();
    assert!(
        next.starts_with("pitstop approve 20") && next.ends_with("--gate go --key FILE"),
        "{next}"
    );
    // It still waits: nothing is new.
    assert_eq!(ran(&["resume", "last"]), Some(5));
    assert_eq!(web.good("/own").len(), 2);
    assert_eq!(ran(&["approve", "last", "--gate", "go", "--key", &anna]), Some(0));
    assert_eq!(ran(&["resume", "last"]), Some(0));
    assert_eq!(web.good("/own").len(), 3);
}

/// An executable of the project.
fn program(room: &Room, name: &str, text: &str) {
    room.file(&format!("p/{name}"), text);
    std::fs::set_permissions(room.project(name), std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_command_gets_the_message_as_its_input_and_a_clean_environment() {
    let room = room("  ops: [./tell.sh, ops]\n", &["ops"], "\"true\"");
    program(
        &room,
        "tell.sh",
        "#!/bin/sh\n{ echo \"args $*\"; env | sort; echo; cat; } >> heard\n",
    );
    let mut command = room.command(&["run", "--yes", "told.yml"]);
    command.env("AWS_SECRET_ACCESS_KEY", "do-not-show-me");
    assert!(command.status().unwrap().success());
    let heard = std::fs::read_to_string(room.project("heard")).unwrap();
    assert!(!heard.contains("do-not-show-me"));
    assert!(
        heard.contains("args ops\n") && heard.contains("PITSTOP_EVENT=started") && heard.contains("PITSTOP_RUN=20")
    );
    let messages: Vec<Value> = heard.lines().filter_map(|l| serde_json::from_str(l).ok()).collect();
    let events: Vec<&str> = messages.iter().map(|m| m["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["started", "finished"]);
    assert!(messages.iter().all(|m| own(m).is_empty()));
}

#[test]
fn a_command_that_hangs_is_stopped_with_all_that_it_started() {
    let room = room("  ops: [./hang.sh]\n", &["ops"], "\"true\"");
    program(&room, "hang.sh", "#!/bin/sh\nsleep 1000 & echo $! >> pids\nwait\n");
    let began = Instant::now();
    room.run(&["run", "--yes", "told.yml"])
        .code(0)
        .says("ops was not told `finished`");
    assert!(began.elapsed() < Duration::from_secs(40));
    let pids = std::fs::read_to_string(room.project("pids")).unwrap();
    for pid in pids.lines() {
        let gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            (stat.is_empty() || stat.contains(") Z ")).then_some(())
        };
        eventually("what the command started is gone", gone);
    }
    // One that fails says why.
    program(&room, "hang.sh", "#!/bin/sh\necho no such channel >&2; exit 4\n");
    room.run(&["run", "--yes", "told.yml"]).code(0).says("no such channel");
}

#[test]
fn a_dry_run_and_a_test_tell_nobody() {
    let room = room("  ops: [./tell.sh]\n", &["ops"], "\"true\"");
    program(&room, "tell.sh", "#!/bin/sh\ntouch heard\n");
    room.run(&["run", "--dry", "told.yml"]).code(0);
    room.file(
        "p/told.test.yml",
        "schema: 1\nrunbook: told.yml\ncases:\n  - name: All goes well\n    answers: { \"*\": [{ match: \".\", repeat: true }] }\n    expect: { exit: 0 }\n",
    );
    room.run(&["test", "told.test.yml"]).code(0);
    assert!(!room.project("heard").exists());
}

fn search(dir: &Path, word: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            search(&path, word, found);
        } else if let Ok(bytes) = std::fs::read(&path)
            && bytes.windows(word.len()).any(|w| w == word.as_bytes())
        {
            found.push(path.display().to_string());
        }
    }
}

/// A server that answers as an Alertmanager to whoever has the token, and repeats the token otherwise.
fn guarded(token: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for (nth, mut stream) in listener.incoming().flatten().enumerate() {
            let mut bytes = [0; 16 * 1024];
            let n = stream.read(&mut bytes).unwrap();
            let text = String::from_utf8_lossy(&bytes[..n]).into_owned();
            let known = text
                .to_ascii_lowercase()
                .contains(&format!("authorization: bearer {}", token.to_ascii_lowercase()));
            let (status, body) = match (known, nth) {
                (true, 0) => ("200 OK", r#"{"silenceID":"one"}"#.to_owned()),
                _ => ("403 Forbidden", format!("the token {token} may not do that")),
            };
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    port
}

#[test]
fn neither_a_token_nor_the_url_of_a_webhook_is_in_any_file_or_on_the_screen() {
    const TOKEN: &str = "TOKENCANARY0123456789";
    let web = Web::start(&[Answer::Status("404 no_team")]);
    let room = room(&hooks(web.port), &["chat"], "\"true\"");
    let settings = std::fs::read_to_string(room.project("pitstop.yml")).unwrap();
    let am = guarded(TOKEN);
    room.file(
        "p/pitstop.yml",
        &format!(
            "{settings}silence: {{ am: {{ alertmanager: \"http://127.0.0.1:{am}\", token: {{ from: env, name: AM_TOKEN }} }} }}\n"
        ),
    );
    let text = std::fs::read_to_string(room.project("told.yml")).unwrap();
    let silence = "silence: [{ via: am, match: { instance: \"{{ host.name }}\" } }]\nnotify:";
    room.file("p/told.yml", &text.replace("notify:", silence));
    let mut run = command(&room, web.port, &["run", "--yes", "told.yml"]);
    let ended = run.env("AM_TOKEN", TOKEN).output().unwrap();
    let words = String::from_utf8_lossy(&ended.stderr).into_owned();
    // The silence was set, and could not be taken off.
    assert_eq!(ended.status.code(), Some(1), "{words}");
    assert!(
        words.contains("answered 403") && words.contains("chat was not told"),
        "{words}"
    );
    let screen = words + &String::from_utf8_lossy(&ended.stdout);
    for secret in [TOKEN, "SLACKCANARY"] {
        assert!(!screen.contains(secret), "{secret} is on the screen: {screen}");
        let mut found = Vec::new();
        search(&room.project(".pitstop"), secret, &mut found);
        assert_eq!(found, Vec::<String>::new(), "{secret}");
    }
    // The control: they were sent.
    assert!(web.posts().iter().all(|p| p.path.ends_with("SLACKCANARY")));
    let mut found = Vec::new();
    search(&room.project(".pitstop"), "notify:chat", &mut found);
    assert!(!found.is_empty());
}
