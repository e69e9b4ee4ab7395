//! The file: its schema, its version, and files that are not for this program.

use std::{collections::BTreeMap, fs};

use rusqlite::Connection;
use skai_server::{
    ambient::Ambient,
    store::{EngineSettings, MigrateError, OpenError, Store, newest_schema, schema_version},
};

use super::{Rig, file};

/// Every object of a schema by kind and name, its SQL without comments and spacing.
fn objects(connection: &Connection) -> BTreeMap<(String, String), String> {
    let sql = "select type, name, sql from sqlite_schema where sql is not null";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| {
        let sql: String = row.get(2)?;
        Ok(((row.get(0)?, row.get(1)?), normal(&sql)))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn normal(sql: &str) -> String {
    let lines = sql.lines().map(|line| line.split("--").next().unwrap_or_default());
    let words: Vec<String> = lines.flat_map(str::split_whitespace).map(str::to_lowercase).collect();
    words.join(" ")
}

#[test]
fn schema_sql_is_the_sum_of_the_migrations() {
    let written = Connection::open_in_memory().unwrap();
    written.execute_batch(include_str!("../../schema.sql")).unwrap();
    let rig = Rig::new();
    assert_eq!(objects(&written), objects(&rig.outside()));
    assert!(objects(&written).len() > 20);
}

#[test]
fn every_table_is_strict_and_every_tenants_row_says_whose_it_is() {
    let rig = Rig::new();
    let outside = rig.outside();
    let tables = |filter: &str| -> Vec<String> {
        let sql = format!("select name from pragma_table_list where schema = 'main' {filter}");
        let mut statement = outside.prepare(&sql).unwrap();
        let names = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap);
        names.filter(|name: &String| !name.starts_with("sqlite_")).collect()
    };
    assert_eq!(tables("and strict = 0"), [""; 0]);
    let mut tenants = tables(
        "and exists (select 1 from pragma_table_info(pragma_table_list.name) c where c.name = 'account')",
    );
    tenants.sort();
    assert_eq!(tenants, skai_server::store::tenant_tables());
}

#[test]
fn the_library_does_not_lose_commits() {
    assert!(rusqlite::version_number() >= 3_051_003, "SQLite {}", rusqlite::version());
}

#[test]
fn what_the_file_promises_is_set() {
    let rig = Rig::with(EngineSettings::default());
    let outside = rig.outside();
    let pragma = |name: &str| -> String {
        let value: rusqlite::types::Value =
            outside.pragma_query_value(None, name, |row| row.get(0)).unwrap();
        format!("{value:?}")
    };
    assert_eq!(pragma("journal_mode"), "Text(\"wal\")");
    assert_eq!(pragma("page_size"), "Integer(4096)");
    assert_eq!(pragma("auto_vacuum"), "Integer(2)");
    assert_eq!(pragma("user_version"), format!("Integer({})", newest_schema()));
}

#[test]
fn a_newer_file_is_refused_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path());
    let newer = newest_schema() + 1;
    let made = Connection::open(&path).unwrap();
    made.execute_batch(&format!("create table later (x); pragma user_version = {newer}")).unwrap();
    made.close().unwrap();
    let before = fs::read(&path).unwrap();
    let opened = Store::open(&path, &EngineSettings::default(), &Ambient::system());
    let Err(OpenError::Migrate(MigrateError::Newer { found, known })) = opened else {
        panic!("a newer file was opened");
    };
    assert_eq!((found, known), (newer, newest_schema()));
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing lies beside it");
    assert_eq!(schema_version(&path).unwrap(), newer);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path());
    let before = vec![b'x'; 8192];
    fs::write(&path, &before).unwrap();
    assert!(Store::open(&path, &EngineSettings::default(), &Ambient::system()).is_err());
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn opening_again_changes_no_version_and_keeps_the_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path());
    for start in 1..=3 {
        let (store, writer) =
            Store::open(&path, &EngineSettings::default(), &Ambient::system()).unwrap();
        assert_eq!(skai_server::queue::boot(&store).unwrap(), start);
        drop(store);
        writer.join().unwrap();
    }
    assert_eq!(schema_version(&path).unwrap(), newest_schema());
    assert_eq!(schema_version(&folder.path().join("missing.db")).unwrap(), 0);
}
