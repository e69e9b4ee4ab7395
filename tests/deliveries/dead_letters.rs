use std::time::Duration;

use skai_server::{
    app::{dead_letters, jobs},
    domain::{
        DeadLetterId, DeliveryStatus, ErrorKind, GenerationRequest, JobErrorCode, JobStatus,
        PageRequest, QueueName,
    },
    queue::{GiveUp, Kind},
    store::{
        SystemScope,
        dead_letters::DeadLetter,
        jobs as stored,
        queue::{self, Lease, WorkId},
    },
};

use super::rig::{Rig, body, id, keyed, refusal, show_job, show_letter};
use crate::support::Answer;

fn letters(rig: &Rig, queue: Option<QueueName>) -> Vec<DeadLetter> {
    dead_letters::list(&rig.app, &rig.caller, queue, &PageRequest::default()).unwrap().data
}

#[test]
fn an_exhausted_delivery_leaves_a_dead_letter_that_can_be_redriven() {
    let rig = Rig::new();
    let (endpoint, _) = rig.listener("/");
    rig.receiver.always(Answer::new(404, ""));
    let delivery = rig.ping(endpoint);
    rig.work_off();
    let [letter] = &letters(&rig, None)[..] else { panic!("one letter") };
    assert_eq!((letter.delivery_id, letter.attempts), (Some(delivery), 6));
    assert_eq!(letter.reason, "BAD_REQUEST");
    assert_eq!(letter.message, "the last try failed: the endpoint answered 404");
    assert!(letters(&rig, Some(QueueName::GenerationCreate)).is_empty());

    rig.receiver.always(Answer::new(200, ""));
    let redrive =
        |key| dead_letters::redrive(&rig.app, &rig.caller, letter.id, keyed(key, 0), show_letter);
    let reply = redrive("a").wait().unwrap();
    assert_eq!(id::<DeadLetterId>(&reply), letter.id);
    assert_eq!(body(&reply)["redriven_at"], rig.app.ambient.now().to_string());
    assert!(redrive("a").wait().unwrap().replayed);
    assert_eq!(refusal(redrive("b")).0, ErrorKind::Conflict);
    assert!(letters(&rig, None).is_empty());
    assert_eq!(rig.work(), 1);
    assert_eq!(rig.log(delivery).delivery.status, DeliveryStatus::Delivered);
}

#[test]
fn a_letter_is_its_accounts_alone() {
    let rig = Rig::new();
    let (endpoint, _) = rig.listener("/");
    rig.receiver.always(Answer::new(500, ""));
    rig.ping(endpoint);
    rig.work_off();
    let letter = letters(&rig, None).remove(0);
    let stranger = rig.stranger();
    let listed = dead_letters::list(&rig.app, &stranger, None, &PageRequest::default()).unwrap();
    assert!(listed.data.is_empty());
    let redrive = dead_letters::redrive(&rig.app, &stranger, letter.id, None, show_letter);
    assert_eq!(refusal(redrive).0, ErrorKind::NotFound);
}

#[test]
fn what_waits_too_long_or_crashes_too_often_is_given_up() {
    let rig = Rig::new();
    let (endpoint, _) = rig.listener("/");
    let expired = rig.ping(endpoint);
    rig.app.ambient.advance(Duration::from_hours(2));
    assert_eq!(rig.work(), 1);
    let crashed = rig.ping(endpoint);
    let mut claimed = rig.claim().unwrap();
    claimed.crashes = 3;
    rig.worker.give_up(&claimed, GiveUp::CrashLoop).unwrap();
    assert!(rig.receiver.received().is_empty());
    assert_eq!(rig.next_due(), None);
    let letters = letters(&rig, Some(QueueName::WebhookDelivery));
    let reasons: Vec<_> = letters.iter().map(|letter| letter.reason.as_str()).collect();
    assert_eq!(reasons, ["CRASH_LOOP", "EXPIRED"]);
    for (id, reason) in [
        (expired, "not sent: its time to live was over"),
        (crashed, "not sent: 3 tries broke off without an outcome"),
    ] {
        let log = rig.log(id);
        assert_eq!(log.delivery.status, DeliveryStatus::Failed);
        assert_eq!(log.attempts[0].error.as_deref(), Some(reason));
    }
}

#[test]
fn a_redriven_job_waits_again_with_a_new_reservation() {
    let rig = Rig::new();
    let request: GenerationRequest =
        serde_json::from_str(r#"{"model":"free","messages":[{"role":"user","content":"hi"}]}"#)
            .unwrap();
    let prepared = jobs::prepare(&rig.app, &rig.caller, &request).unwrap();
    let job = jobs::submit(&rig.app, &rig.caller, prepared, None).wait().unwrap().job;
    let work = WorkId { queue: QueueName::GenerationCreate, subject: job.seq };
    let lease = Lease { id: work, token: 1 };
    let claimed = rig
        .app
        .store
        .write(SystemScope::new(), move |tx| queue::claim(tx, lease))
        .wait()
        .unwrap()
        .unwrap();
    assert!(jobs::give_up(&rig.app, &claimed, JobErrorCode::CrashLoop).wait().unwrap());
    let letter = letters(&rig, Some(QueueName::GenerationCreate)).remove(0);
    assert_eq!(letter.job_id, Some(job.id));

    let redrive = || dead_letters::redrive(&rig.app, &rig.caller, letter.id, None, show_letter);
    redrive().wait().unwrap();
    let now = rig
        .app
        .store
        .read(rig.caller.scope, |snapshot| stored::find(snapshot, job.id))
        .unwrap()
        .unwrap();
    assert_eq!((now.status, now.round), (JobStatus::Queued, 2));
    assert!(letters(&rig, None).is_empty());
    assert_eq!(refusal(redrive()).0, ErrorKind::Conflict);
    // A job that was retried by its own door is not redriven a second time.
    let retry = jobs::retry(&rig.app, &rig.caller, job.id, None, show_job);
    assert_eq!(refusal(retry).0, ErrorKind::Conflict);
}
