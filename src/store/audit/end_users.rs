//! End users against their jobs and their days.

/// See [`RULES`](super::RULES).
pub(super) const RULES: &[&str] = &[
    // No more than the largest cap is counted of one job.
    "with j as (
       select j.account, j.end_user, sum(case when j.status <= 3 then j.token_bound else 0 end) as open,
         sum(j.status = 4) as jobs, sum(case j.status when 4 then r.charged else 0 end) as charged,
         sum(case j.status when 4 then min(1000000000000,
           coalesce(r.prompt_tokens + r.completion_tokens, 0)) else 0 end) as tokens
       from main.job j left join main.job_result r on r.job = j.seq
       where j.end_user is not null group by j.account, j.end_user)
     select coalesce(u.account, j.account), null,
       'has an end user whose figures are not those of its jobs: '
         || iif(u.id is null, 'one that does not exist', lower(hex(u.id))) || ' has '
         || coalesce(u.open_tokens, 0) || ' tokens in flight, and ' || coalesce(u.jobs, 0)
         || ' jobs with ' || coalesce(u.tokens, 0) || ' tokens for ' || coalesce(u.charged, 0)
         || ', by its jobs ' || coalesce(j.open, 0) || ', and ' || coalesce(j.jobs, 0) || ' with '
         || coalesce(j.tokens, 0) || ' for ' || coalesce(j.charged, 0),
       'let the end user count its jobs anew'
     from main.end_user u full join j on j.account = u.account and j.end_user = u.external_id
     where u.seq is null or u.open_tokens <> coalesce(j.open, 0) or u.jobs <> coalesce(j.jobs, 0)
       or u.charged <> coalesce(j.charged, 0) or u.tokens <> coalesce(j.tokens, 0) limit ?1",
    "with d as (
       select account, end_user, sum(tokens) as tokens, sum(charged) as charged, sum(jobs) as jobs
       from main.end_user_day group by account, end_user)
     select coalesce(u.account, d.account), null,
       'has an end user whose days do not sum up to its figures: '
         || iif(u.id is null, 'one that does not exist', lower(hex(u.id))) || ' has '
         || coalesce(u.jobs, 0) || ' jobs with ' || coalesce(u.tokens, 0) || ' tokens for '
         || coalesce(u.charged, 0) || ', by days ' || coalesce(d.jobs, 0) || ' with '
         || coalesce(d.tokens, 0) || ' for ' || coalesce(d.charged, 0),
       'let the days count the jobs that ended on them anew'
     from main.end_user u full join d on d.account = u.account and d.end_user = u.seq
     where u.seq is null or u.jobs <> coalesce(d.jobs, 0) or u.tokens <> coalesce(d.tokens, 0)
       or u.charged <> coalesce(d.charged, 0) limit ?1",
];
