//! The gRPC protocol of distrack: generated code, and conversions to and from the vocabulary of `core`.
//!
//! The protocol itself is documented in `proto/distrack/v1/*.proto`, message by message.

pub mod convert;
mod debug;

/// The generated code of package `distrack.v1`.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    rust_2018_idioms,
    clippy::all,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::doc_markdown,
    clippy::too_long_first_doc_paragraph,
    reason = "generated"
)]
pub mod v1 {
    tonic::include_proto!("distrack.v1");
}

/// The compiled protocol, for server reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/distrack.bin"));

/// The largest gRPC message that either side accepts: a full batch of reports with their output.
pub const MAX_MESSAGE: usize = 16 * 1024 * 1024;

/// The most items of one batch, in either direction.
pub const MAX_BATCH: usize = 1024;

/// The most commands that a worker may offer to run at once.
pub const MAX_SLOTS: u32 = 10_000;

/// The longest name, host or address that a worker may register with, in bytes.
pub const MAX_NAME_BYTES: usize = 256;

/// The most queues that a worker may name.
pub const MAX_QUEUES: usize = 1_000;
