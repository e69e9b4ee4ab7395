// The settings that the server runs with, whatever they came from.

import { html } from '../../lib/html.js';
import { get } from '../../lib/api.js';
import { useLoad } from '../../lib/load.js';
import { useQuery } from '../../lib/place.js';
import { Empty, Loaded } from '../../ui/bits.js';
import { FilterText } from '../../ui/form.js';
import { Table, whole } from '../../ui/table.js';
import { Bar } from '../../ui/tabbed.js';

export function Settings() {
  const [{ find }, change] = useQuery();
  const loaded = useLoad((signal) => get('/admin/v1/settings', {}, { signal }), [], ['server']);
  return html`<${Bar} note="Read from the configuration, the environment and defaults when the server started. Secrets are not shown." />
    <div class="filters" role="search" aria-label="Find settings"><${FilterText} label="Find" placeholder="webhooks" value=${find}
      set=${(text) => change({ find: text })} /></div>
    <${Loaded} ...${loaded}>${(answer) => html`<${Table} label="Settings in force" columns=${COLUMNS} list=${whole(rows(answer, find))}
      empty=${html`<${Empty} title="No setting matches">Change or clear the filter.<//>`} />`}<//>`;
}

const COLUMNS = [
  { name: 'Setting', of: ({ id }) => html`<code>${id}</code>` },
  { name: 'Value', of: ({ value }) => html`<code>${typeof value === 'string' ? value || '""' : JSON.stringify(value)}</code>`, wide: true },
];

function rows({ object, ...answer }, find = '') {
  const wanted = find.trim().toLowerCase();
  return [...flat(answer.settings ?? answer)].filter(({ id }) => id.toLowerCase().includes(wanted));
}

/** Nested tables as `section.key`. */
function* flat(of, under = '') {
  for (const [key, value] of Object.entries(of)) {
    const id = under + (/^[\w-]+$/.test(key) ? key : JSON.stringify(key));
    const isTable = value !== null && typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length > 0;
    if (isTable) yield* flat(value, `${id}.`);
    else yield { id, value };
  }
}
