//! Telling a page what changes while it shows it (WHATWG HTML, 9.2 server-sent events).

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, timeout_at};

use crate::{
    app::{Listening, auth::Session},
    domain::{Result, Topics},
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
    let scope = request.session()?.scope;
    let hears = heard_by(request.session()?);
    let listening = request.app.watches.listen(&request.app.store, scope, hears)?;
    let (sender, reply) = Reply::stream("text/event-stream");
    let follower = Follower {
        caller: Caller {
            app: request.app,
            cookies: request.cookies,
            headers: request.headers,
            address: request.client,
        },
        keep_alive: request.keep_alive,
        hears,
        listening,
        sender,
    };
    tokio::spawn(follower.run());
    Ok(reply)
}

/// What this caller may hear of.
fn heard_by(session: &Session) -> Topics {
    let is_operator = session.user.as_ref().is_some_and(|user| user.is_operator);
    Topics::heard_with(session.scopes, is_operator)
}

/// Who is told.
struct Follower {
    caller: Caller,
    keep_alive: Duration,
    hears: Topics,
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
        let heard = self.listening.heard();
        let told = async {
            let told = heard.wait_for(|heard| heard.closed || !heard.topics.is_empty());
            told.await.is_ok_and(|heard| !heard.closed)
        };
        tokio::select! {
            told = timeout_at(check_at, told) => match told {
                Ok(true) => Next::Tell,
                Ok(false) => Next::End,
                Err(_) => Next::Check,
            },
            () = self.sender.closed() => Next::End,
        }
    }

    /// Tells what was heard, and lets a moment pass in which more may be.
    async fn tell(&mut self) -> Option<()> {
        let names: Vec<_> = self.listening.take().names().collect();
        let data = json!({"topics": names});
        self.send(format!("event: changed\ndata: {data}\n\n")).await?;
        let heard = self.listening.heard();
        let closed = async { drop(heard.wait_for(|heard| heard.closed).await) };
        tokio::select! {
            // Over, or only the moment is: the next step sees which.
            _ = timeout_at(Instant::now() + PAUSE, closed) => Some(()),
            () = self.sender.closed() => None,
        }
    }

    /// `None` where the caller was let go meanwhile, or may hear other topics: it then asks anew.
    async fn still_hears(&self) -> Option<()> {
        let session = identify_again(&self.caller).await.ok()?;
        (heard_by(&session) == self.hears).then_some(())
    }

    async fn send(&self, text: impl Into<hyper::body::Bytes>) -> Option<()> {
        self.sender.send(text).await.map_err(|ReaderGone| ()).ok()
    }
}
