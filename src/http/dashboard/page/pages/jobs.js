// The list of jobs: filters in the address, new jobs as they come.

import { html } from '../lib/html.js';
import { useList } from '../lib/load.js';
import * as format from '../lib/format.js';
import { Empty, Head, NoMatch, Status, Time, firstJob } from '../ui/bits.js';
import { FilterDays, Filters, moments, useFilters } from '../ui/filters.js';
import { Filter, FilterText } from '../ui/form.js';
import { Table } from '../ui/table.js';

export const STATUSES = ['queued', 'running', 'succeeded', 'failed', 'canceled', 'expired'];

export const JOB_COLUMNS = [
  { name: 'Job', of: ({ id }) => html`<code>${format.tail(id)}</code>` },
  { name: 'Status', of: ({ status }) => html`<${Status} value=${status} />` },
  { name: 'Model or agent', of: ({ model, agent }) => (agent ? `${agent.name} v${agent.version}` : model), wide: true },
  { name: 'User', of: ({ user }) => user ?? '–' },
  { name: 'Credits', of: ({ credits }) => format.credits(credits.charged), number: true },
  { name: 'Latency', of: ({ latency_ms }) => format.duration(latency_ms), number: true },
  { name: 'Created', of: ({ created_at }) => html`<${Time} at=${created_at} />` },
];

export const jobPage = ({ id }) => `/dashboard/jobs/${id}`;

export function Jobs() {
  const filters = useFilters(['status', 'model', 'agent', 'user', 'from', 'to']);
  const { query: { from, to, ...asked }, set, filtered } = filters;
  const list = useList('/v1/jobs', { ...asked, ...moments({ from, to }) }, ['jobs']);
  const text = (label, name) => html`<${FilterText} label=${label} value=${asked[name]} set=${set(name)} />`;
  return html`<${Head} title="Jobs" note="Everything that was asked of a model, newest first." />
    <${Filters} label="Filter jobs" of=${filters}>
      <${Filter} label="Status" value=${asked.status} options=${STATUSES} set=${set('status')} />
      ${text('Model', 'model')}${text('Agent', 'agent')}${text('User', 'user')}
      <${FilterDays} of=${filters} /><//>
    <${Table} label="Jobs" columns=${JOB_COLUMNS} list=${list} to=${jobPage} empty=${filtered ? html`<${NoMatch} what="job" />`
      : html`<${Empty} title="No jobs yet" command=${firstJob()}>Try an agent on the page Agents, or send the first job with an API
        key:<//>`} />`;
}
