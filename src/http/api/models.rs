//! `/v1/models`: what can be asked, as clients of OpenAI's API read it.

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    app::models::{self, Listed},
    domain::{ErrorKind, Page, Result},
    http::{
        reply::Reply,
        request::Request,
        routes::{Access, Route, handler},
    },
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
}

impl<'a> ModelBody<'a> {
    fn of(model: &'a Listed) -> Self {
        let created = model.created_at.millis().div_euclid(1000);
        Self { id: &model.id, object: "model", created, owned_by: &model.owned_by }
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
