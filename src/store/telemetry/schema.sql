-- What is recorded beside the books, in telemetry.db. Nothing depends on it: it may be deleted while the server is
-- stopped. Rows are clustered by account and id; ids are UUIDv7, so each account's are in the order of their times.
-- `account` is the number of the account in skai.db; 0 for requests that no key was verified for.
-- Conventions as in skai.db: times are milliseconds since 1970 in UTC, credits microcredits, JSON is text.

-- `probes` shows whether the disk takes writes again.
create table meta (
  name text primary key,
  value integer not null
) strict, without rowid;

-- A request that was answered. `route` is that of the table of routes; null where there is none. `path` is without its
-- query and without secrets. `duration_us` ends where the body does. `cpu_permille` is what the process took of one
-- core lately, `memory_bytes` what it holds.
create table request (
  account integer not null,
  id blob not null,
  request_id text not null,
  api_key text,
  method text not null,
  route text,
  path text not null,
  status integer not null,
  error_code text,
  duration_us integer not null,
  bytes_in integer not null,
  bytes_out integer not null,
  client text not null,
  user_agent text,
  host text not null,
  cpu_permille integer not null,
  memory_bytes integer not null,
  created_at integer not null,
  primary key (account, id)
) strict, without rowid;

-- An execution that ended or was refused. `user_uid` and `source_skill_uid` are UUIDs, or the official one where the
-- identifier is none; `metadata` then has the original.
create table usage_event (
  account integer not null,
  id blob not null,
  job blob,
  user_uid blob not null,
  skill_name text not null,
  source_skill_uid blob not null,
  display_name text not null,
  tags text not null,
  cost integer not null,
  status text not null check (status in ('SUCCESS', 'FAILED', 'SKIPPED')),
  error_code text,
  latency_ms integer not null,
  metadata text not null,
  created_at integer not null,
  primary key (account, id)
) strict, without rowid;

-- What an execution was asked and what it answered, without secrets and what the configuration names. Of a payload
-- that is too long only its beginning is kept, with a mark.
create table invocation (
  account integer not null,
  id blob not null,
  job blob not null,
  skill_uid blob not null,
  user_uid blob not null,
  status text not null check (status in ('success', 'error')),
  input_payload text not null,
  output_payload text not null,
  duration_ms integer not null,
  created_at integer not null,
  primary key (account, id)
) strict, without rowid;
