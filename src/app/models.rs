//! What can be asked: the models of the configuration that have a price.

use super::App;
use crate::{
    domain::{Model, Result, Tariff, Timestamp},
    store::AccountScope,
};

/// A model as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What a request names.
    pub id: String,
    /// Who answers.
    pub owned_by: String,
    /// Since when there is this model.
    pub created_at: Timestamp,
}

/// All that the account can ask, by name.
pub fn list(app: &App, _scope: AccountScope) -> Result<Vec<Listed>> {
    let priced = app.catalog.models().filter(|model| model.tariff != Tariff::Unknown);
    let mut listed: Vec<_> = priced.map(|model| of(app, model)).collect();
    listed.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(listed)
}

/// The model of that name.
pub fn get(app: &App, _scope: AccountScope, id: &str) -> Result<Listed> {
    Ok(of(app, app.catalog.find(id, "model")?))
}

fn of(app: &App, model: &Model) -> Listed {
    Listed { id: model.name.clone(), owned_by: model.provider.clone(), created_at: app.started_at }
}
