//! Families of metrics, written one after the other. Knows the encoder, and nothing of what is measured.

use std::fmt;

use afc_ebpf::histogram::{self, BUCKETS, Histogram};
use prometheus_client::{
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet},
    metrics::MetricType,
    registry::Unit,
};

/// The labels of one time series.
pub(super) type Labels = Vec<(&'static str, String)>;

/// A family's name without the suffix of its unit, and what it means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) unit: Option<&'static Unit>,
}

/// How a [`Histogram`] was filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Buckets {
    Fine,
    Wide,
}

/// Buckets of a histogram that are shown as one: an octave.
const MERGED: usize = 4;

pub(super) struct Writer<'a> {
    encoder: DescriptorEncoder<'a>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self { encoder }
    }

    /// A family of counters. A value without labels is the only one of its family.
    pub(super) fn counters(
        &mut self,
        family: Family,
        values: impl IntoIterator<Item = (Labels, u64)>,
    ) -> fmt::Result {
        self.each(family, MetricType::Counter, values, |mut metric, value| {
            metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
        })
    }

    /// A family of gauges.
    pub(super) fn gauges(
        &mut self,
        family: Family,
        values: impl IntoIterator<Item = (Labels, f64)>,
    ) -> fmt::Result {
        self.each(family, MetricType::Gauge, values, |mut metric, value| metric.encode_gauge(&value))
    }

    /// One gauge without labels.
    pub(super) fn gauge(&mut self, family: Family, value: f64) -> fmt::Result {
        self.gauges(family, [(Vec::new(), value)])
    }

    /// One counter without labels.
    pub(super) fn counter(&mut self, family: Family, value: u64) -> fmt::Result {
        self.counters(family, [(Vec::new(), value)])
    }

    /// What does not change, as labels of a gauge that is always 1.
    pub(super) fn info(&mut self, family: Family, values: impl IntoIterator<Item = Labels>) -> fmt::Result {
        self.gauges(family, values.into_iter().map(|labels| (labels, 1.0)))
    }

    /// A family of histograms of times.
    pub(super) fn histograms<'h>(
        &mut self,
        family: Family,
        buckets: Buckets,
        values: impl IntoIterator<Item = (Labels, &'h Histogram)>,
    ) -> fmt::Result {
        let shown = |(labels, times): (Labels, &Histogram)| (labels, merged(times, buckets), times.sum_ns);
        self.plain_histograms(family, values.into_iter().map(shown))
    }

    /// The same of (upper bound in seconds, count) and the sum in ns; the last bound is infinite.
    pub(super) fn plain_histograms(
        &mut self,
        family: Family,
        values: impl IntoIterator<Item = (Labels, Vec<(f64, u64)>, u64)>,
    ) -> fmt::Result {
        let values = values.into_iter().map(|(labels, buckets, sum_ns)| (labels, (buckets, sum_ns)));
        self.each(family, MetricType::Histogram, values, |mut metric, (buckets, sum_ns)| {
            let count = buckets.iter().map(|(_, count)| count).sum();
            metric.encode_histogram::<NoLabelSet>(sum_ns as f64 / 1e9, count, &buckets, None)
        })
    }

    fn each<V>(
        &mut self,
        family: Family,
        kind: MetricType,
        values: impl IntoIterator<Item = (Labels, V)>,
        write: impl Fn(MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        let mut metrics = self.encoder.encode_descriptor(family.name, family.help, family.unit, kind)?;
        for (labels, value) in values {
            if labels.is_empty() {
                return write(metrics, value);
            }
            write(metrics.encode_family(&labels)?, value)?;
        }
        Ok(())
    }
}

/// A histogram in octaves.
fn merged(times: &Histogram, buckets: Buckets) -> Vec<(f64, u64)> {
    let bound_ns = |last| match buckets {
        Buckets::Fine => histogram::upper_bound_ns(last),
        Buckets::Wide => histogram::wide_upper_bound_ns(last),
    };
    let octaves = times.buckets.chunks(MERGED).enumerate();
    octaves
        .map(|(octave, counts)| {
            let last = octave * MERGED + counts.len() - 1;
            let bound = if last == BUCKETS - 1 { f64::INFINITY } else { bound_ns(last) as f64 / 1e9 };
            (bound, counts.iter().sum())
        })
        .collect()
}
