use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// A plain client's publishes of QoS 1 and 2 without acknowledgement.
#[derive(Default)]
pub(super) struct Open {
    count: AtomicUsize,
    fewer: Notify,
}

impl Open {
    pub(super) fn one_more(&self) {
        self.count.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn one_less(&self) {
        self.count.fetch_sub(1, Ordering::AcqRel);
        self.fewer.notify_waiters();
    }

    /// Until there is none.
    pub(super) async fn none(&self) {
        loop {
            let fewer = self.fewer.notified();
            if self.count.load(Ordering::Acquire) == 0 {
                return;
            }
            fewer.await;
        }
    }
}
