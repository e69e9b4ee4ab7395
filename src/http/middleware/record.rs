//! What the log of requests is told of a request. The event loop only copies it; what becomes of it is decided on
//! telemetry's own thread.

use std::sync::Arc;

use hyper::{StatusCode, body::Bytes, header::USER_AGENT, http::request::Parts};

use super::{Exchange, trace};
use crate::{
    app::telemetry::{
        requests::{self, Answered},
        skipped::{self, Refused},
    },
    domain::Error,
    http::{body::Body, request::Identity},
};

/// Bytes of a body that is looked into where its request is refused.
const BODY_MAX: usize = 1 << 20;

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
    /// Keeps the agent that a path names, where it would be run.
    pub(super) fn keep_agent(&mut self, path: &[(String, String)]) {
        if self.may_skip() {
            let agent = path.iter().find(|(name, _)| name == "name");
            self.asked.agent = agent.map(|(_, name)| name.clone());
        }
    }

    /// Keeps the body of a request that would be executed. A batch or one with pictures is too long to be looked into.
    pub(super) fn keep_body(&mut self, body: &Bytes) {
        if self.may_skip() && body.len() <= BODY_MAX {
            self.asked.body = body.clone();
        }
    }

    fn may_skip(&self) -> bool {
        self.head.is_some() && self.route.as_ref().is_some_and(|route| route.spends)
    }

    /// Records an execution that a limit was in the way of.
    pub(in crate::http) fn record_skipped(&mut self, error: &Error) {
        let Identity::Tenant(session) = &self.identity else { return };
        if !self.may_skip() {
            return;
        }
        let Asked { agent, body } = std::mem::take(&mut self.asked);
        let (scope, request_id) = (session.scope, self.id.as_str().to_owned());
        skipped::record(&self.app, Refused { scope, request_id, agent, body }, error);
    }

    /// Records the request when the body of its answer is over.
    pub(super) fn record(
        &mut self,
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
                Identity::Anyone | Identity::Operator(_) => None,
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
        let (app, began) = (Arc::clone(&self.app), self.began);
        body.on_end(move |bytes_out| {
            let took = app.ambient.monotonic().saturating_sub(began);
            requests::record(&app, answered, took, bytes_out);
        });
    }
}

/// What proxies write where the client closed the request; of no RFC.
const LEFT: u16 = 499;

/// A client that leaves before its answer begins takes the whole future with it.
impl Drop for Exchange {
    fn drop(&mut self) {
        trace::distrust(&mut self.span, &self.identity);
        if let Ok(left) = StatusCode::from_u16(LEFT) {
            self.record(left, None, &mut Body::whole(Bytes::new()));
        }
    }
}
