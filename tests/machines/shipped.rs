//! The shipped runbooks as an operator has them: in a project of their own, over machines on which the real programs run.
//!
//! Owns: the project, its people, what a page tells to type, a client that asks all the time. Must not: know what a test proves.

use std::path::Path;
use std::process::{Child, Stdio};

use crate::machines::{Machines, Ran, lab_command, ran};

/// Who may approve, with a key in her home.
const ANNA: &str = "anna@example.com";

/// A client that asks until it is told to stop.
pub struct Client {
    process: Child,
    stop: std::path::PathBuf,
    log: std::path::PathBuf,
}

/// How its requests ended.
pub struct Asked {
    /// Everything it got, in order.
    pub got: Vec<String>,
    /// Of those that failed.
    pub failed: Vec<String>,
    /// The longest took so many seconds.
    pub longest: f64,
}

impl Machines {
    /// The shipped runbooks and their files in the project; the pauses in them are an operator's, not a test's.
    pub fn library(&self) {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks");
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        for entry in std::fs::read_dir(&shipped).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            if name.ends_with(".yml") && !name.ends_with(".test.yml") {
                let mut text = read(&entry.path());
                for pause in ["delay: 15s", "delay: 10s", "delay: 5s", "delay: 3s"] {
                    text = text.replace(pause, "delay: 1s");
                }
                for soak in [
                    "default: 10m, description: Watch",
                    "default: 5m, description: Watch",
                    "default: 1m, description: Watch",
                ] {
                    text = text.replace(soak, "default: 0s, description: Watch");
                }
                for attempts in ["attempts: 30,", "attempts: 20,", "attempts: 10,"] {
                    text = text.replace(attempts, "attempts: 4,");
                }
                self.file(&format!("runbooks/{name}"), &text);
            }
        }
        for entry in std::fs::read_dir(shipped.join("files")).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            self.file(&format!("files/{name}"), &read(&entry.path()));
        }
        let key = self.path("operator/.ssh/id_ed25519");
        std::fs::create_dir_all(key.parent().unwrap()).unwrap();
        let mut keygen = std::process::Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-f", key.to_str().unwrap()]);
        assert_eq!(ran(keygen).code, 0);
        let public = read(&key.with_extension("pub"));
        self.file(
            "allowed_signers",
            &format!("{ANNA} namespaces=\"pitstop-approval\" {public}"),
        );
        self.file(
            "policy.yml",
            &format!("schema: 1\napprovers: {{ change-managers: [{ANNA}] }}\nallowed_signers: allowed_signers\n"),
        );
        self.file(
            "pitstop.yml",
            "schema: 1\ninventory: inventory.yml\npolicy: policy.yml\n",
        );
    }

    /// Types a line where an operator sits.
    pub fn types(&self, line: &str) -> Ran {
        let bin = self.path("bin");
        std::fs::create_dir_all(&bin).unwrap();
        let pitstop = bin.join("pitstop");
        if !pitstop.exists() {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_pitstop"), &pitstop).unwrap();
        }
        let mut shell = self.there("sh");
        shell
            .args(["-c", line])
            .env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display()));
        ran(shell)
    }

    /// Types what a page of the docs tells to type, and holds it to what the page says of it: `# exit N` at the end of a line, 0 without,
    /// and the words below it. What all of it said.
    pub fn follow(&self, page: &str) -> String {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
        let blocks: Vec<&str> = text
            .split("```console\n")
            .skip(1)
            .map(|b| b.split_once("\n```").unwrap().0)
            .collect();
        assert!(!blocks.is_empty(), "{page} has no commands");
        let mut all = String::new();
        let mut said = String::new();
        for line in blocks.iter().flat_map(|block| block.lines()) {
            let Some(typed) = line.strip_prefix("$ ") else {
                let shown = line.trim();
                assert!(
                    shown == "…" || said.contains(shown),
                    "{page} promises `{shown}`: {said}"
                );
                continue;
            };
            let (command, exit) = typed
                .split_once("  # exit ")
                .map_or((typed, 0), |(c, n)| (c, n.trim().parse().unwrap()));
            let ran = self.types(command);
            assert_eq!(ran.code, exit, "{page}: {command}: {}", ran.said);
            all.push_str(&ran.said);
            said = ran.said;
        }
        all
    }

    /// A client of this URL, beside the operator.
    pub fn asks(&self, what: &str, url: &str) -> Client {
        let name: String = url.chars().filter(char::is_ascii_alphanumeric).collect();
        let (stop, log) = (self.path(&format!("{name}.stop")), self.path(&format!("{name}.log")));
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machines/client.py");
        let _ = std::fs::remove_file(&stop);
        let process = lab_command(&["in", self.lab().to_str().unwrap(), "python3"])
            .args([&program, Path::new(what), Path::new(url), &stop, &self.path("ca.pem")])
            .stdout(std::fs::File::create(&log).unwrap())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let client = Client { process, stop, log };
        self.until("the client has asked once", || !client.lines().is_empty());
        client
    }
}

impl Client {
    fn lines(&self) -> Vec<String> {
        std::fs::read_to_string(&self.log)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// It ends its last request.
    pub fn ends(mut self) -> Asked {
        std::fs::write(&self.stop, "").unwrap();
        assert!(self.process.wait().unwrap().success());
        let lines = self.lines();
        let longest = lines
            .iter()
            .map(|l| l.split(' ').next().unwrap().parse::<f64>().unwrap());
        Asked {
            longest: longest.fold(0.0, f64::max),
            got: lines
                .iter()
                .filter_map(|l| l.split_once(" ok "))
                .map(|(_, got)| got.to_owned())
                .collect(),
            failed: lines.into_iter().filter(|l| l.contains(" FAILED ")).collect(),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Where the test failed it would ask for ever.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
