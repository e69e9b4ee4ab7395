//! What can be done with functions, which scheduled tasks run. Values of their headers are kept sealed, and so are
//! the secrets that sign their requests.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{App, Caller, Reply, Secrecy, once, vault::Purpose};
use crate::{
    domain::{
        Builtin, Cursor, EndpointUrl, Error, ErrorKind, FunctionId, FunctionRequest,
        FunctionTarget, HttpTarget, Idempotency, Page, PageRequest, Result, Secret, WebhookSecret,
    },
    store::{
        AccountScope, Commit, Snapshot, Tx,
        functions::{self, Function, Http, Target},
        schedules,
    },
    webhooks::sign::Secrets,
};

/// The values of a function's headers, by names in lower case.
pub type Headers = BTreeMap<String, String>;

/// A function as it is shown: of its headers the names alone.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The function.
    pub function: Function,
    /// Names of its headers.
    pub headers: Vec<String>,
    /// What signs its requests from now on, where it is new.
    pub secret: Option<WebhookSecret>,
}

/// Makes a function, or changes the one of that name.
pub fn put(
    app: &Arc<App>,
    caller: &Caller,
    name: String,
    request: FunctionRequest,
) -> Commit<Shown> {
    let prepared = request.target(&name).and_then(|target| {
        if let FunctionTarget::Http(http) = &target {
            app.check_target(&http.url)?;
        }
        Ok((target, app.new_secret()?))
    });
    let (target, (secret, sealed)) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return Commit::refused(error),
    };
    let (this, id) = (Arc::clone(app), FunctionId::from_uuid(app.ambient.uuid()));
    app.store.write(caller.scope, move |tx| {
        let known = functions::find(tx, &name)?;
        if known.is_none() {
            check_count(&this, tx)?;
        }
        let (target, secret) = match &target {
            FunctionTarget::Http(new) => {
                let known = known.as_ref().and_then(|known| match &known.target {
                    Target::Http(http) => Some(http),
                    _ => None,
                });
                let secret = known.is_none().then(|| secret.clone());
                (Target::Http(stored(&this, new, known, &sealed)?), secret)
            }
            FunctionTarget::Agent { agent, input } => {
                (Target::Agent { agent: agent.clone(), input: input.clone() }, None)
            }
            FunctionTarget::Builtin(builtin) => (Target::Builtin(*builtin), None),
        };
        functions::put(tx, id, &name, &target)?;
        shown(&this, must_find(tx, &name)?, secret)
    })
}

fn check_count(app: &App, tx: &Tx<'_, AccountScope>) -> Result<()> {
    let most = app.settings.tasks.max_functions;
    if functions::count(tx)? >= most {
        let message = format!("the account has {most} functions; delete one first");
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    Ok(())
}

/// The request as it is kept: with the secrets that it had, and with the kept values of headers that are null.
fn stored(app: &App, new: &HttpTarget, known: Option<&Http>, secret: &[u8]) -> Result<Http> {
    // Whoever may change a function must not learn its headers by a server of his own.
    let known_there = known
        .filter(|http| EndpointUrl::parse(&http.url).is_ok_and(|url| url.has_origin_of(&new.url)));
    let kept = known_there.map(|http| open_headers(app, http)).transpose()?.unwrap_or_default();
    let value = |(name, value): (&String, &Option<Secret<String>>)| {
        let value = value.as_ref().map(Secret::expose).or_else(|| kept.get(name));
        let value = value.cloned().ok_or_else(|| {
            let message = "null stands for the value that is kept for this server, and there is none; give one";
            Error::invalid(format!("headers/{name}"), message)
        })?;
        Ok((name.clone(), value))
    };
    let headers: Headers = new.headers.iter().map(value).collect::<Result<_>>()?;
    // Sealed anew, the same would look like others.
    let headers = match known_there {
        Some(http) if kept == headers => http.headers.clone(),
        _ => {
            let headers = serde_json::to_vec(&headers).map_err(Error::internal)?;
            app.vault.seal(Purpose::FunctionHeaders, &headers)?
        }
    };
    Ok(Http {
        url: new.url.as_str().to_owned(),
        method: new.method,
        headers,
        timeout_ms: new.timeout_ms,
        secret: known.map_or_else(|| secret.to_vec(), |http| http.secret.clone()),
        previous_secret: known.and_then(|http| http.previous_secret.clone()),
    })
}

/// The headers of a function's request, for the one who sends it.
pub fn open_headers(app: &App, http: &Http) -> Result<Headers> {
    let headers = app.vault.open_sealed(Purpose::FunctionHeaders, &http.headers)?;
    serde_json::from_slice(&headers).map_err(Error::internal)
}

/// What signs the function's requests now.
pub fn secrets(app: &App, http: &Http) -> Result<Secrets> {
    app.open_secrets(&http.secret, http.previous_secret.as_ref())
}

/// The function of that name. Blocks while it reads.
pub fn get(app: &App, caller: &Caller, name: &str) -> Result<Shown> {
    let function = app.store.read(caller.scope, |snapshot| must_find(snapshot, name))?;
    shown(app, function, None)
}

/// The account's functions, newest first. Blocks while it reads.
pub fn list(app: &App, caller: &Caller, page: &PageRequest) -> Result<Page<Shown>> {
    let before = page.after.as_ref().map(Cursor::uuid).transpose()?.map(FunctionId::from_uuid);
    let limit = super::one_more(page);
    let rows = app.store.read(caller.scope, |snapshot| functions::list(snapshot, before, limit))?;
    let rows = rows.into_iter().map(|row| shown(app, row, None)).collect::<Result<Vec<_>>>()?;
    Ok(Page::cut(rows, page.limit, |shown| Cursor::from_uuid(shown.function.id.uuid())))
}

/// Removes a function. [`ErrorKind::Conflict`] where a schedule runs it; tasks that wait for it fail.
pub fn delete(app: &App, caller: &Caller, name: String) -> Commit<()> {
    app.store.write(caller.scope, move |tx| {
        let used = schedules::count_of(tx, &name)?;
        if used > 0 {
            let message = format!(
                "{used} of the account's schedules run this function; delete them first, or let them run another"
            );
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        if functions::delete(tx, &name)? { Ok(()) } else { Err(not_found()) }
    })
}

/// Gives a function a new secret. The old one signs too for `overlap`, at most 7 days, or as long as the operator
/// decided; zero ends it at once.
pub fn rotate_secret(
    app: &Arc<App>,
    caller: &Caller,
    name: String,
    overlap: Option<Duration>,
    request: Option<Idempotency>,
    render: once::Render<Shown>,
) -> Commit<Reply> {
    let prepared = app.overlap(overlap).and_then(|overlap| Ok((overlap, app.new_secret()?)));
    let (overlap, (secret, sealed)) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return Commit::refused(error),
    };
    let this = Arc::clone(app);
    once::once(app, caller.scope, request, Secrecy::Secret, render, move |tx| {
        let function = must_find(tx, &name)?;
        let Target::Http(http) = function.target else {
            let message = "only functions of the kind `http` send requests that are signed";
            return Err(Error::new(ErrorKind::Conflict, message));
        };
        let previous_secret = Some((http.secret, tx.now().plus(overlap)));
        let target = Target::Http(Http { secret: sealed.clone(), previous_secret, ..http });
        functions::put(tx, function.id, &name, &target)?;
        shown(&this, must_find(tx, &name)?, Some(secret.clone()))
    })
}

/// Registers the server's own functions, for a new account.
pub(super) fn register(app: &App, tx: &Tx<'_, AccountScope>) -> Result<()> {
    for builtin in Builtin::ALL {
        let id = FunctionId::from_uuid(app.ambient.uuid());
        functions::put(tx, id, builtin.as_str(), &Target::Builtin(builtin))?;
    }
    Ok(())
}

fn shown(app: &App, function: Function, secret: Option<WebhookSecret>) -> Result<Shown> {
    let headers = match &function.target {
        Target::Http(http) => open_headers(app, http)?.into_keys().collect(),
        _ => Vec::new(),
    };
    Ok(Shown { function, headers, secret })
}

/// The account's function of that name.
pub(super) fn must_find(snapshot: &Snapshot<'_, AccountScope>, name: &str) -> Result<Function> {
    functions::find(snapshot, name)?.ok_or_else(not_found)
}

/// The function that a task or schedule is to run, named in its request.
pub(super) fn named(snapshot: &Snapshot<'_, AccountScope>, name: &str) -> Result<Function> {
    functions::find(snapshot, name)?.ok_or_else(|| {
        let name: String = name.chars().take(64).collect();
        let message =
            format!("there is no function `{name}`; make it by PUT /v1/functions/{{name}}");
        Error::invalid("function_name", message)
    })
}

fn not_found() -> Error {
    Error::not_found("function")
}
