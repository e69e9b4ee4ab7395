//! The threads that work on what is queued, and those that tick.

use std::{io, sync::Arc, thread::JoinHandle, time::Duration};

use super::{
    StartError, assemble,
    metrics::{StripeEvents, outcome_of},
};
use crate::{
    ambient::{self, Ambient},
    app::{App, Load, Pulse, backup, jobs},
    config::Config,
    domain::QueueName,
    queue::{Kind, Runner, Ticker},
    store::Signal,
    webhooks::send::{Attempt, Limits, Sender},
    workers::{
        Duties, GrantCredits, Judging, Maintenance, RunGeneration, RunTask, Scheduling,
        deliver_webhook::DeliverWebhook,
    },
};

/// Tasks that take longer than this do not hold up those of other accounts.
const SLOW_TASK: Duration = Duration::from_secs(1);
/// Deliveries that take longer than this do not hold up those to quicker endpoints.
const SLOW_DELIVERY: Duration = Duration::from_secs(1);

/// Starts the queue that calls providers.
pub(super) fn run_generations(
    config: &Config,
    app: &Arc<App>,
) -> Result<Runner<RunGeneration>, StartError> {
    let settings = assemble::queue(config, QueueName::GenerationCreate, None);
    let kind = RunGeneration::new(Arc::clone(app), settings.max_runtime);
    Ok(Runner::start(kind, &app.store, &app.ambient, settings, app.boot)?)
}

/// Starts the queue that sends webhooks.
pub(super) fn run_deliveries(
    config: &Config,
    app: &Arc<App>,
) -> Result<Runner<DeliverWebhook>, StartError> {
    let limits = Limits { total: config.webhooks.timeout, ..Limits::default() };
    let counted = Arc::downgrade(app);
    let sender = Sender::new(app.guard.clone(), &app.ambient, limits);
    let sender = sender.observed(Arc::new(move |attempt: &Attempt| {
        if let Some(app) = counted.upgrade() {
            app.metrics.webhook_attempt(outcome_of(attempt), attempt.duration);
        }
    }));
    let kind = DeliverWebhook::new(Arc::clone(app), sender);
    let settings = assemble::queue(config, QueueName::WebhookDelivery, Some(SLOW_DELIVERY));
    Ok(Runner::start(kind, &app.store, &app.ambient, settings, app.boot)?)
}

/// Starts the queue that turns payments into credits, and says whether there will be any.
pub(super) fn run_grants(
    config: &Config,
    app: &Arc<App>,
) -> Result<Runner<GrantCredits>, StartError> {
    if app.takes_stripe_events() {
        tracing::info!("Stripe top-ups are on, at /internal/stripe/webhook");
    } else {
        tracing::info!("Stripe top-ups are off: no stripe.webhook_secrets are set");
    }
    let settings = assemble::queue(config, QueueName::BillingCreditGrant, None);
    let kind = GrantCredits::new(Arc::clone(app));
    Ok(Runner::start(kind, &app.store, &app.ambient, settings, app.boot)?)
}

/// Starts the queue that runs scheduled tasks.
pub(super) fn run_tasks(config: &Config, app: &Arc<App>) -> Result<Runner<RunTask>, StartError> {
    let sender = Sender::new(app.guard.clone(), &app.ambient, Limits::default());
    let kind = RunTask::new(Arc::clone(app), sender);
    let settings = assemble::queue(config, QueueName::TaskRun, Some(SLOW_TASK));
    Ok(Runner::start(kind, &app.store, &app.ambient, settings, app.boot)?)
}

/// Ends the calls that an earlier start left, beside everything else: it may have to look through a long queue.
pub(super) fn end_left_calls(app: &Arc<App>) -> io::Result<()> {
    let app = Arc::clone(app);
    let ended = ambient::thread("left calls", move || match jobs::direct::end_left(&app) {
        Ok(0) => {}
        Ok(ended) => tracing::warn!(ended, "ended calls of a stopped server"),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "calls of a stopped server end when their turn comes");
        }
    });
    ended.map(drop)
}

/// Tries whether backups can be made, where they are to be made at night: then nobody would see that they cannot.
pub(super) fn try_backups(config: &Config, ambient: &Ambient) -> Result<(), StartError> {
    if config.backup.schedule.is_none() {
        return Ok(());
    }
    let folder = config.backup.folder.clone();
    backup::try_folder(&folder, ambient).map_err(|source| StartError::Backup { folder, source })
}

/// Lets deeds know how many jobs wait.
pub(super) fn tell_backlog(app: &App, generations: &Arc<Runner<RunGeneration>>) {
    let runner = Arc::downgrade(generations);
    app.backlog.watch(move || {
        let stats = runner.upgrade().map(|runner| runner.stats()).unwrap_or_default();
        stats.ready + stats.later
    });
}

/// Lets the operator know what the queues hold. Calls that clients wait for are work of the first, and run beside it.
pub(super) fn tell_loads(
    app: &Arc<App>,
    generations: &Arc<Runner<RunGeneration>>,
    deliveries: &Arc<Runner<DeliverWebhook>>,
    grants: &Arc<Runner<GrantCredits>>,
    tasks: &Arc<Runner<RunTask>>,
) {
    let calls = Arc::downgrade(app);
    let generations =
        load_of(generations, move || calls.upgrade().map_or(0, |app| app.calls.running()));
    let (deliveries, grants) = (load_of(deliveries, || 0), load_of(grants, || 0));
    let tasks = load_of(tasks, || 0);
    app.backlog.watch_queues(move || vec![generations(), deliveries(), grants(), tasks()]);
}

/// Tells what a queue holds, with what runs beside it.
fn load_of<K: Kind, F: Fn() -> usize + Send + Sync>(
    runner: &Arc<Runner<K>>,
    beside: F,
) -> impl Fn() -> Load + Send + Sync + use<K, F> {
    let runner = Arc::downgrade(runner);
    move || {
        let stats = runner.upgrade().map(|runner| runner.stats()).unwrap_or_default();
        let running = stats.running + beside();
        Load { queue: K::QUEUE, waiting: stats.ready + stats.later, running }
    }
}

/// Starts what goes on without being asked, each on a thread of its own: due work with looks at a disk in trouble and
/// for operators, maintenance, the judging of evals, and the server's own duties. So none of them waits for what
/// another does. The duties come first: they are the last to be waited for.
pub(super) fn tick(
    app: &Arc<App>,
    generations: &Arc<Runner<RunGeneration>>,
    deliveries: &Arc<Runner<DeliverWebhook>>,
    grants: &Arc<Runner<GrantCredits>>,
    tasks: &Arc<Runner<RunTask>>,
) -> Result<[Ticker; 5], StartError> {
    let (generations, deliveries) = (Arc::clone(generations), Arc::clone(deliveries));
    let (grants, tasks) = (Arc::clone(grants), Arc::clone(tasks));
    let (probed, pulse) = (Arc::clone(app), Pulse::default());
    let queues = move || {
        generations.tick();
        deliveries.tick();
        grants.tick();
        tasks.tick();
        if probed.store.trouble().is_some() {
            // Its failure is already known, its success ends the trouble.
            drop(probed.store.probe().wait());
        }
        pulse.tick(&probed);
    };
    let (maintenance, judging) = (Maintenance::new(Arc::clone(app)), Judging::new(Arc::clone(app)));
    let (events, counted) = (StripeEvents::pull(app), Arc::clone(app));
    let maintain = move || {
        maintenance.tick();
        events.count(&counted);
    };
    let duties = Duties::new(Arc::clone(app))?;
    let duties = Ticker::start(&app.ambient, move || duties.tick())?;
    let wake = duties.waker();
    app.store.listen(move |signals| {
        if signals.contains(&Signal::DutyPlanned) {
            wake();
        }
    });
    Ok([
        duties,
        Ticker::start(&app.ambient, queues)?,
        Ticker::start(&app.ambient, maintain)?,
        Ticker::start(&app.ambient, move || judging.tick())?,
        schedule(app)?,
    ])
}

/// Makes tasks when schedules are due, and looks again when that changes.
fn schedule(app: &Arc<App>) -> io::Result<Ticker> {
    let scheduling = Scheduling::new(Arc::clone(app));
    let ticker = Ticker::timed(&app.ambient, move || scheduling.tick())?;
    let wake = ticker.waker();
    app.store.listen(move |signals| {
        if signals.contains(&Signal::Rescheduled) {
            wake();
        }
    });
    Ok(ticker)
}

/// Drains a runner on a thread of its own. A look at the metrics may hold it too, for a moment.
pub(super) fn drain<K: Kind>(
    mut shared: Arc<Runner<K>>,
    patience: Duration,
) -> Option<JoinHandle<()>> {
    let drain = move || loop {
        match Arc::try_unwrap(shared) {
            Ok(runner) => return runner.drain(patience),
            Err(held) => shared = held,
        }
        std::thread::yield_now();
    };
    ambient::thread("drain", drain).ok()
}
