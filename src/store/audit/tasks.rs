//! Scheduled tasks against their places in the queue, their schedules and their jobs.

/// See [`RULES`](super::RULES).
pub(super) const RULES: &[&str] = &[
    "select account, null, 'has a scheduled task that ' || broken || ': task ' || lower(hex(id)),
       case held when 1 then 'let it wait in the queue' else 'end it as failed, or let it wait in the queue anew' end
     from (
       select t.account, t.id, t.held, case
         when t.held = 1 and not exists (select 1 from main.scheduled_task o
             where o.account = t.account and o.schedule = t.schedule and o.status <= 3 and o.held = 0)
           then 'waits for an earlier one of its schedule, and there is none'
         when t.held = 0 and q.subject is null and (t.status = 2 or t.job is null)
           then 'is lost, not over and not in the queue'
         when t.status = 3 and q.subject is null and coalesce(j.status, 4) >= 4
           then 'waits for a job that is over or does not exist'
         end as broken
       from main.scheduled_task t
         left join main.queue q on q.queue = 5 and q.subject = t.seq and q.account = t.account
         left join main.job j on j.seq = t.job and j.account = t.account
       where t.status <= 3)
     where broken is not null limit ?1",
    "select q.account, null,
       'has a row in the queue for a scheduled task that is over, held or does not exist: subject '
       || q.subject,
       'remove the row from the queue'
     from main.queue q left join main.scheduled_task t on t.seq = q.subject
     where q.queue = 5 and (t.seq is null or t.status >= 4 or t.held = 1 or t.account <> q.account)
     limit ?1",
];
