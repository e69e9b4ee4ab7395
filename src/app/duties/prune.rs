//! Takes away what was kept long enough, little by little, so that nobody waits long for the writer.

use std::{fs, path::Path, sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{super::App, go_on, look, vacuum::breathe, write};
use crate::{
    app::usage,
    domain::{Day, Error, Result, Timestamp},
    store::{
        prune::{self, Kept},
        usage_days,
    },
};

/// Rows of end users that are looked for, and forgotten, at a time.
const USERS: u32 = 500;

/// Does it; gives how many of each were taken away.
pub(super) fn run(app: &Arc<App>) -> Result<Value> {
    let kept = app.settings.duties.retention;
    // Dead letters go after what they are about, but where they are what keeps it.
    Ok(json!({
        "open_dead_letters": rows(app, Kept::OpenLetters, kept.open_dead_letters)?,
        "deliveries": rows(app, Kept::Deliveries, kept.deliveries)?,
        "tasks": rows(app, Kept::Tasks, kept.tasks)?,
        "dead_letters": rows(app, Kept::DeadLetters, kept.dead_letters)?,
        "stripe_payloads": rows(app, Kept::StripePayloads, kept.stripe_events)?,
        "audit_log": rows(app, Kept::AuditLog, kept.audit_log)?,
        "usage_by_user": users(app, kept.usage_by_user)?,
        "snapshots": snapshots(app, kept.snapshots)?,
    }))
}

/// Takes away rows of that kind that ended longer ago than they are kept.
fn rows(app: &Arc<App>, kind: Kept, kept: Option<Duration>) -> Result<usize> {
    let Some(kept) = kept else { return Ok(0) };
    let before = app.ambient.now().minus(kept);
    let (mut place, mut taken) = (Some((0, 0)), 0);
    while let Some(from) = place {
        go_on(app)?;
        let stretch = look(app, |snapshot| prune::find(snapshot, kind, from, before))?;
        if !stretch.rows.is_empty() {
            let (began, rows) = (app.ambient.monotonic(), stretch.rows);
            taken += write(app, move |tx| prune::take(tx, kind, &rows, before)).wait()?;
            breathe(app, began);
        }
        place = stretch.next;
    }
    Ok(taken)
}

/// Forgets what was counted by end user on days that are over for longer than they are kept.
fn users(app: &Arc<App>, kept: Option<Duration>) -> Result<usize> {
    let Some(kept) = kept else { return Ok(0) };
    // What waits to be counted would come to days that were forgotten.
    while usage::fold_once(app, 1)? > 0 {
        go_on(app)?;
    }
    let before = Day::of_utc(app.ambient.now().minus(kept));
    let (mut from, mut forgotten) = (0, 0);
    loop {
        go_on(app)?;
        let rows = look(app, |snapshot| usage_days::old_users(snapshot, from, before, USERS))?;
        let Some(last) = rows.last() else { return Ok(forgotten) };
        from = last.account;
        let began = app.ambient.monotonic();
        forgotten += write(app, move |tx| usage_days::forget_users(tx, &rows, before)).wait()?;
        breathe(app, began);
    }
}

/// Removes the copies that migrations made before they began, but for the newest.
fn snapshots(app: &App, kept: Option<Duration>) -> Result<usize> {
    let (Some(kept), Some(folder)) = (kept, app.store.path().parent()) else { return Ok(0) };
    let before = app.ambient.now().minus(kept);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::internal)? {
        let path = entry.map_err(Error::internal)?.path();
        found.extend(made_at(app.store.path(), &path).map(|made_at| (made_at, path)));
    }
    found.sort();
    found.pop();
    found.retain(|(made_at, _)| *made_at < before);
    for (_, path) in &found {
        fs::remove_file(path).map_err(Error::internal)?;
    }
    Ok(found.len())
}

/// When a migration made that copy of the database, by its name, such as `skai.before-v2-1700000000.db`; `None` for
/// every other file.
fn made_at(database: &Path, path: &Path) -> Option<Timestamp> {
    let name = path.file_name()?.to_str()?;
    let rest = name.strip_prefix(database.file_stem()?.to_str()?)?;
    let (version, seconds) =
        rest.strip_prefix(".before-v")?.strip_suffix(".db")?.split_once('-')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    if !is_number(version) || !is_number(seconds) {
        return None;
    }
    Some(Timestamp::default().plus(Duration::from_secs(seconds.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_migrations_are_known_by_their_exact_names() {
        let of = |name: &str| made_at(Path::new("/data/skai.db"), &Path::new("/data").join(name));
        assert_eq!(of("skai.before-v2-60.db"), Some(Timestamp::from_millis(60_000)));
        for other in [
            "skai.db",
            "skai.db-wal",
            "skai.before-v2-60.db-wal",
            "skai.before-v-60.db",
            "skai.before-v2-.db",
            "skai.before-v2-+60.db",
            "skai.before-v2.db",
            "mine.before-v2-60.db",
            "secret.key",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
