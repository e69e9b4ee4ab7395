//! `serve`: runs the server until it is told to stop.

use std::process::ExitCode;

use super::{DONE, FAILED, say, say_setup};
use crate::{
    ambient::Ambient,
    config::Config,
    server::{Ended, Hangup, Load, Server},
};

pub(super) fn run(config: Config, ambient: &Ambient, load: Load) -> anyhow::Result<ExitCode> {
    let began = ambient.monotonic();
    let hangup = Hangup::register()?;
    let server = Server::start(config, ambient.clone())?;
    server.obey_signals(hangup, Some(load))?;
    let took_ms =
        u64::try_from(ambient.monotonic().saturating_sub(began).as_millis()).unwrap_or(u64::MAX);
    let line = format!("listening on http://{}", server.address());
    tracing::info!(took_ms, version = env!("CARGO_PKG_VERSION"), "{line}");
    say(&line)?;
    if let Err(error) = say_setup(&server) {
        // Who runs the server reads no more of its output, or the disk is full: it serves all the same.
        tracing::warn!(error = &*error as &dyn std::error::Error, "no setup link was printed");
    }
    Ok(match server.wait() {
        Ended::Stopped => DONE,
        Ended::Failed => ExitCode::from(FAILED),
    })
}
