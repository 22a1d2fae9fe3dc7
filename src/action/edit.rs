//! `edit`: places of a file, found by an expression and put otherwise.
//!
//! Owns: what the file becomes. Must not: read or write it (`file` does, whole and by rename).

use regex::bytes::RegexBuilder;

/// What it does, in one line.
pub fn words(file: &str, find: &str) -> String {
    format!("edit {file}: /{find}/")
}

/// What the content becomes, and how many places matched.
///
/// # Errors
/// When another number of places matches than was said, or the expression cannot be read.
pub fn edited(former: &[u8], find: &str, put: &str, count: u32) -> Result<(Vec<u8>, u32), String> {
    // `^` and `$` are those of lines: a file is edited, and not a word.
    let find = RegexBuilder::new(find)
        .multi_line(true)
        .build()
        .map_err(|e| format!("`{find}` is no regular expression: {e}"))?;
    let places = u32::try_from(find.find_iter(former).count()).unwrap_or(u32::MAX);
    if places != count {
        let places = match places {
            1 => "1 place matches".to_owned(),
            n => format!("{n} places match"),
        };
        return Err(format!("{places} /{find}/, and `count` says {count}"));
    }
    Ok((find.replace_all(former, put.as_bytes()).into_owned(), places))
}

#[cfg(test)]
mod tests {
    use super::edited;

    #[test]
    fn as_many_places_as_was_said_are_edited_and_no_others() {
        let file = b"Port 22\n#Port 2\nport 22\n";
        let (after, places) = edited(file, "^#?(Port) .*$", "$1 2222", 2).unwrap();
        assert_eq!(
            (String::from_utf8(after).unwrap().as_str(), places),
            ("Port 2222\nPort 2222\nport 22\n", 2)
        );
        assert_eq!(
            edited(file, "^Port", "x", 2).unwrap_err(),
            "1 place matches /^Port/, and `count` says 2"
        );
        assert!(edited(file, "nowhere", "x", 1).is_err());
    }
}
