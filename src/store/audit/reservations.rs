//! Jobs against their reservations, charges, results, places in the queue, and budgets.

/// See [`RULES`](super::RULES).
pub(super) const RULES: &[&str] = &[
    // Each reservation against its job: what the job says, and how it was resolved. Canceled jobs may be gone, but
    // for the newest: then a row says so, and nothing may be left of what was set aside for them, nor have been charged.
    "with l as (
       select job, round, min(account) as account, max(account) as last_account,
         -sum(case when kind = 'reserve' and bucket = 'free' then delta else 0 end)
           as reserved_free,
         -sum(case when kind = 'reserve' and bucket = 'paid' then delta else 0 end)
           as reserved_paid,
         sum(case when kind = 'release' and bucket = 'free' then delta else 0 end) as released_free,
         sum(case when kind = 'release' and bucket = 'paid' then delta else 0 end) as released_paid,
         -sum(case when kind = 'charge' then delta else 0 end) as charged,
         sum(kind in ('release', 'charge')) as resolutions, sum(kind = 'charge') as charges,
         sum(kind not in ('reserve', 'release', 'charge')) as others
       from main.ledger where job is not null group by job, round)
     select account, job, broken, case
       when status is null
         then 'restore a backup: a job is removed only once it gave back all that was set aside for it, uncharged'
       when status in (2, 3) then 'end the job as failed, take it out of the queue, and correct what its '
         || 'entries do not undo by an adjustment'
       else 'correct the difference by an adjustment: entries never change' end
     from (
       select l.account, l.job, j.status, case
         when j.seq is null then case
           when l.charges > 0 or l.others > 0 or l.round < 1 or l.account <> l.last_account
               or l.released_free <> l.reserved_free or l.released_paid <> l.reserved_paid
               or l.job > (select coalesce(max(seq), 0) from main.job)
               or not exists (select 1 from main.removed_job d where d.seq = l.job and d.account = l.account)
             then 'has entries of a job that does not exist: number ' || l.job end
         when l.round > j.round or l.round < 1 or l.others > 0 or l.account <> j.account
             or l.last_account <> j.account
           then 'has entries of a round that does not exist, or in another account: round '
             || l.round || ', the job is in ' || j.round
         when l.round = j.round and (l.reserved_free <> j.reserved_free
             or l.reserved_paid <> j.reserved_paid)
           then 'has another reservation than its row says: free ' || l.reserved_free
             || ' and paid ' || l.reserved_paid || ', the job says ' || j.reserved_free || ' and '
             || j.reserved_paid
         when l.round = j.round and j.status in (2, 3) and l.resolutions > 0
           then 'is not over, and yet its reservation was resolved: released '
             || (l.released_free + l.released_paid) || ', charged ' || l.charged
         when (l.round < j.round or j.status >= 4) and (l.released_free <> l.reserved_free
             or l.released_paid <> l.reserved_paid)
           then 'is over, and what was reserved did not come back exactly: round ' || l.round
             || ' reserved ' || l.reserved_free || ' and ' || l.reserved_paid || ', released '
             || l.released_free || ' and ' || l.released_paid
         when l.charged <> case when j.status = 4 and l.round = j.round
             then coalesce(r.charged, 0) else 0 end
           then 'has charges other than its result says: round ' || l.round || ' charged '
             || l.charged || ', the result says ' || coalesce(r.charged, 0)
         end as broken
       from l left join main.job j on j.seq = l.job left join main.job_result r on r.job = l.job)
     where broken is not null limit ?1",
    "select j.account, j.seq, 'was removed, and is there: number ' || j.seq, 'remove the row that says so'
     from main.removed_job d join main.job j on j.seq = d.seq limit ?1",
    "select j.account, j.seq, 'has no reservation though its row says so: free ' || j.reserved_free
       || ' and paid ' || j.reserved_paid,
       'end the job as failed without a release, or restore a backup: its entry was removed'
     from main.job j where (j.reserved_free > 0 or j.reserved_paid > 0)
       and not exists (select 1 from main.ledger l
         where l.job = j.seq and l.round = j.round and l.kind = 'reserve') limit ?1",
    "select j.account, j.seq, 'has a result that says it was charged, and no charge: ' || r.charged,
       'charge ' || r.charged || ' by an adjustment, or restore a backup: its entry was removed'
     from main.job_result r join main.job j on j.seq = r.job
     where r.charged <> 0 and (j.status <> 4 or not exists (select 1 from main.ledger l
       where l.job = j.seq and l.round = j.round and l.kind = 'charge')) limit ?1",
    "select j.account, j.seq, 'is over without a result, or has one and is not over: status '
       || j.status,
       case when j.status >= 4 then 'write a result that says that it was lost'
         else 'remove the result' end
     from main.job j left join main.job_result r on r.job = j.seq
     where (j.status >= 4) <> (r.job is not null) limit ?1",
    "select j.account, j.seq, 'is lost: it is not over and not in the queue: status ' || j.status,
       'put it back into the queue'
     from main.job j
     where j.status in (2, 3) and not exists (select 1 from main.queue q
       where q.queue = 2 and q.subject = j.seq and q.account = j.account) limit ?1",
    "select q.account, j.seq,
       'has a row in the queue for a job that is over or does not exist: subject ' || q.subject,
       'remove the row from the queue'
     from main.queue q left join main.job j on j.seq = q.subject
     where q.queue = 2 and (j.seq is null or j.status >= 4 or j.account <> q.account) limit ?1",
    // Each count of a budget against the jobs that it counts.
    "with j as (
       select j.spending, min(j.account) as account, max(j.account) as last_account,
         sum(case when j.status <= 3 then j.reserved_free + j.reserved_paid else 0 end) as reserved,
         sum(coalesce(r.charged, 0)) as charged,
         min(case when j.round = 1 then strftime('%Y%m', j.created_at / 1000, 'unixepoch') end) as first,
         max(case when j.round = 1 then strftime('%Y%m', j.created_at / 1000, 'unixepoch') end) as last
       from main.job j left join main.job_result r on r.job = j.seq group by j.spending)
     select coalesce(s.account, j.account), null,
       'counts another spending than its jobs make up: row ' || coalesce(s.seq, j.spending)
         || ' of ' || coalesce(s.month, j.first)
         || ' says ' || coalesce(s.charged, 0) || ' charged and ' || coalesce(s.reserved, 0)
         || ' reserved, the jobs ' || coalesce(j.charged, 0) || ' and ' || coalesce(j.reserved, 0),
       'let the row count its jobs anew'
     from main.spending s full join j on j.spending = s.seq
     where s.seq is null or s.charged <> coalesce(j.charged, 0)
       or s.reserved <> coalesce(j.reserved, 0) or s.account <> coalesce(j.account, s.account)
       or s.account <> coalesce(j.last_account, s.account)
       or s.month <> coalesce(j.first, s.month) or s.month <> coalesce(j.last, s.month)
       or s.key_told not in (0, 50, 80, 95, 100) or s.project_told not in (0, 50, 80, 95, 100)
     limit ?1",
];
