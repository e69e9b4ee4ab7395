//! Balances against the entries of their ledgers, and entries against one another.

/// See [`RULES`](super::RULES).
pub(super) const RULES: &[&str] = &[
    "select a.seq, null, 'has no balance',
       'make a balance that is the sum of its entries' from main.account a
     where not exists (select 1 from main.balance b where b.account = a.seq) limit ?1",
    // Each balance against the sums of its ledger.
    "with l as materialized (
       select account, count(*) as entries, min(n) as first, max(n) as last,
         sum(case bucket when 'free' then delta else 0 end) as free,
         sum(case bucket when 'paid' then delta else 0 end) as paid,
         -sum(case when bucket = 'free' and kind in ('reserve', 'release') then delta else 0 end)
           as reserved_free,
         -sum(case when bucket = 'paid' and kind in ('reserve', 'release') then delta else 0 end)
           as reserved_paid
       from main.ledger group by account)
     select b.account, null,
       'has a balance that is not the sum of its entries: free ' || b.free || ' and paid ' || b.paid
         || ', by entries ' || coalesce(l.free, 0) || ' and ' || coalesce(l.paid, 0),
       'set the balance to what its entries sum up to'
     from main.balance b left join l on l.account = b.account
     where b.free <> coalesce(l.free, 0) or b.paid <> coalesce(l.paid, 0)
     union all
     select b.account, null,
       'has set aside another amount than its open reservations: free ' || b.reserved_free
         || ' and paid ' || b.reserved_paid || ', by entries ' || coalesce(l.reserved_free, 0)
         || ' and ' || coalesce(l.reserved_paid, 0),
       'set what is set aside to what its open reservations sum up to'
     from main.balance b left join l on l.account = b.account
     where b.reserved_free <> coalesce(l.reserved_free, 0)
       or b.reserved_paid <> coalesce(l.reserved_paid, 0)
     union all
     select b.account, null,
       'has entries that are not numbered from 1 without gaps: ' || coalesce(l.entries, 0)
         || ' entries from ' || coalesce(l.first, 1) || ' to ' || coalesce(l.last, 0)
         || ', the balance counts ' || b.entries,
       case when coalesce(l.entries, 0) = coalesce(l.last, 0) and coalesce(l.first, 1) = 1
         then 'let the balance count ' || coalesce(l.entries, 0) || ' entries'
         else 'restore a backup: entries of an append-only ledger were removed or renumbered' end
     from main.balance b left join l on l.account = b.account
     where b.entries <> coalesce(l.entries, 0) or b.entries <> coalesce(l.last, 0)
       or coalesce(l.first, 1) <> 1
     limit ?1",
    "select account, null, 'has an entry whose balance_after is not the sum so far: entry ' || n
       || ' says ' || balance_after || ', not ' || running,
       'restore a backup, or live with it: entries never change, and no sum is made of balance_after'
     from (select account, n, balance_after,
             sum(delta) over (partition by account order by n) as running
           from main.ledger)
     where balance_after <> running limit ?1",
    "select account, null, 'has an entry whose sign does not fit its kind: entry ' || n || ' is a '
       || kind || ' of ' || delta,
       'restore a backup: entries never change'
     from main.ledger
     where delta = 0 or (kind in ('grant', 'release') and delta < 0)
       or (kind in ('reserve', 'charge', 'expire') and delta > 0) limit ?1",
    "with j as (select account, count(*) as n from main.queue where queue = 2 group by account)
     select b.account, null, 'counts another number of open jobs than its queue holds: ' || b.open_jobs
       || ', the queue has ' || coalesce(j.n, 0),
       'let the balance count ' || coalesce(j.n, 0) || ' open jobs'
     from main.balance b left join j on j.account = b.account
     where b.open_jobs <> coalesce(j.n, 0) limit ?1",
];
