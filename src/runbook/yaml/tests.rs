//! What the reader accepts, what it refuses, and where it points.

use super::*;

fn tree(text: &str) -> (Option<Node>, Diagnostics) {
    let mut diags = Diagnostics::new();
    let node = source("t.yml", text.as_bytes(), &mut diags).and_then(|s| read(&s, &mut diags));
    (node, diags)
}

fn codes(text: &str) -> Vec<&'static str> {
    tree(text).1.0.iter().map(|d| d.code).collect()
}

fn good(text: &str) -> Node {
    let (node, diags) = tree(text);
    assert!(diags.0.is_empty(), "{:?}", diags.0);
    node.unwrap()
}

/// Every scalar that is a value, with its text and the text it points at.
fn scalars(node: &Node, out: &mut Vec<(String, String)>) {
    match &node.kind {
        NodeKind::Scalar { text, .. } => out.push((text.clone(), node.span.text().to_owned())),
        NodeKind::Map(entries) => entries.iter().for_each(|e| scalars(&e.value, out)),
        NodeKind::Seq(items) => items.iter().for_each(|n| scalars(n, out)),
    }
}

#[test]
fn every_value_knows_where_it_stands() {
    let node = good(
        "a: one two # comment\nb: [x, \"y z\"]\nc:\n  d: 'q'\n  e: |\n    l1\n    l2\n\nf: >-\n  folded\n  text\ng: ü1\n",
    );
    let mut found = Vec::new();
    scalars(&node, &mut found);
    let pairs: Vec<(&str, &str)> = found.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(
        pairs,
        [
            ("one two", "one two"),
            ("x", "x"),
            ("y z", "\"y z\""),
            ("q", "'q'"),
            ("l1\nl2\n", "l1\n    l2"),
            ("folded text", "folded\n  text"),
            ("ü1", "ü1"),
        ]
    );
    assert!(node.span.text().starts_with("a: one") && node.span.text().ends_with("ü1"));
}

#[test]
fn keys_know_where_they_stand() {
    let node = good("first: 1\n\"second\": 2\n");
    let NodeKind::Map(entries) = node.kind else { panic!() };
    let keys: Vec<&str> = entries.iter().map(|e| e.key.span.text()).collect();
    assert_eq!(keys, ["first", "\"second\""]);
}

#[test]
fn line_ends_and_a_byte_order_mark_change_no_text() {
    let unix = good("a: |\n  x\n  y\nb: z\n");
    let dos = good("\u{feff}a: |\r\n  x\r\n  y\r\nb: z\r\n");
    let (mut left, mut right) = (Vec::new(), Vec::new());
    scalars(&unix, &mut left);
    scalars(&dos, &mut right);
    assert_eq!(
        left.iter().map(|s| &s.0).collect::<Vec<_>>(),
        right.iter().map(|s| &s.0).collect::<Vec<_>>()
    );
}

#[test]
fn what_is_not_part_of_the_language_is_refused() {
    let cases = [
        ("a: 1\na: 2\n", "PS0004"),
        ("a: &x 1\nb: 2\n", "PS0005"),
        ("a: *x\n", "PS0005"),
        ("a: {<<: {b: 1}}\n", "PS0006"),
        ("a: !!str 1\n", "PS0007"),
        ("a: 1\n---\nb: 2\n", "PS0008"),
        ("? [a, b]\n: 1\n", "PS0009"),
        ("", "PS0010"),
        ("# nothing\n", "PS0010"),
        ("a: {{ params.x }}\n", "PS0011"),
        ("a: {{ params.x }}/bin\n", "PS0011"),
        ("%YAML 1.2\n---\na: 1\n", "PS0012"),
        ("a: 'x\n", "PS0012"),
        ("a: [1, 2\n", "PS0012"),
        ("a: @x\n", "PS0012"),
        ("a: 1\n b: 2\n", "PS0012"),
        ("run: echo a: b\n", "PS0013"),
        ("a:\n\tb: 1\n", "PS0014"),
        ("a: x\0y\n", "PS0003"),
        ("a: x\u{202e}y\n", "PS0003"),
    ];
    for (text, code) in cases {
        assert_eq!(codes(text), [code], "{text:?}");
    }
}

#[test]
fn utf16_and_broken_utf8_are_refused() {
    for bytes in [&b"\xff\xfea\0:\0"[..], &b"\xfe\xff\0a"[..], &b"a: \xc3\x28\n"[..]] {
        let mut diags = Diagnostics::new();
        assert!(source("t.yml", bytes, &mut diags).is_none());
        assert_eq!(diags.0[0].code, "PS0001");
    }
}

#[test]
fn a_command_with_a_colon_gets_the_block_form_as_help() {
    let (_, diags) = tree("- run: curl -H Host: x\n");
    assert!(diags.0[0].help[0].starts_with("write `run: |`"), "{:?}", diags.0[0]);
}

#[test]
fn hostile_files_end_soon_with_a_complaint() {
    let bomb = (0..9).fold("a: &a0 [x]\n".to_owned(), |t, i| {
        let refs = vec![format!("*a{i}"); 10].join(", ");
        format!("{t}b{i}: &a{} [{refs}]\n", i + 1)
    });
    for text in [bomb, "[".repeat(50_000), "{a: ".repeat(50_000), "- ".repeat(50_000)] {
        let began = std::time::Instant::now();
        assert!(!codes(&text).is_empty());
        assert!(began.elapsed().as_secs() < 5);
    }
    good(&format!("a: {}\n", "x".repeat(5 << 20)));
    good(&format!("a: \"{}\"\n", "x y".repeat(1 << 20)));
}

#[test]
fn a_range_of_a_text_maps_into_the_file() {
    let node = good(concat!(
        "- echo {{ x }} end\n",
        "- \"say \\\"hi\\\" {{ x }}\"\n",
        "- 'it''s {{ x }}'\n",
        "- |\n  one\n    {{ x }}\n  three\n",
        "- >-\n  one\n  two {{ x }}\n",
        "- \"\\u0041 {{ x }}\"\n",
    ));
    let NodeKind::Seq(items) = node.kind else { panic!() };
    let shown: Vec<String> = items
        .iter()
        .map(|n| {
            let NodeKind::Scalar { text, .. } = &n.kind else {
                panic!()
            };
            let at = text.find("{{").unwrap();
            inside(&Spanned::new(text.clone(), n.span.clone()), at..at + 7)
                .text()
                .to_owned()
        })
        .collect();
    let exact = "{{ x }}";
    assert_eq!(shown, [exact, exact, exact, exact, exact, exact]);
}
