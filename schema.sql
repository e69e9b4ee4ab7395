-- The database of skai-server as it is now. The file skai.db is made by the migrations in
-- src/store/migrations; a test proves that their sum equals this page.
--
-- Conventions. `id` is the public UUIDv7 (16 bytes), `seq` the internal integer that other tables
-- point to. Times are milliseconds since 1970 in UTC. Credits are integer microcredits. JSON is text.
-- Every row of a tenant carries its `account`; the store refuses statements of one account that
-- would see or touch another's rows, also where the SQL forgot to say so (src/store/tenancy).
-- Foreign keys lead to `account` alone, whose rows are never deleted; `ledger verify` proves the rest.
-- Jobs, ledger entries and deliveries come in the order of `seq`, those of many accounts mixed. An index
-- by account would change another page for each of them, so rows enter it in bulk: `listed` is 1 from
-- then on, and `meta` tells up to which `seq`. Lists read the rows above that by `seq`, the others by
-- the index (src/store/listing.rs). SQLite numbers a row after the newest that is there, so the newest
-- is never deleted: a number that came twice would be below what is listed.
-- Numbered states start at 2: SQLite stores 0 and 1 without a byte and 2 to 127 in one, so a row
-- never grows when its state changes, and never has to move.

-- Facts about this file: how often a server started on it, how often commands beside it changed queues,
-- up to which `seq` tables are listed.
create table meta (
  name text primary key,
  value integer not null
) strict, without rowid;

-- A tenant. One with test projects has a second row of the same id, its twin: the keys of test projects work
-- there, so that all they see and move is apart from what is live.
create table account (
  seq integer primary key,
  id blob not null,
  environment text not null default 'live' check (environment in ('live', 'test')),
  name text not null,
  suspended_at integer,
  created_at integer not null,
  unique (id, environment)
) strict;

-- What the operator set for an account; null follows the server's configuration. Its twin has the same.
create table account_setting (
  account integer primary key references account (seq),
  timezone text,
  daily_token_caps integer check (daily_token_caps in (0, 1)),
  daily_token_cap integer check (daily_token_cap >= 0),
  record_invocations integer check (record_invocations in (0, 1))
) strict;

-- A part of an account. Every account has a live project called `default`. Projects and keys of both
-- environments belong to the live row of the account. Limits are credits of a calendar month. `record_invocations` is
-- null where the account's setting holds.
create table project (
  seq integer primary key,
  account integer not null references account (seq),
  id blob not null,
  name text not null,
  environment text not null check (environment in ('live', 'test')),
  monthly_credit_limit integer check (monthly_credit_limit > 0),
  record_invocations integer check (record_invocations in (0, 1)),
  created_at integer not null,
  unique (account, id),
  unique (account, name)
) strict;
create index project_by_id on project (id);

-- A key to the API. The secret is not here: only its prefix, to find it, and its argon2id hash.
-- `expires_at` is what its maker asked for; a key that was replaced ends at `overlap_ends_at` too. `origin` is
-- the first of the keys that it goes back to by rotations, which share one budget; null where it is itself.
-- `allowed_cidrs` are networks, separated by spaces; null where it may be used from anywhere.
-- `is_dashboard` marks the one key of a project that pays for what people start on the dashboard: nobody has its
-- secret.
create table api_key (
  seq integer primary key,
  account integer not null references account (seq),
  project integer not null,
  id blob not null,
  name text not null,
  prefix text not null unique,
  hash text not null,
  scopes text not null,
  rate_limit text,
  monthly_credit_limit integer check (monthly_credit_limit > 0),
  allowed_cidrs text,
  origin integer,
  created_at integer not null,
  expires_at integer,
  overlap_ends_at integer,
  revoked_at integer,
  last_used_at integer,
  is_dashboard integer not null default 0 check (is_dashboard in (0, 1)),
  unique (account, id)
) strict;
create index api_key_by_origin on api_key (origin) where origin is not null;
create unique index api_key_of_dashboard on api_key (account, project) where is_dashboard = 1;

-- Somebody who signs in to the dashboard, also to several accounts. `email_key` is the address in lower case, by which
-- people are told apart. `password_hash` is null until they chose a password. Who `is_operator` acts in every account.
create table person (
  seq integer primary key,
  id blob not null unique,
  email text not null,
  email_key text not null unique,
  password_hash text,
  is_operator integer not null default 0 check (is_operator in (0, 1)),
  created_at integer not null,
  password_changed_at integer
) strict;

-- What a person may do in an account, whose live row it belongs to. `id` and `email` are the person's, so that an
-- account sees nothing of people but this. `accepted_at` is null while the invitation is open; until then the
-- person may do nothing here.
create table member (
  seq integer primary key,
  account integer not null references account (seq),
  id blob not null,
  email text not null,
  role text not null check (role in ('owner', 'admin', 'developer', 'viewer')),
  created_at integer not null,
  accepted_at integer,
  last_signed_in_at integer,
  unique (account, id)
) strict;
create index member_by_person on member (id);

-- A browser that a person signed in with. The token is in its cookie alone: here is its SHA-256. `expires_at` moves on
-- while the browser is used, up to a limit.
create table dashboard_session (
  seq integer primary key,
  person integer not null,
  id blob not null unique,
  token_hash blob not null unique,
  address text not null,
  user_agent text not null,
  created_at integer not null,
  last_seen_at integer not null,
  expires_at integer not null
) strict;
create index dashboard_session_by_person on dashboard_session (person);
create index dashboard_session_by_end on dashboard_session (expires_at);

-- A link by which somebody comes in once: its row is deleted when it is used. The first start has one for nobody yet
-- (`setup`), an invitation names the membership (`invite`), and one for a new password only the person (`reset`).
-- `issuer_account` and a user or key of it say who made it, by whose rights it is judged when it is used; all are null
-- where the operator did, at a command line. Only such a link `makes_operator`.
create table sign_in_link (
  token_hash blob primary key,
  purpose text not null check (purpose in ('setup', 'invite', 'reset')),
  person integer,
  membership integer,
  created_at integer not null,
  expires_at integer not null,
  makes_operator integer not null default 0 check (makes_operator in (0, 1)),
  issuer_account integer references account (seq),
  issuer_user blob,
  issuer_key blob,
  check ((person is null) = (purpose = 'setup') and (membership is not null) = (purpose = 'invite')),
  check ((issuer_account is null) = (issuer_user is null and issuer_key is null)),
  check (issuer_user is null or issuer_key is null),
  check (makes_operator = 0 or (person is not null and issuer_account is null))
) strict, without rowid;
create index sign_in_link_by_person on sign_in_link (person);
create index sign_in_link_by_end on sign_in_link (expires_at);

-- What a POST with an Idempotency-Key answered. `key` is a hash of method, route and key. `response`
-- is the answer itself, sealed where it holds a secret. The answer to a new job is not copied: it is
-- made again from the immutable part of `job` and from `reserved`, what was set aside for it then.
-- Rows are saved in the order of `seq` and so expire in it: the oldest are forgotten from its beginning.
create table idempotency (
  seq integer primary key,
  account integer not null references account (seq),
  key blob not null,
  body_hash blob not null,
  job integer,
  reserved integer,
  response blob,
  expires_at integer not null,
  unique (account, key),
  check ((job is null) = (response is not null) and (job is null) = (reserved is null))
) strict;

-- The sum of an account's ledger, kept in the transaction of every entry. `free` and `paid` can be
-- spent; what open reservations took from them is in `reserved_free` and `reserved_paid`.
-- A job may cost more than was reserved, so `free` and `paid` may fall below zero, but never at
-- the acceptance of a job. `entries` numbers the ledger without gaps. `open_jobs` counts the jobs that are not
-- over, each of which has its reservation. `low_mark` is the account's own mark for `credits.low`.
create table balance (
  account integer primary key references account (seq),
  free integer not null default 0,
  paid integer not null default 0,
  reserved_free integer not null default 0 check (reserved_free >= 0),
  reserved_paid integer not null default 0 check (reserved_paid >= 0),
  entries integer not null default 0,
  open_jobs integer not null default 0 check (open_jobs >= 0),
  low_mark integer
) strict;

-- Every change of credits, for ever: triggers refuse deletes, and updates of all but `listed`. `n` counts an
-- account's entries without gaps; the public id of an entry is made of account, n and time. A job reserves
-- once per `round` (a retry starts a new one), and the unique index lets each reservation be released and
-- charged once. It does so by `part`. Of what is reserved and released, 0 is the free part and 1 the paid
-- one. A charge is posted in a part for each grant that pays for it, numbered from 0, so that another charge
-- would have a part 0 too; `grant_id` is null where no grant covers it. `price` is the price it was computed
-- with, `stripe_event` the event of Stripe's that gave or took back.
create table ledger (
  seq integer primary key,
  account integer not null references account (seq),
  n integer not null,
  kind text not null check (kind in ('grant', 'reserve', 'release', 'charge', 'expire', 'adjust')),
  bucket text not null check (bucket in ('free', 'paid')),
  delta integer not null,
  balance_after integer not null,
  job integer,
  round integer,
  part integer not null default 0,
  grant_id blob,
  price integer,
  reason text,
  request_id text,
  stripe_event text,
  created_at integer not null,
  listed integer not null default 0 check (listed in (0, 1)),
  check ((job is null) = (round is null)),
  check (job is null or kind = 'charge' or part = (bucket = 'paid'))
) strict;
create unique index ledger_by_job on ledger (job, round, kind, part) where job is not null;
create unique index ledger_by_account on ledger (account, n) where listed = 1;
create trigger ledger_keeps_entries before update of seq, account, n, kind, bucket, delta,
  balance_after, job, round, part, grant_id, price, reason, request_id, stripe_event, created_at on ledger
begin select raise(abort, 'the ledger is append-only'); end;
create trigger ledger_keeps_all_entries before delete on ledger
begin select raise(abort, 'the ledger is append-only'); end;

-- Credits given at one time, also by a correction. `debt` of them paid for what had been charged beyond all
-- grants. `remaining` falls with every charge, soonest-expiring first.
create table credit_grant (
  account integer not null references account (seq),
  id blob not null,
  bucket text not null check (bucket in ('free', 'paid')),
  amount integer not null check (amount > 0),
  debt integer not null check (debt between 0 and amount),
  remaining integer not null check (remaining between 0 and amount - debt),
  reason text not null,
  expires_at integer,
  created_at integer not null,
  primary key (account, id)
) strict, without rowid;
create index credit_grant_to_spend
  on credit_grant (account, bucket, coalesce(expires_at, 9223372036854775807), id) where remaining > 0;
create index credit_grant_to_expire on credit_grant (expires_at) where remaining > 0 and expires_at is not null;

-- What a key spent in a month of UTC, and what is set aside for its jobs that are not over; keys that
-- replaced one another count as the first. A job counts in the month in which it was accepted. The limits are
-- those of the month: of the key when it first spent something, of the project as it is now. `key_told` and
-- `project_told` are the highest parts in percent, of the key's budget and of its project's, that endpoints
-- were told of: the project's is the highest of its rows.
create table spending (
  seq integer primary key,
  account integer not null references account (seq),
  month integer not null,
  project blob not null,
  api_key blob not null,
  reserved integer not null check (reserved >= 0),
  charged integer not null default 0,
  key_limit integer,
  project_limit integer,
  key_told integer not null default 0,
  project_told integer not null default 0,
  unique (account, month, project, api_key)
) strict;

-- What each model cost and costs, a row for each version of its price; the newest are in force. It only grows, by
-- trigger. No tenant's: everybody may read it. A `free` model has zeros. Amounts are microcredits, those per
-- million for tokens. `created_at` is for people who look.
create table price (
  seq integer primary key,
  model text not null,
  version integer not null check (version > 0),
  free integer not null check (free in (0, 1)),
  input_per_million integer not null check (input_per_million >= 0),
  cached_input_per_million integer not null check (cached_input_per_million >= 0),
  output_per_million integer not null check (output_per_million >= 0),
  minimum_charge integer not null check (minimum_charge >= 0),
  created_at integer not null,
  unique (model, version)
) strict;
create trigger price_keeps_versions before update on price
begin select raise(abort, 'prices are append-only'); end;
create trigger price_keeps_all_versions before delete on price
begin select raise(abort, 'prices are append-only'); end;

-- A job: what is known when it is accepted, and its state. The row is narrow and keeps its size, so that its
-- updates stay within pages that other jobs of the same moment share.
-- status: 2 queued, 3 running, 4 succeeded, 5 failed, 6 canceled, 7 expired.
-- `started_at` counts once `attempts` is above zero; until then it holds the time of acceptance. `direct` is 1
-- for a job whose client waits on its connection: it is not tried again. `token_bound` is what it counts
-- of the daily tokens of its end user while it is not over: what it may use at most; 0 without one, and until it
-- begins where that is on a later day. `price_list` is the newest `price` when its
-- reservation was made: it is charged at the prices up to there. `completion_bound` is for how many completion
-- tokens that was made. `api_key` is for people who look. `trace` is the step of a trace that made it, where there was
-- one: 16 bytes for the trace, 8 for the step, one of flags.
create table job (
  seq integer primary key,
  account integer not null references account (seq),
  id blob not null,
  project integer not null,
  api_key integer not null,
  status integer not null check (status between 2 and 7),
  round integer not null,
  attempts integer not null,
  max_attempts integer not null,
  priority integer not null,
  model text not null,
  agent integer,
  agent_version integer,
  batch integer,
  direct integer not null default 0 check (direct in (0, 1)),
  end_user text,
  token_bound integer not null default 0 check (token_bound >= 0),
  reserved_free integer not null check (reserved_free >= 0),
  reserved_paid integer not null check (reserved_paid >= 0),
  spending integer not null,
  price_list integer not null,
  completion_bound integer not null check (completion_bound >= 0),
  request_id text not null,
  trace blob,
  run_at integer not null,
  created_at integer not null,
  started_at integer not null,
  listed integer not null default 0 check (listed in (0, 1)),
  unique (id),
  check ((agent is null) = (agent_version is null))
) strict;
create index job_by_account on job (account) where listed = 1;
create index job_by_agent on job (account, agent) where listed = 1 and agent is not null;
create trigger job_keeps_newest before delete on job when old.seq = (select max(seq) from job)
begin select raise(abort, 'the newest row stays, so that no number is used twice'); end;
create index job_unsuccessful on job (account, status) where status >= 5;

-- A job that was removed: its entries in the ledger stay for ever, and this tells whose they are, and that none was lost.
create table removed_job (
  seq integer primary key,
  account integer not null references account (seq),
  id blob not null,
  removed_at integer not null,
  unique (account, id)
) strict;

-- What the client asked for; never changes. `parameters` holds the settings of the call.
create table job_request (
  job integer primary key,
  account integer not null,
  messages text not null,
  output_schema text,
  metadata text,
  parameters text not null
) strict;

-- What came of it; written once when the job ends, removed when it is tried again. `model` is the one that
-- answered; `estimated` is 1 where the provider did not report the tokens. `cached_tokens` are those of the prompt
-- that it had kept from earlier calls.
create table job_result (
  job integer primary key,
  account integer not null,
  output text,
  output_text text,
  model text,
  provider text,
  prompt_tokens integer,
  completion_tokens integer,
  cached_tokens integer,
  estimated integer not null default 0 check (estimated in (0, 1)),
  charged integer not null,
  error_code text,
  error_message text,
  finished_at integer not null
) strict;

-- The story of a job, one line per step.
create table job_event (
  job integer not null,
  n integer not null,
  account integer not null,
  name text not null,
  data text,
  created_at integer not null,
  primary key (job, n)
) strict, without rowid;

-- Somebody whom an account's jobs are for: `external_id` is what `user` of a job says. `open_tokens` is what its
-- jobs that are not over may use today at most; `tokens`, `charged` and `jobs` sum up those that succeeded, as its days
-- do. `last_active_on` is the day on which the last of those ended. `streak_count` is how many days in a row had some,
-- up to `streak_day`, the last that was counted. Its indexes change once a day at most.
create table end_user (
  seq integer primary key,
  account integer not null references account (seq),
  id blob not null,
  external_id text not null,
  daily_token_cap integer check (daily_token_cap >= 0),
  open_tokens integer not null default 0 check (open_tokens >= 0),
  tokens integer not null default 0,
  charged integer not null default 0,
  jobs integer not null default 0,
  streak_count integer not null default 0 check (streak_count >= 0),
  streak_day integer,
  last_active_on integer,
  created_at integer not null,
  unique (account, id),
  unique (account, external_id)
) strict;
create index end_user_to_count on end_user (account) where last_active_on is not streak_day;
create index end_user_streak on end_user (account, streak_day) where streak_count > 0;

-- What an end user's jobs used that succeeded on a day: days since 1970-01-01 in the account's time zone. A
-- new day is a new row, so that nothing has to be reset. Day -1 is the sum of those that were forgotten. `streak` is what
-- a streak had reached that was last counted on that day and did not go on from there: should it be found again, as clock
-- or time zone were put back, then nothing up to there is earned twice.
create table end_user_day (
  account integer not null,
  end_user integer not null,
  day integer not null,
  tokens integer not null,
  charged integer not null,
  jobs integer not null,
  streak integer not null default 0 check (streak >= 0),
  primary key (account, end_user, day)
) strict, without rowid;
create index end_user_day_by_day on end_user_day (account, day);

-- What the streaks of its end users earned an account on the last day on which they earned something.
create table streak_bonus (
  account integer primary key references account (seq),
  day integer not null,
  granted integer not null check (granted >= 0)
) strict;

-- What ended and is not counted in `usage_day` yet: executions of jobs and deliveries, a row for each, added in the
-- transaction that ends it. Rows come in the order of `seq`, and the oldest are counted in bulk, as a row of a day
-- lies on another page for each account. The newest stays, so that no number is used twice.
-- outcome: 2 a job that succeeded, 3 one that failed or expired, 4 one that was canceled; 5 a delivery that was
-- delivered, 6 one that failed. Of a job `spending` names project and key, `model` is the one that was asked for;
-- the last four are those of a job that succeeded, and null else.
create table usage_tail (
  seq integer primary key,
  account integer not null,
  day integer not null,
  outcome integer not null check (outcome between 2 and 6),
  spending integer,
  agent integer,
  model text,
  end_user text,
  latency_ms integer,
  prompt_tokens integer,
  completion_tokens integer,
  charged integer,
  check ((outcome <= 4) = (spending is not null) and (outcome <= 4) = (model is not null)),
  check ((outcome = 2) = (latency_ms is not null) and (outcome = 2) = (charged is not null)
    and (outcome = 2) = (prompt_tokens is not null) and (outcome = 2) = (completion_tokens is not null))
) strict;

-- What ended on a day of UTC, by what it is grouped by, but for what is in `usage_tail`. A job that ended, was tried
-- again and ended again counts twice, and what was counted never changes.
-- dimension: 2 all jobs, 3 by model, 4 by agent, 5 by project, 6 by key, 7 by end user; 8 deliveries, none of which are
-- canceled. `subject` is the name of the model or end user in UTF-8, or the id; empty where a job has none, so that
-- each dimension sums up to all jobs. `latencies` is a histogram of those that succeeded (HdrHistogram, format V2), whose
-- milliseconds `latency_ms` sums up; empty where there are none.
create table usage_day (
  account integer not null,
  dimension integer not null check (dimension between 2 and 8),
  day integer not null,
  subject blob not null,
  succeeded integer not null,
  failed integer not null,
  canceled integer not null,
  prompt_tokens integer not null,
  completion_tokens integer not null,
  charged integer not null,
  latency_ms integer not null,
  latencies blob not null,
  primary key (account, dimension, day, subject),
  check (succeeded >= 0 and failed >= 0 and canceled >= 0 and succeeded + failed + canceled > 0)
) strict, without rowid;

-- A prompt with its contracts, by name. What it says is in its versions; runs use the active one.
create table agent (
  seq integer primary key,
  account integer not null references account (seq),
  id blob not null,
  name text not null,
  description text,
  tags text not null,
  active_version integer not null,
  latest_version integer not null,
  archived_at integer,
  created_at integer not null,
  updated_at integer not null,
  unique (account, id),
  unique (account, name)
) strict;

-- What an agent says; never changes. `messages` are templates, `parameters` the settings of its calls,
-- `warnings` what strict modes of providers would refuse in `output_schema`.
create table agent_version (
  seq integer primary key,
  account integer not null references account (seq),
  agent integer not null,
  n integer not null,
  id blob not null,
  model text not null,
  messages text not null,
  input_schema text,
  output_schema text,
  parameters text not null,
  warnings text not null,
  created_at integer not null,
  unique (account, agent, n)
) strict;

-- How the jobs of a version did that ended within an hour (counted from 1970), kept when they end; cases of
-- evals do not count. Latency, tokens and charges are those of jobs that succeeded.
create table agent_hour (
  account integer not null,
  agent integer not null,
  hour integer not null,
  version integer not null,
  jobs integer not null,
  succeeded integer not null,
  schema_failed integer not null,
  repairs integer not null,
  latency_ms integer not null,
  prompt_tokens integer not null,
  completion_tokens integer not null,
  charged integer not null,
  primary key (account, agent, hour, version)
) strict, without rowid;
create index agent_hour_by_hour on agent_hour (hour);

-- When endpoints were last told that a figure of an agent drifts.
create table agent_drift (
  account integer not null,
  agent integer not null,
  metric text not null,
  told_at integer not null,
  primary key (account, agent, metric)
) strict, without rowid;

-- Cases that an agent is judged by; they never change.
create table eval (
  seq integer primary key,
  account integer not null references account (seq),
  id blob not null,
  agent integer not null,
  name text not null,
  cases text not null,
  created_at integer not null,
  unique (account, id)
) strict;
create index eval_by_agent on eval (account, agent);

-- A version of an agent put to an eval. Its cases are the jobs of `batch`, but for those whose input the
-- version does not take; `batch` is null where there are no others. It is scored once, when the batch ended.
create table eval_run (
  seq integer primary key,
  account integer not null references account (seq),
  id blob not null,
  eval integer not null,
  version integer not null,
  batch integer,
  total integer not null,
  passed integer not null default 0,
  failed integer not null default 0,
  finished_at integer,
  created_at integer not null,
  unique (account, id),
  check (passed + failed <= total)
) strict;
create index eval_run_by_eval on eval_run (account, eval);
create index eval_run_to_score on eval_run (seq) where finished_at is null;

-- What became of a case in a run. `passed` is null until it is scored, `job` where there is none.
create table eval_result (
  run integer not null,
  n integer not null,
  account integer not null,
  job integer,
  passed integer check (passed in (0, 1)),
  reasons text,
  primary key (run, n)
) strict, without rowid;

-- Jobs that were accepted together. How many of them stand where is counted here whenever one of them takes a
-- step; the others are queued. `is_eval` is 1 where they are the cases of an eval. `started_at` is when the
-- first began. Once `cancel_requested_at` is set none of them begins, until one is retried after all were
-- over.
create table batch (
  seq integer primary key,
  account integer not null references account (seq),
  id blob not null,
  metadata text,
  request_id text not null,
  is_eval integer not null default 0 check (is_eval in (0, 1)),
  total integer not null,
  running integer not null default 0 check (running >= 0),
  succeeded integer not null default 0 check (succeeded >= 0),
  failed integer not null default 0 check (failed >= 0),
  canceled integer not null default 0 check (canceled >= 0),
  expired integer not null default 0 check (expired >= 0),
  started_at integer,
  cancel_requested_at integer,
  finished_at integer,
  created_at integer not null,
  unique (account, id),
  check (running + succeeded + failed + canceled + expired <= total)
) strict;
create index batch_to_cancel on batch (seq) where cancel_requested_at is not null and finished_at is null;

-- The requests of a batch in their order, and the jobs they became.
create table batch_item (
  batch integer not null,
  n integer not null,
  account integer not null,
  custom_id text not null,
  job integer not null,
  primary key (batch, n)
) strict, without rowid;

-- Work that waits or is being done; a row leaves when its work ends. The order of work is kept in memory and
-- made anew from this table at each start, so the table needs no index for it.
-- queue: 2 generation.create, 3 webhook.delivery, 4 billing.credit_grant, 5 task.run.
-- `subject` is the seq of the job, delivery or Stripe's event. Rows of one `lane` share a limit and take turns
-- with those of other lanes; lanes below zero are those of batches and get what others leave. `lease` is null
-- while the row waits; else it names the start of the server (upper half) and the claim (lower half) that may
-- finish it.
create table queue (
  queue integer not null check (queue between 2 and 5),
  subject integer not null,
  account integer not null,
  lane integer not null,
  priority integer not null,
  run_at integer not null,
  expires_at integer not null,
  attempts integer not null,
  crashes integer not null,
  lease integer,
  primary key (queue, subject)
) strict, without rowid;
create index queue_by_expiry on queue (queue, expires_at);

-- Queues that the operator paused.
create table queue_pause (
  queue integer primary key,
  paused_at integer not null
) strict;

-- Work that its queue gave up on.
create table dead_letter (
  seq integer primary key,
  account integer not null references account (seq),
  id blob not null,
  queue integer not null check (queue between 2 and 5),
  subject integer not null,
  reason text not null,
  message text not null,
  attempts integer not null,
  created_at integer not null,
  redriven_at integer,
  unique (account, id)
) strict;
create index dead_letter_open on dead_letter (queue, subject) where redriven_at is null;
create index dead_letter_redriven on dead_letter (queue, subject) where redriven_at is not null;

-- What a scheduled task can run, by name. `url` to `previous_secret_expires_at` are those of a request to the
-- account's own server; `headers` and the secrets are sealed with the key file. `agent` and `input` are those of a
-- run. A function of the server itself has only its name.
create table function (
  seq integer primary key,
  account integer not null references account (seq),
  id blob not null,
  name text not null,
  kind text not null check (kind in ('http', 'agent', 'builtin')),
  url text,
  method text,
  headers blob,
  timeout_ms integer check (timeout_ms > 0),
  secret blob,
  previous_secret blob,
  previous_secret_expires_at integer,
  agent text,
  input text,
  created_at integer not null,
  updated_at integer not null,
  unique (account, id),
  unique (account, name),
  check ((kind = 'http') = (url is not null) and (kind = 'http') = (method is not null)
    and (kind = 'http') = (timeout_ms is not null) and (kind = 'http') = (secret is not null)
    and (kind = 'agent') = (agent is not null))
) strict;

-- Makes tasks again and again: `cron` is five fields, a name such as @daily, or `every 15m`, counted from `anchor`.
-- `next_at` is its next occurrence, and null while it is paused; `last_at` the last one that was dealt with, so that
-- none comes twice, whatever the clock does. `project` and `api_key` are those of who made it: what its tasks spend
-- is theirs. `skipped` counts the occurrences that made no task; the newest of them, and why, are the next two.
create table schedule (
  seq integer primary key,
  account integer not null references account (seq),
  id blob not null,
  name text not null,
  function text not null,
  payload text,
  cron text not null,
  timezone text not null,
  catch_up text not null check (catch_up in ('skip', 'one', 'all')),
  overlap text not null check (overlap in ('skip', 'queue', 'allow')),
  jitter_ms integer not null check (jitter_ms between 0 and 60000),
  project integer,
  api_key integer,
  anchor integer not null,
  next_at integer,
  last_at integer,
  paused_at integer,
  skipped integer not null default 0,
  skipped_at integer,
  skipped_why text,
  created_at integer not null,
  updated_at integer not null,
  deleted_at integer,
  unique (account, id),
  check ((next_at is null) = (paused_at is not null or deleted_at is not null))
) strict;
create index schedule_due on schedule (next_at) where next_at is not null;
create index schedule_by_function on schedule (account, function) where deleted_at is null;

-- One intent to run a function at a time, and what came of it. Those of a schedule name their `occurrence`, unless
-- somebody asked for them: the unique index lets each occurrence be one task.
-- status: 2 pending, 3 running, 4 completed, 5 failed, 6 canceled. `held` is 1 while it waits for an earlier task
-- of its schedule and so is not in the queue. `job` is what a run of an agent became. `error_code` and
-- `error_message` are those of the last attempt, also while it waits for the next. `started_at` is when that began.
create table scheduled_task (
  seq integer primary key,
  account integer not null references account (seq),
  id blob not null,
  function text not null,
  schedule integer,
  occurrence integer,
  scheduled_time integer not null,
  payload text,
  project integer,
  api_key integer,
  request_id text not null,
  status integer not null check (status between 2 and 6),
  held integer not null default 0 check (held in (0, 1)),
  attempts integer not null default 0,
  job integer,
  result text,
  error_code text,
  error_message text,
  started_at integer,
  finished_at integer,
  created_at integer not null,
  unique (account, id),
  check (occurrence is null or schedule is not null),
  check ((status >= 4) = (finished_at is not null))
) strict;
create unique index scheduled_task_once on scheduled_task (account, schedule, occurrence)
  where occurrence is not null;
create index scheduled_task_open on scheduled_task (account, schedule) where status <= 3;
create index scheduled_task_by_job on scheduled_task (job) where job is not null;
create index scheduled_task_over on scheduled_task (finished_at) where finished_at is not null;
create trigger scheduled_task_keeps_newest before delete on scheduled_task
  when old.seq = (select max(seq) from scheduled_task)
begin select raise(abort, 'the newest row stays, so that no number is used twice'); end;

-- What the server does for itself from time to time, and what came of it the last time. `due_at` was computed with
-- `cron` in `timezone`, so that another configuration is seen; `cron` is empty where it is never due
-- by itself. A run is begun before it does anything and ends with `finished_at`: what broke off is begun again, and
-- `begun` counts how often.
create table duty (
  name text primary key,
  cron text not null,
  timezone text not null,
  due_at integer,
  begun integer not null default 0 check (begun >= 0),
  started_at integer,
  finished_at integer,
  duration_ms integer,
  succeeded_at integer,
  result text,
  error text,
  created_at integer not null,
  check ((finished_at is null) = (duration_ms is null)),
  check (finished_at is null or started_at is not null)
) strict, without rowid;

-- A place that receives webhooks. Secrets are sealed with the key file. `failing_since` is the time
-- of the first failure after the last success; `disabled_reason` says why the server stopped.
create table webhook_endpoint (
  seq integer primary key,
  account integer not null references account (seq),
  id blob not null,
  url text not null,
  events text not null,
  description text,
  active integer not null check (active in (0, 1)),
  disabled_reason text,
  retry_policy text not null check (retry_policy in ('standard', 'extended')),
  secret blob not null,
  previous_secret blob,
  previous_secret_expires_at integer,
  failing_since integer,
  deleted_at integer,
  created_at integer not null,
  unique (account, id)
) strict;

-- One event on its way to one endpoint. status: 2 pending, 3 delivered, 4 failed. `finished_at` counts
-- once it is not pending; until then it holds the time of creation, so that the row keeps its size. `trace` is the step
-- that led to it, as for a job.
create table webhook_delivery (
  seq integer primary key,
  account integer not null references account (seq),
  id blob not null,
  endpoint integer not null,
  event_id blob not null,
  event_type text not null,
  payload text not null,
  trace blob,
  status integer not null check (status between 2 and 4),
  attempts integer not null,
  created_at integer not null,
  finished_at integer not null,
  listed integer not null default 0 check (listed in (0, 1)),
  unique (id)
) strict;
create index webhook_delivery_by_account on webhook_delivery (account) where listed = 1;
create trigger webhook_delivery_keeps_newest before delete on webhook_delivery
  when old.seq = (select max(seq) from webhook_delivery)
begin select raise(abort, 'the newest row stays, so that no number is used twice'); end;
create index webhook_delivery_failed on webhook_delivery (endpoint) where status = 4;

-- Each try of a delivery: what was answered, or why there was no answer.
create table webhook_attempt (
  delivery integer not null,
  n integer not null,
  account integer not null,
  status_code integer,
  error text,
  response text,
  duration_ms integer not null,
  created_at integer not null,
  primary key (delivery, n)
) strict, without rowid;

-- What Stripe told, by its events, each once. The tables of Stripe's are the operator's: their `owner` is an
-- account, but no statement of a tenant's reaches them. `payload` is the event as it came, at the end of the
-- row since lists do not need it. `payment` is the payment that it is about.
-- status: `pending` waits in the queue, `unmatched` names no account known here, `ignored` needs the operator,
-- `failed` was given up by the queue; `linked` leaves the grant to another event, which has not come yet;
-- `processed` and `duplicate` are done.
-- `reason` says more. `by_operator`: it is processed because the operator said so. Some time after it is done only the
-- payload is forgotten, which is empty then: the row keeps the event from having its effect twice.
create table stripe_event (
  seq integer primary key,
  id text not null unique,
  type text not null,
  owner integer references account (seq),
  customer text,
  payment integer not null,
  status text not null
    check (status in ('pending', 'processed', 'linked', 'duplicate', 'unmatched', 'ignored', 'failed')),
  reason text,
  by_operator integer not null default 0 check (by_operator in (0, 1)),
  created_at integer not null,
  processed_at integer,
  payload text not null
) strict;
create index stripe_event_by_status on stripe_event (status);
create index stripe_event_unmatched on stripe_event (customer) where status = 'unmatched';
create index stripe_event_by_payment on stripe_event (payment);
create index stripe_event_to_empty on stripe_event (processed_at) where processed_at is not null and payload <> '';

-- Whose payments those of a customer of Stripe's are.
create table stripe_customer (
  seq integer primary key,
  id text not null unique,
  owner integer not null references account (seq),
  created_at integer not null
) strict;
create index stripe_customer_by_owner on stripe_customer (owner);

-- One payment, however many of Stripe's objects and events it has. Until it is granted, `owner`, `amount` (in
-- the currency's smallest unit), `currency`, `grant_id` and `granted` are null. `taken_back` is what of
-- `granted` went back so far. `merged_into` is the payment that this one turned out to be: then all of its
-- grant goes back. `created_at` is for people who look.
create table stripe_payment (
  seq integer primary key,
  owner integer references account (seq),
  currency text,
  amount integer check (amount > 0),
  grant_id blob unique,
  granted integer check (granted > 0),
  taken_back integer not null default 0 check (taken_back between 0 and coalesce(granted, 0)),
  merged_into integer,
  created_at integer not null,
  check ((grant_id is null) = (owner is null) and (grant_id is null) = (amount is null)
    and (grant_id is null) = (granted is null) and (grant_id is null) = (currency is null))
) strict;
create index stripe_payment_merged on stripe_payment (merged_into) where merged_into is not null;

-- Which payment an object of Stripe's belongs to: session, invoice, PaymentIntent or charge.
create table stripe_object (
  id text primary key,
  payment integer not null
) strict, without rowid;
create index stripe_object_by_payment on stripe_object (payment);

-- Money of a payment that went back: by refunds of a charge, all together, or by a dispute that was not won.
-- `whole` is what the charge was, and null for a dispute. `event` is the last one that told of it.
create table stripe_return (
  id text primary key,
  payment integer not null,
  amount integer not null check (amount >= 0),
  currency text,
  whole integer check (whole > 0),
  won integer not null default 0 check (won in (0, 1)),
  event text not null
) strict, without rowid;
create index stripe_return_by_payment on stripe_return (payment);

-- Who changed what, from where, and what it was before: written by triggers that the writer alone has
-- (src/store/engine/audit_log.sql), in the transaction of the change, so that none is forgotten; `app` adds to it what
-- has no row of its own. `account` is null for changes of the server itself. Who it was is what the writer says of the
-- deed that it runs (src/store/engine/origins.rs). `before` and `after` are JSON with the words of the API and without
-- secrets: both of a change, one of what is new or gone. Nothing in it is changed; the duty `prune` takes away what is
-- old.
create table audit_entry (
  seq integer primary key,
  account integer references account (seq),
  actor text not null default (origin_kind()) check (actor in ('user', 'key', 'operator', 'system')),
  actor_id blob default (origin_id()),
  actor_name text default (origin_name()),
  address text default (origin_address()),
  request_id text default (origin_request_id()),
  action text not null,
  object text not null,
  target text,
  name text,
  before text,
  after text,
  created_at integer not null default (origin_now())
) strict;
create index audit_entry_by_account on audit_entry (account);
create trigger audit_entry_keeps_entries before update on audit_entry
begin select raise(abort, 'the audit log is append-only'); end;
