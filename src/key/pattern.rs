//! OpenSSH's patterns: `*`, `?`, and comma lists with `!`.
//!
//! Owns: matching, byte for byte as OpenSSH does it. Must not: know what is matched.

/// True if `text` is matched by a comma list of patterns and by none of its `!` patterns.
pub fn list_matches(text: &str, list: &str) -> bool {
    let mut found = false;
    for entry in list.split(',') {
        match entry.strip_prefix('!') {
            Some(not) if matches(text.as_bytes(), not.as_bytes()) => return false,
            Some(_) => {}
            None => found |= matches(text.as_bytes(), entry.as_bytes()),
        }
    }
    found
}

/// True if the whole `text` is matched. Linear in the common case: after a mismatch only the last `*` is tried one byte further on.
pub fn matches(mut text: &[u8], mut pattern: &[u8]) -> bool {
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern.split_first(), text.split_first()) {
            (Some((b'*', rest)), _) => {
                retry = Some((text, rest));
                pattern = rest;
                continue;
            }
            (Some((p, rest)), Some((t, left))) if *p == b'?' || p == t => {
                pattern = rest;
                text = left;
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        let Some((from, rest)) = retry else { return false };
        let Some((_, left)) = from.split_first() else {
            return false;
        };
        retry = Some((left, rest));
        text = left;
        pattern = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_matches_as_openssh_says() {
        for (text, list, expected) in [
            ("anna@example.com", "anna@example.com", true),
            ("anna@example.com", "boris@example.com,anna@example.com", true),
            ("anna@example.com", "*@example.com", true),
            ("anna@example.com", "*@example.com,!anna@*", false),
            ("anna@example.com", "!anna@*,*@example.com", false),
            ("anna@example.com", "!boris@*", false),
            ("anna", "ann?", true),
            ("ann", "ann?", false),
            ("anna", "*n*a", true),
            ("annab", "*n*a", false),
            ("Anna", "anna", false),
            ("", "*", true),
            ("", "", true),
            ("anna", "", false),
        ] {
            assert_eq!(list_matches(text, list), expected, "{text} in {list}");
        }
    }

    #[test]
    fn many_stars_end_soon() {
        let text = "a".repeat(5_000);
        let pattern = format!("{}b", "*a".repeat(500));
        assert!(!list_matches(&text, &pattern));
    }
}
