// The list of jobs: filters in the address, new jobs as they come.

import { html } from '../lib/html.js';
import { useList } from '../lib/load.js';
import { useQuery } from '../lib/place.js';
import * as format from '../lib/format.js';
import { Empty, Head, Status, Time } from '../ui/bits.js';
import { Filter, FilterText } from '../ui/form.js';
import { Table } from '../ui/table.js';

export const STATUSES = ['queued', 'running', 'succeeded', 'failed', 'canceled', 'expired'];

const FIRST_JOB = `curl ${location.origin}/v1/jobs/generations \\
  -H "Authorization: Bearer $SKAI_KEY" -H "Content-Type: application/json" \\
  -d '{"model": "sandbox", "messages": [{"role": "user", "content": "Hello"}]}'`;

export const JOB_COLUMNS = [
  { name: 'Job', of: ({ id }) => html`<code>${format.tail(id)}</code>` },
  { name: 'Status', of: ({ status }) => html`<${Status} value=${status} />` },
  { name: 'Model or agent', of: ({ model, agent }) => (agent ? `${agent.name} v${agent.version}` : model), wide: true },
  { name: 'User', of: ({ user }) => user ?? '–' },
  { name: 'Credits', of: ({ credits }) => format.credits(credits.charged), number: true },
  { name: 'Latency', of: ({ latency_ms }) => format.duration(latency_ms), number: true },
  { name: 'Created', of: ({ created_at }) => html`<${Time} at=${created_at} />` },
];

const NO_FILTER = { status: '', model: '', agent: '', user: '', from: '', to: '' };

/** The beginning of a day of the address, in UTC, or of the day so many after it; nothing where it is no day. */
function begin(day, after) {
  const at = Date.parse(day);
  return Number.isNaN(at) ? undefined : new Date(at + after * 86_400_000).toISOString();
}

export function Jobs() {
  const [query, change] = useQuery();
  const { status, model, agent, user, from, to: until } = query;
  const asked = { status, model, agent, user, created_after: begin(from, 0), created_before: begin(until, 1) };
  const list = useList('/v1/jobs', asked, ['jobs']);
  const filtered = Object.values(asked).some(Boolean);
  return html`<${Head} title="Jobs" note="Everything that was asked of a model, newest first." />
    <div class="filters" role="search" aria-label="Filter jobs">
      <${Filter} label="Status" value=${status} options=${STATUSES} set=${(to) => change({ status: to })} />
      <${FilterText} label="Model" value=${model} set=${(to) => change({ model: to })} />
      <${FilterText} label="Agent" value=${agent} set=${(to) => change({ agent: to })} />
      <${FilterText} label="User" value=${user} set=${(to) => change({ user: to })} />
      <${FilterText} label="From" type="date" value=${from} set=${(to) => change({ from: to })} />
      <${FilterText} label="To" type="date" value=${until} set=${(to) => change({ to })} />
      ${filtered && html`<button type="button" class="clear" onClick=${() => change(NO_FILTER)}>Clear filters</button>`}
    </div>
    <${Table} label="Jobs" columns=${JOB_COLUMNS} list=${list} to=${({ id }) => `/dashboard/jobs/${id}`} empty=${filtered
      ? html`<${Empty} title="No job matches">Change or clear the filters.<//>`
      : html`<${Empty} title="No jobs yet"
        command=${FIRST_JOB}>Try an agent on the page Agents, or send the first job with an API key:<//>`} />`;
}
