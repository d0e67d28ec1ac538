//! Which new traces are recorded.

use opentelemetry::trace::{Link, SpanKind, TraceContextExt, TraceId, TraceState};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, SamplingResult, ShouldSample};

use super::ids;
use super::variables::set;

/// The sampler of `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`, under [`LinkAware`], and what is wrong with them.
pub(super) fn from_environment() -> (LinkAware, Option<String>) {
    let (sampler, complaint) =
        named(set("OTEL_TRACES_SAMPLER").as_deref(), set("OTEL_TRACES_SAMPLER_ARG").as_deref());
    (LinkAware(sampler), complaint)
}

fn named(name: Option<&str>, argument: Option<&str>) -> (Sampler, Option<String>) {
    let ratio = || match argument.map(str::parse) {
        None => (Sampler::TraceIdRatioBased(1.0), None),
        Some(Ok(ratio)) if (0.0..=1.0).contains(&ratio) => (Sampler::TraceIdRatioBased(ratio), None),
        Some(_) => {
            let complaint = "OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1: every trace is recorded";
            (Sampler::TraceIdRatioBased(1.0), Some(complaint.to_owned()))
        }
    };
    let under_parents = |root| Sampler::ParentBased(Box::new(root));
    let sampler = match name {
        Some("always_on") => Sampler::AlwaysOn,
        Some("always_off") => Sampler::AlwaysOff,
        Some("traceidratio") => return ratio(),
        Some("parentbased_always_off") => under_parents(Sampler::AlwaysOff),
        // An argument alone means the sampler that takes one.
        Some("parentbased_traceidratio") | None if argument.is_some() => {
            let (sampler, complaint) = ratio();
            return (under_parents(sampler), complaint);
        }
        None | Some("parentbased_always_on" | "parentbased_traceidratio") => under_parents(Sampler::AlwaysOn),
        Some(other) => {
            let complaint =
                format!("OTEL_TRACES_SAMPLER={other} is no known sampler: every trace is recorded");
            return (under_parents(Sampler::AlwaysOn), Some(complaint));
        }
    };
    (sampler, None)
}

/// A trace that begins with links is recorded if what it is linked to is: a task is not lost from sight between its
/// submission and its retry. So is whatever is below: it was decided when the ids were given out, and half a trace is
/// of no use.
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
        let span = parent.map(|context| context.span());
        let above = span.as_ref().map(|span| span.span_context()).filter(|above| above.is_valid());
        let sampled = match above {
            _ if matches!(self.0, Sampler::AlwaysOff) => false,
            None if !links.is_empty() => links.iter().any(|link| link.span_context.is_sampled()),
            Some(_) if ids::are_given() => true,
            _ => return self.0.should_sample(parent, trace_id, name, kind, attributes, links),
        };
        SamplingResult {
            decision: if sampled { SamplingDecision::RecordAndSample } else { SamplingDecision::Drop },
            attributes: Vec::new(),
            trace_state: above.map_or_else(TraceState::default, |above| above.trace_state().clone()),
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

    fn sampler(name: Option<&str>, argument: Option<&str>) -> LinkAware {
        LinkAware(named(name, argument).0)
    }

    #[test]
    fn a_linked_trace_is_recorded_if_what_it_is_linked_to_is_whatever_the_ratio_says() {
        for (name, argument) in [
            (Some("parentbased_always_off"), None),
            (Some("traceidratio"), Some("0.5")),
            (None, Some("0.5")),
            (None, None),
        ] {
            let sampler = sampler(name, argument);
            assert!(decide(&sampler, &[TraceFlags::default(), TraceFlags::SAMPLED]));
            assert!(!decide(&sampler, &[TraceFlags::default()]));
        }
        assert!(!decide(&sampler(Some("always_off"), None), &[TraceFlags::SAMPLED]));
    }

    #[test]
    fn what_is_below_a_recorded_span_is_recorded_whatever_the_ratio_says_of_its_trace() {
        let above = SpanContext::new(
            TraceId::from(u128::MAX),
            SpanId::from(1_u64),
            TraceFlags::SAMPLED,
            true,
            TraceState::default(),
        );
        let above = Context::new().with_remote_span_context(above);
        let decide = |sampler: &LinkAware| {
            let ask = || {
                sampler.should_sample(
                    Some(&above),
                    TraceId::from(u128::MAX),
                    "x",
                    &SpanKind::Internal,
                    &[],
                    &[],
                )
            };
            ids::with(&distrack_core::TraceContext::root(), ask).decision == SamplingDecision::RecordAndSample
        };
        assert!(decide(&sampler(Some("traceidratio"), Some("0.5"))));
        assert!(!decide(&sampler(Some("always_off"), None)));
    }

    #[test]
    fn a_trace_without_links_follows_the_variables() {
        let decided = |name, argument| decide(&sampler(name, argument), &[]);
        assert!(decided(None, None) && decided(Some("always_on"), None));
        assert!(!decided(Some("parentbased_always_off"), None));
        // The largest id is above every ratio below one.
        assert!(!decided(None, Some("0.5")) && !decided(Some("traceidratio"), Some("0.5")));
    }

    #[test]
    fn variables_that_cannot_be_read_are_complained_of_and_record_everything() {
        let complaint = |name, argument| {
            assert!(decide(&sampler(name, argument), &[]), "{name:?} {argument:?}");
            named(name, argument).1
        };
        assert!(complaint(Some("nonsense"), None).unwrap().contains("OTEL_TRACES_SAMPLER=nonsense"));
        for name in [None, Some("traceidratio"), Some("parentbased_traceidratio")] {
            for argument in ["2", "-0.1", "half", "NaN"] {
                assert!(complaint(name, Some(argument)).unwrap().contains("OTEL_TRACES_SAMPLER_ARG"));
            }
        }
        assert_eq!(complaint(None, Some("1")), None);
    }
}
