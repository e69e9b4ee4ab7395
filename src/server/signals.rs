//! What the system tells the process.

use std::io;

use tokio::{
    runtime::{self, Runtime},
    signal::unix::{Signal, SignalKind, signal},
};

use crate::ambient;

/// SIGHUP, which otherwise ends a process.
pub struct Hangup {
    runtime: Runtime,
    signal: Signal,
}

impl Hangup {
    /// From now on it ends this process no more. A start may take a while, so it is for before that.
    pub fn register() -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
        let signal = {
            let _entered = runtime.enter();
            signal(SignalKind::hangup())?
        };
        Ok(Self { runtime, signal })
    }
}

/// Calls `stop` at the first SIGTERM or SIGINT; the second ends the process at once. Calls `reload` at each SIGHUP
/// until then; where there is nothing to reload, SIGHUP stops too. Neither may block.
pub(super) fn obey(
    hangup: Hangup,
    stop: impl FnOnce() + Send + 'static,
    reload: Option<impl Fn() + Send + 'static>,
) -> io::Result<()> {
    let Hangup { runtime, signal } = hangup;
    // Registered before this returns, so that no early signal kills the process.
    let mut signals = {
        let _entered = runtime.enter();
        Signals::register(signal)?
    };
    ambient::thread("signals", move || {
        runtime.block_on(async {
            while let (Told::Reload, Some(reload)) = (signals.next().await, &reload) {
                reload();
            }
            tracing::info!("stopping; a second signal ends the process at once");
            stop();
            while signals.next().await == Told::Reload {}
            std::process::exit(1);
        });
    })?;
    Ok(())
}

/// What a signal tells.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Stop,
    Reload,
}

/// SIGTERM, SIGINT and SIGHUP.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn register(hangup: Signal) -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
            _ = self.hangup.recv() => Told::Reload,
        }
    }
}
