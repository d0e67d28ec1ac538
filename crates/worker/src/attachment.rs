//! Which coordinator this worker belongs to now, for everybody who needs to know.

use std::sync::Arc;

use distrack_proto::MAX_MESSAGE;
use distrack_proto::v1::coordinator_service_client::CoordinatorServiceClient;
use distrack_transport::Channel;
use tokio::sync::{Notify, watch};

use crate::held::Registration;

/// A registration with a coordinator, and the way to it.
#[derive(Clone, Debug)]
pub(crate) struct Attached {
    /// The session and which registration of it.
    pub(crate) registration: Registration,
    /// The coordinator, as the settings name it.
    pub(crate) coordinator: String,
    /// The way for all but heartbeats, which have their own so that they wait behind nothing.
    pub(crate) client: Client,
}

/// A client of a coordinator.
pub(crate) type Client = CoordinatorServiceClient<Channel>;

/// A client over `channel` that takes messages as large as the protocol allows.
pub(crate) fn client(channel: Channel) -> Client {
    CoordinatorServiceClient::new(channel)
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE)
}

/// See the module. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Attachment {
    current: Arc<watch::Sender<Option<Attached>>>,
    doubt: Arc<Notify>,
    renewal: Arc<Notify>,
}

impl Attachment {
    /// No coordinator.
    pub(crate) fn none() -> Self {
        Self { current: Arc::new(watch::Sender::new(None)), doubt: Arc::default(), renewal: Arc::default() }
    }

    /// From now on this one, or none.
    pub(crate) fn set(&self, attached: Option<Attached>) {
        self.current.send_replace(attached);
    }

    /// Waits for a coordinator.
    pub(crate) async fn wait(&self) -> Attached {
        let mut current = self.current.subscribe();
        let attached = current.wait_for(Option::is_some).await.map(|attached| attached.clone());
        attached.ok().flatten().expect("the sender is held here, and the value was seen")
    }

    /// Waits until there is another registration than `this`.
    pub(crate) async fn replaced(&self, this: Registration) {
        let mut current = self.current.subscribe();
        let other = |now: &Option<Attached>| now.as_ref().is_some_and(|now| now.registration != this);
        let _ = current.wait_for(other).await;
    }

    /// The registration, now; `None` while the worker registers.
    pub(crate) fn registration(&self) -> Option<Registration> {
        self.current.borrow().as_ref().map(|attached| attached.registration)
    }

    /// Who it is, now and whenever it changes.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<Attached>> {
        self.current.subscribe()
    }

    /// A coordinator said that it does not know the session: whoever keeps it should look.
    pub(crate) fn doubt(&self) {
        self.doubt.notify_one();
    }

    /// Waits for a doubt.
    pub(crate) async fn doubted(&self) {
        self.doubt.notified().await;
    }

    /// What this worker holds is not what its coordinator must think: register anew, which reconciles.
    pub(crate) fn renew(&self) {
        self.renewal.notify_one();
    }

    /// Waits until a new registration is asked for.
    pub(crate) async fn renewal(&self) {
        self.renewal.notified().await;
    }
}
