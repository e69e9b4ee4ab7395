//! `/v1/models`: what can be asked, as clients of OpenAI's API read it.

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    app::models::{self, Listed},
    domain::{Credits, ErrorKind, Page, Price, Result, Tariff},
    http::{
        reply::Reply,
        request::Request,
        routes::{Access, Route, handler},
    },
    store::prices::RecordedPrice,
};

/// What clients of OpenAI's API may ask.
pub(super) fn routes() -> [Route; 2] {
    [
        Route::get("/v1/models", "listModels", handler!(list))
            .summary("Lists the models and agents that can be asked.")
            .access(Access::AnyKey)
            .like_openai()
            .answers::<Page<ModelBody<'_>>>(StatusCode::OK),
        Route::get("/v1/models/{id}", "getModel", handler!(get))
            .summary("Shows a model, or an agent as `agent:` and its name.")
            .access(Access::AnyKey)
            .like_openai()
            .answers::<ModelBody<'_>>(StatusCode::OK)
            .errors(&[ErrorKind::UnknownModel]),
    ]
}

/// A model, or an agent that can be asked like one.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Model")]
pub(super) struct ModelBody<'a> {
    /// What a request names.
    id: &'a str,
    #[schemars(extend("const" = "model"))]
    object: &'static str,
    /// Seconds since 1970: of an agent when it was made, of a model when the server started.
    created: i64,
    /// The provider that runs it; of an agent, `agent`.
    owned_by: &'a str,
    /// What it costs from now on; null for an agent, which costs what its model does.
    pricing: Option<Pricing>,
}

/// What a model costs. A job is charged at the prices that it was accepted with, for all tokens of the model that
/// answered: the exact sum, rounded up once, to a millionth of a credit.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ModelPricing")]
pub(super) struct Pricing {
    /// Which of the model's prices this is, from 1; entries of the ledger name it.
    version: u32,
    /// Credits for 1,000,000 prompt tokens.
    input_per_million: Credits,
    /// Credits for 1,000,000 prompt tokens that the provider had kept from earlier calls.
    cached_input_per_million: Credits,
    /// Credits for 1,000,000 completion tokens.
    output_per_million: Credits,
    /// The least that a job costs which succeeded.
    minimum_charge: Credits,
    /// True where it costs nothing.
    free: bool,
}

impl Pricing {
    pub(super) fn of(price: RecordedPrice) -> Self {
        let tokens = match price.tariff {
            Tariff::Priced(tokens) => tokens,
            Tariff::Free | Tariff::Unknown => Price::default(),
        };
        Self {
            version: price.record.version,
            input_per_million: tokens.input_per_million,
            cached_input_per_million: tokens.cached_input_per_million,
            output_per_million: tokens.output_per_million,
            minimum_charge: tokens.minimum_charge,
            free: price.tariff == Tariff::Free,
        }
    }
}

impl<'a> ModelBody<'a> {
    fn of(model: &'a Listed) -> Self {
        let created = model.created_at.millis().div_euclid(1000);
        let pricing = model.price.map(Pricing::of);
        Self { id: &model.id, object: "model", created, owned_by: &model.owned_by, pricing }
    }
}

/// `GET /v1/models`
pub(super) async fn list(request: Request) -> Result<Reply> {
    let scope = request.session()?.scope;
    let models = request.blocking(move |app| models::list(app, scope)).await?;
    let bodies: Vec<_> = models.iter().map(ModelBody::of).collect();
    Reply::ok(&Page::of(bodies, None))
}

/// `GET /v1/models/{id}`
pub(super) async fn get(request: Request) -> Result<Reply> {
    let (scope, id) = (request.session()?.scope, request.segment("id")?.to_owned());
    let model = request.blocking(move |app| models::get(app, scope, &id)).await?;
    Reply::ok(&ModelBody::of(&model))
}
