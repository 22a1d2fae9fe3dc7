//! Bytes into a tree: no input panics, and every complaint points into the text and can be drawn.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pitstop::diag::{Diagnostics, render};
use pitstop::runbook::yaml;

fuzz_target!(|bytes: &[u8]| {
    let mut diags = Diagnostics::new();
    let tree = yaml::source("fuzz.yml", bytes, &mut diags).and_then(|source| yaml::read(&source, &mut diags));
    assert!(tree.is_some() || diags.has_errors(), "no tree, and no reason");
    for d in &diags.0 {
        for label in &d.labels {
            assert!(
                label.span.source.text.get(label.span.start..label.span.end).is_some(),
                "{} points nowhere",
                d.code
            );
        }
    }
    diags.0.truncate(5);
    let _ = render::human(&diags, false, 80);
});
