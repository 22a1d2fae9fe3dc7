//! The tables, as Markdown, and whether the page for operators shows them as they were measured.
//!
//! Owns: the form of a table. Must not: know a cell in advance.

use std::io::Write as _;
use std::path::Path;

const PAGE: &str = "docs/coming-from-ansible.md";

/// One situation: a row for each way of meeting it.
pub struct Table {
    head: String,
    columns: usize,
    rows: String,
}

impl Table {
    pub fn new(head: &[&str]) -> Self {
        Self {
            head: format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len())),
            columns: head.len(),
            rows: String::new(),
        }
    }

    pub fn row(&mut self, cells: &[String]) {
        assert_eq!(cells.len(), self.columns, "{cells:?}");
        self.rows.push_str(&format!("| {} |\n", cells.join(" | ")));
    }

    /// Prints the table, past the capture of the test harness, and holds it against the page.
    pub fn stands_on_the_page(&self) {
        let (table, versions) = (format!("{}{}", self.head, self.rows), crate::room::versions());
        let text = format!("\n{versions}:\n\n{table}\n");
        std::io::stdout().write_all(text.as_bytes()).unwrap();
        let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE)).unwrap();
        assert!(
            page.contains(&table),
            "{PAGE} shows another table than what was measured:\n{text}"
        );
        assert!(page.contains(&versions), "{PAGE} names other versions than {versions}");
    }
}

/// A text in the page's letters for code.
pub fn code(text: &str) -> String {
    format!("`{text}`")
}
