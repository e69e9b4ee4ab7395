// One end user: what it used today and in all, its cap, its jobs.

import { html, useState } from '../lib/html.js';
import { get, patch } from '../lib/api.js';
import { useList, useLoad } from '../lib/load.js';
import { useCan } from '../lib/session.js';
import * as format from '../lib/format.js';
import { Card, Copy, Empty, Facts, Head, Link, Loaded, Stat, Time } from '../ui/bits.js';
import { Meter } from '../ui/chart.js';
import { Opens } from '../ui/dialog.js';
import { Form, Text } from '../ui/form.js';
import { Table } from '../ui/table.js';
import { days } from './end-users.js';
import { JOB_COLUMNS, jobPage } from './jobs.js';

const TOPICS = ['end_users'];

const JOBS = JOB_COLUMNS.filter(({ name }) => name !== 'User');

export function EndUser({ user: name }) {
  const path = `/v1/end-users/${encodeURIComponent(name)}`;
  const can = useCan();
  const load = useLoad((signal) => get(path, {}, { signal }), [path], TOPICS);
  const jobs = useList('/v1/jobs', { user: name }, ['jobs']);
  const isUnknown = load.error?.status === 404;
  const cap = load.data?.own_daily_token_cap;
  const change = (load.data || isUnknown) && can('jobs:write') && html`<${ChangeCap} ...${{ path, cap }} done=${load.reload} />`;
  return html`<${Head} title=${name} back=${{ to: '/dashboard/end-users', name: 'End users' }}>${change}<//>
    ${isUnknown ? html`<${Empty} title="No job has named this user">Check how it is written. Its cap can be set before its first job.<//>`
      : html`<${Loaded} ...${load}>${(user) => html`<${Numbers} user=${user} />
      <${Card} title="Daily cap"><${CapFacts} user=${user} /><//>`}<//>`}
    ${!isUnknown && can('jobs:read') && html`<${Card} title="Jobs" flush
      actions=${html`<${Link} to="/dashboard/jobs" query=${{ user: name }}>All jobs of this user<//>`}>
      <${Table} label="Jobs of this user" columns=${JOBS} list=${jobs} to=${jobPage}
        empty=${html`<${Empty} title="No jobs">Those that were here may have been forgotten since.<//>`} /><//>`}`;
}

function Numbers({ user }) {
  return html`<dl class="stats numbers" aria-label="In numbers">
    <${Stat} name="Tokens today" value=${format.count(user.tokens_today)}
      note=${user.daily_token_cap === null ? 'No cap' : `of ${format.count(user.daily_token_cap)}`} />
    <${Stat} name="Tokens in all" value=${format.count(user.tokens)}
      note=${`Of ${format.count(user.jobs)} ${user.jobs === 1 ? 'job' : 'jobs'} that succeeded`} />
    <${Stat} name="Credits" value=${format.credits(user.credits)} note="What those jobs cost" />
    <${Stat} name="Streak" value=${days(user.streak_count)}
      note=${user.last_active_on ? `Last active on ${format.day(user.last_active_on)}` : 'Never active'} />
  </dl>`;
}

function CapFacts({ user }) {
  const { daily_token_cap: cap, own_daily_token_cap: own, tokens_today, tokens_in_flight } = user;
  const used = tokens_today + tokens_in_flight;
  const share = html`<${Meter} value=${used} of=${cap} label="Used" /> ${format.percent(cap ? used / cap : 1)}`;
  const source = own === null ? 'the account' : 'this user';
  return html`<${Facts} of=${[
    ['Tokens a day', cap === null ? 'No cap' : `${format.count(cap)}, set for ${source}`],
    ['Used', cap === null ? undefined : share],
    ['In flight', `${format.count(tokens_in_flight)} tokens at most`],
    ['The next day begins', html`<${Time} at=${user.resets_at} />`],
    ['First seen', html`<${Time} at=${user.created_at} />`],
    ['Id', html`<${Copy} text=${user.id} label="Copy the id" />`],
  ]} />`;
}

function ChangeCap({ path, cap, done }) {
  return html`<${Opens} name="Change cap">${(close) => html`<${CapForm} ...${{ path, cap, close, done }} />`}<//>`;
}

function CapForm({ path, cap: now, close, done }) {
  const [cap, setCap] = useState(String(now ?? ''));
  const send = (_, text) => patch(path, { daily_token_cap: text.trim() === '' ? null : Number(text) });
  const finish = () => { close(); return done(); };
  return html`<${Form} value=${cap} ...${{ send, close }} done=${finish} submit="Change cap">
    <${Text} label="Tokens a day" name="daily_token_cap" type="number" min="0" step="1"
      hint="Empty: the account's cap, where it has one. 0 refuses every job of this user." value=${cap} set=${setCap} />
  <//>`;
}
