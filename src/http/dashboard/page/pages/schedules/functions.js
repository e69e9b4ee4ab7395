// The functions that tasks and schedules run.

import { html } from '../../lib/html.js';
import { remove } from '../../lib/api.js';
import { useList } from '../../lib/load.js';
import { useCan } from '../../lib/session.js';
import { Empty, Link, Time, curl } from '../../ui/bits.js';
import { Confirms } from '../../ui/dialog.js';
import { Table } from '../../ui/table.js';
import { RotateSecret } from '../webhooks/endpoint-actions.js';
import { EditFunction } from './function-form.js';

const FIRST = curl('/v1/functions/warm-cache', { kind: 'http', url: 'https://example.com/warm-cache' }, '-X PUT ');

const COLUMNS = [
  { name: 'Function', of: ({ name }) => html`<code>${name}</code>` },
  { name: 'Kind', of: ({ kind }) => kind },
  { name: 'Runs', of: (one) => html`<${Target} of=${one} />`, wide: true },
  { name: 'Changed', of: ({ updated_at: at }) => html`<${Time} at=${at} />` },
];

function Target({ of: { kind, method, url, agent } }) {
  if (kind === 'http') return html`<code>${method} ${url}</code>`;
  if (kind === 'agent') return html`the agent <${Link} to=${`/dashboard/agents/${encodeURIComponent(agent)}`}>${agent}<//>`;
  return 'a duty of this server';
}

export function Functions() {
  const list = useList('/v1/functions', {}, ['functions']);
  const may = useCan()('schedules:write');
  const actions = { name: 'Actions', unseen: true, of: (one) => html`<${Actions} ...${{ one, reload: list.reload }} />` };
  const columns = may ? [...COLUMNS, actions] : COLUMNS;
  return html`<${Table} label="Functions" columns=${columns} list=${list} empty=${html`<${Empty} title="No functions yet" command=${FIRST}>
    Choose “Create function”, or make one with an API key:<//>`} />`;
}

function Actions({ one, reload }) {
  const path = `/v1/functions/${encodeURIComponent(one.name)}`;
  return html`<div class="actions">
    ${one.kind !== 'builtin' && html`<${EditFunction} one=${one} done=${reload} />`}
    ${one.kind === 'http' && html`<${RotateSecret} path=${path} />`}
    <${Confirms} name="Delete" title="Delete this function?" act=${() => remove(path)} done=${reload}>
      Tasks that wait for <code>${one.name}</code> fail. A function that a schedule runs is kept: delete the schedule first.<//></div>`;
}
