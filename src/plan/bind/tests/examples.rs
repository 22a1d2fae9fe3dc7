//! The examples of the design.

use super::*;

#[test]
fn the_examples_of_the_design_bind() {
    let ticket = || Change {
        parameters: vec![change::set("ticket=CHG0031337").unwrap()],
        ..Change::default()
    };
    for (name, change, phases) in [
        ("restore-test", Change::default(), "declare restore"),
        ("dr-drill", mode("test"), "rehearse"),
        ("dr-drill", mode("planned"), "fence promote failback"),
        ("dr-drill", mode("disaster"), "declare promote"),
        ("smallest", Change::default(), "restart"),
        ("cluster-restart", Change::default(), "brokers"),
        ("server-check", Change::default(), "checks"),
        ("patch-window", ticket(), "web app"),
    ] {
        let (plan, diags) = example(name, change);
        let plan = plan.unwrap_or_else(|| panic!("{name}: {:#?}", said(&diags)));
        let ids: Vec<_> = plan.phases().map(|p| p.id.as_str()).collect();
        assert_eq!(ids.join(" "), phases, "{name}");
        // What is frozen reads back as what it was, every action included.
        let text = canon::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan, "{name}");
    }
}
