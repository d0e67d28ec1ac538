//! What services say of themselves at `/metrics`: as much of the text format as is needed here.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::api::Api;
use crate::http::Call;
use crate::settings::Server;
use crate::whole::whole;

/// What several services say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scrape {
    /// Each series with its labels as they are written.
    series: Vec<(String, f64)>,
    resident: BTreeMap<String, u64>,
}

/// A histogram over all its series: how many observations are at most each bound.
type Buckets = BTreeMap<u64, f64>;

impl Scrape {
    /// Asks each of these addresses; one that does not answer, or is no service of distrack, is left out.
    pub(crate) async fn of(addresses: &[String]) -> Self {
        let mut all = Self::default();
        for address in addresses {
            let Ok(text) = text(address).await else { continue };
            let one = Self { series: series(&text).collect(), resident: BTreeMap::new() };
            if let Some(role) = one.role() {
                let bytes = whole(one.sum("process_resident_memory_bytes").unwrap_or(0.0));
                let known = all.resident.entry(role.to_owned()).or_default();
                *known = bytes.max(*known);
                all.series.extend(one.series);
            }
        }
        all
    }

    /// Resident bytes of the largest process of each role.
    pub(crate) fn resident(self) -> BTreeMap<String, u64> {
        self.resident
    }

    fn role(&self) -> Option<&str> {
        let (labels, _) = self.named("distrack_build_info").next()?;
        labels.split("role=\"").nth(1)?.split('"').next()
    }

    /// The sum of a metric over all its series; `None` if nobody has it.
    pub(crate) fn sum(&self, name: &str) -> Option<f64> {
        let mut values = self.named(name).map(|(_, value)| value).peekable();
        values.peek()?;
        Some(values.sum())
    }

    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.series.iter().filter_map(move |(series, value)| {
            let labels = series.strip_prefix(name)?;
            (labels.is_empty() || labels.starts_with('{')).then_some((labels, *value))
        })
    }

    fn buckets(&self, name: &str, label: &str) -> Buckets {
        let mut buckets = Buckets::new();
        let name = format!("{name}_bucket");
        for (labels, value) in self.named(&name).filter(|(labels, _)| labels.contains(label)) {
            let bound = labels.split("le=\"").nth(1).and_then(|rest| rest.split('"').next());
            let bound = bound.and_then(|bound| bound.parse::<f64>().ok()).unwrap_or(f64::INFINITY);
            // Positive numbers are in the order of their bits.
            *buckets.entry(bound.to_bits()).or_default() += value;
        }
        buckets
    }

    /// The observations of a histogram since `before`, those of series with `label`: how many, and below which values
    /// these parts of them are.
    pub(crate) fn since<const N: usize>(
        &self,
        before: &Self,
        name: &str,
        label: &str,
        parts: [f64; N],
    ) -> Option<(f64, [f64; N])> {
        let earlier = before.buckets(name, label);
        let new: Vec<(f64, f64)> = self
            .buckets(name, label)
            .into_iter()
            .map(|(bound, count)| {
                (f64::from_bits(bound), count - earlier.get(&bound).copied().unwrap_or(0.0))
            })
            .collect();
        let count = new.last().map_or(0.0, |(_, count)| *count);
        (count > 0.0).then(|| (count, parts.map(|part| quantile(&new, part * count))))
    }
}

/// Between the bounds of the bucket in which the observation of this rank is, as Prometheus does.
fn quantile(buckets: &[(f64, f64)], rank: f64) -> f64 {
    let (mut low, mut below) = (0.0, 0.0);
    for (bound, count) in buckets {
        if *count >= rank {
            let inside = count - below;
            return if bound.is_infinite() || inside <= 0.0 {
                low
            } else {
                low + (bound - low) * (rank - below) / inside
            };
        }
        (low, below) = (*bound, *count);
    }
    low
}

async fn text(address: &str) -> Result<String> {
    let server = Server { uri: format!("http://{address}/").parse()?, token: None, tls: None };
    let body = Api::new(server).call(&Call::get("/metrics")).await?.good()?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

fn series(text: &str) -> impl Iterator<Item = (String, f64)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        Some((series.to_owned(), value.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrape(lines: &[&str]) -> Scrape {
        Scrape { series: series(&lines.join("\n")).collect(), resident: BTreeMap::new() }
    }

    #[test]
    fn a_metric_is_summed_over_its_series_and_over_no_other_ones() {
        let one = scrape(&["# TYPE a counter", "a{x=\"1\"} 2", "a{x=\"2\"} 3", "ab 100", "b 7"]);
        assert_eq!((one.sum("a"), one.sum("b"), one.sum("c")), (Some(5.0), Some(7.0), None));
    }

    #[test]
    fn percentiles_are_of_what_came_between_two_scrapes() {
        let at = |counts: [u32; 4]| {
            let bounds = ["0.001", "0.002", "0.004", "+Inf"];
            let lines =
                bounds.iter().zip(counts).map(|(le, n)| format!("h_bucket{{step=\"r\",le=\"{le}\"}} {n}"));
            let mut lines: Vec<String> = lines.collect();
            lines.push("h_bucket{step=\"x\",le=\"0.001\"} 1000".to_owned());
            scrape(&lines.iter().map(String::as_str).collect::<Vec<_>>())
        };
        let (before, after) = (at([100, 100, 100, 100]), at([100, 150, 200, 200]));
        let (count, [p50, p75]) = after.since(&before, "h", "step=\"r\"", [0.5, 0.75]).unwrap();
        assert_eq!(count, 100.0);
        assert!((p50 - 0.002).abs() < 1e-9 && (p75 - 0.003).abs() < 1e-9, "{p50} {p75}");
        assert!(after.since(&after, "h", "step=\"r\"", [0.5]).is_none(), "nothing came");
    }
}
