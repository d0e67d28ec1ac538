//! Figures: what each round gave, beside what the machine could do right before and right after it.

use serde::{Deserialize, Serialize};

use crate::calibrate::{Calibrator, Measured};

/// Which way a figure is good.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    /// As a rate.
    Higher,
    /// As a latency.
    Lower,
}

/// What one round gave of one figure.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
    pub(crate) value: f64,
    /// What it is compared with, the most telling one first.
    pub(crate) to: &'static [Calibrator],
}

impl Point {
    /// A rate.
    pub(crate) fn rate(
        name: &'static str,
        unit: &'static str,
        value: f64,
        to: &'static [Calibrator],
    ) -> Self {
        Self { name, unit, better: Better::Higher, value, to }
    }

    /// A time in milliseconds.
    pub(crate) fn millis(name: &'static str, value: f64, to: &'static [Calibrator]) -> Self {
        Self { name, unit: "ms", better: Better::Lower, value, to }
    }
}

/// A figure over all rounds.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Figure {
    /// Its name: the workload's, a dot, and what it is of.
    pub(crate) name: String,
    pub(crate) unit: String,
    pub(crate) better: Better,
    /// The calibrators that it is to be compared with, the most telling one first; those that could be measured are in
    /// `ratios`.
    pub(crate) beside: Vec<String>,
    /// The median of the rounds, and their range.
    #[serde(flatten)]
    pub(crate) values: Values,
    /// Beside each calibrator that was measured with it.
    pub(crate) ratios: Vec<Ratio>,
}

/// A figure beside a calibrator: the only thing that another run's can be compared with.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Ratio {
    pub(crate) to: String,
    /// The median of what the calibrator gave.
    pub(crate) calibrator: f64,
    /// The most that it gave right before and right after one round differ, as a part of the lesser.
    pub(crate) unsteady: f64,
    #[serde(flatten)]
    pub(crate) values: Values,
}

/// What several rounds gave.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Values {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) rounds: Vec<f64>,
}

impl Values {
    /// Of at least one round.
    pub(crate) fn of(rounds: Vec<f64>) -> Self {
        let mut sorted = rounds.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            1 => sorted[middle],
            _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
        };
        Self { median, low: sorted[0], high: sorted[sorted.len() - 1], rounds }
    }
}

/// A round: its figures, and the calibrators around it.
pub(crate) struct Round {
    pub(crate) points: Vec<Point>,
    pub(crate) before: Measured,
    pub(crate) after: Measured,
}

/// Puts the rounds of one workload together. A figure that not every round has is of those that have it.
pub(crate) fn figures(rounds: &[Round]) -> Vec<Figure> {
    let mut names: Vec<&'static str> = Vec::new();
    for point in rounds.iter().flat_map(|round| &round.points) {
        if !names.contains(&point.name) {
            names.push(point.name);
        }
    }
    names.into_iter().filter_map(|name| figure(name, rounds)).collect()
}

fn figure(name: &str, rounds: &[Round]) -> Option<Figure> {
    let points: Vec<(&Point, &Round)> = rounds
        .iter()
        .filter_map(|round| Some((round.points.iter().find(|point| point.name == name)?, round)))
        .collect();
    let (first, _) = points.first()?;
    let ratios = first.to.iter().filter_map(|calibrator| ratio(*calibrator, &points)).collect();
    let values = Values::of(points.iter().map(|(point, _)| point.value).collect());
    let beside = first.to.iter().map(|calibrator| calibrator.as_str().to_owned()).collect();
    Some(Figure {
        name: name.to_owned(),
        unit: first.unit.to_owned(),
        better: first.better,
        beside,
        values,
        ratios,
    })
}

/// `None` where the calibrator was not measured around each round.
fn ratio(to: Calibrator, points: &[(&Point, &Round)]) -> Option<Ratio> {
    let around = |round: &Round| Some((*round.before.get(&to)?, *round.after.get(&to)?));
    let around: Vec<(f64, f64)> = points.iter().map(|(_, round)| around(round)).collect::<Option<_>>()?;
    let mean = |(before, after): &(f64, f64)| (before + after) / 2.0;
    let ratios = points.iter().zip(&around).map(|((point, _), around)| point.value / mean(around));
    let apart = |(before, after): &(f64, f64)| (before - after).abs() / before.min(*after);
    Some(Ratio {
        to: to.as_str().to_owned(),
        calibrator: Values::of(around.iter().map(mean).collect()).median,
        unsteady: around.iter().map(apart).fold(0.0, f64::max),
        values: Values::of(ratios.collect()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO: &[Calibrator] = &[Calibrator::Spawn, Calibrator::Commits];

    fn round(value: f64, before: f64, after: f64) -> Round {
        let machine = |rate| Measured::from([(Calibrator::Spawn, rate)]);
        let points = vec![Point::rate("shell.drained", "tasks/s", value, TO)];
        Round { points, before: machine(before), after: machine(after) }
    }

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        assert_eq!(Values::of(vec![4.0, 1.0, 3.0, 2.0]).median, 2.5);
        let three = Values::of(vec![3.0, 1.0, 2.0]);
        assert_eq!((three.median, three.low, three.high, three.rounds), (2.0, 1.0, 3.0, vec![3.0, 1.0, 2.0]));
    }

    #[test]
    fn each_round_is_beside_the_calibrators_around_it_and_not_beside_those_of_another() {
        // The machine halves between the rounds, and the figure with it.
        let figures =
            figures(&[round(500.0, 900.0, 1100.0), round(250.0, 500.0, 500.0), round(300.0, 500.0, 500.0)]);
        let [figure] = &figures[..] else { panic!("{figures:?}") };
        let [ratio] = &figure.ratios[..] else { panic!("what was not measured has no ratio: {figure:?}") };
        assert_eq!(ratio.values.rounds, [0.5, 0.5, 0.6]);
        assert_eq!((ratio.values.median, ratio.calibrator), (0.5, 500.0));
        assert!((ratio.unsteady - 200.0 / 900.0).abs() < 1e-9, "{}", ratio.unsteady);
        assert_eq!(figure.values.median, 300.0);
    }

    #[test]
    fn a_calibrator_that_one_round_lacks_is_not_compared_with() {
        let mut rounds = [round(1.0, 1.0, 1.0), round(1.0, 1.0, 1.0)];
        rounds[1].after.clear();
        assert!(figures(&rounds)[0].ratios.is_empty());
    }
}
