//! The layout by example, and the promises on generated files.

use super::*;

fn formatted(text: &str) -> String {
    let mut diags = Diagnostics::new();
    let done = format(&Source::new("t.yml", text), &mut diags);
    let codes: Vec<_> = diags.0.iter().map(|d| (d.code, d.message.clone())).collect();
    let once = done.unwrap_or_else(|| panic!("{codes:?}\n{text}"));
    let twice = format(&Source::new("t.yml", &once), &mut Diagnostics::new()).unwrap();
    assert_eq!(once, twice, "twice is not once\n{text}");
    once
}

#[test]
fn the_layout() {
    insta::assert_snapshot!(formatted(include_str!("fmt/layout.yml")));
}
