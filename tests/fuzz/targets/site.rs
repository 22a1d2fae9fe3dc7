//! `pitstop.yml`, policies and changes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pitstop::diag::Diagnostics;
use pitstop::runbook::{change, policyfile, project, yaml};

fuzz_target!(|bytes: &[u8]| {
    let mut diags = Diagnostics::new();
    let Some(source) = yaml::source("site.yml", bytes, &mut diags) else {
        return;
    };
    let _ = project::read(&source, &mut diags);
    let _ = policyfile::read(&source, &mut diags);
    let _ = change::read(&source, &mut diags);
    let _ = change::set(&source.text);
    let _ = change::skip(&source.text);
});
