use sealmq_client::StoreFailure;
use sealmq_keys::{Changes, Store};

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
pub(crate) struct CommitThread {
    /// `None` after a commit that did not come back: nothing may follow it.
    store: Option<Box<dyn Durable>>,
}

impl CommitThread {
    pub(crate) fn new(store: impl Store + Send + 'static) -> Self {
        Self {
            store: Some(Box::new(store)),
        }
    }

    /// When this returns, the changes are durable. A future that is dropped on the way leaves the
    /// store unusable, like an error does.
    pub(crate) async fn commit(&mut self, changes: Changes) -> Result<(), StoreFailure> {
        let Some(mut store) = self.store.take() else {
            return Err("an earlier commit failed: load the member again".into());
        };
        let work = tokio::task::spawn_blocking(move || {
            let result = store.commit(&changes);
            (store, result)
        });
        let (store, result) = work.await.map_err(|_| "the store's thread ended")?;
        result?;
        self.store = Some(store);
        Ok(())
    }
}
