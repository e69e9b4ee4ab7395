// The settings that the server runs with, whatever they came from.

import { html } from '../../lib/html.js';
import { get } from '../../lib/api.js';
import { isPlain } from '../../lib/exact.js';
import { useLoad } from '../../lib/load.js';
import { useQuery } from '../../lib/place.js';
import { Empty, Loaded, Status } from '../../ui/bits.js';
import { Check, FilterText } from '../../ui/form.js';
import { Table, whole } from '../../ui/table.js';
import { Bar } from '../../ui/tabbed.js';

export function Settings() {
  const [{ find, changed }, change] = useQuery();
  const loaded = useLoad((signal) => get('/admin/v1/settings', {}, { signal }), [], ['server']);
  return html`<${Bar} note="As the server read them when it started. A secret that is set is shown as [hidden]." />
    <div class="filters" role="search" aria-label="Find settings"><${FilterText} label="Find" placeholder="webhooks" value=${find}
      set=${(text) => change({ find: text })} />
      <${Check} label="Changed only" value=${changed === 'yes'} set=${(on) => change({ changed: on ? 'yes' : undefined })} /></div>
    <${Loaded} ...${loaded}>${(answer) => html`<${Table} label="Settings in force" columns=${COLUMNS}
      list=${whole(rows(answer, find, changed))}
      empty=${html`<${Empty} title="No setting matches">Change or clear the filter.<//>`} />`}<//>`;
}

const COLUMNS = [
  { name: 'Setting', of: ({ id }) => html`<code>${id}</code>`, wide: true },
  { name: 'Value', of: ({ value }) => html`<code>${typeof value === 'string' ? value || '""' : JSON.stringify(value)}</code>`, wide: true },
  { name: 'Changed', unseen: true, of: ({ isChanged }) => isChanged && html`<${Status} value="in_progress" text="changed" />` },
];

/** `changed` names those that are not as they come, or what they are in. */
function rows({ settings, changed }, find = '', only) {
  const wanted = find.trim().toLowerCase();
  const differs = (path) => changed.some((one) => path === one || path.startsWith(`${one}.`));
  return [...flat(settings)]
    .map((row) => ({ ...row, isChanged: differs(row.path) }))
    .filter(({ id, isChanged }) => id.toLowerCase().includes(wanted) && (isChanged || !only));
}

/** Nested tables as `section.key`: an `id` as TOML quotes it, and the `path` as the API writes it. */
function* flat(of, within = { id: '', path: '' }) {
  for (const [key, value] of Object.entries(of)) {
    const id = within.id + (/^[\w-]+$/.test(key) ? key : JSON.stringify(key));
    const path = within.path + key;
    const isTable = !isPlain(value) && !Array.isArray(value) && Object.keys(value).length > 0;
    if (isTable) yield* flat(value, { id: `${id}.`, path: `${path}.` });
    else yield { id, path, value };
  }
}
