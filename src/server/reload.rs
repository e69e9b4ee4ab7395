//! Models and prices, read again while the server runs.

use std::{
    collections::BTreeMap,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Weak,
        mpsc::{self, SyncSender},
    },
};

use super::assemble;
use crate::{
    ambient,
    app::{App, prices},
    config::{Config, ConfigError},
    domain::{Catalog, Model},
};

/// Reads the configuration again for a server that runs with the one given.
pub type Load = Box<dyn Fn(&Config) -> Result<Config, ConfigError> + Send>;

/// What is needed to do it.
struct Reload {
    /// Weak, so that a server that stops need not wait.
    app: Weak<App>,
    /// What the server runs with.
    config: Config,
    load: Load,
}

/// Starts the thread that does it whenever something is sent. It ends when nobody can send any more. What is
/// sent meanwhile is done once.
pub(super) fn start(app: &Arc<App>, config: Config, load: Load) -> io::Result<SyncSender<()>> {
    let (ask, asked) = mpsc::sync_channel(1);
    let mut reload = Reload { app: Arc::downgrade(app), config, load };
    ambient::thread("reload", move || {
        while asked.recv().is_ok() {
            if catch_unwind(AssertUnwindSafe(|| reload.run())).is_err() {
                tracing::error!(
                    "reading the configuration again panicked; the prices stay as they are"
                );
            }
        }
    })?;
    Ok(ask)
}

impl Reload {
    /// Takes over models and prices; whatever is wrong, those in force stay.
    fn run(&mut self) {
        let read = match (self.load)(&self.config) {
            Ok(read) => read,
            Err(error) => {
                tracing::error!(%error, "the configuration cannot be used; the prices stay as they are");
                return;
            }
        };
        let Some(app) = self.app.upgrade() else { return };
        let others = self.config.differences(&read).join(", ");
        let config = Config { models: read.models, ..self.config.clone() };
        let before = app.catalog.current();
        if let Err(error) = prices::put_in_force(&app, assemble::models(&config)) {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "no price could be recorded; the prices stay as they are");
            return;
        }
        app.facts.set_settings(config.shown());
        self.config = config;
        tell_changes(&before, &app.catalog.current());
        if !others.is_empty() {
            tracing::warn!(
                others,
                "the configuration differs in more than models; that needs a restart"
            );
        }
    }
}

/// Logs each model that is another now, and what of it.
fn tell_changes(before: &Catalog, now: &Catalog) {
    let (before, now) = (by_name(before), by_name(now));
    let mut changed = 0;
    for model in before.keys().chain(now.keys().filter(|name| !before.contains_key(*name))) {
        let (before, now) = (before.get(model).copied(), now.get(model).copied());
        if before == now {
            continue;
        }
        changed += 1;
        if let Some((before, now)) = differing(before, now, |it| it.tariff.to_string()) {
            tracing::info!(model, before, now, "the price of a model changed");
        }
        if let Some((before, now)) = differing(before, now, settings) {
            tracing::info!(model, before, now, "the settings of a model changed");
        }
    }
    tracing::info!(changed, "models and prices were read again");
}

fn by_name(catalog: &Catalog) -> BTreeMap<&str, &Model> {
    catalog.models().map(|model| (model.name.as_str(), model)).collect()
}

/// What is told of a model before and now, where that is not the same.
fn differing(
    before: Option<&Model>,
    now: Option<&Model>,
    told: impl Fn(&Model) -> String,
) -> Option<(String, String)> {
    let [before, now] =
        [before, now].map(|of| of.map_or_else(|| "no such model".to_owned(), &told));
    (before != now).then_some((before, now))
}

/// All of a model but its price.
fn settings(model: &Model) -> String {
    let Model { name: _, tariff: _, price: _, provider, upstream, max_tokens } = model;
    format!("{upstream} at {provider}, {max_tokens} tokens where a job names no bound")
}
