// The list of jobs: filters in the address, new jobs as they come.

import { html } from '../lib/html.js';
import { useList } from '../lib/load.js';
import { useQuery } from '../lib/place.js';
import * as format from '../lib/format.js';
import { Empty, Head, Status, Time } from '../ui/bits.js';
import { Filter, FilterText } from '../ui/form.js';
import { Table } from '../ui/table.js';

const STATUSES = ['queued', 'running', 'succeeded', 'failed', 'canceled', 'expired'];

const FIRST_JOB = `curl ${location.origin}/v1/jobs/generations \\
  -H "Authorization: Bearer $SKAI_KEY" -H "Content-Type: application/json" \\
  -d '{"model": "sandbox", "messages": [{"role": "user", "content": "Hello"}]}'`;

const COLUMNS = [
  { name: 'Job', of: ({ id }) => html`<code>${format.tail(id)}</code>` },
  { name: 'Status', of: ({ status }) => html`<${Status} value=${status} />` },
  { name: 'Model or agent', of: ({ model, agent }) => (agent ? `${agent.name} v${agent.version}` : model), wide: true },
  { name: 'User', of: ({ user }) => user ?? '–' },
  { name: 'Credits', of: ({ credits }) => format.credits(credits.charged), number: true },
  { name: 'Latency', of: ({ latency_ms }) => format.duration(latency_ms), number: true },
  { name: 'Created', of: ({ created_at }) => html`<${Time} at=${created_at} />` },
];

export function Jobs() {
  const [query, change] = useQuery();
  const { status, model, agent, user } = query;
  const list = useList('/v1/jobs', { status, model, agent, user }, ['jobs']);
  const filtered = status || model || agent || user;
  return html`<${Head} title="Jobs" note="Everything that was asked of a model, newest first." />
    <div class="filters" role="search" aria-label="Filter jobs">
      <${Filter} label="Status" value=${status} options=${STATUSES} set=${(to) => change({ status: to })} />
      <${FilterText} label="Model" value=${model} set=${(to) => change({ model: to })} />
      <${FilterText} label="Agent" value=${agent} set=${(to) => change({ agent: to })} />
      <${FilterText} label="User" value=${user} set=${(to) => change({ user: to })} />
    </div>
    <${Table} label="Jobs" columns=${COLUMNS} list=${list} to=${({ id }) => `/dashboard/jobs/${id}`} empty=${filtered
      ? html`<${Empty} title="No job matches">Change or clear the filters.<//>`
      : html`<${Empty} title="No jobs yet" command=${FIRST_JOB}>Try an agent on the page Agents, or send the first job with an API key:<//>`} />`;
}
