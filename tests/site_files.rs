//! Inventories, changes, projects and policies that are cut or garbled: never a panic, always a documented complaint with a place.

use pitstop::diag::{Diagnostics, codes};
use pitstop::inventory::hosts;
use pitstop::runbook::{change, policyfile, project, yaml};
use proptest::prelude::*;

type Reader = fn(&[u8], &mut Diagnostics) -> bool;

macro_rules! reader {
    ($read:path) => {
        |bytes, diags| match yaml::source("file.yml", bytes, diags) {
            Some(source) => $read(&source, diags).is_some(),
            None => false,
        }
    };
}

const FILES: [(&str, Reader); 4] = [
    (
        "schema: 1\ndefaults: { user: ops, jump: b, connect_timeout: 5s }\nhosts:\n  a: { address: 10.0.0.1, port: 22, labels: { r: w }, vars: { x: [1, { y: 2 }] }, password: { secret: pw } }\n  b: { become: { method: su, password: { secret: pw } } }\n  c: { transport: local, identity: [k1, k2], known_hosts: f }\ngroups:\n  g: [a, b]\n  h: { hosts: [g, c], labels: { s: t } }\n",
        reader!(hosts::read),
    ),
    (
        "schema: 1\nchange: C1\nrunbook: r/x.yml\nparameters: { a: 1, b: [x] }\nwindow: { start: '2026-12-06T01:00:00', timezone: UTC }\nlimit: a=b\nskip:\n  - p/s: why\n  - { id: q, reason: r }\nmode: m\nneed: 2\napprovers: [g]\nreason: text\n",
        reader!(change::read),
    ),
    (
        "schema: 1\ninventory: i.yml\nstate: s\npolicy: p.yml\nproviders: { v: [vault, read] }\n",
        reader!(project::read),
    ),
    (
        "schema: 1\napprovers: { g: [a, b] }\nallowed_signers: s\nrequire_change: [a=b]\nrequire_approval: [a=b]\nallow_local: true\nlimits: { parallel: 1, hosts: 2, max_fail: 0, timeout: 1h, window: 4h }\n",
        reader!(policyfile::read),
    ),
];

/// Reads, and holds what is said against what every complaint must have.
fn complaints(bytes: &[u8], reader: Reader) -> usize {
    let mut diags = Diagnostics::new();
    let usable = reader(bytes, &mut diags);
    assert!(usable || diags.has_errors(), "nothing was read and nothing was said");
    for d in &diags.0 {
        assert!(!d.labels.is_empty(), "{} has no place", d.code);
        for place in &d.labels {
            assert_eq!(place.span.source.name, "file.yml");
            assert!(place.span.end <= place.span.source.text.len());
        }
        assert!(codes::find(d.code).is_some(), "{} is not documented", d.code);
    }
    diags.0.len()
}

#[test]
fn the_whole_files_are_good() {
    for (text, reader) in FILES {
        assert_eq!(complaints(text.as_bytes(), reader), 0, "{text}");
    }
}

#[test]
fn every_beginning_of_a_file_is_read_or_refused() {
    for (text, reader) in FILES {
        for end in 0..text.len() {
            complaints(&text.as_bytes()[..end], reader);
        }
    }
}

#[test]
fn a_misspelt_key_is_always_reported() {
    for (text, reader) in FILES {
        for (at, _) in text.match_indices(": ") {
            let garbled = format!("{}zz{}", &text[..at], &text[at..]);
            let key = text[..at]
                .rsplit(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
                .unwrap_or("");
            // Names that people choose cannot be misspelt.
            let fixed = !["a", "b", "c", "g", "h", "r", "s", "v", "x", "y"].contains(&key);
            assert!(!fixed || complaints(garbled.as_bytes(), reader) > 0, "{garbled}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_garbled_file_never_panics(which in 0..FILES.len(), edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let (text, reader) = FILES[which];
        let mut bytes = text.as_bytes().to_vec();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        complaints(&bytes, reader);
    }

    #[test]
    fn any_selector_is_read_or_refused_with_a_place(text in "[a-z=!,*? é]{0,24}") {
        use pitstop::inventory::selector::Selector;
        if let Err(e) = Selector::parse(&text) {
            prop_assert!(text.get(e.at.clone()).is_some(), "{:?} is no place in {text:?}", e.at);
            prop_assert!(codes::find(e.code).is_some());
        }
    }
}
