use sealmq_client::StoreFailure;
use sealmq_keys::{Changes, Store};
use tokio::task::JoinHandle;

/// A store of any kind.
trait Durable: Send {
    fn commit(&mut self, changes: &Changes) -> Result<(), StoreFailure>;
}

impl<S: Store + Send> Durable for S {
    fn commit(&mut self, changes: &Changes) -> Result<(), StoreFailure> {
        Store::commit(self, changes).map_err(Into::into)
    }
}

/// Commits block on the disk, so they run on tokio's threads for that, one at a time.
pub(crate) struct CommitThread(State);

enum State {
    Idle(Box<dyn Durable>),
    Commits(JoinHandle<(Box<dyn Durable>, Result<(), StoreFailure>)>),
    /// A commit did not come back: nothing may follow it.
    Lost,
}

impl CommitThread {
    pub(crate) fn new(store: impl Store + Send + 'static) -> Self {
        Self(State::Idle(Box::new(store)))
    }

    /// Begins with a commit, after the one before is done.
    pub(crate) fn begin(&mut self, changes: Changes) {
        if let State::Idle(mut store) = std::mem::replace(&mut self.0, State::Lost) {
            self.0 = State::Commits(tokio::task::spawn_blocking(move || {
                let result = store.commit(&changes);
                (store, result)
            }));
        }
    }

    /// Whether there is a commit of which [`Self::done`] was not told yet.
    pub(crate) const fn is_busy(&self) -> bool {
        !matches!(self.0, State::Idle(_))
    }

    /// When the commit that runs is durable. A future that is dropped on the way changes nothing.
    pub(crate) async fn done(&mut self) -> Result<(), StoreFailure> {
        let (store, result) = match &mut self.0 {
            State::Idle(_) => return Ok(()),
            State::Commits(work) => work.await.map_err(|_| "the store's thread ended")?,
            State::Lost => return Err("an earlier commit failed: load the member again".into()),
        };
        self.0 = State::Idle(store);
        result
    }
}
