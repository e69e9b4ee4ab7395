//! Copies database and key to a folder of their own, and keeps the newest few of these.
//!
//! A copy has another name until it is whole and on disk, so that one with its final name can be relied on. Nothing is
//! touched whose name is not exactly that of a copy.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};

use super::{super::App, BackupSettings, conflict};
use crate::{
    app::backup::{self, BackupError, Limits, UNFINISHED, remove},
    domain::{Error, Result, Timestamp},
};

/// Copies that are shown at most.
const SHOWN: usize = 20;

/// Makes a copy and removes those beyond the number to keep; gives what it did. A copy that was made is one, also where
/// the old ones cannot be removed.
pub(super) fn run(app: &Arc<App>) -> Result<Value> {
    let settings = app.settings.duties.backup.as_ref();
    let BackupSettings { folder, keep } =
        settings.ok_or_else(|| conflict("backup.folder is not set"))?;
    let told = |source: io::Error| {
        let message = format!("the folder of backups cannot be used: {}", folder.display());
        conflict(&message).with_source(source)
    };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(told)?;
    let left = clean(folder).map_err(told)?;
    let name = free_name(folder, app.ambient.now());
    let (data, to) = (app.store.path().parent().unwrap_or(Path::new(".")), folder.join(&name));
    let stopping = Arc::clone(app);
    let limits = Limits::until(move || stopping.watches.is_closed());
    let bytes = backup::make_whole(data, &to, &limits).map_err(failed)?;
    let mut did = json!({"path": to, "bytes": bytes, "removed": 0, "leftovers": left});
    match rotate(folder, &name, *keep) {
        Ok(removed) => did["removed"] = json!(removed),
        Err(error) => {
            tracing::error!(%error, folder = %folder.display(), "old backups cannot be removed");
            did["rotation_error"] = json!(error.to_string());
        }
    }
    Ok(did)
}

fn failed(error: BackupError) -> Error {
    conflict("no backup was made").with_source(error)
}

/// The name of a copy that is made now, or that many seconds later as are taken.
fn free_name(folder: &Path, now: Timestamp) -> String {
    let mut at = now;
    loop {
        let name = name_of(at);
        if !folder.join(&name).exists() {
            return name;
        }
        at = at.plus(Duration::from_secs(1));
    }
}

/// Such as `skai-20261120T030000Z`.
fn name_of(at: Timestamp) -> String {
    let digits: String = at.to_string().chars().take(19).filter(|it| !"-:".contains(*it)).collect();
    format!("skai-{digits}Z")
}

/// Whether that is the name of a copy.
fn is_name(name: &str) -> bool {
    let digits = name.strip_prefix("skai-").and_then(|rest| rest.strip_suffix('Z'));
    let Some((date, time)) = digits.and_then(|digits| digits.split_once('T')) else { return false };
    let are_digits = |text: &str| text.bytes().all(|it| it.is_ascii_digit());
    date.len() == 8 && time.len() == 6 && are_digits(date) && are_digits(time)
}

/// The folders of a folder whose names pass, in their order. Links are none.
fn folders(folder: &Path, is_one: impl Fn(&str) -> bool) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() && entry.file_name().to_str().is_some_and(&is_one) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Removes what crashes left; gives how many folders.
fn clean(folder: &Path) -> io::Result<usize> {
    let left = folders(folder, |name| name.strip_suffix(UNFINISHED).is_some_and(is_name))?;
    for unfinished in &left {
        remove(unfinished)?;
    }
    Ok(left.len())
}

/// Removes the oldest copies until only so many are left, but never the one that was just made. Those that a clock which
/// was ahead dated later than that go before all others: by their names they would stay for years.
fn rotate(folder: &Path, newest: &str, keep: usize) -> io::Result<usize> {
    let mut older = folders(folder, |name| is_name(name) && name != newest)?;
    let made = folder.join(newest);
    older.sort_by_key(|copy| *copy < made);
    let surplus = older.len().saturating_sub(keep.saturating_sub(1));
    for copy in older.iter().take(surplus) {
        // Half a copy must not look like a whole one.
        let leaving = copy.with_extension(UNFINISHED.trim_start_matches('.'));
        fs::rename(copy, &leaving)?;
        remove(&leaving)?;
    }
    Ok(surplus)
}

/// A copy that is whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Copy {
    /// What its folder is called.
    pub name: String,
    /// Bytes of its files.
    pub bytes: u64,
    /// When it was made, as its name says.
    pub created_at: Timestamp,
}

/// The newest copies, newest first; none where there is no folder for them, or it cannot be read. Blocks.
pub fn copies(app: &App) -> Vec<Copy> {
    let Some(settings) = &app.settings.duties.backup else { return Vec::new() };
    let all = folders(&settings.folder, is_name).unwrap_or_default();
    all.iter().rev().take(SHOWN).filter_map(|folder| look(folder)).collect()
}

fn look(folder: &Path) -> Option<Copy> {
    let name = folder.file_name()?.to_str()?.to_owned();
    let files = fs::read_dir(folder).ok()?.flatten();
    let bytes = files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum();
    let created_at = time_of(&name)?;
    Some(Copy { name, bytes, created_at })
}

/// When a copy of that name was made.
fn time_of(name: &str) -> Option<Timestamp> {
    let digits = name.strip_prefix("skai-").filter(|_| is_name(name))?;
    let at = |from: usize, to: usize| digits.get(from..to);
    let day = format!("{}-{}-{}", at(0, 4)?, at(4, 6)?, at(6, 8)?);
    format!("{day}T{}:{}:{}Z", at(9, 11)?, at(11, 13)?, at(13, 15)?).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_time_and_nothing_else_is_one() {
        let name = name_of("2026-11-20T03:04:05.678Z".parse().unwrap_or_default());
        assert_eq!(name, "skai-20261120T030405Z");
        assert!(is_name(&name));
        assert_eq!(time_of(&name), "2026-11-20T03:04:05Z".parse().ok());
        assert_eq!(time_of("skai-20261320T030405Z"), None);
        for other in [
            "skai-20261120T030405",
            "skai-2026112T0304050Z",
            "skai-20261120T03040xZ",
            "skai-20261120T030405Z.part",
            "xskai-20261120T030405Z",
            "skai-TZ",
            "skai",
        ] {
            assert!(!is_name(other), "{other}");
        }
    }
}
