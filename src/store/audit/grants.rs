//! Grants against the entries that gave them and took from them.

/// See [`RULES`](super::RULES).
pub(super) const RULES: &[&str] = &[
    // Each grant against the entry that gave it and those that took from it.
    "with l as materialized (
       select account, grant_id, sum(delta > 0) as origins, sum(max(delta, 0)) as given,
         -sum(min(delta, 0)) as taken, min(bucket) as bucket, max(bucket) as last_bucket
       from main.ledger where grant_id is not null group by account, grant_id)
     select g.account, null, 'has a grant that is not what its entries say: grant '
       || lower(hex(g.id)) || ' of ' || g.amount || ' with ' || g.remaining || ' left and '
       || g.debt || ' for debts, by entries ' || coalesce(l.given, 0) || ' given and '
       || coalesce(l.taken, 0) || ' taken',
       case when l.origins is 1 and l.given = g.amount and l.bucket = g.bucket
           and l.last_bucket = g.bucket
         then 'let ' || (g.amount - g.debt - l.taken) || ' be left of the grant'
         else 'restore a backup: the grant is not the one that was given' end
     from main.credit_grant g left join l on l.account = g.account and l.grant_id = g.id
     where l.origins is not 1 or l.given <> g.amount or l.bucket <> g.bucket
       or l.last_bucket <> g.bucket or g.remaining <> g.amount - g.debt - l.taken limit ?1",
    "select l.account, null, 'has an entry of a grant that does not exist: entry ' || l.n,
       'restore a backup: the grant was removed'
     from main.ledger l
     where ((l.kind in ('grant', 'expire') or (l.kind = 'adjust' and l.delta > 0))
         and l.grant_id is null)
       or (l.grant_id is not null and not exists (select 1 from main.credit_grant g
         where g.account = l.account and g.id = l.grant_id)) limit ?1",
    // Grants fund everything but what was charged beyond them, which is nothing as long as anything is left of them.
    "with g as (
       select account, sum(case bucket when 'free' then remaining + debt else 0 end) as free,
         sum(case bucket when 'paid' then remaining + debt else 0 end) as paid,
         sum(case bucket when 'free' then remaining else 0 end) as free_left,
         sum(case bucket when 'paid' then remaining else 0 end) as paid_left
       from main.credit_grant group by account),
     l as (
       select account, -sum(case bucket when 'free' then delta else 0 end) as free,
         -sum(case bucket when 'paid' then delta else 0 end) as paid
       from main.ledger where grant_id is null and kind in ('charge', 'adjust') group by account)
     select b.account, null, 'has other credits than its grants leave: free '
       || (b.free + b.reserved_free) || ' and paid ' || (b.paid + b.reserved_paid)
       || ', by grants ' || (coalesce(g.free, 0) - coalesce(l.free, 0)) || ' and '
       || (coalesce(g.paid, 0) - coalesce(l.paid, 0)) || ', of which are left '
       || coalesce(g.free_left, 0) || ' and ' || coalesce(g.paid_left, 0),
       'set right balance and grants first, each by its entries'
     from main.balance b left join g on g.account = b.account left join l on l.account = b.account
     where b.free + b.reserved_free <> coalesce(g.free, 0) - coalesce(l.free, 0)
       or b.paid + b.reserved_paid <> coalesce(g.paid, 0) - coalesce(l.paid, 0)
       or coalesce(g.free_left, 0) <> max(0, b.free + b.reserved_free)
       or coalesce(g.paid_left, 0) <> max(0, b.paid + b.reserved_paid) limit ?1",
];
