//! The prices in force: which there are, how others take their place, and which of them a job is charged at.

use std::sync::{Arc, PoisonError, RwLock};

use super::{
    App,
    cache::{BELIEVED, Bounds, Cache, CacheUse},
};
use crate::{
    domain::{Catalog, Model, Result, Tariff},
    store::{
        Snapshot, SystemScope, Tx,
        prices::{self, RecordedPrice},
    },
};

/// Earlier prices that are kept in memory.
const PAST: usize = 1_000;
/// About what one of them holds, with its key, in bytes of memory.
const PAST_BYTES: usize = 512;

/// The catalog in force, in memory as a whole. A deed takes it once, so that it sees the prices of one moment.
pub struct LiveCatalog {
    current: RwLock<Arc<Catalog>>,
    /// What models cost before, by their names and the number of the newest price of all at that time. That never
    /// changes.
    past: Cache<(String, i64), Option<RecordedPrice>>,
}

impl LiveCatalog {
    /// Begins with this one.
    pub fn new(catalog: Catalog) -> Self {
        let bounds = Bounds { entries: PAST, bytes: PAST * PAST_BYTES, ttl: BELIEVED };
        Self { current: RwLock::new(Arc::new(catalog)), past: Cache::new(bounds) }
    }

    /// The one that is in force now.
    pub fn current(&self) -> Arc<Catalog> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// How often a call found its price in memory, be it in force or an earlier one.
    pub fn uses(&self) -> CacheUse {
        self.past.uses()
    }

    fn replace(&self, catalog: Catalog) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(catalog);
    }
}

impl Default for LiveCatalog {
    fn default() -> Self {
        Self::new(Catalog::default())
    }
}

/// Lets these models and their prices be in force from now on. Each price that is not the newest of its model
/// becomes a new version, and all are on disk before anybody pays them. Blocks.
pub fn put_in_force(app: &App, mut models: Vec<Model>) -> Result<()> {
    models.sort_by(|one, other| one.name.cmp(&other.name));
    let record = move |tx: &Tx<'_, SystemScope>| {
        for model in models.iter_mut().filter(|model| model.tariff != Tariff::Unknown) {
            model.price = Some(prices::record(tx, &model.name, model.tariff)?);
        }
        Ok(Catalog::new(models.iter().cloned(), prices::price_list(tx)?))
    };
    let catalog = app.store.write(SystemScope::new(), record).wait()?;
    app.catalog.replace(catalog);
    Ok(())
}

/// Takes the number of the newest price, and changes none: for commands, beside which a server may run. Blocks.
pub fn join(app: &App, models: Vec<Model>) -> Result<()> {
    let price_list = app.store.read(SystemScope::new(), prices::price_list)?;
    app.catalog.replace(Catalog::new(models, price_list));
    Ok(())
}

/// The model of this catalog with the price that a job pays which was accepted with `price_list`. That is nearly
/// always the one that the model has; else another came into force meanwhile, or it lost its price. Blocks.
pub fn as_accepted(
    app: &App,
    catalog: &Catalog,
    model: &Arc<Model>,
    price_list: i64,
) -> Result<Arc<Model>> {
    let is_that = match model.price {
        // A command beside the server sees prices from their record on, a moment before they are in force here.
        Some(now) => now.row <= price_list && price_list <= catalog.price_list(),
        None => model.tariff != Tariff::Unknown,
    };
    if is_that {
        app.catalog.past.hit();
        return Ok(Arc::clone(model));
    }
    let find = |snapshot: &Snapshot<'_, _>| prices::find(snapshot, &model.name, price_list);
    let (key, now) = ((model.name.clone(), price_list), app.ambient.monotonic());
    let read = || Ok((app.store.read(SystemScope::new(), find)?, PAST_BYTES));
    Ok(match app.catalog.past.find(key, now, read)? {
        Some(RecordedPrice { record, tariff }) => {
            Arc::new(Model { tariff, price: Some(record), ..(**model).clone() })
        }
        // It was not there then, so that it has no other price.
        None => Arc::clone(model),
    })
}
