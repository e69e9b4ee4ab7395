// The endpoints of the project.

import { html } from '../../lib/html.js';
import { useList } from '../../lib/load.js';
import { Empty, Time, curl } from '../../ui/bits.js';
import { Table } from '../../ui/table.js';
import { EndpointStatus, endpointPage, eventsOf } from './parts.js';

const FIRST = curl('/v1/webhooks/endpoints', { url: 'https://example.com/webhooks', events: ['job.completed', 'job.failed'] });

const COLUMNS = [
  { name: 'URL', of: ({ url, description }) => html`<code>${url}</code>${description && html`<span
    class="under">${description}</span>`}`, wide: true },
  { name: 'Status', of: (endpoint) => html`<${EndpointStatus} endpoint=${endpoint} /><${Why} endpoint=${endpoint} />`, wide: true },
  { name: 'Events', of: eventsOf, wide: true },
  { name: 'Retry policy', of: ({ retry_policy: policy }) => policy },
  { name: 'Created', of: ({ created_at: at }) => html`<${Time} at=${at} />` },
];

function Why({ endpoint: { active, disabled_reason: reason, failing_since: since } }) {
  if (!active) return reason && html`<span class="under">${reason}</span>`;
  return since && html`<span class="under">since <${Time} at=${since} /></span>`;
}

export function Endpoints() {
  const list = useList('/v1/webhooks/endpoints', {}, ['endpoints']);
  return html`<${Table} label="Endpoints" columns=${COLUMNS} list=${list} to=${({ id }) => endpointPage(id)}
    empty=${html`<${Empty} title="No endpoints yet" command=${FIRST}>
      An endpoint is a URL of yours that is told when a job, a batch or a task
      ends. Choose “Create endpoint”, or make one with an API key:<//>`} />`;
}
