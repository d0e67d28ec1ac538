//! Only so many requests are worked on at once; one more is refused at once, which costs next to nothing, while those
//! under way are still answered in time. Whoever asks for health or metrics needs no place.

use std::cell::RefCell;
use std::future::Future;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::{Code, Problem};

tokio::task_local! {
    static PLACE: RefCell<Option<OwnedSemaphorePermit>>;
}

/// Marks a request on a connection that is one too many: it is answered about health, or refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spare;

/// The places.
#[derive(Debug)]
pub(crate) struct Load(Arc<Semaphore>);

/// A place, or none for a request that needs none.
#[derive(Debug)]
pub(crate) struct Place(Option<OwnedSemaphorePermit>);

impl Load {
    pub(crate) fn new(places: usize) -> Self {
        Self(Arc::new(Semaphore::new(places)))
    }

    /// A place for a request for `path`.
    pub(crate) fn place(&self, path: &str, spare: Option<Spare>) -> Result<Place, Problem> {
        if !is_work(path) {
            let health = ["/livez", "/readyz", "/metrics"].contains(&path);
            return if spare.is_some() && !health { Err(overloaded()) } else { Ok(Place(None)) };
        }
        if spare.is_some() {
            return Err(overloaded());
        }
        let permit = Arc::clone(&self.0).try_acquire_owned().map_err(|_| overloaded())?;
        Ok(Place(Some(permit)))
    }
}

/// Whether a request asks something of the database, or of memory.
pub(crate) fn is_work(path: &str) -> bool {
    path.starts_with("/v1/") || ["/schedule", "/status"].contains(&path)
}

/// Keeps a place while a request is worked on.
pub(crate) async fn keep<T>(place: Place, work: impl Future<Output = T>) -> T {
    PLACE.scope(RefCell::new(place.0), work).await
}

/// Gives the place of this request back: from here on it only waits.
pub(crate) fn only_waits() {
    // Outside of a request there is none.
    let _ = PLACE.try_with(|place| place.borrow_mut().take());
}

fn overloaded() -> Problem {
    Problem::new(Code::Overloaded, "nothing was done; try again later")
}
