//! The time axis of the timeline: straight where something runs, shortened where nothing does.
//!
//! Owns: the map from moments to places. Must not: draw.

use jiff::Timestamp;

use crate::report::record::{ChangeRecord, Span};

/// How wide a shortened pause is drawn.
const PAUSE: f64 = 96.0;

/// A stretch of the axis.
struct Piece {
    from: i64,
    to: i64,
    left: f64,
    right: f64,
    pause: bool,
}

/// The axis.
pub(super) struct Scale {
    pieces: Vec<Piece>,
}

impl Scale {
    /// An axis for this record between two places; `None` if nothing has a time.
    pub(super) fn new(r: &ChangeRecord, left: f64, right: f64) -> Option<Self> {
        let busy = busy(r);
        let (first, last) = (busy.first()?.0, busy.last()?.1.max(busy.first()?.0 + 1000));
        let worked: i64 = busy.iter().map(|(a, b)| b - a).sum();
        let gaps = busy.windows(2).filter_map(|w| match w {
            [(_, a), (b, _)] => Some((*a, *b)),
            _ => None,
        });
        // A pause may be an eighth of the work before it is shortened.
        let pauses: Vec<(i64, i64)> = gaps.filter(|(a, b)| b - a > (worked / 8).max(60_000)).collect();
        let short = f64::from(u32::try_from(pauses.len()).unwrap_or(0)) * PAUSE;
        let long: i64 = (last - first) - pauses.iter().map(|(a, b)| b - a).sum::<i64>();
        let unit = ((right - left - short) / millis(long.max(1))).max(0.000_000_1);
        let mut pieces = Vec::new();
        let (mut at, mut x) = (first, left);
        for (a, b) in pauses.into_iter().chain([(last, last)]) {
            let end = x + millis(a - at) * unit;
            pieces.push(Piece {
                from: at,
                to: a,
                left: x,
                right: end,
                pause: false,
            });
            if b > a {
                pieces.push(Piece {
                    from: a,
                    to: b,
                    left: end,
                    right: end + PAUSE,
                    pause: true,
                });
            }
            (at, x) = (b, if b > a { end + PAUSE } else { end });
        }
        Some(Self { pieces })
    }

    /// The place of a moment; moments outside are put at the ends.
    pub(super) fn x(&self, at: Timestamp) -> f64 {
        let ms = at.as_millisecond();
        let found = self.pieces.iter().find(|p| ms <= p.to).or(self.pieces.last());
        found.map_or(0.0, |p| {
            let share = millis(ms - p.from) / millis((p.to - p.from).max(1));
            p.left + (p.right - p.left) * share.clamp(0.0, 1.0)
        })
    }

    /// Shortened pauses: place and length.
    pub(super) fn pauses(&self) -> impl Iterator<Item = (f64, f64)> {
        self.pieces.iter().filter(|p| p.pause).map(|p| (p.left, p.right))
    }

    /// Round moments to write on the axis, none in a pause and none too close to another.
    pub(super) fn ticks(&self) -> Vec<Timestamp> {
        const STEPS: [i64; 15] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600];
        let straight = || self.pieces.iter().filter(|p| !p.pause);
        let long: i64 = straight().map(|p| p.to - p.from).sum();
        let step = STEPS
            .into_iter()
            .map(|s| s * 1000)
            .find(|s| long / s <= 9)
            .unwrap_or(86_400_000);
        let mut out: Vec<Timestamp> = Vec::new();
        let mut last = f64::MIN;
        for p in straight() {
            let mut at = p.from.div_euclid(step) * step;
            while at <= p.to {
                if at >= p.from
                    && let Ok(t) = Timestamp::from_millisecond(at)
                {
                    let x = self.x(t);
                    if x - last > 44.0 {
                        out.push(t);
                        last = x;
                    }
                }
                at += step;
            }
        }
        out
    }
}

/// Milliseconds as a length on paper.
fn millis(ms: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a drawing is not an account")]
    {
        ms as f64
    }
}

/// Spans in which a step ran, joined where they touch.
fn busy(r: &ChangeRecord) -> Vec<(i64, i64)> {
    let attempts = r.steps.iter().flat_map(|s| &s.attempts);
    let mut spans: Vec<(i64, i64)> = attempts
        .map(|a| Span {
            start: a.started,
            end: a.ended.unwrap_or(a.started),
        })
        .map(|s| (s.start.as_millisecond(), s.end.as_millisecond()))
        .collect();
    spans.sort_unstable();
    let mut out: Vec<(i64, i64)> = Vec::new();
    for (a, b) in spans {
        match out.last_mut() {
            Some(l) if a <= l.1 => l.1 = l.1.max(b),
            _ => out.push((a, b)),
        }
    }
    out
}
