//! How a run is beside an earlier one: by the ratios to the machine's own measure alone, since the machine is another one
//! each minute.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::figure::{Better, Figure};
use crate::report::{FORMAT, Report};

/// As much of an earlier report as is compared.
#[derive(Debug, Deserialize)]
pub(crate) struct Earlier {
    format: u32,
    workloads: Vec<EarlierWorkload>,
}

#[derive(Debug, Deserialize)]
struct EarlierWorkload {
    figures: Vec<Figure>,
}

impl Earlier {
    /// Reads a report that was written with `--json`.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let text =
            std::fs::read_to_string(path).with_context(|| format!("{shown} (--against) cannot be read"))?;
        let earlier: Self =
            serde_json::from_str(&text).with_context(|| format!("{shown} (--against) is no report"))?;
        ensure!(earlier.format == FORMAT, "{shown} (--against) has another form: {}", earlier.format);
        Ok(earlier)
    }
}

/// One figure beside its earlier self.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Compared {
    pub(crate) figure: String,
    /// The calibrator to which both ratios are.
    pub(crate) to: String,
    pub(crate) earlier: f64,
    pub(crate) now: f64,
    /// Above 1 is better, whichever way the figure is good.
    pub(crate) better: f64,
    /// Whether the rounds of the two runs do not overlap: what is within their range may be noise.
    pub(crate) beyond_noise: bool,
}

/// Compares each figure that both runs have beside the same calibrator, by its first one.
pub(crate) fn compare(earlier: &Earlier, now: &Report) -> Vec<Compared> {
    let before: Vec<&Figure> = earlier.workloads.iter().flat_map(|workload| &workload.figures).collect();
    let now = now.workloads.iter().flat_map(|workload| &workload.figures);
    now.filter_map(|figure| one(before.iter().find(|earlier| earlier.name == figure.name)?, figure)).collect()
}

fn one(earlier: &Figure, now: &Figure) -> Option<Compared> {
    let ratio = now.ratios.first()?;
    let known = earlier.ratios.iter().find(|known| known.to == ratio.to)?;
    let (before, after) = (&known.values, &ratio.values);
    let better = match now.better {
        Better::Higher => after.median / before.median,
        Better::Lower => before.median / after.median,
    };
    Some(Compared {
        figure: now.name.clone(),
        to: ratio.to.clone(),
        earlier: before.median,
        now: after.median,
        better,
        beyond_noise: after.low > before.high || after.high < before.low,
    })
}

/// The least of them; 1 if there is none.
pub(crate) fn worst(compared: &[Compared]) -> f64 {
    compared.iter().map(|one| one.better).reduce(f64::min).unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Ratio, Values};

    fn figure(name: &str, better: Better, to: &str, rounds: &[f64]) -> Figure {
        let ratio =
            Ratio { to: to.to_owned(), calibrator: 1.0, unsteady: 0.0, values: Values::of(rounds.to_vec()) };
        let values = Values::of(vec![1.0]);
        Figure {
            name: name.to_owned(),
            unit: String::new(),
            better,
            beside: Vec::new(),
            values,
            ratios: vec![ratio],
        }
    }

    #[test]
    fn above_one_is_better_whichever_way_a_figure_is_good() {
        let [slow, fast] = [&[0.4, 0.5, 0.6][..], &[0.9, 1.0, 1.1]];
        let rate = |rounds| figure("a", Better::Higher, "spawn", rounds);
        let delay = |rounds| figure("a", Better::Lower, "spawn", rounds);
        let faster = one(&rate(slow), &rate(fast)).unwrap();
        assert_eq!((faster.better, faster.beyond_noise), (2.0, true));
        assert_eq!(one(&delay(slow), &delay(fast)).unwrap().better, 0.5);
    }

    #[test]
    fn rounds_that_overlap_may_be_noise() {
        let figure = |rounds| figure("a", Better::Higher, "spawn", rounds);
        assert!(!one(&figure(&[0.9, 1.0, 1.1]), &figure(&[1.0, 1.2, 1.3])).unwrap().beyond_noise);
    }

    #[test]
    fn what_was_beside_another_calibrator_is_not_compared() {
        let figure = |to| figure("a", Better::Higher, to, &[1.0]);
        assert_eq!(one(&figure("spawn"), &figure("commits")), None);
        assert_eq!(worst(&[]), 1.0);
    }

    #[test]
    fn an_earlier_report_is_read_as_it_was_written_and_another_form_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let written = |format| {
            let figures = [figure("a", Better::Higher, "spawn", &[1.0, 2.0, 3.0])];
            let report =
                serde_json::json!({"format": format, "workloads": [{"name": "shell", "figures": figures}]});
            std::fs::write(file.path(), report.to_string()).unwrap();
            Earlier::read(file.path())
        };
        assert_eq!(written(FORMAT).unwrap().workloads[0].figures[0].ratios[0].values.median, 2.0);
        assert!(written(FORMAT + 1).is_err());
    }
}
