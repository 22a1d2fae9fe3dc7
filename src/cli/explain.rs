//! `pitstop explain`: what a diagnostic's code means.
//!
//! Owns: how an entry of the table is shown. Must not: hold the texts.

use crate::diag::{codes, nearest};

use super::console::Console;
use super::exit;
use super::problem::Problem;
use super::screen::Tone;

/// Explain a diagnostic's code, with an example and its correction
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pitstop explain PS0102
  pitstop explain            all codes")]
pub struct Args {
    /// The code, as a diagnostic shows it in brackets
    #[arg(value_name = "CODE")]
    code: Option<String>,
}

/// Does it.
pub fn explain(args: &Args, console: &Console) -> Result<u8, Problem> {
    let screen = &console.screen;
    let Some(wanted) = &args.code else {
        let list: String = codes::all().map(|c| format!("{}  {}\n", c.code, c.title)).collect();
        screen.data(&list);
        return Ok(exit::GOOD);
    };
    let Some(code) = codes::find(wanted) else {
        let near = nearest(&wanted.to_uppercase(), codes::all().map(|c| c.code));
        let help = near.map_or("list them all: pitstop explain".to_owned(), |n| {
            format!("did you mean {n}?")
        });
        return Err(Problem::wrong(format!("there is no code `{wanted}`"), help));
    };
    let mut out = format!(
        "{}\n\n",
        screen.paint_data(Tone::Strong, &format!("{}: {}", code.code, code.title))
    );
    out.push_str(&wrapped(code.text, screen.width().min(100)));
    for (title, text) in [("Wrong:", code.wrong), ("Right:", code.right)] {
        if !text.is_empty() {
            out.push_str(&format!("\n{title}\n\n"));
            for line in text.lines() {
                out.push_str(format!("    {line}").trim_end());
                out.push('\n');
            }
        }
    }
    screen.data(&out);
    Ok(exit::GOOD)
}

fn wrapped(text: &str, width: usize) -> String {
    let mut out = String::new();
    for paragraph in text.lines() {
        let mut used = 0;
        for word in paragraph.split_whitespace() {
            let length = word.chars().count();
            if used > 0 && used + 1 + length > width {
                out.push('\n');
                used = 0;
            } else if used > 0 {
                out.push(' ');
                used += 1;
            }
            out.push_str(word);
            used += length;
        }
        out.push('\n');
    }
    out
}
