//! Which new traces are recorded.

use opentelemetry::trace::{Link, SpanKind, TraceContextExt, TraceId, TraceState};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, SamplingResult, ShouldSample};
use tracing::warn;

use super::variables::set;

/// The sampler of `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`, under [`LinkAware`].
pub(super) fn from_environment() -> LinkAware {
    LinkAware(named(set("OTEL_TRACES_SAMPLER").as_deref(), set("OTEL_TRACES_SAMPLER_ARG").as_deref()))
}

fn named(name: Option<&str>, argument: Option<&str>) -> Sampler {
    let ratio = || {
        let given = argument.and_then(|text| text.parse().ok()).filter(|ratio| (0.0..=1.0).contains(ratio));
        if argument.is_some() && given.is_none() {
            warn!(argument, "OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1: every trace is recorded");
        }
        Sampler::TraceIdRatioBased(given.unwrap_or(1.0))
    };
    let under_parents = |root| Sampler::ParentBased(Box::new(root));
    match name {
        Some("always_on") => Sampler::AlwaysOn,
        Some("always_off") => Sampler::AlwaysOff,
        Some("traceidratio") => ratio(),
        Some("parentbased_always_off") => under_parents(Sampler::AlwaysOff),
        // An argument alone means the sampler that takes one.
        Some("parentbased_traceidratio") | None if argument.is_some() => under_parents(ratio()),
        None | Some("parentbased_always_on" | "parentbased_traceidratio") => under_parents(Sampler::AlwaysOn),
        Some(other) => {
            warn!(sampler = other, "OTEL_TRACES_SAMPLER is no known sampler: every trace is recorded");
            under_parents(Sampler::AlwaysOn)
        }
    }
}

/// A trace that begins with links is recorded if what it is linked to is: a task is not lost from sight between its
/// submission and its retry.
#[derive(Clone, Debug)]
pub(super) struct LinkAware(Sampler);

impl ShouldSample for LinkAware {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let is_root = !parent.is_some_and(|context| context.span().span_context().is_valid());
        if !is_root || links.is_empty() {
            return self.0.should_sample(parent, trace_id, name, kind, attributes, links);
        }
        let sampled = links.iter().any(|link| link.span_context.is_sampled());
        SamplingResult {
            decision: if sampled { SamplingDecision::RecordAndSample } else { SamplingDecision::Drop },
            attributes: Vec::new(),
            trace_state: TraceState::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags};

    use super::*;

    fn decide(sampler: &LinkAware, links: &[TraceFlags]) -> bool {
        let link = |flags| {
            let linked = SpanContext::new(
                TraceId::from(1_u128),
                SpanId::from(1_u64),
                flags,
                true,
                TraceState::default(),
            );
            Link::new(linked, Vec::new(), 0)
        };
        let links: Vec<_> = links.iter().copied().map(link).collect();
        let id = TraceId::from(u128::MAX);
        let result = sampler.should_sample(None, id, "x", &SpanKind::Internal, &[], &links);
        result.decision == SamplingDecision::RecordAndSample
    }

    #[test]
    fn a_linked_trace_is_recorded_if_what_it_is_linked_to_is_whatever_the_ratio_says() {
        for sampler in [named(Some("always_off"), None), named(None, None)].map(LinkAware) {
            assert!(decide(&sampler, &[TraceFlags::default(), TraceFlags::SAMPLED]));
            assert!(!decide(&sampler, &[TraceFlags::default()]));
        }
    }

    #[test]
    fn a_trace_without_links_follows_the_variables() {
        assert!(decide(&LinkAware(named(None, None)), &[]));
        assert!(decide(&LinkAware(named(Some("nonsense"), None)), &[]));
        assert!(decide(&LinkAware(named(Some("always_on"), None)), &[]));
        assert!(!decide(&LinkAware(named(Some("parentbased_always_off"), None)), &[]));
        // The largest id is above every ratio below one.
        assert!(!decide(&LinkAware(named(None, Some("0.5"))), &[]));
        assert!(!decide(&LinkAware(named(Some("traceidratio"), Some("0.5"))), &[]));
        assert!(decide(&LinkAware(named(Some("parentbased_traceidratio"), Some("2"))), &[]));
    }
}
