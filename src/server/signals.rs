//! What the system tells the process.

use std::io;

use tokio::runtime;

use crate::ambient;

/// Calls `stop` at the first SIGTERM or SIGINT; the second ends the process at once. Calls `reload` at each SIGHUP
/// until then; neither may block.
pub(super) fn obey(
    stop: impl FnOnce() + Send + 'static,
    reload: impl Fn() + Send + 'static,
) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    // Registered before this returns, so that no early signal kills the process.
    let mut signals = {
        let _entered = runtime.enter();
        Signals::register()?
    };
    ambient::thread("signals", move || {
        runtime.block_on(async {
            while signals.next().await == Told::Reload {
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
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    fn register() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
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
