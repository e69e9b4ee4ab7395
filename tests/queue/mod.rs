//! The queue, run on a kind of work that does as it is told.

mod model;
mod rig;
mod trouble;

use std::{collections::BTreeSet, thread, time::Duration};

use skai_server::queue::{GiveUp, QueueSettings, Ticker};

use rig::{Rig, SECOND, settings, until};

#[test]
fn work_is_done_once_and_leaves() {
    let rig = Rig::new();
    let runner = rig.start(settings(2));
    rig.push(1, [1, 2, 3]);
    let mut done = BTreeSet::new();
    for _ in 0..3 {
        let attempt = rig.begun();
        assert_eq!((attempt.claimed.attempts, attempt.claimed.crashes), (1, 0));
        done.insert(attempt.subject());
        assert!(attempt.finish());
    }
    assert_eq!(done, BTreeSet::from([1, 2, 3]));
    until("nobody runs", || runner.stats().running == 0);
    runner.drain(SECOND);
    assert!(rig.waiting().is_empty() && rig.already().is_none());
}

#[test]
fn of_many_who_claim_one_gets_it() {
    let rig = Rig::new();
    rig.push(1, [1]);
    let claims: Vec<bool> = thread::scope(|scope| {
        let rig = &rig;
        let threads: Vec<_> = (0..8)
            .map(|token| (token, rig.store.clone()))
            .map(|(token, store)| scope.spawn(move || claim(&store, token)))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(claims.iter().filter(|won| **won).count(), 1);
}

fn claim(store: &skai_server::store::Store, token: i64) -> bool {
    use skai_server::store::{
        SystemScope,
        queue::{self, Lease, WorkId},
    };
    let lease = Lease { id: WorkId { queue: rig::QUEUE, subject: 1 }, token };
    store.write(SystemScope::new(), move |tx| queue::claim(tx, lease)).wait().unwrap().is_some()
}

#[test]
fn withdrawn_work_is_told_to_stop_frees_its_slot_and_cannot_finish() {
    let rig = Rig::new();
    let runner = rig.start(settings(1));
    rig.push(1, [1, 2]);
    let first = rig.begun();
    assert!(!first.is_stopped());
    assert!(rig.withdraw(1));
    assert_eq!(rig.begun().subject(), 2, "the slot is free at once");
    assert!(first.is_stopped());
    assert!(!first.finish(), "its result is discarded");
    runner.drain(Duration::ZERO);
}

#[test]
fn what_is_withdrawn_while_it_waits_is_forgotten() {
    let rig = Rig::new();
    let runner = rig.start(settings(1));
    rig.push(1, [1]);
    let running = rig.begun();
    let [next_year, expiry] =
        [365, 366].map(|days| rig.ambient.now().plus(days * 24 * 3_600 * SECOND));
    rig.push_at(1, [2, 3], next_year, expiry);
    rig.push(1, [4, 5]);
    let depth = || (runner.stats().ready, runner.stats().later);
    until("all wait", || depth() == (2, 2));
    assert!([2, 4].into_iter().all(|subject| rig.withdraw(subject)));
    until("two are left", || depth() == (1, 1));
    assert!(rig.withdraw(3) && rig.withdraw(5));
    until("none is left", || depth() == (0, 0));
    assert!(running.finish());
    runner.drain(SECOND);
    assert!(rig.already().is_none());
}

#[test]
fn a_row_whose_signal_was_lost_is_found_by_polling() {
    let rig = Rig::new();
    let runner = rig.start(settings(1));
    rig.push(1, [1]);
    let first = rig.begun();
    rig.push_unheard(2, 1);
    assert!(first.finish());
    assert!(rig.soon().is_none(), "nobody told of it");
    runner.tick();
    let second = rig.begun();
    assert_eq!(second.subject(), 2);
    runner.tick();
    assert!(second.finish());
    runner.drain(SECOND);
    assert!(rig.already().is_none(), "what runs is not found again");
}

#[test]
fn leases_of_an_earlier_start_are_taken_back_at_once() {
    let rig = Rig::new();
    rig.push(1, [1, 2]);
    let before = rig.claim(1, 1).expect("it waits");
    let runner = rig.start(settings(2));
    let attempts = [rig.begun(), rig.begun()];
    let taken = attempts.iter().find(|attempt| attempt.subject() == 1).unwrap();
    assert_eq!((taken.claimed.attempts, taken.claimed.crashes), (2, 1));
    assert!(!rig.finish(before.lease), "the process that is gone cannot finish");
    assert!(attempts.into_iter().all(rig::Attempt::finish));
    runner.drain(SECOND);
}

#[test]
fn work_that_crashes_too_often_is_given_up() {
    let rig = Rig::new();
    let runner = rig.start(settings(1));
    rig.push(1, [1]);
    for crashes in 0..3 {
        let attempt = rig.begun();
        assert_eq!((attempt.claimed.crashes, attempt.claimed.attempts), (crashes, crashes + 1));
        attempt.panic();
        until("it waits again", || rig.waiting() == [1]);
        rig.ambient.advance(5 * SECOND);
    }
    let (claimed, why) = rig.gave_up();
    assert_eq!((claimed.lease.id.subject, why), (1, GiveUp::CrashLoop));
    assert_eq!((claimed.crashes, claimed.attempts), (3, 3), "giving up is no attempt");
    runner.drain(SECOND);
    assert!(rig.waiting().is_empty());
}

#[test]
fn work_that_met_two_deaths_runs_and_with_a_third_is_given_up_at_the_next_start() {
    let rig = Rig::new();
    rig.push(1, [1]);
    for boot in 1..3 {
        rig.die(1, boot);
    }
    let runner = rig.start_as(3, settings(1));
    let third = rig.begun();
    assert_eq!((third.claimed.crashes, third.claimed.attempts), (2, 3));
    assert!(third.finish());
    runner.drain(SECOND);

    rig.push(1, [1]);
    for boot in 1..4 {
        rig.die(1, boot);
    }
    let runner = rig.start_as(4, settings(1));
    let (claimed, why) = rig.gave_up();
    assert_eq!((why, claimed.crashes, claimed.attempts), (GiveUp::CrashLoop, 3, 3));
    runner.drain(SECOND);
    assert!(rig.waiting().is_empty() && rig.already().is_none());
}

#[test]
fn work_whose_time_is_over_is_given_up_also_while_the_queue_is_paused() {
    let rig = Rig::new();
    let runner = rig.start(QueueSettings { paused: true, ..settings(1) });
    rig.push_until(1, [1, 2], rig.ambient.now().plus(10 * SECOND));
    rig.push_until(1, [3], rig.ambient.now().plus(12 * SECOND));
    rig.ambient.advance(9 * SECOND);
    runner.tick();
    assert!(rig.already().is_none());
    rig.ambient.advance(SECOND);
    runner.tick();
    let mut given_up = [rig.given_up(), rig.given_up()];
    given_up.sort_by_key(|(subject, _)| *subject);
    assert_eq!(given_up, [(1, GiveUp::Expired), (2, GiveUp::Expired)]);
    assert_eq!(rig.waiting(), [3]);
    assert_eq!(runner.stats().ready, 1, "what was given up does not wait any more");
    runner.drain(SECOND);
}

/// A retry that would come after the end of its time does not keep it alive until then.
#[test]
fn work_that_waits_for_a_retry_is_given_up_in_time() {
    let rig = Rig::new();
    let runner = rig.start(settings(1));
    rig.push_until(1, [1], rig.ambient.now().plus(10 * SECOND));
    rig.begun().release(rig.ambient.now().plus(60 * SECOND));
    until("it waits", || runner.stats().later == 1);
    rig.ambient.advance(11 * SECOND);
    runner.tick();
    assert_eq!(rig.given_up(), (1, GiveUp::Expired));
    runner.drain(SECOND);
}

#[test]
fn a_retry_begins_when_it_is_due_and_not_before() {
    let rig = Rig::new();
    let runner = rig.start(settings(2));
    rig.push(1, [1]);
    rig.begun().release(rig.ambient.now().plus(30 * SECOND));
    until("it waits", || runner.stats().later == 1);
    rig.ambient.advance(29 * SECOND);
    rig.push(1, [2]);
    let other = rig.begun();
    assert_eq!(other.subject(), 2, "the other is not due");
    rig.ambient.advance(SECOND);
    let retry = rig.begun();
    assert_eq!((retry.subject(), retry.claimed.attempts), (1, 2));
    assert!(retry.finish() && other.finish());
    runner.drain(SECOND);
}

#[test]
fn a_clock_that_jumps_loses_nothing_and_runs_nothing_twice() {
    let rig = Rig::new();
    let runner = rig.start(settings(1));
    let nine = rig.ambient.now();
    rig.push_until(1, 1..=4, nine.plus(100_000 * SECOND));
    let first = rig.begun();
    rig.ambient.jump(nine.minus(3_600 * SECOND));
    assert!(first.finish(), "a lease does not depend on the clock");
    until("the rest is not due any more", || {
        runner.stats().later == 3 || runner.stats().running > 0
    });
    rig.ambient.jump(nine.plus(3_600 * SECOND));
    let mut done = vec![1];
    for _ in 0..3 {
        let attempt = rig.begun();
        assert_eq!((attempt.claimed.attempts, attempt.claimed.crashes), (1, 0));
        done.push(attempt.subject());
        rig.ambient.jump(nine.plus(if done.len() % 2 == 0 { SECOND } else { 7_200 * SECOND }));
        assert!(attempt.finish());
    }
    // What is due when depends on the moment of each jump, so the order may be another.
    done.sort_unstable();
    assert_eq!(done, [1, 2, 3, 4]);
    runner.tick();
    runner.drain(SECOND);
    assert!(rig.waiting().is_empty() && rig.already().is_none());
}

#[test]
fn a_paused_queue_stands_still_and_goes_on_at_once() {
    let rig = Rig::new();
    let runner = rig.start(settings(2));
    rig.push(1, [1]);
    let running = rig.begun();
    rig.pause(true);
    until("it is paused", || runner.stats().paused);
    rig.push(1, [2]);
    until("it waits", || runner.stats().ready == 1);
    assert!(running.finish(), "what runs may end");
    until("nobody runs", || runner.stats().running == 0);
    assert!(rig.already().is_none());
    rig.pause(false);
    assert_eq!(rig.begun().subject(), 2);
    runner.drain(Duration::ZERO);
    rig.pause(true);
    let next = rig.start(settings(1));
    until("the next start is paused too", || next.stats().paused && next.stats().ready == 1);
    assert!(rig.already().is_none());
    next.drain(SECOND);
}

#[test]
fn draining_gives_back_what_does_not_end_uncounted() {
    let rig = Rig::new();
    let runner = rig.start(settings(1));
    rig.push(1, [1, 2]);
    let attempt = rig.begun();
    runner.drain(Duration::ZERO);
    assert_eq!(rig.waiting(), [1, 2], "the second was not even claimed");
    assert!(attempt.is_stopped());
    assert!(!attempt.finish(), "it was given back");
    let next = rig.start(settings(2));
    for _ in 0..2 {
        let again = rig.begun();
        assert_eq!((again.claimed.attempts, again.claimed.crashes), (1, 0));
        assert!(again.finish());
    }
    next.drain(SECOND);
}

#[test]
fn one_lane_with_ten_thousand_rows_does_not_delay_anothers_first() {
    let rig = Rig::new();
    let runner = rig.start(settings(1));
    rig.push(1, 1..=10_000);
    let first = rig.begun();
    rig.push(2, [20_000]);
    until("all wait", || runner.stats().ready == 10_000);
    assert!(first.finish());
    assert_eq!(rig.begun().subject(), 20_000, "the next slot is theirs");
    runner.drain(Duration::ZERO);
}

#[test]
fn a_lane_runs_no_more_than_its_limit() {
    let rig = Rig::new();
    let runner = rig.start(QueueSettings { lane_limit: 1, ..settings(4) });
    rig.push(1, [1, 2]);
    rig.push(2, [3]);
    // Both are leased at once, so either may say first that it began.
    let mut begun = [rig.begun(), rig.begun()];
    begun.sort_by_key(rig::Attempt::subject);
    let [first, other] = begun;
    assert_eq!((first.subject(), other.subject()), (1, 3));
    assert_eq!((runner.stats().running, runner.stats().ready), (2, 1));
    assert!(first.finish());
    assert_eq!(rig.begun().subject(), 2);
    runner.drain(Duration::ZERO);
}

#[test]
fn slow_attempts_do_not_hold_up_the_rest() {
    let rig = Rig::new();
    let runner = rig.start(QueueSettings { slow_after: Some(2 * SECOND), ..settings(1) });
    rig.push(1, [1, 2]);
    let slow = rig.begun();
    rig.ambient.advance(2 * SECOND);
    let next = rig.begun();
    assert_eq!((slow.subject(), next.subject()), (1, 2));
    assert!(slow.finish() && next.finish());
    runner.drain(SECOND);
}

/// The attempts of one lane, withdrawn as soon as they begin, go on for as long as they like.
#[test]
fn a_lane_that_abandons_its_attempts_does_not_stop_the_others() {
    let rig = Rig::new();
    let runner = rig.start(settings(2));
    rig.push(1, 1..=400);
    let mut abandoned = Vec::new();
    for subject in 1_000..1_200 {
        rig.push(2, [subject]);
        loop {
            let attempt = rig.begun();
            if attempt.claimed.lane == 2 {
                assert!(attempt.finish());
                break;
            }
            assert!(rig.withdraw(attempt.subject()));
            abandoned.push(attempt);
        }
    }
    // Of 132 threads it has about half of what it leaves.
    assert!((10..=50).contains(&abandoned.len()), "{} threads", abandoned.len());
    drop(abandoned);
    assert_eq!(rig.begun().claimed.lane, 1, "it goes on when its threads have ended");
    runner.drain(Duration::ZERO);
}

#[test]
fn lanes_that_hang_leave_slots_and_threads_to_the_others() {
    let rig = Rig::new();
    for lane in 1..=30 {
        rig.push(lane, lane * 100..lane * 100 + 20);
    }
    let slow_after = Some(2 * SECOND);
    let runner = rig.start(QueueSettings { lane_limit: 8, slow_after, ..settings(40) });
    let mut hanging: Vec<_> = (0..40).map(|_| rig.begun()).collect();
    for subject in 10_000..10_008 {
        rig.ambient.advance(2 * SECOND);
        rig.push(99, [subject]);
        loop {
            let attempt = rig.begun();
            if attempt.claimed.lane == 99 {
                assert!(attempt.finish());
                break;
            }
            hanging.push(attempt);
        }
    }
    // Of 40 slots and 128 threads more, these lanes have half of what goes beyond the slots.
    assert!((60..=84).contains(&hanging.len()), "{} threads", hanging.len());
    assert!(hanging.into_iter().all(rig::Attempt::finish));
    assert!(rig.begun().claimed.lane < 99, "they go on when their threads have ended");
    runner.drain(Duration::ZERO);
}

#[test]
fn an_attempt_beyond_its_longest_time_is_taken_for_crashed() {
    let rig = Rig::new();
    let runner = rig.start(settings(1));
    rig.push(1, [1]);
    let stuck = rig.begun();
    rig.ambient.advance(601 * SECOND);
    runner.tick();
    rig.ambient.advance(5 * SECOND);
    let again = rig.begun();
    assert_eq!((again.subject(), again.claimed.crashes), (1, 1));
    assert!(stuck.is_stopped());
    assert!(!stuck.finish(), "fenced");
    assert!(again.finish());
    runner.drain(SECOND);
}

#[test]
fn the_ticker_ticks_when_the_clock_is_moved_and_stops() {
    let rig = Rig::new();
    let (tick, ticks) = std::sync::mpsc::channel();
    let ticker = Ticker::start(&rig.ambient, move || tick.send(()).unwrap_or_default()).unwrap();
    rig.ambient.advance(SECOND);
    ticks.recv_timeout(crate::support::LIMIT).unwrap();
    ticker.stop();
    ticks.try_iter().for_each(drop);
    assert!(ticks.recv().is_err(), "its thread is gone");
}
