//! Lists against the rows that they have to show.

/// See [`RULES`](super::RULES).
pub(super) const RULES: &[&str] = &[
    // Rows are listed in the order of their numbers, up to the one that `meta` tells.
    "select account, job, 'is missing from a list: its row ' || seq || ' of ' || name || ' is '
       || case listed when 1 then 'listed' else 'not listed' end || ', the list is made up to ' || mark,
       'list all rows up to the mark, and none above'
     from (
       select account, seq as job, seq, listed, 'job' as name, (select coalesce(max(value), 0)
         from main.meta where name = 'jobs_listed') as mark from main.job
       union all
       select account, job, seq, listed, 'ledger', (select coalesce(max(value), 0)
         from main.meta where name = 'ledger_listed') from main.ledger
       union all
       select account, null, seq, listed, 'webhook_delivery', (select coalesce(max(value), 0)
         from main.meta where name = 'deliveries_listed') from main.webhook_delivery)
     where listed <> (seq <= mark) limit ?1",
];
