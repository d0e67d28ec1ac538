//! What an attempt printed, as the API shows it: as text where it is text, as base64 where it is not, or raw.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use distrack_core::{Output, StreamOutput, TaskId};
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::resource::schema;

/// What an attempt printed.
#[derive(Serialize, ToSchema)]
#[schema(as = Output)]
pub(crate) struct OutputResource {
    /// The task.
    #[schema(value_type = Uuid)]
    task_id: TaskId,
    /// The attempt's number; 0 while there was none.
    attempt: u32,
    /// Whether the attempt has ended, so that no more will come.
    complete: bool,
    /// Standard output.
    stdout: StreamResource,
    /// Standard error.
    stderr: StreamResource,
}

/// Both ends of a stream.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Stream)]
pub(crate) struct StreamResource {
    /// All bytes that the command wrote.
    bytes: u64,
    /// Bytes between head and tail that are not kept here.
    omitted: u64,
    /// How head and tail are written: `utf-8` as they are, or `base64`.
    #[schema(schema_with = schema::encoding)]
    encoding: &'static str,
    /// The beginning.
    head: String,
    /// The end, beyond the head.
    tail: String,
}

/// A stream's bytes, for the API's description.
pub(crate) struct RawBytes;

impl PartialSchema for RawBytes {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::Binary);
        ObjectBuilder::new().schema_type(Type::String).format(Some(format)).into()
    }
}

impl ToSchema for RawBytes {}

impl OutputResource {
    /// The output of an attempt of `task`.
    pub(crate) fn new(task_id: TaskId, attempt: u32, complete: bool, output: Output) -> Self {
        let (stdout, stderr) = (output.stdout.into(), output.stderr.into());
        Self { task_id, attempt, complete, stdout, stderr }
    }
}

impl From<StreamOutput> for StreamResource {
    fn from(stream: StreamOutput) -> Self {
        let (bytes, omitted) = (stream.bytes, stream.omitted());
        let text = if omitted == 0 { whole_text(&stream) } else { both_ends(&stream) };
        match text {
            Some((head, tail)) => {
                let cut = stream.head.len() + stream.tail.len() - head.len() - tail.len();
                Self { bytes, omitted: omitted + cut as u64, encoding: "utf-8", head, tail }
            }
            None => Self {
                bytes,
                omitted,
                encoding: "base64",
                head: STANDARD.encode(&stream.head),
                tail: STANDARD.encode(&stream.tail),
            },
        }
    }
}

/// Head and tail of a stream that is all here.
fn whole_text(stream: &StreamOutput) -> Option<(String, String)> {
    let mut all = stream.head.clone();
    all.extend_from_slice(&stream.tail);
    let mut all = String::from_utf8(all).ok()?;
    let cut = (0..=stream.head.len()).rev().find(|at| all.is_char_boundary(*at))?;
    let tail = all.split_off(cut);
    Some((all, tail))
}

/// Head and tail without the parts of a character that the cut left at either.
fn both_ends(stream: &StreamOutput) -> Option<(String, String)> {
    let head = match std::str::from_utf8(&stream.head) {
        Ok(head) => head,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&stream.head[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let continues = stream.tail.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
    let tail = std::str::from_utf8(&stream.tail[continues..]).ok()?;
    Some((head.to_owned(), tail.to_owned()))
}

/// The kept bytes as they are, with a line where some are left out.
pub(crate) fn raw(stream: StreamOutput) -> Vec<u8> {
    let omitted = stream.omitted();
    let mut bytes = stream.head;
    if omitted > 0 {
        bytes.extend_from_slice(format!("\n[… {omitted} bytes left out …]\n").as_bytes());
    }
    bytes.extend_from_slice(&stream.tail);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(head: &[u8], tail: &[u8], bytes: u64) -> StreamResource {
        StreamOutput { head: head.to_vec(), tail: tail.to_vec(), bytes }.into()
    }

    #[test]
    fn text_is_shown_as_text_even_when_a_character_was_cut() {
        let euro = "€".as_bytes();
        let stream = shown(&euro[..2], &[&euro[2..], b"!"].concat(), 4);
        assert_eq!(
            (stream.encoding, stream.head + &stream.tail, stream.omitted),
            ("utf-8", "€!".to_owned(), 0)
        );
        let stream = shown(&[b"a", &euro[..2]].concat(), &[&euro[1..], b"b"].concat(), 100);
        assert_eq!((stream.encoding, stream.head.as_str(), stream.tail.as_str()), ("utf-8", "a", "b"));
        assert_eq!(stream.omitted, 98);
    }

    #[test]
    fn what_is_no_text_is_shown_in_base64() {
        let stream = shown(b"\xff\x00", b"", 2);
        assert_eq!((stream.encoding, stream.head.as_str(), stream.omitted), ("base64", "/wA=", 0));
        assert_eq!(shown(b"a\xffb", b"c", 100).encoding, "base64");
    }

    #[test]
    fn raw_bytes_say_where_some_are_left_out() {
        let whole = StreamOutput { head: b"ab".to_vec(), tail: b"cd".to_vec(), bytes: 4 };
        assert_eq!(raw(whole.clone()), b"abcd");
        let cut = String::from_utf8(raw(StreamOutput { bytes: 9, ..whole })).unwrap();
        assert_eq!(cut, "ab\n[… 5 bytes left out …]\ncd");
    }
}
