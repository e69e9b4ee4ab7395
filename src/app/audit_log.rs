//! Looking at the audit log. Triggers of the writer write it; see `store/engine/audit_log.sql`.

use serde_json::{Map, Value};

use super::{App, accounts, auth::Session};
use crate::{
    domain::{AccountId, Cursor, Environment, Error, Page, PageRequest, Result},
    observe::origin::Actor,
    store::{
        SystemScope,
        audit_log::{self, AuditEntry, AuditFilter},
    },
};

/// What a change changed: only the members that differ.
#[derive(Clone, PartialEq, Debug)]
pub struct Change {
    /// What was there; `None` where that was nothing, or is not told.
    pub before: Option<Map<String, Value>>,
    /// What is there now.
    pub after: Option<Map<String, Value>>,
}

/// The changes of the session's account, newest first: up to the page's limit, fewer where entries are hard to find.
/// Blocks while it reads.
pub fn list(
    app: &App,
    session: &Session,
    filter: AuditFilter,
    page: &PageRequest,
) -> Result<Page<AuditEntry>> {
    let filter = from(filter, page)?;
    let mut found =
        app.store.read(session.scope, |snapshot| audit_log::list(snapshot, &filter, page.limit))?;
    found.rows.iter_mut().for_each(hide_operator);
    Ok(super::page_of(found, |seq| Cursor::from_number(*seq)))
}

/// Who operates the server, and from where, is no account's to know.
fn hide_operator(entry: &mut AuditEntry) {
    if matches!(entry.actor, Actor::Operator(_)) {
        entry.actor = Actor::Operator(None);
        (entry.actor_name, entry.address) = (None, None);
    }
}

/// The same of all accounts and of the server itself, or of one account.
pub fn list_all(
    app: &App,
    account: Option<(AccountId, Environment)>,
    filter: AuditFilter,
    page: &PageRequest,
) -> Result<Page<AuditEntry>> {
    let filter = from(filter, page)?;
    let found = app.store.read(SystemScope::new(), |snapshot| {
        let account = account.map(|(id, part)| accounts::find_scope(snapshot, id, part));
        let account = account.transpose()?.map(|scope| scope.seq());
        audit_log::list_all(snapshot, account, &filter, page.limit)
    })?;
    Ok(super::page_of(found, |seq| Cursor::from_number(*seq)))
}

/// The same entries from where the page begins.
fn from(filter: AuditFilter, page: &PageRequest) -> Result<AuditFilter> {
    let before = page.after.as_ref().map(Cursor::number).transpose()?;
    Ok(AuditFilter { before, ..filter })
}

/// What an entry says was changed.
pub fn change(entry: &AuditEntry) -> Result<Change> {
    let object = |text: &Option<String>| text.as_deref().map(object).transpose();
    let mut change = Change { before: object(&entry.before)?, after: object(&entry.after)? };
    change.keep_differences();
    Ok(change)
}

impl Change {
    fn keep_differences(&mut self) {
        let (Some(before), Some(after)) = (&mut self.before, &mut self.after) else { return };
        let was = before.clone();
        before.retain(|name, value| after.get(name) != Some(value));
        after.retain(|name, value| was.get(name) != Some(value));
    }
}

fn object(text: &str) -> Result<Map<String, Value>> {
    serde_json::from_str(text).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_told_of_a_change() {
        let told = |before: &str, after: &str| {
            let object = |text| Some(object(text).unwrap());
            let mut change = Change { before: object(before), after: object(after) };
            change.keep_differences();
            (change.before.unwrap(), change.after.unwrap())
        };
        let (before, after) =
            told(r#"{"a":1,"b":2,"c":null,"d":1}"#, r#"{"a":1,"b":3,"c":null,"e":1}"#);
        assert_eq!(Value::from(before), serde_json::json!({"b": 2, "d": 1}));
        assert_eq!(Value::from(after), serde_json::json!({"b": 3, "e": 1}));
    }
}
