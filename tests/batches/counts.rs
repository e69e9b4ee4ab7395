//! Every step of a job moves one in the counts of its batch, deed by deed.

use skai_server::{
    app::{batches, jobs},
    domain::{BatchCounts, BatchStatus, ErrorKind, JobErrorCode, JobStatus},
    store::{AccountScope, SystemScope, batches::Batch, jobs::Job},
};

use crate::support::deeds::{Deeds, caller, failure, model, success};

struct Rig {
    deeds: Deeds,
    scope: AccountScope,
}

impl Rig {
    fn new() -> Self {
        let deeds = Deeds::new([model("m", 1)]);
        let scope = deeds.funded(1_000_000);
        Self { deeds, scope }
    }

    fn look(&self, batch: &Batch) -> Batch {
        self.deeds.verify();
        batches::get(&self.deeds.app, self.scope, batch.id).unwrap()
    }

    /// The batch's jobs.
    fn jobs(&self, batch: &Batch) -> Vec<Job> {
        let page = batches::results(&self.deeds.app, self.scope, batch.id, 0, 100).unwrap();
        page.data.into_iter().map(|item| self.deeds.job(self.scope, item.job)).collect()
    }

    /// Lets no job of the batch begin any more, as the first step of a cancellation does.
    fn request_cancel(&self, batch: &Batch) {
        let seq = batch.seq;
        let store = &self.deeds.app.store;
        let mark =
            store.write(self.scope, move |tx| skai_server::store::batches::request_cancel(tx, seq));
        mark.wait().unwrap();
    }
}

fn counts(change: impl FnOnce(&mut BatchCounts)) -> BatchCounts {
    let mut counts = BatchCounts::default();
    change(&mut counts);
    let BatchCounts { queued, running, succeeded, failed, canceled, expired, .. } = counts;
    counts.total = queued + running + succeeded + failed + canceled + expired;
    counts
}

#[test]
fn every_way_of_a_job_is_counted() {
    let rig = Rig::new();
    let batch = rig.deeds.batch(rig.scope, 4);
    let jobs = rig.jobs(&batch);
    assert_eq!((batch.status(), batch.counts), (BatchStatus::Queued, counts(|it| it.queued = 4)));
    // Put off, begun again, crashed, begun again, done.
    let (claimed, job) = rig.deeds.begin(jobs[0].seq, 1);
    let now = rig.look(&batch);
    assert_eq!(now.status(), BatchStatus::Running);
    assert_eq!(now.counts, counts(|it| (it.queued, it.running) = (3, 1)));
    assert!(rig.deeds.finish(&claimed, job, failure(Some(rig.deeds.ambient.now()))));
    let now = rig.look(&batch);
    assert_eq!((now.status(), now.counts.queued), (BatchStatus::Running, 4), "it has begun");
    let (claimed, _) = rig.deeds.begin(jobs[0].seq, 2);
    let lease = claimed.lease;
    let crash = rig
        .deeds
        .app
        .store
        .write(SystemScope::new(), move |tx| skai_server::store::queue::crash(tx, lease));
    crash.wait().unwrap();
    assert_eq!(rig.look(&batch).counts.running, 1);
    rig.deeds.ambient.advance(std::time::Duration::from_secs(5));
    let (claimed, job) = rig.deeds.begin(jobs[0].seq, 3);
    assert_eq!(rig.look(&batch).counts.running, 1);
    assert!(rig.deeds.finish(&claimed, job, success(1)));
    // Failed, canceled, expired.
    let (claimed, job) = rig.deeds.begin(jobs[1].seq, 4);
    assert!(rig.deeds.finish(&claimed, job, failure(None)));
    let me = caller(rig.scope);
    rig.deeds.cancel(&me, jobs[2].id).unwrap();
    let now = rig.look(&batch);
    assert_eq!(
        now.counts,
        counts(|it| (it.queued, it.succeeded, it.failed, it.canceled) = (1, 1, 1, 1))
    );
    assert_eq!(now.finished_at, None);
    let claimed = rig.deeds.claim(jobs[3].seq, 5).unwrap();
    let give_up = jobs::give_up(&rig.deeds.app, &claimed, JobErrorCode::Expired);
    assert!(give_up.wait().unwrap());
    let now = rig.look(&batch);
    assert_eq!(now.status(), BatchStatus::Completed);
    assert_eq!(
        now.counts,
        counts(|it| (it.succeeded, it.failed, it.canceled, it.expired) = (1, 1, 1, 1))
    );
    // A retry of each that may be.
    for (job, left) in jobs[1..].iter().zip(1..) {
        jobs::retry(&rig.deeds.app, &me, job.id, None, |_| Ok(Vec::new())).wait().unwrap();
        let now = rig.look(&batch);
        assert_eq!((now.status(), now.counts.queued), (BatchStatus::Running, left));
        assert_eq!(now.finished_at, None);
    }
    assert_eq!(rig.look(&batch).counts, counts(|it| (it.queued, it.succeeded) = (3, 1)));
}

#[test]
fn no_job_begins_once_its_batch_is_being_canceled() {
    let rig = Rig::new();
    let batch = rig.deeds.batch(rig.scope, 3);
    let jobs = rig.jobs(&batch);
    let (running, job) = rig.deeds.begin(jobs[0].seq, 1);
    rig.request_cancel(&batch);
    assert_eq!(rig.look(&batch).status(), BatchStatus::Canceling);
    let claimed = rig.deeds.claim(jobs[1].seq, 2).unwrap();
    let app = std::sync::Arc::clone(&rig.deeds.app);
    let begun = rig.deeds.app.store.write(SystemScope::new(), move |tx| {
        let begun = jobs::begin(&app, tx, &claimed)?;
        // As the queue does where there is nothing left to do.
        skai_server::store::queue::withdraw(tx, claimed.lease.id)?;
        Ok(begun.is_none())
    });
    assert!(begun.wait().unwrap());
    assert_eq!(rig.deeds.job(rig.scope, jobs[1].id).status, JobStatus::Canceled);
    let retry =
        || jobs::retry(&rig.deeds.app, &caller(rig.scope), jobs[1].id, None, |_| Ok(Vec::new()));
    assert_eq!(retry().wait().unwrap_err().kind(), ErrorKind::Conflict);
    // What runs may still end by itself; maintenance sees to the rest.
    assert!(rig.deeds.finish(&running, job, success(1)));
    assert_eq!(batches::cancel_rest(&rig.deeds.app).unwrap(), 1);
    assert_eq!(batches::cancel_rest(&rig.deeds.app).unwrap(), 0);
    let now = rig.look(&batch);
    assert_eq!(now.status(), BatchStatus::Canceled);
    assert_eq!(now.counts, counts(|it| (it.succeeded, it.canceled) = (1, 2)));
    retry().wait().unwrap();
    assert_eq!(rig.look(&batch).status(), BatchStatus::Running);
}

#[test]
fn a_batch_that_is_refused_leaves_nothing() {
    let rig = Rig::new();
    let poor = rig.deeds.account("poor");
    let refused = rig.deeds.try_batch(poor, 3).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InsufficientCredits);
    rig.deeds.verify();
}
