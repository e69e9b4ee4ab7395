// What the account can spend, where it came from and where it went.

import { html } from '../lib/html.js';
import { downloadCsv, get } from '../lib/api.js';
import { useList, useLoad } from '../lib/load.js';
import { useQuery } from '../lib/place.js';
import { useSession } from '../lib/session.js';
import * as format from '../lib/format.js';
import { Card, Empty, Head, Link, Loaded, Stat, Status, Time } from '../ui/bits.js';
import { Meter } from '../ui/chart.js';
import { Does } from '../ui/dialog.js';
import { Filter, FilterText } from '../ui/form.js';
import { FilterDay, moments } from '../ui/range.js';
import { Table } from '../ui/table.js';
import { Adjust, Grant } from './credits/operator.js';

const TOPICS = ['ledger', 'jobs'];
const KINDS = ['grant', 'reserve', 'release', 'charge', 'expire', 'adjust'];
const TONES = { grant: 'succeeded', reserve: 'queued', release: 'queued', expire: 'failed', adjust: 'paused' };

export function Credits() {
  const { user } = useSession();
  const balance = useLoad((signal) => get('/v1/credits/balance', {}, { signal }), [], TOPICS);
  const grants = useList('/v1/credits/grants', {}, TOPICS);
  const reload = () => Promise.all([balance.reload(), grants.reload()]);
  return html`<${Head} title="Credits" note="Jobs set credits aside when they are accepted, and are charged when they succeed.">
      ${user.is_operator && html`<${Adjust} done=${reload} /><${Grant} done=${reload} />`}<//>
    <${Loaded} ...${balance}>${(now) => html`<${Balance} now=${now} />`}<//>
    <${Card} title="Grants" flush>
      <${Table} label="All grants" columns=${GRANTS} list=${grants} empty=${html`<${Empty} title="No grants yet">
      Credits are granted by the operator of this server, or bought where Stripe is set up.<//>`} /><//>
    <${Ledger} />`;
}

function Balance({ now }) {
  return html`<dl class="stats numbers" aria-label="Balance">
    <${Stat} name="Available" value=${format.credits(now.available)} note="Can be spent now" tone=${now.available < 0 ? 'bad' : ''} />
    <${Stat} name="Set aside" value=${format.credits(now.reserved)} note="Held by jobs that are not over" />
    <${Stat} name="Paid" value=${format.credits(now.paid)} note="Bought, and available" />
    <${Stat} name="Free" value=${format.credits(now.free)} note="Given, and available" />
  </dl>`;
}

const GRANTS = [
  { name: 'Reason', of: ({ reason }) => reason, wide: true },
  { name: 'Bucket', of: ({ bucket }) => bucket },
  { name: 'Granted', of: ({ amount }) => format.credits(amount), number: true },
  { name: 'Remaining', of: ({ remaining }) => format.credits(remaining), number: true },
  { name: 'Left', of: ({ remaining, amount }) => html`<${Meter} value=${remaining} of=${amount} label="Left" kind="rest" />` },
  { name: 'Expires', of: ({ expires_at }) => (expires_at ? html`<${Time} at=${expires_at} />` : 'Never') },
  { name: 'Created', of: ({ created_at }) => html`<${Time} at=${created_at} />` },
];

const Job = ({ id }) => html`<${Link} to=${`/dashboard/jobs/${id}`}><code>${format.tail(id)}</code><//>`;
const signed = (delta) => html`<span class=${delta > 0 ? 'plus' : ''}>${delta > 0 ? '+' : ''}${format.credits(delta)}</span>`;

const ENTRIES = [
  { name: 'Kind', of: ({ kind }) => html`<${Status} value=${TONES[kind]} text=${kind} />` },
  { name: 'For', of: ({ description }) => description, wide: true },
  { name: 'Job', of: ({ job_id }) => (job_id ? html`<${Job} id=${job_id} />` : '–') },
  { name: 'Bucket', of: ({ bucket }) => bucket },
  { name: 'Change', of: ({ delta }) => signed(delta), number: true },
  { name: 'Balance after', of: ({ balance_after }) => format.credits(balance_after), number: true },
  { name: 'Created', of: ({ created_at }) => html`<${Time} at=${created_at} />` },
];

function Ledger() {
  const [query, change] = useQuery();
  const { kind, job_id, from, to } = query;
  const asked = { kind, job_id, ...moments(query) };
  const list = useList('/v1/credits/ledger', asked, TOPICS);
  const save = () => downloadCsv('/v1/credits/ledger', asked, 'ledger.csv');
  const filtered = kind || job_id || from || to;
  return html`<section class="stack" aria-label="Ledger"><h2>Ledger</h2>
    <div class="toolbar"><div class="filters" role="search" aria-label="Filter the ledger">
      <${Filter} label="Kind" value=${kind} options=${KINDS} set=${(value) => change({ kind: value })} />
      <${FilterText} label="Job id" value=${job_id} set=${(value) => change({ job_id: value.trim() })} />
      <${FilterDay} label="From" value=${from} set=${(value) => change({ from: value })} />
      <${FilterDay} label="To" value=${to} set=${(value) => change({ to: value })} /></div>
      <${Does} name="Download CSV" kind="" act=${save} /></div>
    <${Table} label="Ledger entries" columns=${ENTRIES} list=${list} empty=${filtered
      ? html`<${Empty} title="No entry matches">Change or clear the filters.<//>`
      : html`<${Empty} title="No entries yet">Each grant, and each job that costs something, is entered here.<//>`} /></section>`;
}
