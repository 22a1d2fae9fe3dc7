//! From the command line: a plan over an Ansible inventory, and what it refuses.

use std::path::Path;
use std::process::Command;

/// Writes a project; what `pitstop ARGUMENTS` says there, and its exit code.
fn said(files: &[(&str, &str)], arguments: &[&str]) -> (String, Option<i32>) {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        if text.starts_with("#!") {
            executable(&path);
        }
    }
    pitstop(dir.path(), arguments)
}

fn executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn pitstop(dir: &Path, arguments: &[&str]) -> (String, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_pitstop"))
        .args(arguments)
        .current_dir(dir)
        .env_clear()
        .env("HOME", dir)
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8_lossy(&text).into_owned(), output.status.code())
}

const SETTINGS: (&str, &str) = ("pitstop.yml", "schema: 1\ninventory: hosts\n");

fn runbook(group: &str, command: &str) -> String {
    format!(
        "schema: 1\nrunbook: look\ntitle: Look\nkind: check\ntargets:\n  t: {{ select: group={group} }}\nphases:\n  - phase: look\n    title: Look\n    targets: t\n    precheck:\n      - name: Look\n        run: {command}\n"
    )
}

const HOSTS: &str = "[web]\nweb[1:2] ansible_user=ops port_of_app=8080 greeting=\"hi {{ who }}\"\n[odd]\nbox ansible_connection=docker\nwin ansible_become_method=runas ansible_password=hunter22\n[odd:vars]\nx=1\n";

#[test]
fn a_plan_uses_groups_and_variables_and_leaves_odd_hosts_alone() {
    let look = runbook("web", "echo {{ host.vars.port_of_app | sh }}");
    let (text, code) = said(
        &[SETTINGS, ("hosts", HOSTS), ("look.yml", &look)],
        &["plan", "look.yml"],
    );
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("web1") && text.contains("web2") && !text.contains("PS0420"),
        "{text}"
    );
    assert!(!text.contains("hunter22"), "{text}");
}

#[test]
fn a_host_that_cannot_be_reached_as_ansible_would_is_an_error_where_it_is_used() {
    let look = runbook("odd", "uptime");
    let (text, code) = said(
        &[SETTINGS, ("hosts", HOSTS), ("look.yml", &look)],
        &["plan", "look.yml"],
    );
    assert_eq!(code, Some(2), "{text}");
    assert_eq!(text.matches("error[PS0420]").count(), 2, "{text}");
    assert!(text.contains("docker") && text.contains("runas"), "{text}");
    let (text, code) = said(&[SETTINGS, ("hosts", HOSTS), ("look.yml", &look)], &["check"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(text.matches("warning[PS0420]").count(), 2, "{text}");
}

#[test]
fn a_template_of_ansible_is_never_rendered_nor_taken_as_text() {
    for command in [
        "echo {{ host.vars.greeting | sh }}",
        "echo {{ host.vars.greeting | default('x') | sh }}",
        "echo {{ host.vars | json | sh }}",
    ] {
        let look = runbook("web", &format!("\"{command}\""));
        let (text, code) = said(
            &[SETTINGS, ("hosts", HOSTS), ("look.yml", &look)],
            &["plan", "look.yml"],
        );
        assert_eq!(code, Some(2), "{command}: {text}");
        assert!(
            text.contains("error[PS0419]") && text.contains("hosts:2"),
            "{command}: {text}"
        );
    }
    let sealed = "$ANSIBLE_VAULT;1.1;AES256\n6231\n";
    let look = runbook("web", "\"echo {{ host.vars.token | default('x') | sh }}\"");
    let files = [
        SETTINGS,
        ("hosts", HOSTS),
        ("group_vars/web.yml", sealed),
        ("look.yml", &look),
    ];
    let (text, code) = said(&files, &["plan", "look.yml"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(
        text.contains("error[PS0419]") && text.contains("warning[PS0423]"),
        "{text}"
    );
    let known = runbook("web", "\"echo {{ host.vars.port_of_app | sh }}\"");
    let files = [
        SETTINGS,
        ("hosts", HOSTS),
        ("group_vars/web.yml", sealed),
        ("look.yml", &known),
    ];
    let (text, code) = said(&files, &["plan", "look.yml"]);
    assert_eq!(
        code,
        Some(0),
        "what every host is known to have cannot stand in a sealed file: {text}"
    );
}

/// The place in the phase that reads it, and not in another.
#[test]
fn what_cannot_be_known_is_shown_where_it_is_read() {
    let look = runbook("web", "\"echo {{ host.vars.greeting | sh }}\"");
    let phase = look.split("phases:\n").nth(1).unwrap();
    let other = phase
        .replace("greeting", "port_of_app")
        .replacen("phase: ", "phase: second-", 1);
    let two = look.replace(phase, &format!("{phase}{other}"));
    let (text, code) = said(&[SETTINGS, ("hosts", HOSTS), ("look.yml", &two)], &["plan", "look.yml"]);
    assert_eq!(code, Some(2), "{text}");
    let line = 1 + two.lines().position(|l| l.contains("greeting")).unwrap();
    let column = 1 + two.lines().nth(line - 1).unwrap().find("host.vars.greeting").unwrap();
    assert!(text.contains(&format!("look.yml:{line}:{column}")), "{text}");
    assert_eq!(text.matches("read here").count(), 1, "{text}");
    assert!(
        text.contains(&format!(" {} read here", "-".repeat("host.vars.greeting".len()))),
        "{text}"
    );
}

#[test]
fn a_command_of_pitstop_yml_prints_the_inventory_and_check_does_not_run_it() {
    let settings = ("pitstop.yml", "schema: 1\ninventory: [./inv/list, --list]\n");
    let list = "#!/bin/sh\ntouch ran\necho '{\"web\": {\"hosts\": [\"a1\"]}, \"_meta\": {\"hostvars\": {\"a1\": {\"n\": 5}}}}'\n";
    let look = runbook("web", "echo {{ host.vars.n | sh }} {{ host.vars.m | sh }}");
    let files = [
        settings,
        ("inv/list", list),
        ("inv/group_vars/web.yml", "m: 7\n"),
        ("look.yml", &look),
    ];
    let (text, code) = said(&files, &["plan", "look.yml"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("a1"), "{text}");
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        std::fs::create_dir_all(dir.path().join(path).parent().unwrap()).unwrap();
        std::fs::write(dir.path().join(path), text).unwrap();
    }
    executable(&dir.path().join("inv/list"));
    for check in [&["check"][..], &["check", "look.yml"], &["check", "pitstop.yml"]] {
        let (text, code) = pitstop(dir.path(), check);
        assert_eq!(code, Some(0), "{text}");
        assert!(!dir.path().join("ran").exists(), "{check:?} ran the command");
    }
    for page in [
        &["plan", "look.yml"][..],
        &["plan", "look.yml", "--format", "md"],
        &["plan", "look.yml", "--format", "html"],
    ] {
        let (text, code) = pitstop(dir.path(), page);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("./inv/list --list"), "{page:?}: {text}");
    }
    assert!(dir.path().join("ran").exists(), "a plan needs the inventory");
    let failing = ("inv/list", "#!/bin/sh\necho no luck >&2\nexit 3\n");
    let (text, code) = said(&[settings, failing, ("look.yml", &look)], &["plan", "look.yml"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("error[PS0424]") && text.contains("no luck"), "{text}");
}

const WINDOWS: &str = "[windows]\nplain1 ansible_host=10.0.0.1\nhttp1 ansible_port=5985 ansible_winrm_transport=kerberos,ntlm\ncert1 ansible_winrm_transport=ssl ansible_winrm_cert_pem=c.pem ansible_winrm_cert_key_pem=k.pem ansible_winrm_ca_trust_path=ca.pem\n[windows:vars]\nansible_connection=winrm\nansible_user=svc\nansible_winrm_server_cert_validation=ignore\nansible_shell_type=powershell\nansible_ssh_common_args=\"-F other\"\n";

#[test]
fn hosts_over_winrm_keep_what_ansible_says_of_their_way() {
    let look = runbook("windows", "uptime");
    let (text, code) = said(
        &[SETTINGS, ("hosts", WINDOWS), ("look.yml", &look)],
        &["plan", "look.yml", "--format", "json"],
    );
    assert_eq!(code, Some(0), "{text}");
    let plan: serde_json::Value = serde_json::from_str(text.lines().find(|l| l.starts_with('{')).unwrap()).unwrap();
    let host = |name: &str| {
        plan["hosts"]
            .as_array()
            .unwrap()
            .iter()
            .find(|h| h["name"] == name)
            .unwrap()
    };
    for (name, port, scheme, auth) in [
        ("plain1", 5986, "https", "ntlm"),
        ("http1", 5985, "http", "kerberos"),
        ("cert1", 5986, "https", "certificate"),
    ] {
        let host = host(name);
        assert_eq!(
            (&host["transport"], &host["os"], &host["user"]),
            (&"winrm".into(), &"windows".into(), &"svc".into()),
            "{host}"
        );
        assert_eq!(
            (&host["port"], &host["winrm"]["scheme"], &host["winrm"]["auth"]),
            (&port.into(), &scheme.into(), &auth.into()),
            "{host}"
        );
    }
    let winrm = &host("cert1")["winrm"];
    assert_eq!(
        (&winrm["certificate"], &winrm["key"], &winrm["ca"]),
        (&"c.pem".into(), &"k.pem".into(), &"ca.pem".into())
    );
    for (wrong, says) in [
        ("ansible_winrm_transport=credssp", "cannot log in by `credssp`"),
        ("ansible_winrm_path=/other", "`ansible_winrm_path` cannot be honoured"),
        ("ansible_winrm_kerberos_hostname_override=x", "cannot be honoured"),
        ("ansible_winrm_proxy=http://p", "cannot be honoured"),
        ("ansible_winrm_scheme=ftp", "no scheme `ftp`"),
        (
            "ansible_winrm_scheme=http ansible_winrm_transport=basic",
            "reads the password",
        ),
        ("ansible_winrm_cert_pem=c.pem", "a certificate needs its key"),
        ("ansible_connection=psrp", "no connection `psrp`"),
    ] {
        let hosts = WINDOWS.replace("plain1 ", &format!("plain1 {wrong} "));
        let (text, code) = said(
            &[SETTINGS, ("hosts", &hosts), ("look.yml", &look)],
            &["plan", "look.yml"],
        );
        assert_eq!(code, Some(2), "{wrong}: {text}");
        assert!(text.contains(says) && text.contains("hosts:2:"), "{wrong}: {text}");
    }
}

#[test]
fn the_user_that_ansible_becomes_is_kept_and_what_cannot_be_is_refused() {
    let look = runbook("web", "uptime");
    let hosts = |vars: &str| format!("[web]\nw1 {vars}\n");
    let plan = |vars: &str, format: &str| {
        said(
            &[SETTINGS, ("hosts", &hosts(vars)), ("look.yml", &look)],
            &["plan", "look.yml", "--format", format],
        )
    };
    let (text, code) = plan(
        "ansible_become_user=app ansible_become_method=doas ansible_become_exe=/usr/bin/doas ansible_become_flags='-H -S -n'",
        "json",
    );
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("\"become_user\":\"app\"") && text.contains("\"become_method\":\"doas\""),
        "{text}"
    );
    let (text, _) = plan("ansible_become_user=root", "json");
    assert!(!text.contains("\"become_user\":\"root\""), "{text}");
    for (wrong, says) in [
        ("ansible_become_exe=/opt/dzdo", "calls sudo by its name"),
        ("ansible_become_flags='-u other'", "flags `-u other`"),
        (
            "ansible_become_user='{{ who }}'",
            "`ansible_become_user` cannot be known",
        ),
    ] {
        let (text, code) = plan(wrong, "text");
        assert_eq!(code, Some(2), "{wrong}: {text}");
        assert!(text.contains("error[PS0420]") && text.contains(says), "{wrong}: {text}");
    }
}

/// Was taken for a command, and `plan` said "Permission denied" of the first file.
#[test]
fn a_list_of_inventories_is_not_taken_for_a_command() {
    let look = runbook("web", "uptime");
    for list in ["[inv/a.yml, inv/b.yml]", "[inv/a.yml]", "[inv, inv/b.yml]"] {
        let settings = format!("schema: 1\ninventory: {list}\n");
        let files = [
            ("pitstop.yml", settings.as_str()),
            ("inv/a.yml", "all: { hosts: { a1: } }\n"),
            ("inv/b.yml", "all: { hosts: { b1: } }\n"),
            ("look.yml", &look),
        ];
        let (text, code) = said(&files, &["check"]);
        assert_eq!(code, Some(0), "{text}");
        assert!(
            text.contains("warning[PS0431]") && text.contains("pitstop.yml:2:12"),
            "{text}"
        );
        let (text, code) = said(&files, &["plan", "look.yml"]);
        assert_eq!(code, Some(2), "{text}");
        assert!(
            text.contains("error[PS0431]") && text.contains("help: a file or folder is written without brackets"),
            "{text}"
        );
    }
}

#[test]
fn programs_and_plugins_are_not_run_because_they_lie_there() {
    let look = runbook("web", "uptime");
    for (name, text) in [
        ("hosts", "#!/bin/sh\ntouch ran\n"),
        ("aws.yml", "plugin: amazon.aws.aws_ec2\nregions: [eu-1]\n"),
    ] {
        let settings = format!("schema: 1\ninventory: {name}\n");
        let (text, code) = said(
            &[("pitstop.yml", &settings), (name, text), ("look.yml", &look)],
            &["plan", "look.yml"],
        );
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains("error[PS0417]"), "{text}");
    }
}
