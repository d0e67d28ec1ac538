//! Histograms that remember a trace for each of their buckets.

use std::collections::HashMap;
use std::sync::Arc;

use distrack_core::TraceId;
use prometheus::core::{Collector, Desc, Metric, MetricVec, MetricVecBuilder};
use prometheus::proto::{self, MetricFamily};
use prometheus::{HistogramOpts, Result};

use crate::exemplars::{Exemplars, Series};

/// A histogram of one series. Cheap to clone; clones observe the same.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: prometheus::Histogram,
    edges: Arc<[f64]>,
    exemplars: Arc<Exemplars>,
}

impl Histogram {
    pub(crate) fn new(opts: HistogramOpts, series: &Series) -> Result<Self> {
        let edges = opts.buckets.as_slice().into();
        Self::sharing(opts, edges, series)
    }

    fn sharing(opts: HistogramOpts, edges: Arc<[f64]>, series: &Series) -> Result<Self> {
        let counts = prometheus::Histogram::with_opts(opts)?;
        let exemplars = series.add(&counts.metric(), edges.len());
        Ok(Self { counts, edges, exemplars })
    }

    /// Counts a value. What is no number is not counted: it would spoil the sum for good.
    pub fn observe(&self, value: f64) {
        self.observe_traced(value, None);
    }

    /// Counts a value that was measured in a trace. Give only a trace that is sampled: nobody can look up another.
    pub fn observe_traced(&self, value: f64, trace: Option<TraceId>) {
        if value.is_nan() {
            return;
        }
        self.counts.observe(value);
        if let Some(trace) = trace {
            self.exemplars.keep(self.edges.partition_point(|edge| *edge < value), trace, value);
        }
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.counts.get_sample_count()
    }
}

impl Metric for Histogram {
    fn metric(&self) -> proto::Metric {
        self.counts.metric()
    }
}

impl Collector for Histogram {
    fn desc(&self) -> Vec<&Desc> {
        self.counts.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.counts.collect()
    }
}

/// Histograms of one family by their labels. Cheap to clone.
pub type HistogramVec = MetricVec<HistogramBuilder>;

/// Makes the series of a [`HistogramVec`] when they are first observed.
#[derive(Clone, Debug)]
pub struct HistogramBuilder {
    edges: Arc<[f64]>,
    series: Series,
}

impl HistogramBuilder {
    pub(crate) fn new(edges: &[f64], series: Series) -> Self {
        Self { edges: edges.into(), series }
    }
}

impl MetricVecBuilder for HistogramBuilder {
    type M = Histogram;
    type P = HistogramOpts;

    fn build<V: AsRef<str>>(&self, opts: &HistogramOpts, values: &[V]) -> Result<Histogram> {
        let mut opts = opts.clone();
        // The crate keeps its own constructor for this to itself. A series with the same pairs as constants is the same.
        let names = std::mem::take(&mut opts.common_opts.variable_labels);
        let pairs = names.into_iter().zip(values.iter().map(|value| value.as_ref().to_owned()));
        opts.common_opts.const_labels.extend(pairs.collect::<HashMap<_, _>>());
        Histogram::sharing(opts, Arc::clone(&self.edges), &self.series)
    }
}
