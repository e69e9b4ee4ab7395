//! The whole of it: a runner, and jobs that are canceled while they wait.

use std::sync::mpsc::{self, Receiver};

use serde_json::json;
use skai_server::{
    domain::JobStatus,
    providers::ProviderLimits,
    queue::{QueueSettings, Runner},
    store::{Signal, jobs::Job},
    workers::RunGeneration,
};

use super::{Bench, MAX_RUNTIME, schema};
use crate::support::{LIMIT, deeds::caller, provider::completion};

/// Runs the jobs of a bench, so many at a time, and tells of each that takes a step.
fn run(bench: &Bench, concurrency: usize) -> (Runner<RunGeneration>, Receiver<()>) {
    let deeds = &bench.deeds;
    let (sender, steps) = mpsc::channel();
    deeds.app.store.listen(move |signals| {
        if signals.iter().any(|signal| matches!(signal, Signal::Job(_))) {
            sender.send(()).ok();
        }
    });
    let worker = RunGeneration::new(deeds.app.clone(), MAX_RUNTIME);
    let settings = QueueSettings {
        concurrency,
        lane_limit: 0,
        slow_after: None,
        max_runtime: MAX_RUNTIME,
        max_crashes: 3,
        paused: false,
    };
    let runner = Runner::start(worker, &deeds.app.store, &deeds.ambient, settings, 1).unwrap();
    (runner, steps)
}

impl Bench {
    fn cancel(&self, job: &Job) {
        self.deeds.cancel(&caller(self.scope), job.id).unwrap();
    }

    /// Waits until the job is in that state.
    fn wait_for(&self, job: &Job, status: JobStatus, steps: &Receiver<()>) {
        while self.deeds.job(self.scope, job.id).status != status {
            steps.recv_timeout(LIMIT).expect("the job takes its next step");
        }
    }
}

#[test]
fn the_call_of_a_canceled_job_is_abandoned() {
    let bench = Bench::new();
    bench.provider.always(completion("{\"a\":\"x\"}").held());
    let (runner, steps) = run(&bench, 1);
    let canceled = bench.submit(&json!({"output_schema": schema()}));
    bench.provider.wait_for_in_flight(1);
    bench.cancel(&canceled);
    // The provider holds its answer back, and sees the client go all the same.
    bench.provider.wait_for_in_flight(0);
    let kept = bench.submit(&json!({"model": "s"}));
    bench.wait_for(&kept, JobStatus::Succeeded, &steps);
    runner.drain(LIMIT);
    assert_eq!(bench.deeds.job(bench.scope, canceled.id).status, JobStatus::Canceled);
    assert_eq!(bench.available(), 1_000 - 25);
    bench.deeds.verify();
}

#[test]
fn a_job_that_waits_for_a_place_can_be_canceled() {
    let limits = ProviderLimits { max_concurrency: 1, ..ProviderLimits::default() };
    let bench = Bench::limited(limits, |_| ());
    bench.provider.always(completion("late").held());
    let (runner, steps) = run(&bench, 2);
    let first = bench.submit(&json!({}));
    bench.provider.wait_for_in_flight(1);
    let waits = bench.submit(&json!({}));
    bench.wait_for(&waits, JobStatus::Running, &steps);
    bench.cancel(&waits);
    // Its thread is free again, while the first still has the place.
    let other = bench.submit(&json!({"model": "s"}));
    bench.wait_for(&other, JobStatus::Succeeded, &steps);
    bench.provider.release();
    bench.wait_for(&first, JobStatus::Succeeded, &steps);
    runner.drain(LIMIT);
    assert_eq!(bench.provider.received().len(), 1);
    bench.deeds.verify();
}
