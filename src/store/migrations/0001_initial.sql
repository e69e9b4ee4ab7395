create table meta (
  name text primary key,
  value integer not null
) strict, without rowid;

create table account (
  seq integer primary key,
  id blob not null,
  environment text not null default 'live' check (environment in ('live', 'test')),
  name text not null,
  suspended_at integer,
  created_at integer not null,
  unique (id, environment)
) strict;

create table account_setting (
  account integer primary key references account (seq),
  timezone text,
  daily_token_caps integer check (daily_token_caps in (0, 1)),
  daily_token_cap integer check (daily_token_cap >= 0),
  record_invocations integer check (record_invocations in (0, 1))
) strict;

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

create table removed_job (
  seq integer primary key,
  account integer not null references account (seq),
  id blob not null,
  removed_at integer not null,
  unique (account, id)
) strict;

create table job_request (
  job integer primary key,
  account integer not null,
  messages text not null,
  output_schema text,
  metadata text,
  parameters text not null
) strict;

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

create table job_event (
  job integer not null,
  n integer not null,
  account integer not null,
  name text not null,
  data text,
  created_at integer not null,
  primary key (job, n)
) strict, without rowid;

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

create table streak_bonus (
  account integer primary key references account (seq),
  day integer not null,
  granted integer not null check (granted >= 0)
) strict;

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

create table agent_drift (
  account integer not null,
  agent integer not null,
  metric text not null,
  told_at integer not null,
  primary key (account, agent, metric)
) strict, without rowid;

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

create table eval_result (
  run integer not null,
  n integer not null,
  account integer not null,
  job integer,
  passed integer check (passed in (0, 1)),
  reasons text,
  primary key (run, n)
) strict, without rowid;

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

create table batch_item (
  batch integer not null,
  n integer not null,
  account integer not null,
  custom_id text not null,
  job integer not null,
  primary key (batch, n)
) strict, without rowid;

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

create table queue_pause (
  queue integer primary key,
  paused_at integer not null
) strict;

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

create table stripe_customer (
  seq integer primary key,
  id text not null unique,
  owner integer not null references account (seq),
  created_at integer not null
) strict;
create index stripe_customer_by_owner on stripe_customer (owner);

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

create table stripe_object (
  id text primary key,
  payment integer not null
) strict, without rowid;
create index stripe_object_by_payment on stripe_object (payment);

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
