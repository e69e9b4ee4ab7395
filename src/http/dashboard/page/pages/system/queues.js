// The queues: how much waits, and standing still.

import { html } from '../../lib/html.js';
import { post } from '../../lib/api.js';
import * as format from '../../lib/format.js';
import { Loaded, Status } from '../../ui/bits.js';
import { Confirms } from '../../ui/dialog.js';
import { Table, whole } from '../../ui/table.js';
import { Bar } from '../../ui/tabbed.js';
import { Refresh, byName, useStats } from './stats.js';

const WHAT = {
  'generation.create': 'Generation jobs',
  'webhook.delivery': 'Webhooks on their way',
  'billing.credit_grant': 'Credits that were paid for',
  'task.run': 'Scheduled tasks that are due',
};

export function Queues() {
  const stats = useStats();
  return html`<${Bar} note="Queues of all accounts. What is dead was given up; the pages of its account redrive it."><${Refresh}
      of=${[stats]} /><//>
    <${Loaded} ...${stats}>${({ queues }) => html`<${Table} label="Queues" columns=${columns(stats.reload)}
      list=${whole(byName(queues))} />`}<//>`;
}

const columns = (reload) => [
  { name: 'Queue', of: ({ name }) => html`<code class="strong">${name}</code><p class="note">${WHAT[name]}</p>` },
  { name: 'State', of: ({ paused }) => html`<${Status} value=${paused ? 'paused' : 'active'} text=${paused ? 'paused' : 'working'} />` },
  { name: 'Waiting', of: ({ waiting }) => format.count(waiting), number: true },
  { name: 'Running', of: ({ running }) => format.count(running), number: true },
  { name: 'Dead', of: ({ dead }) => (dead ? html`<${Status} value="failed" text=${format.count(dead)} />` : '0'), number: true },
  { name: 'Actions', unseen: true, of: (queue) => html`<span class="actions"><${Switch} ...${{ queue, reload }} /></span>` },
];

function Switch({ queue: { name, paused }, reload }) {
  const does = (verb) => () => post(`/admin/v1/queues/${name}/${verb}`);
  if (paused) return html`<${Confirms} name="Resume" title=${`Resume ${name}?`} kind="small" act=${does('resume')}
    done=${reload}>What waits is begun at once.<//>`;
  return html`<${Confirms} name="Pause" title=${`Pause ${name}?`} kind="small" act=${does('pause')} done=${reload}>
    Nothing of this queue is begun until somebody resumes it, for any account. What is running ends as usual; what comes in waits.<//>`;
}
