// The providers of models, and whether they are left alone.

import { html } from '../../lib/html.js';
import * as format from '../../lib/format.js';
import { Empty, Loaded, Status } from '../../ui/bits.js';
import { Table, whole } from '../../ui/table.js';
import { Bar } from '../../ui/tabbed.js';
import { Refresh, byName, useStats } from './stats.js';

const BREAKERS = {
  closed: 'It is asked as usual.',
  half_open: 'Single requests try whether it answers again.',
  open: 'It failed too often and is left alone for a while.',
};

export function Providers() {
  const stats = useStats();
  const empty = html`<${Empty} title="No providers">Configure one in <code>config.toml</code>, under <code>[providers.…]</code>.<//>`;
  return html`<${Bar} note="A provider that keeps failing is left alone for a while; jobs go to the next one of their chain, or wait.">
      <${Refresh} of=${[stats]} /><//>
    <${Loaded} ...${stats}>${({ providers }) => html`<${Table} label="Providers" columns=${COLUMNS} list=${whole(byName(providers))}
      empty=${empty} />`}<//>`;
}

const COLUMNS = [
  { name: 'Provider', of: ({ name }) => html`<span class="strong">${name}</span>` },
  { name: 'Kind', of: ({ kind }) => kind },
  { name: 'Breaker', of: ({ breaker }) => html`<${Status} value=${breaker} />` },
  { name: 'Meaning', of: ({ breaker }) => html`<span class="note">${BREAKERS[breaker]}</span>`, wide: true },
  { name: 'In flight', of: inFlight, number: true },
];

function inFlight({ in_flight, limit }) {
  return limit ? `${format.count(in_flight)} of ${format.count(limit)}` : format.count(in_flight);
}
