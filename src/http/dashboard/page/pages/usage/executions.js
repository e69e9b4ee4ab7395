// A record for each execution: how it ended, what it took, what it cost.

import { html, useState } from '../../lib/html.js';
import { useList } from '../../lib/load.js';
import * as format from '../../lib/format.js';
import { Copy, Empty, Facts, JobLink, NoMatch, Status, Time, firstJob } from '../../ui/bits.js';
import { Dialog } from '../../ui/dialog.js';
import { FilterDays, Filters, moments, useFilters } from '../../ui/filters.js';
import { Filter, FilterText } from '../../ui/form.js';
import { JsonTree } from '../../ui/json.js';
import { Table } from '../../ui/table.js';

const WORDS = { SUCCESS: 'succeeded', FAILED: 'failed', SKIPPED: 'skipped' };
const TONES = { SUCCESS: 'succeeded', FAILED: 'failed', SKIPPED: 'paused' };

const Ended = ({ status }) => html`<${Status} value=${TONES[status]} text=${WORDS[status]} />`;

const COLUMNS = [
  { name: 'Agent or model', of: ({ display_name, skill_name }) => display_name || skill_name },
  { name: 'Status', of: ({ execution_status }) => html`<${Ended} status=${execution_status} />` },
  { name: 'Error', of: ({ error_code }) => (error_code ? html`<code>${error_code}</code>` : '–') },
  { name: 'Job', of: ({ job_id }) => html`<${JobLink} id=${job_id} />` },
  { name: 'Latency', of: ({ latency_ms }) => format.duration(latency_ms), number: true },
  { name: 'Credits', of: ({ cost }) => format.credits(cost), number: true },
  { name: 'Ended', of: ({ created_at }) => html`<${Time} at=${created_at} />` },
];

export function Executions() {
  const filters = useFilters(['execution_status', 'skill_name', 'job_id', 'from', 'to']);
  const { query: { from, to, ...asked }, set, filtered } = filters;
  const [open, setOpen] = useState(null);
  const list = useList('/v1/usage/events', { ...asked, ...moments({ from, to }) }, ['usage']);
  return html`<${Filters} label="Filter executions" of=${filters}>
      <${Filter} label="Status" value=${asked.execution_status} options=${Object.entries(WORDS)} set=${set('execution_status')} />
      <${FilterText} label="Agent or model" value=${asked.skill_name} set=${set('skill_name')} />
      <${FilterText} label="Job id" value=${asked.job_id} set=${set('job_id')} />
      <${FilterDays} of=${filters} /><//>
    <${Table} label="Executions" columns=${COLUMNS} list=${list} open=${setOpen}
      called=${({ job_id }) => job_id && format.tail(job_id)} empty=${filtered ? html`<${NoMatch} what="execution" />`
      : html`<${Empty} title="No executions yet" command=${firstJob()}>Each job that ends, and each that is refused, is listed here. Send
        one with an API key:<//>`} />
    ${open && html`<${Detail} event=${open} close=${() => setOpen(null)} />`}`;
}

function Detail({ event, close }) {
  const { metadata, tags } = event;
  return html`<${Dialog} title="Execution" wide close=${close}><div class="stack">
    <${Facts} of=${[
      ['Status', html`<${Ended} status=${event.execution_status} /> as HTTP ${event.status_code}`],
      ['Error', event.error_code && html`<code>${event.error_code}</code>`],
      ['Ended', format.time(event.created_at)],
      ['Latency', format.duration(event.latency_ms)],
      ['Credits', format.credits(event.cost)],
      ['Agent or model', event.display_name || event.skill_name],
      ['Tags', tags.length ? tags.join(', ') : undefined],
      ['Job', event.job_id && html`<${Copy} text=${event.job_id} label="Copy the job id" />`],
    ]} />
    <h3>Metadata</h3><${JsonTree} value=${metadata} label="metadata" />
  </div><//>`;
}
