//! What can be asked: the models of the configuration that have a price, and the account's agents.

use super::{App, chat::AGENT};
use crate::{
    domain::{Error, ErrorKind, Model, Result, Tariff, Timestamp},
    store::{
        AccountScope,
        agents::{self, Named},
        prices::RecordedPrice,
    },
};

/// Agents that are listed, at most.
const AGENTS_MAX: u32 = 1_000;

/// A model as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What a request names.
    pub id: String,
    /// Who answers.
    pub owned_by: String,
    /// Since when there is this model.
    pub created_at: Timestamp,
    /// What it costs; `None` for an agent, which costs what its model does.
    pub price: Option<RecordedPrice>,
}

/// All that the account can ask: models by name, then agents by name. Blocks.
pub fn list(app: &App, scope: AccountScope) -> Result<Vec<Listed>> {
    let catalog = app.catalog.current();
    let priced = catalog.models().filter(|model| model.tariff != Tariff::Unknown);
    let mut listed: Vec<_> = priced.map(|model| of(app, model)).collect();
    listed.sort_by(|one, other| one.id.cmp(&other.id));
    let agents = app.store.read(scope, |snapshot| agents::named(snapshot, AGENTS_MAX))?;
    listed.extend(agents.iter().map(of_agent));
    Ok(listed)
}

/// The model of that name where it can be asked, or the agent. Blocks.
pub fn get(app: &App, scope: AccountScope, id: &str) -> Result<Listed> {
    let Some(name) = id.strip_prefix(AGENT) else {
        return model(app, id);
    };
    let found = app.store.read(scope, |snapshot| agents::find(snapshot, name))?;
    match found {
        Some((agent, _)) if agent.archived_at.is_none() => {
            Ok(of_agent(&Named { name: agent.name, created_at: agent.created_at }))
        }
        _ => {
            let message = format!("there is no agent `{name}` here, or it is archived");
            Err(Error::new(ErrorKind::UnknownModel, message).with_param("model"))
        }
    }
}

fn model(app: &App, id: &str) -> Result<Listed> {
    let catalog = app.catalog.current();
    let model = catalog.find(id, "model")?;
    if model.tariff == Tariff::Unknown {
        let message = format!("model `{id}` has no price here, so it cannot be asked");
        return Err(Error::new(ErrorKind::UnknownModel, message).with_param("model"));
    }
    Ok(of(app, model))
}

fn of(app: &App, model: &Model) -> Listed {
    Listed {
        id: model.name.clone(),
        owned_by: model.provider.clone(),
        created_at: app.started_at,
        price: model.price.map(|record| RecordedPrice { record, tariff: model.tariff }),
    }
}

fn of_agent(agent: &Named) -> Listed {
    let id = format!("{AGENT}{}", agent.name);
    Listed { id, owned_by: "agent".to_owned(), created_at: agent.created_at, price: None }
}
