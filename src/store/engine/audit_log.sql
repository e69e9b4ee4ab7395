-- The triggers of the audit log, which the writer's connection runs and no other. They are no part of the file: readers
-- need not know them, and whoever mends the file by hand can write to it.
--
-- A trigger is named `audit_`, its table, and what happened: the tenancy of the store knows them by that. They stand on
-- tables that people configure, and name the columns that these change: what jobs, deliveries and tickers write must
-- not fire one (a test keeps the list). `shown_…` spell values as the API does.

-- A trigger may not say in which database the table is that it writes, and would find this view first. Nothing that
-- writes reads the log.
drop view temp.audit_entry;

create temp trigger audit_account_created after insert on main.account when new.environment = 'live'
begin
  insert into audit_entry (account, action, object, target, name, after)
  values (new.seq, 'account.created', 'account', shown_id(new.id), new.name, json_object('name', new.name));
end;
create temp trigger audit_account_updated after update of name, suspended_at on main.account
when new.environment = 'live'
  and (old.name, old.suspended_at is null) is not (new.name, new.suspended_at is null)
begin
  insert into audit_entry (account, action, object, target, name, before, after)
  values (
    new.seq,
    case when old.suspended_at is null and new.suspended_at is not null then 'account.suspended'
         when old.suspended_at is not null and new.suspended_at is null then 'account.resumed'
         else 'account.updated' end,
    'account', shown_id(new.id), new.name,
    json_object('name', old.name, 'suspended', json(shown_flag(old.suspended_at is not null))),
    json_object('name', new.name, 'suspended', json(shown_flag(new.suspended_at is not null)))
  );
end;

-- The twin has the same settings, and the operator sets them once.
create temp trigger audit_account_setting_created after insert on main.account_setting
when (select environment from main.account where seq = new.account) = 'live'
  and (new.timezone, new.daily_token_caps, new.daily_token_cap, new.record_invocations) is not (null, null, null, null)
begin
  insert into audit_entry (account, action, object, target, name, before, after)
  values (
    new.account, 'account.updated', 'account',
    (select shown_id(id) from main.account where seq = new.account),
    (select name from main.account where seq = new.account),
    json_object('timezone', null, 'daily_token_caps', null, 'daily_token_cap', null, 'record_invocations', null),
    json_object('timezone', new.timezone, 'daily_token_caps', json(shown_flag(new.daily_token_caps)),
      'daily_token_cap', new.daily_token_cap, 'record_invocations', json(shown_flag(new.record_invocations)))
  );
end;
create temp trigger audit_account_setting_updated
after update of timezone, daily_token_caps, daily_token_cap, record_invocations on main.account_setting
when (select environment from main.account where seq = new.account) = 'live'
  and (old.timezone, old.daily_token_caps, old.daily_token_cap, old.record_invocations)
    is not (new.timezone, new.daily_token_caps, new.daily_token_cap, new.record_invocations)
begin
  insert into audit_entry (account, action, object, target, name, before, after)
  values (
    new.account, 'account.updated', 'account',
    (select shown_id(id) from main.account where seq = new.account),
    (select name from main.account where seq = new.account),
    json_object('timezone', old.timezone, 'daily_token_caps', json(shown_flag(old.daily_token_caps)),
      'daily_token_cap', old.daily_token_cap, 'record_invocations', json(shown_flag(old.record_invocations))),
    json_object('timezone', new.timezone, 'daily_token_caps', json(shown_flag(new.daily_token_caps)),
      'daily_token_cap', new.daily_token_cap, 'record_invocations', json(shown_flag(new.record_invocations)))
  );
end;
create temp trigger audit_balance_low_mark after update of low_mark on main.balance
when old.low_mark is not new.low_mark
  and (select environment from main.account where seq = new.account) = 'live'
begin
  insert into audit_entry (account, action, object, target, name, before, after)
  values (
    new.account, 'account.updated', 'account',
    (select shown_id(id) from main.account where seq = new.account),
    (select name from main.account where seq = new.account),
    json_object('credits_low_mark', json(shown_credits(old.low_mark))),
    json_object('credits_low_mark', json(shown_credits(new.low_mark)))
  );
end;

create temp trigger audit_project_created after insert on main.project
begin
  insert into audit_entry (account, action, object, target, name, after)
  values (
    new.account, 'project.created', 'project', shown_id(new.id), new.name,
    json_object('name', new.name, 'environment', new.environment,
      'monthly_credit_limit', json(shown_credits(new.monthly_credit_limit)),
      'record_invocations', json(shown_flag(new.record_invocations)))
  );
end;
create temp trigger audit_project_updated after update of name, monthly_credit_limit, record_invocations on main.project
when (old.name, old.monthly_credit_limit, old.record_invocations)
  is not (new.name, new.monthly_credit_limit, new.record_invocations)
begin
  insert into audit_entry (account, action, object, target, name, before, after)
  values (
    new.account, 'project.updated', 'project', shown_id(new.id), new.name,
    json_object('name', old.name, 'monthly_credit_limit', json(shown_credits(old.monthly_credit_limit)),
      'record_invocations', json(shown_flag(old.record_invocations))),
    json_object('name', new.name, 'monthly_credit_limit', json(shown_credits(new.monthly_credit_limit)),
      'record_invocations', json(shown_flag(new.record_invocations)))
  );
end;

create temp trigger audit_api_key_created after insert on main.api_key when new.is_dashboard = 0
begin
  insert into audit_entry (account, action, object, target, name, after)
  values (
    new.account, 'api_key.created', 'api_key', shown_id(new.id), new.name,
    json_object('name', new.name, 'project_id', (select shown_id(id) from main.project where seq = new.project),
      'prefix', new.prefix, 'scopes', json(shown_words(new.scopes)), 'rate_limit', new.rate_limit,
      'monthly_credit_limit', json(shown_credits(new.monthly_credit_limit)),
      'allowed_cidrs', json(shown_words(new.allowed_cidrs)), 'expires_at', shown_time(new.expires_at))
  );
end;
create temp trigger audit_api_key_updated after update of name, scopes, rate_limit, monthly_credit_limit, allowed_cidrs,
  expires_at, overlap_ends_at, revoked_at on main.api_key
when (old.name, old.scopes, old.rate_limit, old.monthly_credit_limit, old.allowed_cidrs, old.expires_at,
    old.overlap_ends_at, old.revoked_at)
  is not (new.name, new.scopes, new.rate_limit, new.monthly_credit_limit, new.allowed_cidrs, new.expires_at,
    new.overlap_ends_at, new.revoked_at)
begin
  insert into audit_entry (account, action, object, target, name, before, after)
  values (
    new.account,
    case when old.revoked_at is null and new.revoked_at is not null then 'api_key.revoked'
         when old.overlap_ends_at is not new.overlap_ends_at then 'api_key.rotated'
         else 'api_key.updated' end,
    'api_key', shown_id(new.id), new.name,
    json_object('name', old.name, 'scopes', json(shown_words(old.scopes)), 'rate_limit', old.rate_limit,
      'monthly_credit_limit', json(shown_credits(old.monthly_credit_limit)),
      'allowed_cidrs', json(shown_words(old.allowed_cidrs)),
      'expires_at', shown_time(min(coalesce(old.expires_at, old.overlap_ends_at),
        coalesce(old.overlap_ends_at, old.expires_at))),
      'revoked_at', shown_time(old.revoked_at)),
    json_object('name', new.name, 'scopes', json(shown_words(new.scopes)), 'rate_limit', new.rate_limit,
      'monthly_credit_limit', json(shown_credits(new.monthly_credit_limit)),
      'allowed_cidrs', json(shown_words(new.allowed_cidrs)),
      'expires_at', shown_time(min(coalesce(new.expires_at, new.overlap_ends_at),
        coalesce(new.overlap_ends_at, new.expires_at))),
      'revoked_at', shown_time(new.revoked_at))
  );
end;

-- What the server gives by rules of its own is in the ledger.
create temp trigger audit_credit_grant_created after insert on main.credit_grant
when not (new.bucket = 'free' and origin_kind() = 'system')
begin
  insert into audit_entry (account, action, object, target, after)
  values (
    new.account, 'credits.granted', 'credit_grant', shown_id(new.id),
    json_object('bucket', new.bucket, 'amount', json(shown_credits(new.amount)), 'reason', new.reason,
      'expires_at', shown_time(new.expires_at))
  );
end;

create temp trigger audit_price_created after insert on main.price
begin
  insert into audit_entry (action, object, name, after)
  values (
    'price.created', 'price', new.model,
    json_object('version', new.version, 'input_per_million', json(shown_credits(new.input_per_million)),
      'cached_input_per_million', json(shown_credits(new.cached_input_per_million)),
      'output_per_million', json(shown_credits(new.output_per_million)),
      'minimum_charge', json(shown_credits(new.minimum_charge)), 'free', json(shown_flag(new.free)))
  );
end;

-- Keys that ended are taken away some time later; nobody saw that of a project's dashboard.
create temp trigger audit_api_key_removed after delete on main.api_key when old.is_dashboard = 0
begin
  insert into audit_entry (account, action, object, target, name, before)
  values (old.account, 'api_key.removed', 'api_key', shown_id(old.id), old.name,
    json_object('name', old.name, 'prefix', old.prefix));
end;

create temp trigger audit_end_user_cap after update of daily_token_cap on main.end_user
when old.daily_token_cap is not new.daily_token_cap
begin
  insert into audit_entry (account, action, object, target, name, before, after)
  values (
    new.account, 'end_user.updated', 'end_user', shown_id(new.id), new.external_id,
    json_object('daily_token_cap', old.daily_token_cap), json_object('daily_token_cap', new.daily_token_cap)
  );
end;

-- A new agent is told of with its first version. Versions never change and can be looked at.
create temp trigger audit_agent_version_created after insert on main.agent_version
begin
  insert into audit_entry (account, action, object, target, name, after)
  values (
    new.account, iif(new.n = 1, 'agent.created', 'agent.version_created'), 'agent',
    (select shown_id(id) from main.agent where seq = new.agent), (select name from main.agent where seq = new.agent),
    json_object('version', new.n, 'model', new.model)
  );
end;
create temp trigger audit_agent_updated after update of description, tags, active_version, archived_at on main.agent
when (old.description, old.tags, old.active_version, old.archived_at)
  is not (new.description, new.tags, new.active_version, new.archived_at)
begin
  insert into audit_entry (account, action, object, target, name, before, after)
  values (
    new.account,
    case when old.archived_at is null and new.archived_at is not null then 'agent.archived'
         when old.active_version <> new.active_version then 'agent.version_activated'
         else 'agent.updated' end,
    'agent', shown_id(new.id), new.name,
    json_object('description', old.description, 'tags', json(shown_json(old.tags)), 'version', old.active_version,
      'archived_at', shown_time(old.archived_at)),
    json_object('description', new.description, 'tags', json(shown_json(new.tags)), 'version', new.active_version,
      'archived_at', shown_time(new.archived_at))
  );
end;

create temp trigger audit_eval_created after insert on main.eval
begin
  insert into audit_entry (account, action, object, target, name, after)
  values (
    new.account, 'eval.created', 'eval', shown_id(new.id), new.name,
    json_object('agent', (select name from main.agent where seq = new.agent), 'name', new.name)
  );
end;

create temp trigger audit_queue_pause_begun after insert on main.queue_pause
begin
  insert into audit_entry (action, object, name, before, after)
  values ('queue.paused', 'queue', shown_queue(new.queue), '{"paused":false}', '{"paused":true}');
end;
create temp trigger audit_queue_pause_over after delete on main.queue_pause
begin
  insert into audit_entry (action, object, name, before, after)
  values ('queue.resumed', 'queue', shown_queue(old.queue), '{"paused":true}', '{"paused":false}');
end;

-- The functions and schedules that an account is made with are told by its own entry. Values of headers are secrets,
-- and are left out.
create temp trigger audit_function_created after insert on main.function
when not (new.kind = 'builtin' and new.created_at = (select created_at from main.account where seq = new.account))
begin
  insert into audit_entry (account, action, object, target, name, after)
  values (
    new.account, 'function.created', 'function', shown_id(new.id), new.name,
    json_object('name', new.name, 'kind', new.kind, 'url', new.url, 'method', new.method,
      'timeout_ms', new.timeout_ms, 'agent', new.agent, 'input', json(shown_json(new.input)))
  );
end;
create temp trigger audit_function_updated
after update of kind, url, method, headers, timeout_ms, agent, input on main.function
when (old.kind, old.url, old.method, old.headers, old.timeout_ms, old.agent, old.input)
  is not (new.kind, new.url, new.method, new.headers, new.timeout_ms, new.agent, new.input)
begin
  insert into audit_entry (account, action, object, target, name, before, after)
  values (
    new.account, 'function.updated', 'function', shown_id(new.id), new.name,
    json_object('kind', old.kind, 'url', old.url, 'method', old.method, 'timeout_ms', old.timeout_ms,
      'agent', old.agent, 'input', json(shown_json(old.input)), 'headers', null),
    json_object('kind', new.kind, 'url', new.url, 'method', new.method, 'timeout_ms', new.timeout_ms,
      'agent', new.agent, 'input', json(shown_json(new.input)),
      'headers', iif(old.headers is new.headers, null, 'changed'))
  );
end;
create temp trigger audit_function_secret after update of secret on main.function
when old.secret <> new.secret and old.url = new.url
begin
  insert into audit_entry (account, action, object, target, name)
  values (new.account, 'function.secret_rotated', 'function', shown_id(new.id), new.name);
end;
create temp trigger audit_function_deleted after delete on main.function
begin
  insert into audit_entry (account, action, object, target, name, before)
  values (
    old.account, 'function.deleted', 'function', shown_id(old.id), old.name,
    json_object('name', old.name, 'kind', old.kind, 'url', old.url, 'method', old.method,
      'timeout_ms', old.timeout_ms, 'agent', old.agent, 'input', json(shown_json(old.input)))
  );
end;

create temp trigger audit_schedule_created after insert on main.schedule
when not (new.api_key is null and new.created_at = (select created_at from main.account where seq = new.account))
begin
  insert into audit_entry (account, action, object, target, name, after)
  values (
    new.account, 'schedule.created', 'schedule', shown_id(new.id), new.name,
    json_object('name', new.name, 'cron', new.cron, 'timezone', new.timezone, 'function_name', new.function,
      'payload', json(shown_json(new.payload)), 'catch_up', new.catch_up, 'overlap', new.overlap,
      'jitter_seconds', new.jitter_ms / 1000, 'paused', json(shown_flag(new.paused_at is not null)))
  );
end;
create temp trigger audit_schedule_updated after update of name, cron, timezone, function, payload, catch_up, overlap,
  jitter_ms, paused_at on main.schedule
when new.deleted_at is null
  and (old.name, old.cron, old.timezone, old.function, old.payload, old.catch_up, old.overlap, old.jitter_ms,
    old.paused_at is null)
  is not (new.name, new.cron, new.timezone, new.function, new.payload, new.catch_up, new.overlap, new.jitter_ms,
    new.paused_at is null)
begin
  insert into audit_entry (account, action, object, target, name, before, after)
  values (
    new.account,
    case when old.paused_at is null and new.paused_at is not null then 'schedule.paused'
         when old.paused_at is not null and new.paused_at is null then 'schedule.resumed'
         else 'schedule.updated' end,
    'schedule', shown_id(new.id), new.name,
    json_object('name', old.name, 'cron', old.cron, 'timezone', old.timezone, 'function_name', old.function,
      'payload', json(shown_json(old.payload)), 'catch_up', old.catch_up, 'overlap', old.overlap,
      'jitter_seconds', old.jitter_ms / 1000, 'paused', json(shown_flag(old.paused_at is not null))),
    json_object('name', new.name, 'cron', new.cron, 'timezone', new.timezone, 'function_name', new.function,
      'payload', json(shown_json(new.payload)), 'catch_up', new.catch_up, 'overlap', new.overlap,
      'jitter_seconds', new.jitter_ms / 1000, 'paused', json(shown_flag(new.paused_at is not null)))
  );
end;
create temp trigger audit_schedule_deleted after update of deleted_at on main.schedule
when old.deleted_at is null and new.deleted_at is not null
begin
  insert into audit_entry (account, action, object, target, name, before)
  values (
    new.account, 'schedule.deleted', 'schedule', shown_id(new.id), new.name,
    json_object('name', old.name, 'cron', old.cron, 'timezone', old.timezone, 'function_name', old.function,
      'payload', json(shown_json(old.payload)), 'catch_up', old.catch_up, 'overlap', old.overlap,
      'jitter_seconds', old.jitter_ms / 1000, 'paused', json(shown_flag(old.paused_at is not null)))
  );
end;

create temp trigger audit_duty_updated after update of cron, timezone on main.duty
when (old.cron, old.timezone) is not (new.cron, new.timezone)
begin
  insert into audit_entry (action, object, name, before, after)
  values (
    'duty.updated', 'duty', new.name,
    json_object('cron', old.cron, 'timezone', old.timezone), json_object('cron', new.cron, 'timezone', new.timezone)
  );
end;

create temp trigger audit_webhook_endpoint_created after insert on main.webhook_endpoint
begin
  insert into audit_entry (account, action, object, target, name, after)
  values (
    new.account, 'webhook_endpoint.created', 'webhook_endpoint', shown_id(new.id), new.url,
    json_object('url', new.url, 'events', json(shown_words(new.events)), 'description', new.description,
      'active', json(shown_flag(new.active)), 'retry_policy', new.retry_policy)
  );
end;
create temp trigger audit_webhook_endpoint_updated after update of url, events, description, active, disabled_reason,
  retry_policy on main.webhook_endpoint
when new.deleted_at is null
  and (old.url, old.events, old.description, old.active, old.disabled_reason, old.retry_policy)
  is not (new.url, new.events, new.description, new.active, new.disabled_reason, new.retry_policy)
begin
  insert into audit_entry (account, action, object, target, name, before, after)
  values (
    new.account, 'webhook_endpoint.updated', 'webhook_endpoint', shown_id(new.id), new.url,
    json_object('url', old.url, 'events', json(shown_words(old.events)), 'description', old.description,
      'active', json(shown_flag(old.active)), 'disabled_reason', old.disabled_reason,
      'retry_policy', old.retry_policy),
    json_object('url', new.url, 'events', json(shown_words(new.events)), 'description', new.description,
      'active', json(shown_flag(new.active)), 'disabled_reason', new.disabled_reason,
      'retry_policy', new.retry_policy)
  );
end;
create temp trigger audit_webhook_endpoint_secret after update of secret on main.webhook_endpoint
when old.secret <> new.secret
begin
  insert into audit_entry (account, action, object, target, name)
  values (new.account, 'webhook_endpoint.secret_rotated', 'webhook_endpoint', shown_id(new.id), new.url);
end;
create temp trigger audit_webhook_endpoint_deleted after update of deleted_at on main.webhook_endpoint
when old.deleted_at is null and new.deleted_at is not null
begin
  insert into audit_entry (account, action, object, target, name, before)
  values (
    new.account, 'webhook_endpoint.deleted', 'webhook_endpoint', shown_id(new.id), new.url,
    json_object('url', old.url, 'events', json(shown_words(old.events)), 'description', old.description,
      'active', json(shown_flag(old.active)), 'retry_policy', old.retry_policy)
  );
end;

-- The operator's: whose customer it is stands in the entry, which the account itself does not see.
create temp trigger audit_stripe_customer_created after insert on main.stripe_customer
begin
  insert into audit_entry (action, object, target, after)
  values (
    'stripe_customer.created', 'stripe_customer', new.id,
    json_object('account_id', (select shown_id(id) from main.account where seq = new.owner))
  );
end;
create temp trigger audit_stripe_customer_deleted after delete on main.stripe_customer
begin
  insert into audit_entry (action, object, target, before)
  values (
    'stripe_customer.deleted', 'stripe_customer', old.id,
    json_object('account_id', (select shown_id(id) from main.account where seq = old.owner))
  );
end;

-- Whose a payment is, where the operator said so.
create temp trigger audit_stripe_event_processed after update of by_operator on main.stripe_event
when new.by_operator = 1
begin
  insert into audit_entry (action, object, target, before, after)
  values (
    'stripe_event.processed', 'stripe_event', new.id,
    json_object('account_id', (select shown_id(id) from main.account where seq = old.owner)),
    json_object('account_id', (select shown_id(id) from main.account where seq = new.owner))
  );
end;

-- People act by links before anybody knows them: what they do by one, they did themselves.
create temp trigger audit_member_created after insert on main.member
begin
  insert into audit_entry (account, action, object, target, name, after)
  values (new.account, 'user.invited', 'user', shown_id(new.id), new.email,
    json_object('email', new.email, 'role', new.role));
end;
create temp trigger audit_member_accepted after update of accepted_at on main.member
when old.accepted_at is null and new.accepted_at is not null
begin
  insert into audit_entry (account, actor, actor_id, actor_name, action, object, target, name, before, after)
  values (new.account, 'user', new.id, new.email, 'user.joined', 'user', shown_id(new.id), new.email,
    json_object('status', 'invited'), json_object('status', 'active'));
end;
create temp trigger audit_member_role after update of role on main.member when old.role <> new.role
begin
  insert into audit_entry (account, action, object, target, name, before, after)
  values (new.account, 'user.role_changed', 'user', shown_id(new.id), new.email,
    json_object('role', old.role), json_object('role', new.role));
end;
create temp trigger audit_member_deleted after delete on main.member
begin
  insert into audit_entry (account, action, object, target, name, before)
  values (old.account, 'user.removed', 'user', shown_id(old.id), old.email,
    json_object('email', old.email, 'role', old.role));
end;
-- What concerns all that a person may do is told to each account that they are a member of; `account` is null where
-- there is none.
create temp trigger audit_person_password after update of password_changed_at on main.person
begin
  insert into audit_entry (account, actor, actor_id, actor_name, action, object, target, name)
  select m.account, 'user', p.id, p.email, 'user.password_changed', 'user', shown_id(p.id), p.email
  from main.person p left join main.member m on m.id = p.id and m.accepted_at is not null where p.seq = new.seq;
end;
create temp trigger audit_person_deleted after delete on main.person
begin
  insert into audit_entry (action, object, target, name, before)
  values ('user.forgotten', 'user', shown_id(old.id), old.email, json_object('email', old.email));
end;
create temp trigger audit_person_operator after update of is_operator on main.person
when old.is_operator <> new.is_operator
begin
  insert into audit_entry (action, object, target, name, before, after)
  values ('user.operator_changed', 'user', shown_id(new.id), new.email,
    json_object('is_operator', json(shown_flag(old.is_operator))),
    json_object('is_operator', json(shown_flag(new.is_operator))));
end;
create temp trigger audit_dashboard_session_created after insert on main.dashboard_session
begin
  insert into audit_entry (account, actor, actor_id, actor_name, action, object, target, name, after)
  select m.account, 'user', p.id, p.email, 'user.signed_in', 'user', shown_id(p.id), p.email,
    json_object('user_agent', new.user_agent)
  from main.person p left join main.member m on m.id = p.id and m.accepted_at is not null where p.seq = new.person;
end;
-- An account is told whom it knows: a person who is a member, or a key of its own. Of a stranger it is told that it was
-- the operator, where it was one, and else nothing (`actor` is null).
--
-- Whoever ends one without a name has its cookie, or its person's password or link. Those that are over only go.
create temp trigger audit_dashboard_session_deleted after delete on main.dashboard_session
when old.expires_at > origin_now()
begin
  insert into audit_entry (account, actor, actor_id, actor_name, address, action, object, target, name, before)
  select m.account, iif(origin_kind() = 'system', 'user', coalesce(m.actor, 'system')),
    iif(origin_kind() = 'system', m.id, iif(m.actor is null, null, origin_id())),
    iif(origin_kind() = 'system', m.email, iif(m.actor is null, null, origin_name())),
    iif(m.actor is null, null, origin_address()),
    'user.session_ended', 'user', shown_id(m.id), m.email, json_object('user_agent', old.user_agent)
  from (
    select m.account, p.id, p.email,
      case when coalesce(o.seq, k.seq, m.account is null or origin_id() is null) then origin_kind()
           when (select is_operator from main.person where id = origin_id()) then 'operator' end as actor
    from main.person p left join main.member m on m.id = p.id and m.accepted_at is not null
      left join main.member o on o.account = m.account and o.id = origin_id() and o.accepted_at is not null
      left join main.api_key k on k.account = m.account and k.id = origin_id()
    where p.seq = old.person
  ) m;
end;
-- The link that an invitation is made with is told by that.
create temp trigger audit_sign_in_link_created after insert on main.sign_in_link
when new.person is not null
  and not exists (select 1 from main.member where seq = new.membership and created_at = new.created_at)
begin
  insert into audit_entry (account, actor, actor_id, actor_name, address, action, object, target, name, after)
  select m.account, coalesce(m.actor, 'system'), iif(m.actor is null, null, origin_id()),
    iif(m.actor is null, null, origin_name()), iif(m.actor is null, null, origin_address()),
    'user.link_made', 'user', shown_id(m.id), m.email, json_object('purpose', new.purpose)
  from (
    select m.account, p.id, p.email,
      case when coalesce(o.seq, k.seq, m.account is null or origin_id() is null) then origin_kind()
           when (select is_operator from main.person where id = origin_id()) then 'operator' end as actor
    from main.person p left join main.member m
        on m.id = p.id and iif(new.membership is null, m.accepted_at is not null, m.seq = new.membership)
      left join main.member o on o.account = m.account and o.id = origin_id() and o.accepted_at is not null
      left join main.api_key k on k.account = m.account and k.id = origin_id()
    where p.seq = new.person
  ) m;
end;
-- That somebody is to be an operator is no account's to know.
create temp trigger audit_sign_in_link_operator after insert on main.sign_in_link
when new.person is not null and new.makes_operator = 1
begin
  insert into audit_entry (action, object, target, name, after)
  select 'user.operator_link_made', 'user', shown_id(p.id), p.email, json_object('purpose', new.purpose)
  from main.person p where p.seq = new.person;
end;
