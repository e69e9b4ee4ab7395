//! Telling a page what changes while it shows it (WHATWG HTML, 9.2 server-sent events).

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    app::{
        Listener, Listening,
        auth::{Rights, Session},
    },
    domain::{ErrorKind, Result, Topics},
    http::{
        body::{BodySender, ReaderGone},
        middleware::{Caller, identify_again},
        reply::Reply,
        request::Request,
        routes::{Access, Route, handler},
    },
};

/// Between two events of a stream: what happens meanwhile is told by the second.
const PAUSE: Duration = Duration::from_millis(500);
/// How often it is asked whether somebody may still listen, while nobody can tell.
const ASKED_MAX: u32 = 4;

/// The stream.
pub(in crate::http) fn routes() -> [Route; 1] {
    [Route::get("/dashboard/api/live", "followChanges", handler!(live))
        .summary(
            "A stream of server-sent events: `changed`, whose data names the topics of what changed, twice a second \
             at most. Topics that the caller may not read are left out.",
        )
        .access(Access::AnyKey)
        .media_types(&["text/event-stream"])]
}

/// `GET /dashboard/api/live`
async fn live(request: Request) -> Result<Reply> {
    let session = request.session()?;
    let (who, rights) = (listener(session), session.rights());
    let listening = request.app.watches.listen(&request.app.store, who)?;
    let (sender, reply) = Reply::stream("text/event-stream");
    let follower = Follower {
        caller: Caller {
            app: request.app,
            cookies: request.cookies,
            headers: request.headers,
            address: request.client,
            is_https: request.is_https,
        },
        keep_alive: request.keep_alive,
        rights,
        listening,
        sender,
    };
    tokio::spawn(follower.run());
    Ok(reply)
}

fn listener(session: &Session) -> Listener {
    let user = session.user.as_ref();
    let is_operator = user.is_some_and(|user| user.is_operator);
    Listener {
        scope: session.scope,
        key: session.key,
        user: user.map(|user| user.id),
        hears: Topics::heard_with(session.scopes, is_operator),
    }
}

/// Who is told.
struct Follower {
    caller: Caller,
    keep_alive: Duration,
    rights: Rights,
    listening: Listening,
    sender: BodySender,
}

/// What a follower has to do.
enum Next {
    Tell,
    /// See whether it may still listen, and say that the stream is alive.
    Check,
    End,
}

impl Follower {
    /// Tells of changes until the reader leaves, may not listen any more, or the server is about to stop.
    async fn run(mut self) -> Option<()> {
        // Their right may have ended before they listened.
        self.still_hears().await?;
        // Now nothing is missed: whoever reads this may look.
        self.send(": listening\n\n").await?;
        let mut check_at = Instant::now() + self.keep_alive;
        loop {
            match self.next(check_at).await {
                Next::Tell => self.tell().await?,
                Next::Check => {
                    self.still_hears().await?;
                    self.send(": keep-alive\n\n").await?;
                    check_at = Instant::now() + self.keep_alive;
                }
                Next::End => return None,
            }
        }
    }

    async fn next(&mut self, check_at: Instant) -> Next {
        // Where something is always heard, the time of the check would never be looked at.
        if Instant::now() >= check_at {
            return Next::Check;
        }
        let heard = self.listening.heard();
        let told = async {
            let told = heard.wait_for(|heard| heard.is_urgent() || !heard.topics.is_empty());
            match told.await {
                Ok(heard) if heard.closed => Next::End,
                Ok(heard) if heard.doubtful => Next::Check,
                Ok(_) => Next::Tell,
                Err(_) => Next::End,
            }
        };
        tokio::select! {
            next = timeout_at(check_at, told) => next.unwrap_or(Next::Check),
            () = self.sender.closed() => Next::End,
        }
    }

    /// Tells what was heard, and lets a moment pass in which more may be.
    async fn tell(&mut self) -> Option<()> {
        let names: Vec<_> = self.listening.take().names().collect();
        let data = json!({"topics": names});
        self.send(format!("event: changed\ndata: {data}\n\n")).await?;
        let heard = self.listening.heard();
        let urgent = async { drop(heard.wait_for(|heard| heard.is_urgent()).await) };
        tokio::select! {
            // Over, in doubt, or only the moment is: the next step sees which.
            _ = timeout_at(Instant::now() + PAUSE, urgent) => Some(()),
            () = self.sender.closed() => None,
        }
    }

    /// `None` where the caller was let go meanwhile, acts elsewhere, or may do more or less: it then asks anew.
    async fn still_hears(&self) -> Option<()> {
        self.listening.settle();
        let session = tokio::select! {
            known = known(|| identify_again(&self.caller)) => known.ok()?,
            () = self.sender.closed() => return None,
        };
        (session.rights() == self.rights).then_some(())
    }

    async fn send(&self, text: impl Into<hyper::body::Bytes>) -> Option<()> {
        self.sender.send(text).await.map_err(|ReaderGone| ()).ok()
    }
}

/// Asks until it is known, a few times at most: that nobody can tell at the moment says nothing.
async fn known<T, F: Future<Output = Result<T>>>(ask: impl Fn() -> F) -> Result<T> {
    for _ in 1..ASKED_MAX {
        match ask().await {
            Err(error) if error.kind() == ErrorKind::Unavailable => sleep(PAUSE).await,
            known => return known,
        }
    }
    ask().await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::domain::Error;

    #[tokio::test]
    async fn who_cannot_be_asked_about_just_now_is_asked_about_again() {
        let asked = Cell::new(0);
        let ask = |fails: u32, error: fn() -> Error| {
            asked.set(0);
            let asked = &asked;
            known(move || async move {
                asked.set(asked.get() + 1);
                if asked.get() > fails { Ok(()) } else { Err(error()) }
            })
        };
        let busy = || Error::unavailable("as asked", PAUSE);
        assert!(ask(1, busy).await.is_ok());
        assert!(ask(ASKED_MAX, busy).await.is_err());
        assert_eq!(asked.get(), ASKED_MAX);
        assert!(ask(1, || Error::new(ErrorKind::Unauthenticated, "gone")).await.is_err());
        assert_eq!(asked.get(), 1);
    }
}
