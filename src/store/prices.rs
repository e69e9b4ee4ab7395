//! What models cost and cost before: a row for each version of a price, for ever. They are no tenant's, and every
//! account may read them.

use rusqlite::Row;

use super::{
    scope::SystemScope,
    tx::{Snapshot, Tx},
};
use crate::domain::{Error, Price, PriceVersion, Result, Tariff};

/// What a model costs from one change of its price to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedPrice {
    /// Its record.
    pub record: PriceVersion,
    /// What it says.
    pub tariff: Tariff,
}

/// What [`tariff`] reads of `price p`, and its version.
macro_rules! price_columns {
    () => {
        "p.version, p.free, p.input_per_million, p.cached_input_per_million, p.output_per_million, \
         p.minimum_charge"
    };
}

pub(in crate::store) use price_columns;

fn recorded(row: &Row<'_>) -> rusqlite::Result<RecordedPrice> {
    let record = PriceVersion { row: row.get("seq")?, version: row.get("version")? };
    Ok(RecordedPrice { record, tariff: tariff(row)? })
}

/// Reads what a row of `price` says.
pub(in crate::store) fn tariff(row: &Row<'_>) -> rusqlite::Result<Tariff> {
    if row.get("free")? {
        return Ok(Tariff::Free);
    }
    Ok(Tariff::Priced(Price {
        input_per_million: row.get("input_per_million")?,
        cached_input_per_million: row.get("cached_input_per_million")?,
        output_per_million: row.get("output_per_million")?,
        minimum_charge: row.get("minimum_charge")?,
    }))
}

/// The model's newest price among those up to the number `price_list`.
pub fn find(
    snapshot: &Snapshot<'_, SystemScope>,
    model: &str,
    price_list: i64,
) -> Result<Option<RecordedPrice>> {
    snapshot.one(
        "select * from price where model = ?1 and seq <= ?2 order by version desc limit 1",
        (model, price_list),
        recorded,
    )
}

/// The number of the newest price of all models; 0 where there is none.
pub fn price_list(snapshot: &Snapshot<'_, SystemScope>) -> Result<i64> {
    let newest = snapshot.one("select coalesce(max(seq), 0) from price", [], |row| row.get(0))?;
    Ok(newest.unwrap_or(0))
}

/// Records what the model costs from now on, unless that is what its newest price says; gives the record.
/// `tariff` must say what it costs.
pub fn record(tx: &Tx<'_, SystemScope>, model: &str, tariff: Tariff) -> Result<PriceVersion> {
    let newest = find(tx, model, i64::MAX)?;
    if let Some(newest) = newest.filter(|newest| newest.tariff == tariff) {
        return Ok(newest.record);
    }
    let version = newest.map_or(0, |newest| newest.record.version).saturating_add(1);
    let (free, price) = match tariff {
        Tariff::Free => (true, Price::default()),
        Tariff::Priced(price) => (false, price),
        Tariff::Unknown => return Err(Error::internal("there is no price to be recorded")),
    };
    let row = tx.insert(
        "insert into main.price (model, version, free, input_per_million, cached_input_per_million,
           output_per_million, minimum_charge, created_at) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        rusqlite::params![
            model,
            version,
            free,
            price.input_per_million,
            price.cached_input_per_million,
            price.output_per_million,
            price.minimum_charge,
            tx.now(),
        ],
    )?;
    Ok(PriceVersion { row, version })
}
