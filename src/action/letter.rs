//! A message in the forms that web addresses read: pitstop's own JSON, Slack's blocks, an Adaptive Card for Teams.
//!
//! Owns: these forms, with their limits; what hosts said is text in them and never markup. Must not: send.

use serde_json::{Value as Json, json};

use super::notice::Notice;
use crate::plan::Hook;
use crate::text;

/// Characters of a fact. Escaped it may be five times as long, and a section of Slack takes 3000.
const FACT: usize = 500;
/// So many things of a list are named.
const NAMED: usize = 10;

/// The body of a request.
pub(super) fn body(hook: Hook, notice: &Notice) -> Json {
    match hook {
        // Its values are texts and numbers of ours: they are always JSON.
        Hook::Webhook => serde_json::to_value(notice).unwrap_or_default(),
        Hook::Slack => slack(notice),
        Hook::Teams => teams(notice),
    }
}

/// What happened, in a sentence.
fn headline(n: &Notice) -> String {
    let title = short(&n.title);
    let host = short(n.host.as_deref().unwrap_or_default());
    let what = match n.event.as_str() {
        "started" => "the run has started".to_owned(),
        "gate_waiting" => "the run waits for a decision".to_owned(),
        "host_failed" => format!("{host} is {}", n.state.as_deref().unwrap_or("failed").replace('_', " ")),
        "unknown" => format!("nobody can say how a step on {host} ended"),
        _ => match (&n.verdict, n.exit) {
            (Some(verdict), Some(exit)) => format!("the run ended: {} (exit {exit})", verdict.replace('_', " ")),
            _ => "the run ended".to_owned(),
        },
    };
    format!("{title}: {what}")
}

/// What is told beside the headline.
fn facts(n: &Notice) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Some(gate) = &n.gate {
        facts.push(("Gate", format!("{}: {}", gate.id, gate.title)));
        facts.push(("Waits for", format!("{}, until {:.0}", gate.waits_for, gate.expires)));
    }
    facts.extend(n.phase.clone().map(|phase| ("Phase", phase)));
    facts.extend(n.reason.clone().map(|reason| ("Why", reason)));
    let counts: Vec<String> = n
        .counts
        .iter()
        .map(|(state, count)| format!("{count} {}", state.replace('_', " ")))
        .collect();
    if !counts.is_empty() {
        facts.push(("Hosts", counts.join(", ")));
    }
    if !n.left_behind.is_empty() {
        let named: Vec<&str> = n.left_behind.iter().take(NAMED).map(String::as_str).collect();
        let more = n.left_behind.len().saturating_sub(NAMED);
        let more = if more == 0 {
            String::new()
        } else {
            format!(" and {more} more")
        };
        facts.push(("Left behind", format!("{}{more}", named.join(", "))));
    }
    facts.extend(n.ticket.clone().map(|ticket| ("Ticket", ticket)));
    facts.push(("Run", format!("{} by {}", n.run, n.operator)));
    facts.push(("Next", n.next.clone()));
    facts.into_iter().map(|(name, text)| (name, short(&text))).collect()
}

/// One line without control characters, of bounded length.
fn short(text: &str) -> String {
    cut(&text::terminal_line(text), FACT)
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let head: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{head}…")
}

/// <https://api.slack.com/messaging/webhooks>: a text for notifications, and blocks. `verbatim`: no link is made of what a host
/// said, and nobody is called by it.
fn slack(n: &Notice) -> Json {
    let headline = headline(n);
    // Between code marks nothing is markup but the mark itself.
    let lines = facts(n).into_iter();
    let lines = lines.map(|(name, text)| format!("*{name}*  `{}`", slack_text(&text.replace('`', "'"))));
    let section =
        |text: &str| json!({ "type": "section", "text": { "type": "mrkdwn", "text": text, "verbatim": true } });
    let bold = slack_text(&headline.replace(['*', '_', '~', '`'], " "));
    let mut blocks = vec![section(&format!("*{bold}*"))];
    blocks.extend(lines.map(|line| section(&line)));
    json!({ "text": slack_text(&headline), "blocks": blocks })
}

/// The three characters that Slack reads.
fn slack_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What a workflow "When a Teams webhook request is received" posts: a message with an Adaptive Card. Its texts are runs of a
/// `RichTextBlock`, which know no Markdown.
fn teams(n: &Notice) -> Json {
    let run = |text: &str, bold: bool| {
        let weight = if bold { "Bolder" } else { "Default" };
        json!({ "type": "TextRun", "text": text, "weight": weight })
    };
    let block = |inlines: Vec<Json>| json!({ "type": "RichTextBlock", "inlines": inlines });
    let mut body = vec![block(vec![run(&headline(n), true)])];
    for (name, text) in facts(n) {
        body.push(block(vec![run(&format!("{name}: "), true), run(&text, false)]));
    }
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": body,
            },
        }],
    })
}
