//! The format of the spool: records one after the other, each with its length and checksum.
//!
//! Reading survives whatever a crash or a bad disk left: what does not check is skipped up to the next
//! record that does.

use std::collections::BTreeMap;
use std::ops::Range;

use distrack_core::{AttemptRef, TraceContext};
use distrack_proto::{convert, v1};
use prost::Message;

use crate::clock::Moment;
use crate::spool::Spooled;

const MAGIC: [u8; 4] = *b"dtS1";
const HEADER: usize = 12;
/// More than any report with its output takes: what is larger could not be sent either.
const MAX_RECORD: usize = distrack_proto::MAX_MESSAGE;
/// As much as a report with all its output takes.
const PROBE: usize = 256 * 1024;

#[derive(Clone, PartialEq, Message)]
struct Record {
    /// Under which boot of the machine the clock was read.
    #[prost(string, tag = "1")]
    boot: String,
    #[prost(sint64, tag = "2")]
    boot_ns: i64,
    #[prost(sint64, tag = "3")]
    wall_ns: i64,
    #[prost(message, optional, tag = "4")]
    report: Option<v1::AttemptReport>,
    #[prost(message, repeated, tag = "5")]
    acknowledged: Vec<v1::AttemptRef>,
}

/// The record of a result.
pub(crate) fn result(spooled: &Spooled, boot: &str) -> Vec<u8> {
    let (boot_ns, wall_ns) = spooled.ended.readings();
    let report = Some(spooled.report(std::time::Duration::ZERO));
    frame(&Record { boot: boot.to_owned(), boot_ns, wall_ns, report, acknowledged: Vec::new() })
}

/// The record that results were received.
pub(crate) fn acknowledged(attempts: &[AttemptRef]) -> Vec<u8> {
    let acknowledged = attempts.iter().map(|attempt| (*attempt).into()).collect();
    frame(&Record { acknowledged, ..Record::default() })
}

/// A record that says nothing and is as large as any result, to see whether there is room for one.
pub(crate) fn probe() -> Vec<u8> {
    frame(&Record { boot: " ".repeat(PROBE), ..Record::default() })
}

fn frame(record: &Record) -> Vec<u8> {
    let body = record.encode_to_vec();
    let mut framed = Vec::with_capacity(HEADER + body.len());
    framed.extend_from_slice(&MAGIC);
    framed.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    framed.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
    framed.extend_from_slice(&body);
    framed
}

/// What a spool holds.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// Results that were not acknowledged, oldest first.
    pub(crate) results: Vec<Spooled>,
    /// Where their records are.
    pub(crate) places: BTreeMap<AttemptRef, Range<u64>>,
    /// Bytes that are no record.
    pub(crate) rubbish: usize,
    /// How many of them are the beginning of a record at the very end, as a crash leaves it.
    pub(crate) torn: usize,
}

/// Reads a spool, whatever is in it.
pub(crate) fn read(all: &[u8], boot: &str) -> Contents {
    let mut bytes = all;
    let mut results = BTreeMap::new();
    let mut places = BTreeMap::new();
    let (mut rubbish, mut torn) = (0, 0);
    let mut order = 0_u64;
    while !bytes.is_empty() {
        let Some((record, rest)) = first(bytes) else {
            let skip = next_magic(bytes);
            rubbish += skip;
            torn = if skip == bytes.len() && is_torn(bytes) { skip } else { 0 };
            bytes = &bytes[skip..];
            continue;
        };
        let place = (all.len() - bytes.len()) as u64..(all.len() - rest.len()) as u64;
        bytes = rest;
        for attempt in convert::attempt_refs(&record.acknowledged).unwrap_or_default() {
            results.remove(&attempt);
            places.remove(&attempt);
        }
        if let Some(spooled) = spooled(record, boot) {
            places.insert(spooled.attempt, place);
            results.insert(spooled.attempt, (order, spooled));
            order += 1;
        }
    }
    let mut results: Vec<_> = results.into_values().collect();
    results.sort_by_key(|(order, _)| *order);
    Contents { results: results.into_iter().map(|(_, spooled)| spooled).collect(), places, rubbish, torn }
}

fn first(bytes: &[u8]) -> Option<(Record, &[u8])> {
    let (header, rest) = bytes.split_at_checked(HEADER)?;
    let number = |at: usize| header.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    let length = usize::try_from(number(4)?).ok()?;
    if header[..4] != MAGIC || length > MAX_RECORD {
        return None;
    }
    let (body, rest) = rest.split_at_checked(length)?;
    if crc32fast::hash(body) != number(8)? {
        return None;
    }
    Some((Record::decode(body).ok()?, rest))
}

/// Whether these are the first bytes of a record, and all that there are.
fn is_torn(bytes: &[u8]) -> bool {
    let magic = bytes.len().min(MAGIC.len());
    let length = bytes.get(4..8).and_then(|length| length.try_into().ok()).map(u32::from_le_bytes);
    let missing = length.is_none_or(|length| {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        length <= MAX_RECORD && HEADER + length > bytes.len()
    });
    bytes[..magic] == MAGIC[..magic] && missing
}

/// Where the next record may begin, past the first byte.
fn next_magic(bytes: &[u8]) -> usize {
    let found = bytes[1..].windows(MAGIC.len()).position(|window| window == MAGIC);
    found.map_or(bytes.len(), |at| at + 1)
}

fn spooled(record: Record, boot: &str) -> Option<Spooled> {
    let report = record.report?;
    let attempt = convert::attempt_ref(report.attempt.as_ref()).ok()?;
    let v1::attempt_report::Event::Finished(finished) = report.event? else { return None };
    let same_boot = !boot.is_empty() && record.boot == boot;
    let ended = Moment::restore((record.boot_ns, record.wall_ns), same_boot);
    let trace = report.trace;
    let trace = trace.and_then(|trace| TraceContext::parse(&trace.traceparent, Some(&trace.tracestate)));
    Some(Spooled { attempt, ended, finished, trace })
}

#[cfg(test)]
#[path = "spool_file_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "spool_file_fuzz.rs"]
mod fuzz;
