use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::runtime::Handle;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The driver's task, until somebody waits for what it does: whoever publishes and polls in one
/// task may publish first.
pub(crate) struct Start {
    task: Mutex<Option<Task>>,
    is_over: AtomicBool,
}

impl Start {
    pub(crate) fn new(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self {
            task: Mutex::new(Some(Box::pin(task))),
            is_over: AtomicBool::new(false),
        }
    }

    /// In a runtime; elsewhere it has to be `poll` that starts it.
    pub(crate) fn now(&self) {
        if self.is_over.load(Ordering::Acquire) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if let Some(task) = self.take() {
            runtime.spawn(task);
        }
    }

    /// Nobody wants it any more.
    pub(crate) fn never(&self) {
        drop(self.take());
    }

    fn take(&self) -> Option<Task> {
        self.is_over.store(true, Ordering::Release);
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        task.take()
    }
}

impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start").finish_non_exhaustive()
    }
}
