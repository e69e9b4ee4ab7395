// One job: what was asked, what came of it, and each step between.

import { html } from '../lib/html.js';
import { post } from '../lib/api.js';
import { isOver, useJob } from '../lib/follow.js';
import { useList } from '../lib/load.js';
import { useCan } from '../lib/session.js';
import * as format from '../lib/format.js';
import { Card, Head, Link, Loaded, Status } from '../ui/bits.js';
import { Confirms, Does } from '../ui/dialog.js';
import { JsonTree } from '../ui/json.js';
import { Messages, Output } from './job/content.js';
import { Failure } from './job/failure.js';
import { JobFacts } from './job/facts.js';
import { Timeline } from './job/timeline.js';
import { JobDeliveries, JobLedger } from './job/after.js';

export function Job({ id }) {
  const { job, steps, error, reload } = useJob(id);
  const ledger = useList('/v1/credits/ledger', { job_id: id }, ['ledger']);
  return html`<${Head} title="Job" tab=${`Job ${format.tail(id)}`} back=${{ to: '/dashboard/jobs', name: 'Jobs' }}
    note=${job && html`<${Status} value=${job.status} />`}>
      ${job && html`<${Actions} ...${{ job, reload }} />`}<//>
    <${Loaded} ...${{ data: job, error, reload }}>${() => html`<${Whole} ...${{ job, steps, ledger }} />`}<//>`;
}

function Actions({ job, reload }) {
  const can = useCan();
  const write = can('jobs:write');
  const path = `/v1/jobs/${job.id}`;
  // Asked for in the same way, it is refused again.
  const kind = job.error?.code === 'BAD_REQUEST' ? '' : 'primary';
  const isAgain = ['failed', 'expired', 'canceled'].includes(job.status);
  return html`${job.agent && can('agents:read') && html`<${Link} class="button" to=${`/dashboard/agents/${job.agent.name}`}
    query=${{ tab: 'try' }}>Try the agent<//>`}
    ${write && isAgain && html`<${Does} name="Retry job" kind=${kind} act=${(options) => post(`${path}/retry`, {}, options)}
      done=${reload} />`}
    ${write && !isOver(job) && html`<${Confirms} name="Cancel job" title="Cancel this job?" kind="danger" keep="Let it run"
      act=${(options) => post(`${path}/cancel`, {}, options)} done=${reload}>
      It ends as canceled, and what was set aside for it is given back. An answer that still comes is discarded.<//>`}`;
}

function Whole({ job, steps, ledger }) {
  const can = useCan();
  return html`${job.error && html`<${Failure} job=${job} />`}
    <div class="columns">
      <div class="stack">
        <${Card} title="Output"><${Output} job=${job} /><//>
        <${Card} title="Messages"><${Messages} messages=${job.messages} /><//>
        ${job.output_schema && html`<${Card} title="Output schema"><${JsonTree} value=${job.output_schema} label="Output schema" /><//>`}
      </div>
      <div class="stack">
        <${Card} title="Facts"><${JobFacts} job=${job} /><//>
        <${Card} title="Timeline"><${Timeline} steps=${steps} /><//>
        ${job.metadata && html`<${Card} title="Metadata"><${JsonTree} value=${job.metadata} label="Metadata" /><//>`}
        <${JobLedger} list=${ledger} />
        ${can('webhooks:read') && isOver(job) && html`<${JobDeliveries} job=${job} />`}
      </div>
    </div>`;
}
