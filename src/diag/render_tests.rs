//! The pictures of diagnostics, and that no text leaves its place in a format for tools.

use super::*;

fn two_places() -> Diagnostics {
    let source = Source::new("a.yml", "one: 1\r\ntwo: \u{1b}[31mred\r\none: 2\r\n");
    let again = source.text.rfind("one").unwrap();
    let mut diags = Diagnostics::new();
    diags.push(
        Diagnostic::error(
            "PS0004",
            "the key `one` is given twice",
            Span::new(&source, again, again + 3),
            "given again here",
        )
        .also(Span::new(&source, 0, 3), "given first here")
        .help("keep one of them"),
    );
    diags
}

#[test]
fn people_see_both_places_and_no_escape() {
    let text = human(&two_places(), false, 100);
    insta::assert_snapshot!(text, @r"
    error[PS0004]: the key `one` is given twice
     --> a.yml:3:1
      |
    1 | one: 1
      | --- given first here
    2 | two: ␛[31mred
    3 | one: 2
      | ^^^ given again here
      |
      = help: keep one of them

    1 error; for more about the first, run: pitstop explain PS0004
    ");
    assert!(!text.contains('\u{1b}'));
    let colored = human(&two_places(), true, 100);
    assert!(colored.contains('\u{1b}') && !colored.contains("\u{1b}[31mred"));
}

#[test]
fn tools_get_one_object_a_line() {
    let text = json(&two_places());
    let value: Value = serde_json::from_str(text.trim_end()).unwrap();
    assert_eq!(text.lines().count(), 1);
    assert_eq!(
        (&value["line"], &value["col"], &value["end_col"]),
        (&json!(3), &json!(1), &json!(4))
    );
    assert_eq!(value["labels"][1]["text"], "given first here");
    assert_eq!(
        github(&two_places()),
        "::error file=a.yml,line=3,col=1,endLine=3,endColumn=4,title=PS0004::the key `one` is given twice%0Akeep one of them\n"
    );
    let sarif: Value = serde_json::from_str(&sarif(&two_places())).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "PS0004");
}

#[test]
fn a_line_of_megabytes_is_not_shown() {
    let source = Source::new("a.yml", "x".repeat(5 << 20));
    let mut diags = Diagnostics::new();
    diags.push(Diagnostic::error("PS0012", "no", Span::new(&source, 10, 20), "here"));
    let text = human(&diags, false, 100);
    assert!(text.len() < 1000 && text.contains("a.yml:1:11"), "{text}");
}

/// Every character that means something to one of the formats, in the name of the file, the message and the help.
fn hostile() -> Diagnostics {
    let mut diags = Diagnostics::new();
    for nasty in [
        "50%, a:b::c,d\r\n::error file=x::y",
        "%25%0A%0D%3A%2C",
        "\u{1b}]0;title\u{7}\u{202e}cba",
        "\"quoted\" \\ <b>&amp;</b> ]]> {{ x }} ${y} `z`",
        "c:/with space/ü#f?q=[1]",
        "\u{0}\u{7f}\u{85}\u{2028}\u{feff}",
    ] {
        let source = Source::new(nasty, format!("one: 1\n{nasty}\n"));
        let span = Span::new(&source, 7, source.text.len() - 1);
        diags.push(
            Diagnostic::error("PS0004", nasty, span.clone(), nasty)
                .also(Span::new(&source, 0, 3), nasty)
                .help(nasty)
                .help("two\nlines"),
        );
        diags.push(Diagnostic::warning("PS0229", nasty, span, ""));
    }
    diags
}

#[test]
fn sarif_is_what_the_schema_of_oasis_wants() {
    let mut schema: Value = serde_json::from_str(include_str!("../../tests/data/sarif-2.1.0/schema.json")).unwrap();
    // Its pattern of a language has a bracket too many, which a strict reader refuses; no language is written here.
    for owner in ["run", "toolComponent"] {
        schema["definitions"][owner]["properties"]["language"]
            .as_object_mut()
            .unwrap()
            .remove("pattern");
    }
    let schema = jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .unwrap();
    for diags in [Diagnostics::new(), two_places(), hostile()] {
        let log: Value = serde_json::from_str(&sarif(&diags)).unwrap();
        let faults: Vec<String> = schema
            .iter_errors(&log)
            .map(|e| format!("{}: {e}", e.instance_path()))
            .collect();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        assert_eq!(log["runs"][0]["results"].as_array().unwrap().len(), diags.0.len());
    }
    // The control: a path as it stands is no reference, a column begins at 1.
    let mut log: Value = serde_json::from_str(&sarif(&two_places())).unwrap();
    let place = &mut log["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    place["artifactLocation"]["uri"] = json!("with space%.yml");
    place["region"]["startColumn"] = json!(0);
    assert_eq!(schema.iter_errors(&log).count(), 2);
}

#[test]
fn an_annotation_is_one_line_and_keeps_its_properties_apart() {
    let text = github(&hostile());
    assert_eq!(text.lines().count(), hostile().0.len());
    for (line, d) in text.split_terminator('\n').zip(&hostile().0) {
        assert!(!line.chars().any(char::is_control), "{line:?}");
        let (properties, message) = line.strip_prefix("::").unwrap().split_once("::").unwrap();
        let (kind, properties) = properties.split_once(' ').unwrap();
        assert_eq!(kind, word(d.severity));
        // As the runner of GitHub reads it: split at commas, then at the first equals sign, then undo the escapes.
        let read = |t: &str| {
            t.replace("%0D", "\r")
                .replace("%0A", "\n")
                .replace("%3A", ":")
                .replace("%2C", ",")
                .replace("%25", "%")
        };
        let pairs: Vec<(&str, String)> = properties
            .split(',')
            .map(|p| p.split_once('=').unwrap())
            .map(|(k, v)| (k, read(v)))
            .collect();
        let keys: Vec<&str> = pairs.iter().map(|(k, _)| *k).collect();
        assert_eq!(keys, ["file", "line", "col", "endLine", "endColumn", "title"]);
        assert_eq!(pairs[0].1, shown(&d.labels[0].span.source.name));
        let said: Vec<String> = std::iter::once(&d.message).chain(&d.help).map(|t| shown(t)).collect();
        assert_eq!(read(message), said.join("\n"));
    }
}

#[test]
fn every_line_for_tools_is_an_object_that_keeps_the_text() {
    let text = json(&hostile());
    let lines: Vec<Value> = text
        .split_terminator('\n')
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(lines.len(), hostile().0.len());
    for (line, d) in lines.iter().zip(&hostile().0) {
        assert_eq!(line["message"], d.message.as_str());
        assert_eq!(line["file"], d.labels[0].span.source.name.as_str());
    }
}
