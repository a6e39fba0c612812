//! Where a request runs.

use tokio::runtime::Handle;
pub(super) use tokio::runtime::Id as RuntimeId;

/// The Tokio runtime that a caller is in.
#[derive(Clone)]
pub(super) struct Runtime(Handle);

impl Runtime {
    pub(super) fn current() -> Option<Self> {
        Handle::try_current().ok().map(Self)
    }

    pub(super) fn id(&self) -> RuntimeId {
        self.0.id()
    }

    /// The task is let go: it ends by itself, and nothing waits for it.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.0.spawn(task));
    }
}
