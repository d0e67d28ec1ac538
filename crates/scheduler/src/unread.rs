//! Reads what is left of a request's body before it is answered.
//!
//! A connection that is closed with bytes unread is reset by the kernel, and the sender, who was still
//! sending, never sees why it was refused.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::header::EXPECT;
use bytes::Bytes;
use futures::StreamExt;
use hyper::body::{Frame, SizeHint};

/// The most bytes that are read for nothing.
const MOST: usize = 32 << 20;
/// How long that may take.
const LIMIT: Duration = Duration::from_secs(1);

/// What may be left of a body.
pub(crate) struct Rest {
    body: Option<Shared>,
    /// The client asked first, and sends nothing while it waits for the answer.
    asked_first: bool,
}

/// Lets a handler read the body as before, and keeps hold of it.
pub(crate) fn keep(request: Request) -> (Request, Rest) {
    let asked_first = request.headers().contains_key(EXPECT);
    if request.body().is_end_stream() {
        return (request, Rest { body: None, asked_first });
    }
    let (parts, body) = request.into_parts();
    let shared = Shared(Arc::new(Mutex::new(Half { body, touched: false, ended: false })));
    let rest = Rest { body: Some(shared.clone()), asked_first };
    (Request::from_parts(parts, Body::new(shared)), rest)
}

impl Rest {
    /// Reads what is left, within limits.
    pub(crate) async fn discard(self) {
        let Some(body) = self.body else { return };
        let (touched, ended) = body.with(|half| (half.touched, half.ended));
        if ended || (self.asked_first && !touched) {
            return;
        }
        let _ = tokio::time::timeout(LIMIT, read(Body::new(body))).await;
    }
}

async fn read(body: Body) {
    let mut read = 0;
    let mut stream = body.into_data_stream();
    while let Some(Ok(chunk)) = stream.next().await {
        read += chunk.len();
        if read > MOST {
            return;
        }
    }
}

/// A body that two can read, one after the other.
#[derive(Clone)]
struct Shared(Arc<Mutex<Half>>);

struct Half {
    body: Body,
    /// Whether anybody began to read.
    touched: bool,
    /// Whether nothing more can come.
    ended: bool,
}

impl Shared {
    fn with<T>(&self, look: impl FnOnce(&mut Half) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.with(|half| {
            half.touched = true;
            let frame = ready!(Pin::new(&mut half.body).poll_frame(context));
            half.ended = !matches!(frame, Some(Ok(_))) || half.body.is_end_stream();
            Poll::Ready(frame)
        })
    }

    fn is_end_stream(&self) -> bool {
        self.with(|half| half.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.with(|half| half.body.size_hint())
    }
}
