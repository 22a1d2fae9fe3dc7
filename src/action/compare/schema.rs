//! `schema`: the same statements of a dump's definitions, in any order, as `pg_dump -s` and `mysqldump --no-data` print them.
//!
//! What says nothing about a schema is left out:
//!
//! ```text
//! -- …   /* … */                 comments, and empty lines; what MySQL executes (/*!40101 … */) is read, its marks are not
//! \restrict  \unrestrict         of psql, with a random word in each dump
//! SET …;  SELECT …set_config(…)  settings of the session that reads the dump
//! AUTO_INCREMENT=7               of a table: a counter that its rows move
//! ```
//!
//! Owns: where a statement ends (quotes, `$tag$`, `DELIMITER`), and what is left out. Must not: understand a statement, or bring
//! two spellings of one together: both sides are dumped by the same tool.

use std::fs::File;
use std::path::Path;
use std::sync::LazyLock;

use regex::bytes::Regex;

use super::lines::Lines;
use super::said::Whole;
use super::sorted::{Sorted, Sorter, merged};
use super::{SHOWN, Verdict, many, shown};
use crate::plan::page::unified;

/// A longer statement is no definition; it is known by its lines up to here and the rest's count.
const LONGEST: usize = 4 << 20;
/// So many statements that differ are held to be shown.
const HELD: usize = 100;
/// So much of each.
const HELD_BYTES: usize = 64 << 10;

/// The counter of a table, where MySQL prints it: behind the last bracket.
static COUNTER: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?-u)\) ?([^)']*?) ?AUTO_INCREMENT=[0-9]+").ok());

/// Compares them.
pub(super) fn compare(sides: [Whole; 2], folder: &Path) -> Result<Verdict, String> {
    let [left, right] = sides.map(|side| side.file);
    let (left, in_left) = sorted(left, folder)?;
    let (right, in_right) = sorted(right, folder)?;
    if in_left == 0 && in_right == 0 {
        return Err("both sides hold no definition, only comments and settings: that proves nothing".to_owned());
    }
    let mut held: [Vec<Vec<u8>>; 2] = Default::default();
    let mut only = [0_u64; 2];
    merged(left, right, &mut |statement, a, b| {
        for (side, more) in [(0, a.saturating_sub(b)), (1, b.saturating_sub(a))] {
            if let (true, Some(held), Some(only)) = (more > 0, held.get_mut(side), only.get_mut(side)) {
                *only += more;
                if held.len() < HELD {
                    held.push(statement.iter().take(HELD_BYTES).copied().collect());
                }
            }
        }
    })?;
    let [only_left, only_right] = only;
    let differences = only_left + only_right;
    let [left, right] = held;
    let first = left.first().or(right.first()).map(|s| shown(head(s)));
    let mut lines = told(left, right);
    if lines.len() > SHOWN {
        let more = lines.len() - SHOWN;
        lines.truncate(SHOWN);
        lines.push(format!("and {}", many(more as u64, "more lines")));
    }
    Ok(Verdict {
        what: "statements",
        counts: [in_left, in_right],
        differences,
        short: first.map_or(String::new(), |first| {
            format!(
                "{} only left, {} only right; first: {first}",
                many(only_left, "statements"),
                many(only_right, "statements")
            )
        }),
        lines,
    })
}

/// Statements that begin alike are shown as one that was changed, the others whole.
fn told(left: Vec<Vec<u8>>, mut right: Vec<Vec<u8>>) -> Vec<String> {
    let mut lines = Vec::new();
    let whole = |sign: char, statement: &[u8], lines: &mut Vec<String>| {
        lines.extend(
            statement
                .split(|b| *b == b'\n')
                .map(|line| format!("{sign} {}", shown(line))),
        );
    };
    for statement in left {
        match right.iter().position(|other| head(other) == head(&statement)) {
            Some(at) => {
                let other = right.remove(at);
                lines.push(format!("in {}", shown(head(&statement))));
                lines.extend(unified(&inert(&statement), &inert(&other)).lines().map(str::to_owned));
            }
            None => whole('-', &statement, &mut lines),
        }
    }
    for statement in right {
        whole('+', &statement, &mut lines);
    }
    lines
}

fn head(statement: &[u8]) -> &[u8] {
    let end = statement.iter().position(|b| matches!(b, b'\n' | b'('));
    let head = statement.get(..end.unwrap_or(statement.len())).unwrap_or_default();
    head.trim_ascii_end()
}

fn inert(statement: &[u8]) -> String {
    statement
        .split(|b| *b == b'\n')
        .map(|line| shown(line) + "\n")
        .collect()
}

fn sorted(file: Option<File>, folder: &Path) -> Result<(Sorted, u64), String> {
    let mut sorter = Sorter::new(folder);
    let mut count = 0;
    let mut splitter = Splitter::default();
    let mut lines = Lines::of(file);
    let mut line = Vec::new();
    let mut statements = Vec::new();
    while lines.next(&mut line)? {
        splitter.line(line.strip_suffix(b"\r").unwrap_or(&line), &mut statements);
        for statement in statements.drain(..) {
            count += 1;
            sorter.push(&statement)?;
        }
    }
    splitter.end(&mut statements);
    for statement in statements {
        count += 1;
        sorter.push(&statement)?;
    }
    Ok((sorter.sorted()?, count))
}

/// Where we are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum In {
    #[default]
    Text,
    /// `'`, `"` or a backtick; the second: a backslash hides what follows it.
    Quote(u8, bool),
    /// `$tag$`, whole.
    Dollar(Vec<u8>),
    /// A comment, and how many are in each other.
    Comment(u32),
}

/// Cuts a dump into statements.
#[derive(Default)]
struct Splitter {
    at: In,
    /// What MySQL executes and others take for a comment.
    executed: u32,
    mysql: bool,
    /// Rows of a `COPY … FROM stdin`, which end with `\.`.
    rows: bool,
    delimiter: Option<Vec<u8>>,
    statement: Vec<u8>,
    /// Bytes that were too many.
    over: u64,
}

impl Splitter {
    /// One more line; statements that it ends go into `out`.
    fn line(&mut self, line: &[u8], out: &mut Vec<Vec<u8>>) {
        if self.rows {
            self.add_all(line);
            self.add(b'\n');
            if line == b"\\." {
                self.rows = false;
                self.finish(out);
            }
            return;
        }
        let begins = self.at == In::Text && self.statement.iter().all(u8::is_ascii_whitespace);
        if begins {
            let word = line.trim_ascii();
            if word.starts_with(b"\\restrict") || word.starts_with(b"\\unrestrict") {
                return;
            }
            if let Some(delimiter) = word.strip_prefix(b"DELIMITER ") {
                let delimiter = delimiter.trim_ascii();
                self.delimiter = (delimiter != b";").then(|| delimiter.to_vec());
                return;
            }
            if word.starts_with(b"-- MySQL dump") || word.starts_with(b"-- MariaDB dump") {
                self.mysql = true;
            }
        }
        let mut rest = line;
        while !rest.is_empty() {
            rest = self.step(rest, out);
            if self.rows {
                return;
            }
        }
        match self.at {
            In::Text => {
                let end = self.statement.trim_ascii_end().len();
                self.statement.truncate(end);
                if !self.statement.is_empty() {
                    self.add(b'\n');
                }
            }
            In::Quote(..) | In::Dollar(_) => self.add(b'\n'),
            In::Comment(_) => {}
        }
    }

    /// The next part of a line; gives what is left of it.
    fn step<'l>(&mut self, rest: &'l [u8], out: &mut Vec<Vec<u8>>) -> &'l [u8] {
        let after = |n: usize| rest.get(n..).unwrap_or_default();
        let Some(byte) = rest.first().copied() else { return &[] };
        match &mut self.at {
            In::Text => self.text(rest, byte, out),
            In::Quote(quote, hides) => {
                let (quote, hides) = (*quote, *hides);
                if hides && byte == b'\\' {
                    self.add_all(rest.get(..2).unwrap_or(rest));
                    return after(2);
                }
                if byte == quote {
                    self.at = In::Text;
                }
                self.add(byte);
                after(1)
            }
            In::Dollar(tag) => {
                if rest.starts_with(tag) {
                    let tag = std::mem::take(tag);
                    self.at = In::Text;
                    self.add_all(&tag);
                    return after(tag.len());
                }
                self.add(byte);
                after(1)
            }
            In::Comment(depth) => {
                if rest.starts_with(b"*/") {
                    *depth -= 1;
                    if *depth == 0 {
                        self.at = In::Text;
                    }
                    return after(2);
                }
                if rest.starts_with(b"/*") && !self.mysql {
                    *depth += 1;
                    return after(2);
                }
                after(1)
            }
        }
    }

    fn text<'l>(&mut self, rest: &'l [u8], byte: u8, out: &mut Vec<Vec<u8>>) -> &'l [u8] {
        let after = |n: usize| rest.get(n..).unwrap_or_default();
        let end: &[u8] = self.delimiter.as_deref().unwrap_or(b";");
        if rest.starts_with(end) {
            let length = end.len();
            self.finish(out);
            return after(length);
        }
        if rest.starts_with(b"--") && (!self.mysql || after(2).first().is_none_or(u8::is_ascii_whitespace)) {
            return &[];
        }
        if let Some(marked) = rest.strip_prefix(b"/*!").or_else(|| rest.strip_prefix(b"/*M!")) {
            self.mysql = true;
            let digits = marked.iter().take_while(|b| b.is_ascii_digit()).count();
            // No version is so high: a mark for tools that read the dump, as MariaDB's sandbox.
            if marked.starts_with(b"999999") {
                self.at = In::Comment(1);
            } else {
                self.executed += 1;
            }
            return after(rest.len() - marked.len() + digits);
        }
        if rest.starts_with(b"*/") && self.executed > 0 {
            self.executed -= 1;
            return after(2);
        }
        if rest.starts_with(b"/*") {
            self.at = In::Comment(1);
            return after(2);
        }
        match byte {
            b'\'' | b'"' | b'`' => {
                self.mysql |= byte == b'`';
                let escaped = matches!(self.statement.last(), Some(b'E' | b'e'));
                self.at = In::Quote(byte, byte != b'`' && (self.mysql || (escaped && byte == b'\'')));
                self.add(byte);
                after(1)
            }
            b'$' if !self.mysql => match tag(rest) {
                Some(tag) => {
                    self.at = In::Dollar(tag.to_vec());
                    self.add_all(tag);
                    after(tag.len())
                }
                None => {
                    self.add(byte);
                    after(1)
                }
            },
            // Of blanks the first is enough; none stands at the beginning.
            b' ' | b'\t' => {
                if self.statement.last().is_some_and(|last| !last.is_ascii_whitespace()) {
                    self.add(b' ');
                }
                after(1)
            }
            _ => {
                self.add(byte);
                after(1)
            }
        }
    }

    fn add(&mut self, byte: u8) {
        if self.statement.len() < LONGEST {
            self.statement.push(byte);
        } else {
            self.over += 1;
        }
    }

    fn add_all(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.add(*b));
    }

    /// The statement is over.
    fn finish(&mut self, out: &mut Vec<Vec<u8>>) {
        let statement = std::mem::take(&mut self.statement);
        let over = std::mem::take(&mut self.over);
        let statement = statement.trim_ascii();
        if statement.is_empty() || is_setting(statement) {
            return;
        }
        if is_copy(statement) && !statement.contains(&b'\n') {
            // Its rows belong to it.
            self.statement = statement.to_vec();
            self.statement.push(b'\n');
            self.rows = true;
            return;
        }
        let mut statement = match (&*COUNTER, self.mysql && statement.starts_with(b"CREATE TABLE")) {
            (Some(counter), true) => counter.replace_all(statement, &b") $1"[..]).into_owned(),
            _ => statement.to_vec(),
        };
        if over > 0 {
            statement.extend_from_slice(format!("… (and {over} bytes)").as_bytes());
        }
        out.push(statement);
    }

    /// The dump is over; what was not ended is a statement all the same.
    fn end(mut self, out: &mut Vec<Vec<u8>>) {
        self.finish(out);
        if self.rows {
            self.rows = false;
            out.push(self.statement);
        }
    }
}

/// `$$` or `$tag$` at the beginning.
fn tag(rest: &[u8]) -> Option<&[u8]> {
    let end = rest.iter().skip(1).position(|b| *b == b'$')? + 1;
    let name = rest.get(1..end)?;
    let fits = name
        .iter()
        .all(|b| b.is_ascii_alphanumeric() || *b == b'_' || *b >= 0x80);
    (fits && !name.first().is_some_and(u8::is_ascii_digit)).then(|| rest.get(..=end))?
}

/// Of the session that reads the dump.
fn is_setting(statement: &[u8]) -> bool {
    let begins = |words: &[u8]| {
        let start = statement.get(..words.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(words))
    };
    begins(b"SET ") || begins(b"SELECT pg_catalog.set_config(")
}

fn is_copy(statement: &[u8]) -> bool {
    statement.starts_with(b"COPY ") && statement.ends_with(b" FROM stdin")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statements(dump: &str) -> Vec<String> {
        let (mut splitter, mut out) = (Splitter::default(), Vec::new());
        for line in dump.lines() {
            splitter.line(line.as_bytes(), &mut out);
        }
        splitter.end(&mut out);
        out.into_iter().map(|s| String::from_utf8(s).unwrap()).collect()
    }

    #[test]
    fn a_dump_of_postgresql_is_its_definitions() {
        let dump = r"--
-- PostgreSQL database dump
--
\restrict 9XhWqTbUe

-- Dumped from database version 15.14
SET statement_timeout = 0;
SET default_table_access_method = heap;
SELECT pg_catalog.set_config('search_path', '', false);

CREATE FUNCTION public.f() RETURNS text
    LANGUAGE plpgsql
    AS $_$
begin
  -- stays; it is text
  return 'a;b' || $1;
end
$_$;


CREATE TABLE public.orders (
    id bigint NOT NULL,   /* a comment; with a semicolon */
    note text DEFAULT 'it''s; \'::text,
    more text DEFAULT E'a\';b'
);
ALTER TABLE ONLY public.orders ADD CONSTRAINT orders_pkey PRIMARY KEY (id);
\unrestrict 9XhWqTbUe
";
        assert_eq!(
            statements(dump),
            [
                "CREATE FUNCTION public.f() RETURNS text\nLANGUAGE plpgsql\nAS $_$\nbegin\n  -- stays; it is text\n  return 'a;b' || $1;\nend\n$_$",
                "CREATE TABLE public.orders (\nid bigint NOT NULL,\nnote text DEFAULT 'it''s; \\'::text,\nmore text DEFAULT E'a\\';b'\n)",
                "ALTER TABLE ONLY public.orders ADD CONSTRAINT orders_pkey PRIMARY KEY (id)",
            ]
        );
    }

    #[test]
    fn a_dump_of_mysql_is_its_definitions_without_counters() {
        let dump = r"/*M!999999\- enable the sandbox mode */
-- MariaDB dump 10.19  Distrib 10.11.14-MariaDB, for debian-linux-gnu (x86_64)
/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
DROP TABLE IF EXISTS `orders`;
/*!40101 SET character_set_client = utf8 */;
CREATE TABLE `orders` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `note` varchar(20) DEFAULT 'it\'s; AUTO_INCREMENT=9',
  PRIMARY KEY (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=4711 DEFAULT CHARSET=utf8mb4
/*!50100 PARTITION BY HASH (`id`) */;
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER t BEFORE INSERT ON orders FOR EACH ROW BEGIN
  SET NEW.note = 'x';
END */;;
DELIMITER ;
-- Dump completed on 2026-11-23 22:00:00
";
        assert_eq!(
            statements(dump),
            [
                "DROP TABLE IF EXISTS `orders`",
                "CREATE TABLE `orders` (\n`id` int(11) NOT NULL AUTO_INCREMENT,\n`note` varchar(20) DEFAULT 'it\\'s; AUTO_INCREMENT=9',\nPRIMARY KEY (`id`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4\nPARTITION BY HASH (`id`)",
                "CREATE DEFINER=`root`@`localhost` TRIGGER t BEFORE INSERT ON orders FOR EACH ROW BEGIN\nSET NEW.note = 'x';\nEND",
            ]
        );
    }

    #[test]
    fn rows_belong_to_their_copy_and_what_is_not_ended_is_a_statement() {
        let dump = "COPY public.t (a) FROM stdin;\n1;\n\\.\nCREATE TABLE t (a int)";
        assert_eq!(
            statements(dump),
            ["COPY public.t (a) FROM stdin\n1;\n\\.", "CREATE TABLE t (a int)"]
        );
        assert_eq!(statements("-- only\nSET a = 1;\n\n"), [""; 0]);
    }
}
