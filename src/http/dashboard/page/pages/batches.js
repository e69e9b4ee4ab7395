// The list of batches, with how far each is.

import { html } from '../lib/html.js';
import { useList } from '../lib/load.js';
import { useCan } from '../lib/session.js';
import * as format from '../lib/format.js';
import { Empty, Head, Status, Time, curl } from '../ui/bits.js';
import { Table } from '../ui/table.js';
import { CreateBatch } from './batch/create.js';
import { Share, progress } from './batch/share.js';

const asking = (content) => ({ model: 'sandbox', messages: [{ role: 'user', content }] });
const FIRST_BATCH = curl('/v1/batches', {
  requests: [{ custom_id: 'one', ...asking('Hello') }, { custom_id: 'two', ...asking('Good day') }],
});

const COLUMNS = [
  { name: 'Batch', of: ({ id }) => html`<code>${format.tail(id)}</code>` },
  { name: 'Status', of: ({ status }) => html`<${Status} value=${status} />` },
  { name: 'Progress', of: ({ counts }) => html`<${Share} counts=${counts} slim />` },
  { name: 'Ended', of: ({ counts }) => progress(counts), number: true },
  { name: 'Failed', of: ({ counts }) => format.count(counts.failed + counts.expired), number: true },
  { name: 'Metadata', of: ({ metadata }) => (metadata ? html`<code>${brief(metadata)}</code>` : '–'), wide: true },
  { name: 'Created', of: ({ created_at }) => html`<${Time} at=${created_at} />` },
];

function brief(metadata) {
  const said = (value) => (typeof value === 'string' ? value : JSON.stringify(value));
  const text = Object.entries(metadata).map(([name, value]) => `${name}: ${said(value)}`).join(', ');
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

export function Batches() {
  const list = useList('/v1/batches', {}, ['batches']);
  const write = useCan()('jobs:write');
  return html`<${Head} title="Batches" note="Many jobs accepted together. They run in the background, while no other job waits.">
      ${write && html`<${CreateBatch} />`}<//>
    <${Table} label="Batches" columns=${COLUMNS} list=${list} to=${({ id }) => `/dashboard/batches/${id}`}
      empty=${html`<${Empty} title="No batches yet"
        command=${FIRST_BATCH}>A batch takes up to 10,000 requests. Choose “Create batch”, or send one with an API key:<//>`} />`;
}
