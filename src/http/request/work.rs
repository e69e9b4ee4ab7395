//! Work that blocks, and that waits for its turn.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::Request;
use crate::{
    app::App,
    domain::{Error, Result},
    http::{
        middleware::{Client, still_in},
        turns::Turns,
    },
    observe::origin,
};

impl Request {
    /// Does blocking work, such as reading the database, on a thread that may block.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<App>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (app, origin) = (Arc::clone(&self.app), self.origin.clone());
        let work = move || origin::within(origin, || work(&app));
        tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
    }

    /// Does blocking work that may take seconds, when one of the few places for such work is free, so that most
    /// threads stay free for reads. 503 where none gets free in time.
    pub(crate) async fn heavy<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<App>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.in_turn(&self.heavy, work).await
    }

    /// Checks or hashes passwords, when one of the few places for that is free: each takes a core, and anybody may ask.
    /// 503 where none gets free in time.
    pub(crate) async fn hashing<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<App>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.in_turn(&self.passwords, work).await
    }

    /// Hashes a new key, when one of the few places for that is free: each takes a core, and the threads for all other
    /// work stay free. 503 where none gets free in time.
    pub(crate) async fn hashing_key<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<App>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.in_turn(&self.keys, work).await
    }

    /// Looks something up for who has yet to say who they are, as few at the same time as cookies are looked up.
    pub(crate) async fn looking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<App>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        // Nobody was let in yet who could be out by now.
        let place = self.cookies.enter().await?;
        self.in_place(place, work).await
    }

    /// Fails where the caller would not be let in any more, or not as before: what they asked for may have waited for its
    /// turn.
    async fn may_still(&self) -> Result<()> {
        if self.app.auth.changes() == self.changes {
            return Ok(());
        }
        let client = Client { address: self.client, is_https: self.is_https };
        let (access, known) = (self.route.access, &self.identity);
        still_in(&self.app, &self.cookies, access, &self.headers, client, known).await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        turns: &Turns,
        work: impl FnOnce(&Arc<App>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let place = turns.enter().await?;
        self.may_still().await?;
        self.in_place(place, work).await
    }

    async fn in_place<T: Send + 'static>(
        &self,
        place: OwnedSemaphorePermit,
        work: impl FnOnce(&Arc<App>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.blocking(move |app| {
            // Held until the work ends, even where its client leaves before.
            let _place = place;
            work(app)
        })
        .await
    }
}
