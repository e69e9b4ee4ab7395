// What a job left behind: entries of the ledger, deliveries of webhooks.

import { html, useEffect, useState } from '../../lib/html.js';
import { getAll } from '../../lib/api.js';
import { useLoad } from '../../lib/load.js';
import { Card, Loaded } from '../../ui/bits.js';
import { Table, whole } from '../../ui/table.js';
import { entryColumns } from '../credits/entries.js';
import { deliveryColumns, deliveryPage, useEndpoints } from '../webhooks/parts.js';

export function JobLedger({ list }) {
  const columns = entryColumns({ ofOneJob: true });
  return html`<${Card} title="Ledger" flush><${Table} label="Ledger entries of this job" ...${{ columns, list }}
    empty=${html`<p class="empty">No credits moved for this job.</p>`} /><//>`;
}

const EVENTS = { succeeded: 'job.completed', failed: 'job.failed', expired: 'job.failed', canceled: 'job.canceled' };

export function JobDeliveries({ job }) {
  const { urlOf } = useEndpoints();
  const [open, setOpen] = useState(true);
  const loaded = useLoad((signal) => find(job, signal), [job.id, job.status, job.finished_at], open ? ['deliveries'] : []);
  useEffect(() => {
    if (loaded.data) setOpen(loaded.data.some(({ status }) => status === 'pending'));
  }, [loaded.data]);
  const draw = (rows) => html`<${Table} label="Webhook deliveries of this job" columns=${deliveryColumns(urlOf)} list=${whole(rows)}
    to=${deliveryPage} empty=${html`<p class="empty">No endpoint was told of its end.</p>`} />`;
  return html`<${Card} title="Webhook deliveries of its end" flush><${Loaded} ...${loaded}>${draw}<//><//>`;
}

/** The event happens at the very moment at which the job ends, and few others do. */
async function find(job, signal) {
  const end = new Date(Date.parse(job.finished_at) + 1).toISOString();
  const asked = { event_type: EVENTS[job.status], created_after: job.finished_at, created_before: end };
  const rows = await getAll('/v1/webhooks/deliveries', asked, { signal });
  return rows.filter(({ payload }) => payload.data?.job_id === job.id);
}
