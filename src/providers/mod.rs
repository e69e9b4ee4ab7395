//! The models' side of the outside world: one trait, one file per kind of provider.
//!
//! A provider turns a [`Call`] into a [`Completion`] or a [`ProviderError`]. It knows nothing of
//! jobs, retries or prices. Calls block their thread, often for seconds; hundreds may run at once.
//!
//! To add a kind: a file that implements [`Provider`] (over `remote`, if it speaks HTTP), a
//! variant of [`ProviderSettings`], an arm in its `provider`.

mod anthropic;
mod breaker;
mod completion;
mod gather;
mod guarded;
mod media;
mod openai;
mod places;
mod remote;
mod sandbox;
mod sse;
mod transport;
mod whole;

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc, time::Duration};

use serde_json::value::RawValue;

use self::{
    anthropic::Anthropic,
    guarded::{Guarded, Watched},
    openai::OpenAi,
    sandbox::Sandbox,
};
pub use self::{
    breaker::BreakerState,
    completion::{Asides, Completion},
    guarded::ProviderLimits,
    whole::hand_over,
};
use crate::{
    ambient::Ambient,
    domain::{ChatMessage, JobErrorCode, Secret, TraceContext},
    observe::traces::Traces,
};

/// One question to a model.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The model's name at the provider.
    pub model: &'a str,
    /// The conversation so far.
    pub messages: &'a [ChatMessage],
    /// How much chance there is in the answer, 0–2.
    pub temperature: Option<f64>,
    /// How many tokens the answer may have.
    pub max_tokens: Option<u32>,
    /// The bound where the call names none, so that no answer costs more than was set aside for it.
    pub default_max_tokens: u32,
    /// The share of likely tokens that are considered, 0–1.
    pub top_p: Option<f64>,
    /// Texts at which the answer ends.
    pub stop: &'a [String],
    /// Asks for repeatable answers.
    pub seed: Option<i64>,
    /// The JSON Schema that the answer should satisfy. The caller validates; nothing is promised.
    pub output_schema: Option<&'a RawValue>,
    /// Fields that providers of OpenAI's protocol get as they are. A `response_format` among them
    /// stands in the place of the one that is made of `output_schema`.
    pub extras: &'a BTreeMap<String, Box<RawValue>>,
    /// The end user on whose behalf the call is made.
    pub user: Option<&'a str>,
    /// Sent along as `X-Request-Id`.
    pub request_id: &'a str,
    /// Sent along as `traceparent`, where there is one.
    pub trace: Option<TraceContext>,
    /// How long the call may take, from name resolution to the body's last byte; of a stream, until
    /// its first delta and between two. `None`: as long as the provider's settings say.
    pub timeout: Option<Duration>,
    /// It takes no longer than this, whatever the timeout; a stream neither.
    pub at_most: Duration,
}

impl Call<'_> {
    /// How many tokens the answer may have, said or not.
    fn max_tokens(&self) -> u32 {
        self.max_tokens.unwrap_or(self.default_max_tokens)
    }

    /// How long it may take at a provider whose calls take `usual` at most.
    fn time(&self, usual: Duration) -> Duration {
        self.timeout.unwrap_or(usual).min(self.at_most)
    }
}

/// A piece of an answer.
#[derive(Clone, Debug)]
pub struct Delta {
    /// OpenAI's `choices[0].delta`: an object.
    pub delta: Box<RawValue>,
    /// Why the answer ended, with its last piece.
    pub finish_reason: Option<String>,
    /// How likely the words were, where that was asked for.
    pub logprobs: Option<Box<RawValue>>,
}

/// Takes the pieces of an answer as they come. Once it breaks, nobody wants the rest.
pub type Sink<'a> = dyn FnMut(Delta) -> ControlFlow<()> + 'a;

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}: {message}", code.as_str())]
pub struct ProviderError {
    /// `RateLimit`, `Timeout`, `ServerError` or `BadRequest`.
    pub code: JobErrorCode,
    /// The provider's HTTP status, if it answered.
    pub status: Option<u16>,
    /// The provider's own code, such as `context_length_exceeded`: letters, digits and underscores.
    pub provider_code: Option<String>,
    /// What happened, for the tenant to read. May quote the provider, cut and without secrets.
    pub message: String,
    /// How long the provider asks to wait, at most a day.
    pub retry_after: Option<Duration>,
    /// True where the same call may succeed later. False also for a `ServerError` that only the
    /// operator can mend, such as a missing API key.
    pub retryable: bool,
    /// True where the one request is likely to be why, so that it says nothing of the provider for others.
    pub provoked: bool,
}

impl ProviderError {
    /// Says no more than its code does.
    pub fn new(code: JobErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            status: None,
            provider_code: None,
            message: message.into(),
            retry_after: None,
            retryable: code.is_retryable(),
            provoked: false,
        }
    }

    /// There is more of the answer than is read.
    fn too_large() -> Self {
        let message = "the provider's answer is too large";
        Self { provoked: true, ..Self::new(JobErrorCode::ServerError, message) }
    }

    /// The provider cannot be used before the operator changes its settings.
    pub fn misconfigured(message: impl Into<String>) -> Self {
        Self { retryable: false, ..Self::new(JobErrorCode::ServerError, message) }
    }
}

/// Something that answers calls.
pub trait Provider: Send + Sync {
    /// Asks and waits for the whole answer.
    fn complete(&self, call: &Call<'_>) -> Result<Completion, ProviderError>;

    /// Asks and hands each piece of the answer to `sink` as soon as it is there; then gives the whole.
    ///
    /// Where `sink` breaks, or the thread's [`Line`](crate::wire::Line) is cut after the first piece or after
    /// the provider reported the prompt's tokens, the call is given up and this gives what there is: with the
    /// usage as far as it was reported, or else an estimate, and without a finish reason.
    ///
    /// # Errors
    /// Also after the first piece, where the answer broke off.
    fn stream(&self, call: &Call<'_>, sink: &mut Sink<'_>) -> Result<Completion, ProviderError>;
}

/// Where a provider is and how to be let in.
#[derive(Clone, Debug)]
pub struct RemoteSettings {
    /// Such as `https://api.openai.com/v1`; the path of the call is added.
    pub base_url: String,
    /// Sent as the protocol wants it. Empty: none is sent, which the providers themselves do not accept,
    /// but servers of one's own may.
    pub api_key: Secret<String>,
    /// How long a call may take that names no timeout.
    pub timeout: Duration,
    /// Whether it may be sent addresses of images and the like, which it fetches. The owner of a protocol
    /// may always.
    pub allow_media_urls: bool,
}

/// What a provider needs to know, by kind.
#[derive(Clone, Debug)]
pub enum ProviderSettings {
    /// OpenAI, or whatever speaks its Chat Completions API.
    OpenAi(RemoteSettings),
    /// Anthropic's Messages API.
    Anthropic(RemoteSettings),
    /// The embedded one, which needs none.
    Sandbox,
}

/// Told about each call: the provider's name, or `sandbox (test)` in test mode, how it ended, and how long it took, if it was made.
///
/// It ended `ok`, with an error's code, or `canceled` by its caller. One that was not made ended
/// `breaker_open` or `busy`.
pub type Observer = Arc<dyn Fn(&str, &'static str, Option<Duration>) + Send + Sync>;

/// The name of the sandbox that is there whatever is configured, in jobs.
pub const SANDBOX: &str = "sandbox";

/// The same for the observer, who must not take test traffic for that of a configured sandbox.
const TEST_SANDBOX: &str = "sandbox (test)";

/// How a provider is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProviderState<'a> {
    /// Its name in the configuration.
    pub name: &'a str,
    /// The protocol that it speaks, as the configuration calls it.
    pub kind: &'static str,
    /// Whether it is called.
    pub breaker: BreakerState,
    /// Calls that run now.
    pub in_flight: u32,
    /// Calls at the same time, at most; `None`: any number.
    pub limit: Option<u32>,
}

/// The configured providers by name, and a sandbox for what is for tests.
pub struct Providers {
    configured: BTreeMap<String, Arc<Guarded>>,
    sandbox: Arc<Guarded>,
}

impl Providers {
    /// Sets the providers up, without limits. One that cannot work (no key, a bad address) says so at
    /// every call, so that it stops no other and not the server.
    pub fn new(
        ambient: &Ambient,
        settings: impl IntoIterator<Item = (String, ProviderSettings)>,
    ) -> Self {
        let settings = settings.into_iter();
        let unlimited = settings.map(|(name, of)| (name, of, ProviderLimits::default()));
        let nobody: Observer = Arc::new(|_: &str, _, _| ());
        Self::limited(ambient, unlimited, &nobody, &Traces::default())
    }

    /// Sets them up with their limits, and tells `observer` of every call. Each is a step of its trace.
    pub fn limited(
        ambient: &Ambient,
        settings: impl IntoIterator<Item = (String, ProviderSettings, ProviderLimits)>,
        observer: &Observer,
        traces: &Traces,
    ) -> Self {
        let watched = Watched { observer: Arc::clone(observer), traces: traces.clone() };
        let guard = |(name, settings, limits): (String, ProviderSettings, ProviderLimits)| {
            let kind = settings.kind();
            let provider = settings.provider(ambient);
            let guarded = Guarded::new((name.clone(), kind), provider, limits, ambient, &watched);
            (name, Arc::new(guarded))
        };
        let configured = settings.into_iter().map(guard).collect();
        let sandbox: Box<dyn Provider> = Box::new(Sandbox::of_test_mode());
        let (sandbox, unlimited) = ((sandbox, sandbox::TIMEOUT), ProviderLimits::default());
        let sandbox =
            Guarded::new((TEST_SANDBOX.to_owned(), SANDBOX), sandbox, unlimited, ambient, &watched);
        Self { configured, sandbox: Arc::new(sandbox) }
    }

    /// The provider of that name in the configuration.
    pub fn get(&self, name: &str) -> Option<Arc<dyn Provider>> {
        self.configured.get(name).map(|provider| Arc::clone(provider) as Arc<dyn Provider>)
    }

    /// The sandbox that is there whatever is configured. Nobody shares its limits: it has none, and waits for
    /// some seconds at most whatever it is told.
    pub fn sandbox(&self) -> Arc<dyn Provider> {
        Arc::clone(&self.sandbox) as Arc<dyn Provider>
    }

    /// How the configured ones are, by name.
    pub fn states(&self) -> impl Iterator<Item = ProviderState<'_>> {
        self.configured.values().map(|provider| provider.look())
    }

    /// Which of the configured ones are called, by name.
    pub fn breakers(&self) -> impl Iterator<Item = (&str, BreakerState)> {
        self.configured.iter().map(|(name, provider)| (name.as_str(), provider.state()))
    }
}

impl ProviderSettings {
    /// The protocol, as the configuration calls it.
    const fn kind(&self) -> &'static str {
        match self {
            Self::OpenAi(_) => "openai",
            Self::Anthropic(_) => "anthropic",
            Self::Sandbox => SANDBOX,
        }
    }

    /// The provider, and how long its calls may take that name no timeout.
    fn provider(self, ambient: &Ambient) -> (Box<dyn Provider>, Duration) {
        match self {
            Self::OpenAi(settings) => (Box::new(OpenAi::new(ambient, &settings)), settings.timeout),
            Self::Anthropic(settings) => {
                (Box::new(Anthropic::new(ambient, &settings)), settings.timeout)
            }
            Self::Sandbox => (Box::new(Sandbox::configured()), sandbox::TIMEOUT),
        }
    }
}
