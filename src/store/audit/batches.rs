//! Batches against their jobs.

/// See [`RULES`](super::RULES).
pub(super) const RULES: &[&str] = &[
    "with j as (
       select batch, min(account) as account, max(account) as last_account, count(*) as total,
         sum(status = 3) as running, sum(status = 4) as succeeded, sum(status = 5) as failed,
         sum(status = 6) as canceled, sum(status = 7) as expired, sum(status <= 3) as open
       from main.job where batch is not null group by batch)
     select coalesce(b.account, j.account), null,
       'has a batch whose counts are not those of its jobs: batch ' || coalesce(lower(hex(b.id)), '-')
         || ' counts ' || coalesce(b.total, 0) || ' jobs, there are ' || coalesce(j.total, 0),
       'let the batch count its jobs anew'
     from main.batch b full join j on j.batch = b.seq
     where b.seq is null or j.batch is null or b.total <> j.total or b.running <> j.running
       or b.succeeded <> j.succeeded or b.failed <> j.failed or b.canceled <> j.canceled
       or b.expired <> j.expired or (b.finished_at is null) <> (j.open > 0)
       or j.account <> b.account or j.last_account <> b.account limit ?1",
    "with i as (
       select i.batch, count(*) as items, sum(j.seq is not null) as good
       from main.batch_item i left join main.job j
         on j.seq = i.job and j.batch = i.batch and j.account = i.account
       group by i.batch)
     select b.account, null, 'has a batch whose requests are not those of its jobs: batch '
       || lower(hex(b.id)) || ' of ' || b.total || ' jobs has ' || coalesce(i.items, 0)
       || ' requests, ' || coalesce(i.good, 0) || ' of which are its jobs',
       'restore a backup: what its requests became is not written elsewhere'
     from main.batch b left join i on i.batch = b.seq
     where coalesce(i.items, 0) <> b.total or coalesce(i.good, 0) <> b.total limit ?1",
];
