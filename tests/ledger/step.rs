//! What can happen to credits, at random.

use proptest::prelude::*;

use super::account::KEYS;

/// Something that somebody does. Indexes are taken modulo what there is.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Grant {
        account: usize,
        free: bool,
        amount: i64,
        expires_in_s: Option<u64>,
    },
    Adjust {
        account: usize,
        free: bool,
        delta: i64,
    },
    /// A payment goes back.
    TakeBack {
        account: usize,
        grant: usize,
        amount: i64,
    },
    /// The project's budget has another limit.
    Limit {
        limit: Option<i64>,
    },
    Submit {
        account: usize,
        key: usize,
        estimate: i64,
    },
    Begin {
        job: usize,
    },
    Succeed {
        job: usize,
        cost: i64,
    },
    Fail {
        job: usize,
        again: bool,
    },
    GiveUp {
        job: usize,
        expired: bool,
    },
    Cancel {
        job: usize,
    },
    Retry {
        job: usize,
        key: usize,
    },
    Pass {
        seconds: u64,
    },
    PassDays {
        days: u64,
    },
    /// The process ends where it stands, and another starts on what the disk has.
    Crash,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let job = 0_usize..16;
    let (account, key) = (0_usize..2, 0_usize..KEYS);
    prop_oneof![
        4 => (account.clone(), any::<bool>(), 1_i64..300, prop::option::of(1_u64..200)).prop_map(
            |(account, free, amount, expires_in_s)| Step::Grant { account, free, amount, expires_in_s }
        ),
        2 => (account.clone(), any::<bool>(), (-100_i64..100).prop_filter("not zero", |d| *d != 0))
            .prop_map(|(account, free, delta)| Step::Adjust { account, free, delta }),
        8 => (account, key.clone(), 1_i64..80)
            .prop_map(|(account, key, estimate)| Step::Submit { account, key, estimate }),
        4 => job.clone().prop_map(|job| Step::Begin { job }),
        6 => (job.clone(), 0_i64..160).prop_map(|(job, cost)| Step::Succeed { job, cost }),
        4 => (job.clone(), any::<bool>()).prop_map(|(job, again)| Step::Fail { job, again }),
        2 => (job.clone(), any::<bool>()).prop_map(|(job, expired)| Step::GiveUp { job, expired }),
        2 => job.clone().prop_map(|job| Step::Cancel { job }),
        4 => (job, key).prop_map(|(job, key)| Step::Retry { job, key }),
        2 => (1_u64..100).prop_map(|seconds| Step::Pass { seconds }),
        2 => (1_u64..40).prop_map(|days| Step::PassDays { days }),
        2 => prop::option::of(1_i64..800).prop_map(|limit| Step::Limit { limit }),
        2 => (0_usize..2, 0_usize..8, 1_i64..200)
            .prop_map(|(account, grant, amount)| Step::TakeBack { account, grant, amount }),
        // The dearest: another start prepares everything anew.
        1 => Just(Step::Crash),
    ]
}
