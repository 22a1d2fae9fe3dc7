//! Inventories and selectors by tables.

use super::*;
use crate::inventory::selector::Selector;

fn read_all(text: &str) -> (Option<Inventory>, Diagnostics) {
    let mut diags = Diagnostics::new();
    let inventory = read(&Source::new("inventory.yml", text), &mut diags);
    (inventory, diags)
}

fn good(text: &str) -> Inventory {
    let (inventory, diags) = read_all(text);
    assert!(diags.0.is_empty(), "{:#?}", diags.0);
    inventory.unwrap()
}

fn codes(text: &str) -> Vec<&'static str> {
    read_all(text).1.0.iter().map(|d| d.code).collect()
}

const FLEET: &str = "
schema: 1
defaults: { user: ops, connect_timeout: 5s, jump: bastion }
hosts:
  web1: { address: 10.0.0.1, labels: { role: web, env: prod } }
  web2: { port: 2222, user: root, labels: { role: web, env: test } }
  db1:
    labels: { role: db, env: prod }
    vars: { ports: [5432, 5433], deep: { a: true } }
  lb1:
  bastion: { address: bastion.example.com }
groups:
  web: [web1, web2]
  everything:
    hosts: [web, db1]
    labels: { site: a }
    vars: { ports: [1] }
    become: { method: doas, password: { secret: root_pw } }
";

#[test]
fn a_host_wins_over_its_groups_and_they_over_the_defaults() {
    let i = good(FLEET);
    let names: Vec<_> = i.hosts().iter().map(|h| h.name.value.as_str()).collect();
    assert_eq!(names, ["web1", "web2", "db1", "lb1", "bastion"]);
    let (web1, web2, db1, lb1) = (
        i.host("web1").unwrap(),
        i.host("web2").unwrap(),
        i.host("db1").unwrap(),
        i.host("lb1").unwrap(),
    );
    assert_eq!(
        (web1.user.as_deref(), web1.port, web1.address.as_str()),
        (Some("ops"), None, "10.0.0.1")
    );
    assert_eq!(
        (web2.user.as_deref(), web2.port, web2.address.as_str()),
        (Some("root"), Some(2222), "web2")
    );
    assert_eq!(web1.vars["ports"], Value::List(vec![Value::Int(1)]));
    assert_eq!(db1.vars["ports"], Value::List(vec![Value::Int(5432), Value::Int(5433)]));
    assert_eq!(web1.become_method, "doas");
    assert_eq!(lb1.become_method, "sudo");
    assert_eq!(web1.become_password.as_ref().unwrap().value, "root_pw");
    assert_eq!(web1.labels["site"], "a");
    assert_eq!(web1.groups, ["web", "everything"]);
    assert_eq!(web1.connect_timeout, Some(Duration::from_secs(5)));
}

#[test]
fn the_bastion_that_defaults_name_for_all_is_reached_directly() {
    let i = good(FLEET);
    assert_eq!(i.host("web1").unwrap().jump.as_ref().unwrap().value, "bastion");
    assert!(i.host("bastion").unwrap().jump.is_none());
}

#[test]
fn selectors_join_by_and_and_keep_the_order_of_the_file() {
    let i = good(FLEET);
    for (selector, expected) in [
        ("role=web", "web1 web2"),
        ("role=web env=prod", "web1"),
        ("role=web,db", "web1 web2 db1"),
        ("role!=web", "db1 lb1 bastion"),
        ("group=everything env!=test", "web1 db1"),
        ("host=web*", "web1 web2"),
        ("host=db1,lb1", "db1 lb1"),
        ("host!=web2 group=web", "web1"),
        ("role=none", ""),
    ] {
        let found: Vec<_> = Selector::parse(selector)
            .unwrap()
            .select(&i)
            .iter()
            .map(|h| h.name.value.to_string())
            .collect();
        assert_eq!(found.join(" "), expected, "{selector}");
    }
}

#[test]
fn a_selector_that_names_what_is_not_there_is_told_with_the_nearest() {
    let i = good(FLEET);
    for (selector, help) in [
        ("rol=web", "did you mean `role`?"),
        ("group=wbe", "did you mean `web`?"),
        ("host!=web3", "did you mean `web1`?"),
    ] {
        let unknown = Selector::parse(selector).unwrap().unknown(&i);
        assert_eq!(unknown.len(), 1, "{selector}");
        assert_eq!(unknown[0].help, help);
    }
    assert!(Selector::parse("host=zzz*").unwrap().unknown(&i).is_empty());
}

#[test]
fn two_groups_that_disagree_are_an_error_with_both_places_once() {
    let text = "schema: 1\nhosts: { a: {}, b: {}, c: { port: 9 } }\ngroups:\n  x: { hosts: [a, b, c], port: 1 }\n  y: { hosts: [a, b, c], port: 2 }\n";
    let (_, diags) = read_all(text);
    assert_eq!(diags.0.len(), 1);
    let d = &diags.0[0];
    assert_eq!(d.code, "PS0407");
    assert_eq!(d.message, "two groups disagree about `port` of host `a` and 1 more");
    assert_eq!(d.labels.iter().map(|l| l.span.line_col().0).collect::<Vec<_>>(), [5, 4]);
}

#[test]
fn groups_that_agree_are_no_error() {
    good("schema: 1\nhosts: { a: {} }\ngroups:\n  x: { hosts: [a], port: 1 }\n  y: { hosts: [a], port: 1 }\n");
}

#[test]
fn every_mistake_is_reported() {
    for (text, expected) in [
        ("hosts: {}\n", vec!["PS0104"]),
        ("schema: 2\n", vec!["PS0121"]),
        ("schema: 1\nhosts: { controller: {} }\n", vec!["PS0403"]),
        (
            "schema: 1\nhosts: { '-x': {}, 'a b': {}, '../x': {} }\n",
            vec!["PS0402"; 3],
        ),
        ("schema: 1\nhosts: { a: { adress: x } }\n", vec!["PS0102"]),
        (
            "schema: 1\nhosts: { a: { transport: winrm, auth: ntml } }\n",
            vec!["PS0110"],
        ),
        ("schema: 1\nhosts: { a: { transport: script } }\n", vec![]),
        ("schema: 1\nhosts: { a: { key: k, domain: d } }\n", vec!["PS0432"; 2]),
        (
            "schema: 1\nhosts: { a: { transport: winrm, jump: b }, b: {} }\n",
            vec!["PS0432"],
        ),
        ("schema: 1\ndefaults: { ca: c }\nhosts: { a: {} }\n", vec!["PS0432"]),
        (
            "schema: 1\ndefaults: { ca: c }\nhosts: { a: {}, b: { transport: winrm } }\n",
            vec![],
        ),
        ("schema: 1\ndefaults: { ca: c }\n", vec![]),
        (
            "schema: 1\nhosts: { a: {}, b: { transport: winrm } }\ngroups: { g: { hosts: [a], ca: c }, h: { hosts: [a, b], ca: c } }\n",
            vec!["PS0432"],
        ),
        ("schema: 1\nhosts: { a: { transport: tcp } }\n", vec!["PS0110"]),
        ("schema: 1\nhosts: { a: { os: windos } }\n", vec!["PS0110"]),
        ("schema: 1\nhosts: { a: { port: 0 } }\n", vec!["PS0108"]),
        (
            "schema: 1\nhosts: { a: { address: '-oProxyCommand=x' } }\n",
            vec!["PS0408"],
        ),
        ("schema: 1\nhosts: { a: { password: hunter2 } }\n", vec!["PS0413"]),
        ("schema: 1\nhosts: { a: { jump: nowhere } }\n", vec!["PS0409"]),
        ("schema: 1\nhosts: { a: { jump: a } }\n", vec!["PS0409"]),
        (
            "schema: 1\nhosts: { a: { jump: b }, b: { jump: a } }\n",
            vec!["PS0409"; 2],
        ),
        ("schema: 1\nhosts: { a: { jump: 'me@b:22' } }\n", vec![]),
        ("schema: 1\nhosts: { a: { jump: 'me@[2001:db8::1]:22' } }\n", vec![]),
        ("schema: 1\nhosts: { a: { jump: '2001:db8::1' } }\n", vec!["PS0409"]),
        ("schema: 1\nhosts: { a: { jump: 'me@b:2x' } }\n", vec!["PS0409"]),
        ("schema: 1\nhosts: { a: {} }\ngroups: { g: [b] }\n", vec!["PS0405"]),
        ("schema: 1\nhosts: { a: {} }\ngroups: { a: [a] }\n", vec!["PS0404"]),
        ("schema: 1\ngroups: { g: [h], h: [g] }\n", vec!["PS0406"]),
        ("schema: 1\nhosts: { a: { labels: { host: x } } }\n", vec!["PS0402"]),
        ("schema: 1\nhosts: { a: { labels: { r: [x] } } }\n", vec!["PS0105"]),
        ("schema: 1\ngroups: { g: { hosts: [], address: x } }\n", vec!["PS0408"]),
        ("all:\n  hosts:\n    a:\n", vec![]),
        ("plugin: aws_ec2\n", vec!["PS0417"]),
    ] {
        assert_eq!(codes(text), expected, "{text}");
    }
}

#[test]
fn a_password_in_clear_is_not_repeated_in_the_message() {
    let (_, diags) = read_all("schema: 1\nhosts: { a: { password: hunter2 } }\n");
    assert!(!crate::diag::render::human(&diags, false, 100).contains("hunter2"));
    assert_eq!(
        diags.0[0].labels[0].span.text(),
        "hunter2",
        "the value alone is underlined"
    );
}

#[test]
fn ten_thousand_hosts_are_read_and_selected_quickly() {
    use std::fmt::Write as _;
    let mut text = String::from("schema: 1\ndefaults: { jump: h0 }\nhosts:\n");
    for n in 0..10_000 {
        let _ = writeln!(text, "  h{n}: {{ labels: {{ role: r{}, n: '{n}' }} }}", n % 10);
    }
    text.push_str("groups:\n  all: { hosts: [");
    for n in 0..10_000 {
        let _ = write!(text, "h{n}, ");
    }
    text.push_str("], vars: { x: 1 } }\n  outer: [all]\n");
    let begin = std::time::Instant::now();
    let i = good(&text);
    let picked = Selector::parse("role=r3 group=outer").unwrap().select(&i).len();
    assert_eq!(picked, 1000);
    // Quadratic work would take minutes in a debug build; this is far above what a busy machine needs.
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

#[test]
fn windows_hosts_have_their_settings_and_defaults() {
    let mut diags = Diagnostics::new();
    let text = "schema: 1\nhosts:\n  a: { transport: winrm, auth: kerberos, domain: EXAMPLE }\n  b: { transport: winrm, scheme: http, port: 8080, os: linux }\n  c: { os: windows, shell: busybox sh, become: { user: app, exact: true } }\n";
    let inventory = read(&Source::new("inventory.yml", text), &mut diags).unwrap();
    assert!(diags.0.is_empty(), "{:?}", diags.0);
    let of = |name: &str| inventory.host(name).unwrap();
    let winrm = of("a").winrm.as_ref().unwrap();
    assert_eq!(
        (winrm.scheme.as_str(), winrm.auth.as_str(), winrm.domain.as_deref()),
        ("https", "kerberos", Some("EXAMPLE"))
    );
    assert_eq!((of("a").port, of("a").os), (Some(5986), crate::inventory::Os::Windows));
    assert_eq!((of("b").port, of("b").os), (Some(8080), crate::inventory::Os::Linux));
    let c = of("c");
    assert!(c.winrm.is_none() && c.become_exact && c.os == crate::inventory::Os::Windows);
    assert_eq!(
        (c.shell.as_deref(), c.become_user.as_deref()),
        (Some("busybox sh"), Some("app"))
    );
}

#[test]
fn settings_of_winrm_are_held_against_each_other() {
    let of = |settings: &str| {
        codes(&format!(
            "schema: 1\nhosts: {{ a: {{ transport: winrm, {settings} }} }}\n"
        ))
    };
    let pin = "01:".repeat(31) + "01";
    for good in [
        "user: u",
        "auth: certificate, certificate: c, key: k",
        "scheme: http, auth: ntlm, domain: D",
        "scheme: http, auth: kerberos",
        "auth: basic, ca: c",
        "domain: D",
        &format!("pin: \"{pin}\""),
    ] {
        assert_eq!(of(good), [""; 0], "{good}");
    }
    for wrong in [
        "auth: certificate, certificate: c",
        "auth: certificate, key: k",
        "auth: certificate",
        "certificate: c, key: k",
        "auth: ntlm, certificate: c, key: k",
        "scheme: http, ca: c",
        "scheme: http, auth: basic",
        "auth: basic, domain: D",
    ] {
        assert_eq!(of(wrong), ["PS0433"], "{wrong}");
    }
    assert_eq!(
        of("scheme: http, auth: certificate, certificate: c, key: k"),
        ["PS0433"]
    );
    assert_eq!(of(&format!("pin: \"{}\"", pin.replace('1', "x"))), ["PS0434"]);
    // One line of `defaults` is told once, not for each of its hosts.
    let shared = "schema: 1\ndefaults: { transport: winrm, certificate: c }\nhosts: { a: {}, b: {}, c: {} }\n";
    assert_eq!(codes(shared), ["PS0433"]);
}
