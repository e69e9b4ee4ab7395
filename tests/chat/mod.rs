//! `/v1/chat/completions` and `/v1/models`, as clients of OpenAI's API use them, over sockets.

mod answers;
mod departures;
mod formats;
mod idempotency;
mod limits;
mod models;
mod refusals;
mod rig;
mod streams;
