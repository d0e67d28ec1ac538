//! From which value on a number is good, doubtful or bad.

use serde_json::{Value, json};

/// What a value deserves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    Green,
    Yellow,
    Orange,
    Red,
    Blue,
}

impl Colour {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Yellow => "yellow",
            Self::Orange => "orange",
            Self::Red => "red",
            Self::Blue => "blue",
        }
    }
}

/// A colour for every value: `base`, and from each step on the step's.
#[derive(Clone, Debug)]
pub(crate) struct Thresholds {
    base: Colour,
    steps: Vec<(f64, Colour)>,
}

impl Thresholds {
    /// A number that is neither good nor bad.
    pub(crate) fn none() -> Self {
        Self { base: Colour::Blue, steps: Vec::new() }
    }

    /// Bad from `limit` on.
    pub(crate) fn red_from(limit: f64) -> Self {
        Self { base: Colour::Green, steps: vec![(limit, Colour::Red)] }
    }

    /// Bad below `limit`.
    pub(crate) fn red_below(limit: f64) -> Self {
        Self { base: Colour::Red, steps: vec![(limit, Colour::Green)] }
    }

    /// Doubtful from `limit` on, which is below every other step.
    pub(crate) fn orange_from(self, limit: f64) -> Self {
        self.below(limit, Colour::Orange)
    }

    /// Worth a look from `limit` on, which is below every other step.
    pub(crate) fn yellow_from(self, limit: f64) -> Self {
        self.below(limit, Colour::Yellow)
    }

    fn below(mut self, limit: f64, colour: Colour) -> Self {
        self.steps.insert(0, (limit, colour));
        self
    }

    /// The values at which the colour changes.
    pub(crate) fn limits(&self) -> impl Iterator<Item = f64> {
        self.steps.iter().map(|(limit, _)| *limit)
    }

    pub(crate) fn are_drawn(&self) -> bool {
        !self.steps.is_empty()
    }

    pub(crate) fn json(&self) -> Value {
        let base = json!({"color": self.base.name(), "value": null});
        let steps = self.steps.iter().map(|(limit, colour)| json!({"color": colour.name(), "value": limit}));
        let steps: Vec<Value> = [base].into_iter().chain(steps).collect();
        json!({"mode": "absolute", "steps": steps})
    }
}
