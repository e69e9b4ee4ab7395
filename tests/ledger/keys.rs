//! Accounts and their keys, as deeds.

use std::time::Duration;

use serde_json::json;
use skai_server::{
    app::{accounts, api_keys, ledger_audit},
    domain::{ApiKey, ErrorKind, Idempotency, IdempotencyKey, PageRequest, ScopeSet},
    store::accounts::Account,
};

use crate::support::deeds::Deeds;

#[test]
fn accounts_are_made_renamed_suspended_and_listed() {
    let deeds = Deeds::new([]);
    let app = &deeds.app;
    let ids: Vec<_> = ["a", "b", "c"].map(|name| deeds.account(name).account_id()).into();
    let page = PageRequest::parse(Some("2"), None).unwrap();
    let listed = accounts::list(app, &page).unwrap();
    assert_eq!(listed.data.iter().map(Account::id).collect::<Vec<_>>(), [ids[2], ids[1]]);

    let change = |body: &str| {
        let change = serde_json::from_str(body).unwrap();
        accounts::update(app, ids[0], change).wait()
    };
    let changed = change(r#"{"name": "d", "suspended": true}"#).unwrap();
    assert_eq!(changed.name, "d");
    assert!(changed.suspended_at.is_some());
    assert!(change(r#"{"suspended": false}"#).unwrap().suspended_at.is_none());
    assert_eq!(change(r#"{"name": ""}"#).unwrap_err().param(), Some("name"));
    let long = json!({"name": "x".repeat(201)}).to_string();
    assert_eq!(change(&long).unwrap_err().param(), Some("name"));
    assert_eq!(accounts::get(app, ids[0]).unwrap().name, "d");
}

fn request(body: &serde_json::Value) -> api_keys::KeyRequest {
    serde_json::from_str(&body.to_string()).unwrap()
}

/// The id and the secret of a created key, as a test's edge would write them.
#[expect(clippy::unnecessary_wraps, reason = "an edge's rendering may fail")]
fn render(created: &api_keys::CreatedKey) -> skai_server::domain::Result<Vec<u8>> {
    Ok(format!("{} {}", created.key.id, created.secret.expose()).into_bytes())
}

#[test]
fn keys_give_no_more_than_their_maker_has() {
    let deeds = Deeds::new([]);
    let scope = deeds.account("a");
    let mine: ScopeSet = "keys:write jobs:read".parse().unwrap();
    let refusal = |body: serde_json::Value| {
        let refused = api_keys::prepare(&deeds.app, scope, mine, &request(&body)).unwrap_err();
        (refused.kind(), refused.param().map(str::to_owned))
    };
    let past = "2026-11-20T08:00:00Z";
    let other = deeds.ambient.uuid().to_string();
    for (body, kind, param) in [
        (json!({"name": "k", "scopes": ["*"]}), ErrorKind::InsufficientScope, "scopes"),
        (json!({"name": "k", "scopes": ["jobs:write"]}), ErrorKind::InsufficientScope, "scopes"),
        (json!({"name": "k", "scopes": ["credits:write"]}), ErrorKind::InsufficientScope, "scopes"),
        (json!({"name": "k", "scopes": ["jobs"]}), ErrorKind::InvalidRequest, "scopes"),
        (json!({"name": "k", "scopes": []}), ErrorKind::InvalidRequest, "scopes"),
        (json!({"name": "", "scopes": ["jobs:read"]}), ErrorKind::InvalidRequest, "name"),
        (
            json!({"name": "k", "scopes": ["jobs:read"], "expires_at": past}),
            ErrorKind::InvalidRequest,
            "expires_at",
        ),
        (
            json!({"name": "k", "scopes": ["jobs:read"], "rate_limit": "5"}),
            ErrorKind::InvalidRequest,
            "rate_limit",
        ),
        (
            json!({"name": "k", "scopes": ["jobs:read"], "project_id": other}),
            ErrorKind::InvalidRequest,
            "project_id",
        ),
    ] {
        assert_eq!(refusal(body), (kind, Some(param.to_owned())));
    }
}

#[test]
fn a_key_is_made_once_rotated_and_revoked() {
    let deeds = Deeds::new([]);
    let (app, scope) = (&deeds.app, deeds.account("a"));
    let own_end = "2027-01-01T00:00:00Z";
    let body = json!({
        "name": "k", "scopes": ["jobs:read"], "rate_limit": "5,1m", "expires_at": own_end,
    });
    let own_end = Some(own_end.parse().unwrap());
    let key = IdempotencyKey::parse(b"one").unwrap();
    let twin = Idempotency::new("POST /v1/api-keys", &key, [7; 32]);
    let make = || {
        let prepared = api_keys::prepare(app, scope, ScopeSet::ALL, &request(&body)).unwrap();
        api_keys::create(app, prepared, Some(twin), render).wait().unwrap()
    };
    let (first, again) = (make(), make());
    assert_eq!((first.replayed, again.replayed), (false, true));
    assert_eq!(first.body, again.body);
    let page = PageRequest::default();
    let keys = api_keys::list(app, scope, &page).unwrap().data;
    assert_eq!(keys.len(), 1);
    let old = &keys[0];
    let text = String::from_utf8(first.body).unwrap();
    let secret = ApiKey::parse(text.split_once(' ').unwrap().1).unwrap();
    assert_eq!((old.prefix.as_str(), old.rate_limit.as_deref()), (secret.prefix(), Some("5,1m")));
    assert!(old.hash.starts_with("$argon2id$"));

    let rotate = |granted, seconds| {
        let request = api_keys::RotateRequest { overlap_seconds: seconds };
        api_keys::prepare_rotation(app, scope, granted, old.id, &request)
    };
    assert_eq!(
        rotate("keys:write".parse().unwrap(), 60).unwrap_err().kind(),
        ErrorKind::InsufficientScope
    );
    assert_eq!(rotate(ScopeSet::ALL, 2_592_001).unwrap_err().param(), Some("overlap_seconds"));
    let late = rotate(ScopeSet::ALL, 60).unwrap();
    let rotation = rotate(ScopeSet::ALL, 60).unwrap();
    api_keys::rotate(app, rotation, None, render).wait().unwrap();
    let keys = api_keys::list(app, scope, &page).unwrap().data;
    let overlap_end = Some(deeds.ambient.now().plus(Duration::from_mins(1)));
    assert_eq!((keys[1].ends_at(), keys[1].expires_at), (overlap_end, own_end));
    let copied = (&keys[0].name, &keys[0].scopes, &keys[0].rate_limit, keys[0].ends_at());
    assert_eq!(copied, (&old.name, &old.scopes, &old.rate_limit, own_end));
    assert_ne!(keys[0].prefix, old.prefix);
    // Within its overlap it can be rotated again, and the end of the overlap is nobody's own.
    let again = rotate(ScopeSet::ALL, 3600).unwrap();
    api_keys::rotate(app, again, None, render).wait().unwrap();
    let keys = api_keys::list(app, scope, &page).unwrap().data;
    assert_eq!((keys[0].ends_at(), keys[2].ends_at()), (own_end, overlap_end));

    let revoked = api_keys::revoke(app, scope, old.id).wait().unwrap();
    assert_eq!(revoked.revoked_at, Some(deeds.ambient.now()));
    let refused = api_keys::rotate(app, late, None, render).wait().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    let other = deeds.account("b");
    assert_eq!(api_keys::get(app, other, old.id).unwrap_err().kind(), ErrorKind::NotFound);
    let foreign = api_keys::revoke(app, other, keys[0].id).wait().unwrap_err();
    assert_eq!(foreign.kind(), ErrorKind::NotFound);
    assert!(ledger_audit::verify(app).unwrap().ok);
}
