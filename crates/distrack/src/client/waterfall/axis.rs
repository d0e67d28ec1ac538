//! The axis of time that all bars share: which column an instant has.

use super::{Kind, Row};

/// A stretch of the axis.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    from: i64,
    to: i64,
    /// How much of the width it takes, relative to the others.
    weight: i64,
}

impl Stretch {
    fn to_scale(from: i64, to: i64) -> Self {
        Self { from, to, weight: to.saturating_sub(from) }
    }

    fn is_to_scale(&self) -> bool {
        self.weight == self.to.saturating_sub(self.from)
    }
}

/// The axis: to scale, except that a long wait takes no more room than all in which something happens. Otherwise
/// a task that waited for a day and ran for a second would be one long bar.
///
/// It is the phases'. Spans may widen it to either side by as much again, and stand at its edge beyond: neither a
/// caller that began hours before nor a machine whose clock is wrong may squeeze the phases into one column.
pub(super) struct Axis {
    stretches: Vec<Stretch>,
    width: usize,
}

impl Axis {
    /// How much longer than all else a wait may be and still be drawn to scale.
    const SCALE: i64 = 3;

    /// The axis of rows, `width` columns wide.
    pub(super) fn of(rows: &[Row], width: usize) -> Self {
        let mut axis = Self { stretches: phases(rows), width };
        axis.widen(rows);
        axis
    }

    fn widen(&mut self, rows: &[Row]) {
        let first = rows.iter().map(|row| row.from).min().unwrap_or(0);
        let last = rows.iter().map(Row::to).max().unwrap_or(0);
        let from = self.stretches.first().map_or(first, |stretch| stretch.from);
        let to = self.stretches.last().map_or(from, |stretch| stretch.to);
        // Where no phase has a length, there is nothing to squeeze.
        let most = Some(self.weight()).filter(|weight| *weight > 0).unwrap_or(i64::MAX);
        let (first, last) = (first.max(from.saturating_sub(most)), last.min(to.saturating_add(most)));
        if first < from {
            self.stretches.insert(0, Stretch::to_scale(first, from));
        }
        if last > to {
            self.stretches.push(Stretch::to_scale(to, last));
        }
    }

    fn weight(&self) -> i64 {
        self.stretches.iter().fold(0, |sum, stretch| sum.saturating_add(stretch.weight))
    }

    /// How many columns it has.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The column of an instant; at the edge for one that is beyond.
    pub(super) fn column(&self, at: i64) -> usize {
        let all: i128 = self.stretches.iter().map(|stretch| i128::from(stretch.weight)).sum();
        let mut before: i128 = 0;
        for stretch in &self.stretches {
            if at >= stretch.to {
                before += i128::from(stretch.weight);
            } else if at > stretch.from {
                let part = i128::from(at - stretch.from) * i128::from(stretch.weight);
                before += part / i128::from(stretch.to - stretch.from);
            }
        }
        let width = i128::try_from(self.width).unwrap_or(1);
        usize::try_from(before * width / all.max(1)).unwrap_or(0)
    }

    /// Whether a row lies where the axis is to scale.
    pub(super) fn is_to_scale(&self, row: &Row) -> bool {
        let mut within =
            self.stretches.iter().filter(|stretch| stretch.from < row.to() && stretch.to > row.from);
        within.all(Stretch::is_to_scale)
    }
}

/// The stretches between the bounds of the phases.
fn phases(rows: &[Row]) -> Vec<Stretch> {
    let phases = || rows.iter().filter(|row| row.is_phase());
    let mut bounds: Vec<i64> = phases().flat_map(|row| [row.from, row.to()]).collect();
    bounds.sort_unstable();
    bounds.dedup();
    let mut stretches: Vec<Stretch> =
        bounds.windows(2).map(|pair| Stretch::to_scale(pair[0], pair[1])).collect();
    let waits = |stretch: &Stretch| {
        let mut over = phases().filter(|row| row.from <= stretch.from && row.to() >= stretch.to);
        over.any(|row| row.kind == Kind::Wait)
    };
    let happening = stretches.iter().filter(|stretch| !waits(stretch));
    let active = happening.fold(0_i64, |sum, stretch| sum.saturating_add(stretch.weight));
    if active > 0 {
        for stretch in stretches.iter_mut().filter(|stretch| waits(stretch)) {
            if stretch.weight / Axis::SCALE > active {
                stretch.weight = active;
            }
        }
    }
    stretches
}
