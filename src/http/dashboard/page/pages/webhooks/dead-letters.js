// Work that was given up, and the way back into its queue.

import { html } from '../../lib/html.js';
import { post } from '../../lib/api.js';
import { useList } from '../../lib/load.js';
import { useCan } from '../../lib/session.js';
import * as format from '../../lib/format.js';
import { Empty, Link, Time } from '../../ui/bits.js';
import { Does } from '../../ui/dialog.js';
import { Filters, useFilters } from '../../ui/filters.js';
import { Filter } from '../../ui/form.js';
import { Table } from '../../ui/table.js';

const QUEUES = ['generation.create.dlq', 'webhook.delivery.dlq', 'task.run.dlq', 'billing.credit_grant.dlq'];

const columns = (redrive) => [
  { name: 'Work', of: (letter) => html`<${Work} letter=${letter} />` },
  { name: 'Queue', of: ({ queue }) => html`<code>${queue}</code>` },
  { name: 'Reason', of: ({ reason, message }) => html`<code>${reason}</code><span class="under">${message}</span>`, wide: true },
  { name: 'Attempts', of: ({ attempts }) => format.count(attempts), number: true },
  { name: 'Given up', of: ({ created_at: at }) => html`<${Time} at=${at} />` },
  ...(redrive ? [{ name: 'Actions', of: redrive, unseen: true }] : []),
];

function Work({ letter: { id, job_id: job, delivery_id: delivery, task_id: task } }) {
  if (job) return html`<${Link} to=${`/dashboard/jobs/${job}`}>Job <code>${format.tail(job)}</code><//>`;
  if (delivery) return html`<${Link} to=${`/dashboard/webhooks/deliveries/${delivery}`}>Delivery <code>${format.tail(delivery)}</code><//>`;
  if (task) return html`<${Link} to=${`/dashboard/schedules/tasks/${task}`}>Task <code>${format.tail(task)}</code><//>`;
  return html`<code>${format.tail(id)}</code>`;
}

const called = ({ id, job_id: job, delivery_id: delivery, task_id: task }) => format.tail(job ?? delivery ?? task ?? id);

export function DeadLetters() {
  const filters = useFilters(['queue']);
  const { query: { queue }, set } = filters;
  const can = useCan();
  const list = useList('/v1/dlq', { queue }, ['dead_letters']);
  const redrive = ({ id }) => html`<${Does} name="Redrive" act=${(options) => post(`/v1/dlq/${id}/redrive`, {}, options)}
    done=${list.reload} />`;
  return html`<${Filters} label="Filter dead letters" of=${filters}>
      <${Filter} label="Queue" value=${queue} options=${QUEUES} set=${set('queue')} /><//>
    <${Table} label="Dead letters" called=${called} columns=${columns(can('jobs:write') && redrive)} list=${list} empty=${html`<${Empty}
      title=${queue ? 'No dead letters in this queue' : 'No dead letters'}>Jobs, deliveries and tasks that failed for good appear here, to
      be put back into their queue once the cause is gone.<//>`} />`;
}
