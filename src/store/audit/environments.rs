//! What is for tests against what is live.

/// See [`RULES`](super::RULES).
pub(super) const RULES: &[&str] = &[
    "select j.account, j.seq,
       'is not in the environment of its project: ' || coalesce(p.environment, 'there is none'),
       'find out whose key made the job, and correct both balances by what it was charged'
     from main.job j left join main.project p on p.seq = j.project
       join main.account a on a.seq = j.account
     where p.environment is null or a.environment <> p.environment limit ?1",
    "select j.account, j.seq, 'is for tests, and yet it was run by ' || r.provider,
       'nothing in these books: tell the account that the provider was sent its prompt'
     from main.job_result r join main.job j on j.seq = r.job join main.account a on a.seq = j.account
     where r.provider <> 'sandbox' and a.environment = 'test' limit ?1",
];
