//! Rollouts and gates.

use std::time::Duration;

use super::Cx;
use crate::diag::{Diagnostic, Spanned};
use crate::runbook::duration;
use crate::runbook::fields::{self, Fields};
use crate::runbook::keys;
use crate::runbook::yaml::Node;
use crate::runbook::{AfterBatch, Gate, Otherwise, Rollout, Size};

/// How long a gate waits when nothing is written.
const GATE_EXPIRES: Duration = Duration::from_secs(30 * 60);

impl Cx<'_> {
    pub(super) fn rollout(&mut self, name: Spanned<String>, node: &Node) -> Option<Rollout> {
        let mut f = Fields::of(node, &keys::ROLLOUT, self.diags)?;
        let batches = f
            .seq("batches")
            .iter()
            .filter_map(|n| self.keep(size(n, 1)))
            .map(|s| s.value)
            .collect();
        let parallel = f.count("parallel").map(|n| n.value);
        let max_fail = f.node("max_fail").and_then(|n| self.keep(size(n, 0)));
        let soak = f.text("soak");
        if let Some(soak) = soak.as_ref().filter(|s| !s.contains("{{"))
            && duration::parse(soak.trim()).is_none()
            && let Some(node) = f.node("soak")
            && let Err(d) = fields::duration(node)
        {
            f.complain(d);
        }
        let gate = f.node("gate").and_then(|n| self.gate(n, true));
        let (apart, last) = (f.text("apart"), f.text("last"));
        f.finish(self.diags);
        Some(Rollout {
            name,
            batches,
            parallel,
            max_fail,
            soak,
            gate,
            apart,
            last,
        })
    }

    /// A gate between phases, or (`inside`) between the batches of a rollout, where it has no id.
    pub(super) fn gate(&mut self, node: &Node, inside: bool) -> Option<Gate> {
        let shape = if inside { &keys::BATCH_GATE } else { &keys::GATE };
        let mut f = Fields::of(node, shape, self.diags)?;
        let id = if inside { None } else { f.text("gate") };
        let title = f.text("title");
        let mut need = f.count("need");
        if f.has("need") && need.is_none() {
            // It was complained about; that it is missing as well would be wrong.
            need = Some(Spanned::new(1, f.head().clone()));
        }
        let approvers = f.texts("approvers");
        let not_operator = f.bool("not_operator").is_none_or(|b| b.value);
        let expires = f.duration("expires").map_or(GATE_EXPIRES, |d| d.value);
        let otherwise = f.word(
            "otherwise",
            &[("hold", Otherwise::Hold), ("rollback_run", Otherwise::RollbackRun)],
        );
        let show = f.texts("show");
        let only_in = if inside { Vec::new() } else { f.texts("only_in") };
        let after_batch = if inside {
            self.after_batch(&mut f)
        } else {
            AfterBatch::Each
        };
        let span = f.head().clone();
        f.finish(self.diags);
        Some(Gate {
            id: id.unwrap_or_else(|| Spanned::new(String::new(), span.clone())),
            title: title.map_or_else(|| "Go on with the next batch?".to_owned(), |t| t.value),
            need,
            approvers,
            not_operator,
            expires,
            otherwise: otherwise.map_or(Otherwise::Hold, |o| o.value),
            show,
            only_in,
            after_batch,
            span,
        })
    }

    fn after_batch(&mut self, f: &mut Fields<'_>) -> AfterBatch {
        let Some(node) = f.node("after_batch") else {
            return AfterBatch::Each;
        };
        if fields::text(node).is_ok_and(|t| t.value == "each") {
            return AfterBatch::Each;
        }
        match fields::int(node, 1, i64::from(u32::MAX)) {
            Ok(n) => AfterBatch::Nth(u32::try_from(n.value).unwrap_or(u32::MAX)),
            Err(d) => {
                f.complain(d.help("write the number of a batch (the first is 1) or `each`"));
                AfterBatch::Each
            }
        }
    }
}

/// `3` or `"25%"`.
fn size(node: &Node, min: u32) -> Result<Spanned<Size>, Diagnostic> {
    let text = fields::text(node)?;
    let percent = text.strip_suffix('%');
    let number: Option<u32> = percent.unwrap_or(&text).trim().parse().ok();
    let size = match (number, percent) {
        (Some(n), None) if n >= min => Some(Size::Count(n)),
        (Some(n), Some(_)) if n >= min && n <= 100 => Some(Size::Percent(n)),
        _ => None,
    };
    size.map(|size| Spanned::new(size, text.span.clone())).ok_or_else(|| {
        let label = if number == Some(0) {
            "at least 1"
        } else {
            "this is neither"
        };
        Diagnostic::error(
            "PS0111",
            format!("expected a number of hosts or a percentage, found `{}`", text.value),
            text.span.clone(),
            label,
        )
        .help(format!("write {} or \"25%\" (from {min} to 100 percent)", min.max(1)))
    })
}
