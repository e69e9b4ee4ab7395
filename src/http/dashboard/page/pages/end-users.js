// The people that jobs name in `user`, and what they use.

import { html, useState } from '../lib/html.js';
import { downloadCsv } from '../lib/api.js';
import { useList } from '../lib/load.js';
import { address, go } from '../lib/place.js';
import * as format from '../lib/format.js';
import { Empty, Head, Time, firstJob } from '../ui/bits.js';
import { Meter } from '../ui/chart.js';
import { Does } from '../ui/dialog.js';
import { Table } from '../ui/table.js';

const page = (externalId) => `/dashboard/end-users/${encodeURIComponent(externalId)}`;

const COLUMNS = [
  { name: 'User', of: ({ external_id }) => external_id, wide: true },
  { name: 'Tokens today', of: ({ tokens_today }) => format.count(tokens_today), number: true },
  { name: 'Daily cap', of: (user) => html`<${Cap} user=${user} />` },
  { name: 'Jobs', of: ({ jobs }) => format.count(jobs), number: true },
  { name: 'Tokens', of: ({ tokens }) => format.count(tokens), number: true },
  { name: 'Credits', of: ({ credits }) => format.credits(credits), number: true },
  { name: 'Streak', of: ({ streak_count }) => days(streak_count), number: true },
  { name: 'Last active', of: ({ last_active_on }) => (last_active_on ? format.day(last_active_on) : '–') },
  { name: 'First seen', of: ({ created_at }) => html`<${Time} at=${created_at} />` },
];

export const days = (count) => `${format.count(count)} ${count === 1 ? 'day' : 'days'}`;

/** How much of the cap today's tokens are. */
function Cap({ user }) {
  const { daily_token_cap: cap, tokens_today, tokens_in_flight } = user;
  if (cap === null) return 'None';
  return html`<${Meter} value=${tokens_today + tokens_in_flight} of=${cap} label="Used" /> of ${format.count(cap)}`;
}

export function EndUsers() {
  const list = useList('/v1/end-users', {}, ['end_users']);
  const save = () => downloadCsv('/v1/end-users', {}, 'end-users.csv');
  return html`<${Head} title="End users" note="The people that jobs name in user. Tokens count where a job succeeds.">
      <${Does} name="Download CSV" kind="" act=${save} /><//>
    <${FindUser} />
    <${Table} label="End users" columns=${COLUMNS} list=${list} to=${({ external_id }) => page(external_id)} empty=${html`<${Empty}
      title="No end users yet" command=${firstJob({ user: 'ada' })}>Name one in a job, and it is listed here:<//>`} />`;
}

/** There may be many: one is found by its exact name. */
function FindUser() {
  const [text, setText] = useState('');
  const open = (event) => {
    event.preventDefault();
    if (text.trim()) go(address(page(text.trim())));
  };
  return html`<form class="toolbar" role="search" aria-label="Find an end user" onSubmit=${open}><label class="inline"><span>User</span>
      <input type="search" value=${text} placeholder="As jobs name it" onInput=${(event) => setText(event.target.value)} /></label>
    <button type="submit">Open user</button></form>`;
}
