//! The log of requests: who asked for what, what was answered, and how the server was meanwhile.

use std::{net::IpAddr, sync::Arc, time::Duration};

use super::{Machine, page};
use crate::{
    app::{App, auth::Session},
    domain::{Page, RecordKind, RequestRecordId, Result, Timestamp},
    observe::redact,
    store::{
        AccountScope, SystemScope,
        telemetry::{
            Report, Row, Window,
            requests::{self, RequestFilter, RequestRecord},
        },
    },
};

/// Bytes that are kept of a path.
const PATH_MAX: usize = 512;
/// Bytes that are kept of what a client calls itself.
const USER_AGENT_MAX: usize = 256;
/// Bytes that are kept of a request's name.
const REQUEST_ID_MAX: usize = 128;
/// Bytes that are kept of a method.
const METHOD_MAX: usize = 32;

/// Where an account looks at the log. That is recorded too, and yet no reason to look again.
const LOG: &str = "/v1/logs";

/// A request that was answered, as the client sent it.
#[derive(Debug)]
pub struct Answered {
    /// The request's name.
    pub request_id: String,
    /// The API key, where one was verified, also where the request was refused afterwards.
    pub session: Option<Arc<Session>>,
    /// The method.
    pub method: String,
    /// The route's path as in the table of routes; `None` where no path matched.
    pub route: Option<&'static str>,
    /// The path, without its query.
    pub path: String,
    /// The answer's status.
    pub status: u16,
    /// The code of the error, where it was one.
    pub error_code: Option<&'static str>,
    /// Bytes of the body that were read.
    pub bytes_in: u64,
    /// The client's address.
    pub client: IpAddr,
    /// What the client calls itself.
    pub user_agent: Option<String>,
}

/// Lets who listens in an account hear when requests of its were recorded. Of those that are nobody's nobody is told,
/// operators neither: anybody can make as many as they like, and each would be a reason to look.
pub fn tell_of_records(app: &App) {
    let (watches, ambient) = (app.watches.clone(), app.ambient.clone());
    app.recording.telemetry.listen(move |rows| {
        let accounts = rows.iter().filter_map(|row| match row {
            Row::Request(Some(account), row) if row.route.as_deref() != Some(LOG) => Some(*account),
            _ => None,
        });
        watches.hear_requests(accounts, ambient.monotonic());
    });
}

/// Records a request whose answer took so long and had a body of so many bytes. Never waits: what is to be done, but
/// for the id and the time, is done on telemetry's thread.
pub fn record(app: &App, answered: Answered, took: Duration, bytes_out: u64) {
    let recording = &app.recording;
    let texts = [Some(&answered.request_id), Some(&answered.path), answered.user_agent.as_ref()];
    let bytes = texts.into_iter().flatten().map(String::len).sum();
    // The list is in the order of ids, and is asked for by time.
    let (now, id) = (app.ambient.now(), RequestRecordId::from_uuid(app.ambient.uuid()));
    let (machine, ambient) = (Arc::clone(&recording.machine), app.ambient.clone());
    recording.telemetry.report(Report::new(&[RecordKind::Request], bytes, move || {
        let account = answered.session.as_ref().map(|session| session.scope.seq());
        let row = row(id, now, answered, took, bytes_out, (&machine, ambient.monotonic()));
        vec![Row::Request(account, row)]
    }));
}

fn row(
    id: RequestRecordId,
    created_at: Timestamp,
    answered: Answered,
    took: Duration,
    bytes_out: u64,
    (machine, now): (&Machine, Duration),
) -> RequestRecord {
    let load = machine.load(now);
    RequestRecord {
        id,
        request_id: shown(&redact::text(&answered.request_id), REQUEST_ID_MAX),
        api_key: answered.session.map(|session| session.prefix.clone()),
        method: shown(&redact::text(&answered.method), METHOD_MAX),
        route: answered.route.map(str::to_owned),
        path: shown(&redact::path(&answered.path), PATH_MAX),
        status: answered.status,
        error_code: answered.error_code.map(str::to_owned),
        duration_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        bytes_in: answered.bytes_in,
        bytes_out,
        client: answered.client.to_string(),
        user_agent: answered.user_agent.map(|name| shown(&redact::text(&name), USER_AGENT_MAX)),
        host: machine.host().to_owned(),
        cpu_permille: load.cpu_permille,
        memory_bytes: load.memory_bytes,
        created_at,
    }
}

/// The beginning of a text, which has no secrets any more: what is cut first may hide half of one.
fn shown(text: &str, most: usize) -> String {
    text[..text.floor_char_boundary(most)].to_owned()
}

/// Which part of the log is asked for.
#[derive(Clone, Debug)]
pub struct Query {
    /// Which requests.
    pub filter: RequestFilter,
    /// On which page.
    pub window: Window,
}

impl Query {
    /// The filter as rows are written: a name that holds a secret is kept without it.
    fn filter(&self) -> RequestFilter {
        let name = self.filter.request_id.as_deref();
        let request_id = name.map(|name| shown(&redact::text(name), REQUEST_ID_MAX));
        RequestFilter { request_id, ..self.filter.clone() }
    }
}

/// The account's requests, newest first. Blocks for up to some seconds.
pub fn list(app: &App, scope: AccountScope, query: &Query) -> Result<Page<RequestRecord>> {
    let (telemetry, filter) = (&app.recording.telemetry, query.filter());
    telemetry.read(scope, |look| requests::list(look, &query.window, &filter)).map(page)
}

/// Requests that no API key was verified for, and the operator's, newest first. Blocks for up to some seconds.
pub fn list_of_nobody(app: &App, query: &Query) -> Result<Page<RequestRecord>> {
    let (telemetry, scope, filter) = (&app.recording.telemetry, SystemScope::new(), query.filter());
    telemetry.read(scope, |look| requests::list_of_nobody(look, &query.window, &filter)).map(page)
}
