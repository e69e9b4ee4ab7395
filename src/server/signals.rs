//! What the system tells a process that is to end.

use std::io;

use tokio::runtime;

use crate::ambient;

/// Calls `stop` at the first SIGTERM or SIGINT; the second ends the process at once.
pub(super) fn obey(stop: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    // Registered before this returns, so that no early signal kills the process.
    let mut signals = {
        let _entered = runtime.enter();
        Signals::register()?
    };
    ambient::thread("signals", move || {
        runtime.block_on(async {
            signals.next().await;
            tracing::info!("stopping; a second signal ends the process at once");
            stop();
            signals.next().await;
            std::process::exit(1);
        });
    })?;
    Ok(())
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn register() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
