//! A stand-in for Tokio's runtime, whose tasks shuttle interleaves with the threads.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shuttle::future::JoinHandle;

shuttle::thread_local! {
    static CURRENT: RefCell<Option<Runtime>> = RefCell::new(None);
}

/// A runtime of a scenario.
#[derive(Clone)]
pub struct Runtime(Arc<Inner>);

/// Tells one runtime from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RuntimeId(usize);

struct Inner {
    id: RuntimeId,
    /// `None` after its end. Never held where shuttle may go on with another thread, so it need not be shuttle's.
    tasks: Mutex<Option<Vec<JoinHandle<()>>>>,
    /// Tasks that were let go, and may not have come to their end. Held as the others are.
    let_go: Mutex<Vec<JoinHandle<()>>>,
}

impl Runtime {
    /// A runtime with a number of its own.
    #[must_use]
    pub fn new(number: usize) -> Self {
        Self(Arc::new(Inner { id: RuntimeId(number), tasks: Mutex::new(Some(Vec::new())), let_go: Mutex::default() }))
    }

    /// Makes it the runtime of this thread.
    pub fn enter(&self) {
        CURRENT.with(|current| current.replace(Some(self.clone())));
    }

    /// Lets its tasks go at the next point where they wait, and those that come later at once, as Tokio does.
    pub fn end(&self) {
        let tasks = self.tasks().take();
        for task in tasks.into_iter().flatten() {
            self.let_go(task);
        }
    }

    fn let_go(&self, task: JoinHandle<()>) {
        task.abort();
        self.0.let_go.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }

    /// Waits until none of its tasks is left. If one never ends, shuttle calls that a deadlock.
    pub fn join(&self) {
        loop {
            let task = self.tasks().as_mut().and_then(Vec::pop);
            let task = task.or_else(|| self.0.let_go.lock().unwrap_or_else(PoisonError::into_inner).pop());
            let Some(task) = task else { return };
            let _ = shuttle::future::block_on(task);
        }
    }

    pub(super) fn current() -> Option<Self> {
        CURRENT.with(|current| current.borrow().clone())
    }

    pub(super) fn id(&self) -> RuntimeId {
        self.0.id
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if self.tasks().is_none() {
            return;
        }
        let task = shuttle::future::spawn(task);
        match self.tasks().as_mut() {
            Some(tasks) => tasks.push(task),
            // It ended meanwhile.
            None => self.let_go(task),
        }
    }

    fn tasks(&self) -> MutexGuard<'_, Option<Vec<JoinHandle<()>>>> {
        self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Runtime").field(&self.0.id).finish()
    }
}
