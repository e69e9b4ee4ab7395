//! What the log of requests is told of a request. The event loop only copies it; what becomes of it is decided on
//! telemetry's own thread.

use std::sync::Arc;

use hyper::{StatusCode, body::Bytes, header::USER_AGENT, http::request::Parts};

use super::Exchange;
use crate::{
    app::telemetry::{
        requests::{self, Answered},
        skipped::{self, Refused},
    },
    domain::Error,
    http::{Edge, body::Body, request::Identity},
};

/// What the log keeps of a request's head.
pub(super) struct Head {
    method: String,
    path: String,
    user_agent: Option<String>,
}

impl Head {
    pub(super) fn of(parts: &Parts) -> Self {
        let user_agent = parts.headers.get(USER_AGENT);
        Self {
            method: parts.method.as_str().to_owned(),
            path: parts.uri.path().to_owned(),
            user_agent: user_agent
                .map(|given| String::from_utf8_lossy(given.as_bytes()).into_owned()),
        }
    }
}

/// What the record of an execution keeps of a request that is refused.
#[derive(Default)]
pub(super) struct Asked {
    agent: Option<String>,
    body: Bytes,
}

impl Exchange {
    /// Keeps what is asked where that would be an execution.
    pub(super) fn keep_asked(&mut self, path: &[(String, String)], body: &Bytes) {
        let spends = self.route.as_ref().is_some_and(|route| route.spends);
        if spends && self.head.is_some() {
            let agent = path.iter().find(|(name, _)| name == "name");
            self.asked = Asked { agent: agent.map(|(_, name)| name.clone()), body: body.clone() };
        }
    }

    /// Records an execution that a limit was in the way of.
    pub(super) fn record_skipped(&mut self, edge: &Edge, error: &Error) {
        let spends = self.route.as_ref().is_some_and(|route| route.spends);
        let Identity::Tenant(session) = &self.identity else { return };
        if !spends || !skipped::is_skipped(error) {
            return;
        }
        let Asked { agent, body } = std::mem::take(&mut self.asked);
        let (session, request_id) = (Arc::clone(session), self.id.as_str().to_owned());
        skipped::record(&edge.app, Refused { session, request_id, agent, body }, error);
    }

    /// Records the request when the body of its answer is over.
    pub(super) fn record(
        &mut self,
        edge: &Edge,
        status: StatusCode,
        error_code: Option<&'static str>,
        body: &mut Body,
    ) {
        let is_logged = self.route.as_ref().is_none_or(|route| route.is_logged);
        let Some(head) = self.head.take().filter(|_| is_logged) else { return };
        let answered = Answered {
            request_id: self.id.as_str().to_owned(),
            session: match &self.identity {
                Identity::Tenant(session) => Some(Arc::clone(session)),
                Identity::Anyone | Identity::Operator => None,
            },
            method: head.method,
            route: self.route.as_ref().map(|route| route.path),
            path: head.path,
            status: status.as_u16(),
            error_code,
            bytes_in: self.bytes_in,
            client: self.client.address,
            user_agent: head.user_agent,
        };
        let (app, began) = (Arc::clone(&edge.app), self.began);
        body.on_end(move |bytes_out| {
            let took = app.ambient.monotonic().saturating_sub(began);
            requests::record(&app, answered, took, bytes_out);
        });
    }
}
