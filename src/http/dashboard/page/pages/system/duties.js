// What the server does by itself, and the backups that came of it.

import { html } from '../../lib/html.js';
import { post } from '../../lib/api.js';
import { useWhole } from '../../lib/load.js';
import * as format from '../../lib/format.js';
import { Card, Empty, Loaded, Status, Time } from '../../ui/bits.js';
import { Confirms, Does, Opens } from '../../ui/dialog.js';
import { JsonTree } from '../../ui/json.js';
import { Table, whole } from '../../ui/table.js';
import { byName, useStats } from './stats.js';

const WHAT = {
  backup: 'Copies database and key to a folder of its own',
  'ledger.verify': 'Proves that the books are right',
  prune: 'Takes away what was kept long enough',
  vacuum: 'Gives the disk back what the database does not need any more',
};

export function Duties() {
  const list = useWhole('/admin/v1/duties', ['server']);
  const { data, error, reload } = useStats(['server']);
  return html`<${Card} title="Duties" flush><${Table} label="List of duties" columns=${columns(list.reload)} list=${list}
    empty=${html`<${Empty} title="No duties" />`} /><//>
    <${Card} title="Backups" flush><${Loaded} ...${{ data, error, reload }}>${({ backups }) => html`<${Backups} of=${backups} />`}<//><//>`;
}

/** The server has a folder for them, or none is configured. */
function Backups({ of: { configured, files } }) {
  return html`<${Table} label="List of backups" columns=${FILES} list=${whole(byName(files))}
    empty=${html`<${Empty} title="No backups" command="skai-server --config config.toml backup --to /path/to/backup">
      ${configured ? 'Run the duty backup.' : 'The configuration names no folder for them.'} Or, on the server itself:<//>`} />`;
}

const columns = (reload) => [
  { name: 'Duty', of: ({ name }) => html`<code class="strong">${name}</code><p class="note">${WHAT[name]}</p>`, wide: true },
  { name: 'Planned', of: ({ cron, timezone }) => (cron ? html`<code>${cron}</code><p class="note">${timezone}</p>` : 'not planned') },
  { name: 'Last run', of: (duty) => html`<${LastRun} of=${duty} />`, wide: true },
  { name: 'Next run', of: ({ due_at }) => html`<${Time} at=${due_at} />` },
  { name: 'Actions', unseen: true, of: ({ name }) => html`<span class="actions"><${RunNow} name=${name} done=${reload} /></span>` },
];

/** What is asked before a duty that takes something away, or holds the database. */
const ASKED = {
  prune: 'What was kept longer than the configuration says is deleted, and does not come back.',
  vacuum: 'The database is written anew. Until that is done, which takes long for a large one, requests that write may wait.',
};

function RunNow({ name, done }) {
  const run = { name: 'Run now', act: () => post(`/admin/v1/duties/${name}/run`), done };
  if (!ASKED[name]) return html`<${Does} ...${run} />`;
  return html`<${Confirms} ...${run} title=${`Run ${name} now?`} kind="small">${ASKED[name]}<//>`;
}

function LastRun({ of }) {
  if (!of.started_at) return 'never';
  if (!of.finished_at) return html`<${Status} value="running" /> <span class="note">since <${Time} at=${of.started_at} /></span>`;
  return html`<${Status} value=${of.error ? 'failed' : 'ok'} /> <span class="note"><${Time}
    at=${of.finished_at} />, ${format.duration(of.duration_ms)}</span>
    ${of.error && html`<p>${of.error}</p><p class="note">Last time well: <${Time} at=${of.succeeded_at} /></p>`}
    ${of.result && html` <${Opens} name="Result" title=${`Result of ${of.name}`} kind="quiet small">${() => html`<${JsonTree}
      value=${of.result} label="result" />`}<//>`}`;
}

const FILES = [
  { name: 'Name', of: ({ name }) => html`<code>${name}</code>`, wide: true },
  { name: 'Size', of: ({ bytes }) => format.bytes(bytes), number: true },
  { name: 'Made', of: ({ created_at }) => html`<${Time} at=${created_at} />` },
];
