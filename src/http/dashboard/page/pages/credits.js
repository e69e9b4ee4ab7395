// What the account can spend, where it came from and where it went.

import { html } from '../lib/html.js';
import { downloadCsv, get } from '../lib/api.js';
import { useList, useLoad } from '../lib/load.js';
import { useSession } from '../lib/session.js';
import * as format from '../lib/format.js';
import { Card, Empty, Head, Loaded, NoMatch, Stat, Time } from '../ui/bits.js';
import { Meter } from '../ui/chart.js';
import { Does } from '../ui/dialog.js';
import { FilterDays, Filters, moments, useFilters } from '../ui/filters.js';
import { Filter, FilterText } from '../ui/form.js';
import { Table } from '../ui/table.js';
import { entryColumns } from './credits/entries.js';
import { Adjust, Grant } from './credits/operator.js';

const TOPICS = ['ledger'];
const KINDS = ['grant', 'reserve', 'release', 'charge', 'expire', 'adjust'];

export function Credits() {
  const { user, account, project } = useSession();
  const balance = useLoad((signal) => get('/v1/credits/balance', {}, { signal }), [], TOPICS);
  const grants = useList('/v1/credits/grants', {}, TOPICS);
  const reload = () => Promise.all([balance.reload(), grants.reload()]);
  return html`<${Head} title="Credits" note="Jobs set credits aside when they are accepted, and are charged when they succeed.">
      ${user.is_operator && html`<${Adjust} of=${account} environment=${project.environment} done=${reload} />
        <${Grant} of=${account} environment=${project.environment} kind="primary" done=${reload} />`}<//>
    <${Loaded} ...${balance}>${(now) => html`<${Balance} now=${now} />`}<//>
    <${Card} title="Grants" flush>
      <${Table} label="All grants" columns=${GRANTS} list=${grants} empty=${html`<${Empty} title="No grants yet"
        command=${`skai-server --config config.toml credits grant --account ${account.id} --amount 100`}>
        Credits are granted by the operator of this server, or bought where Stripe is set up. On the server itself:<//>`} /><//>
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

function Ledger() {
  const filters = useFilters(['kind', 'job_id', 'from', 'to']);
  const { query: { kind, job_id, ...days }, set, filtered } = filters;
  const asked = { kind, job_id, ...moments(days) };
  const list = useList('/v1/credits/ledger', asked, TOPICS);
  const save = () => downloadCsv('/v1/credits/ledger', asked, 'ledger.csv');
  return html`<section class="stack" aria-label="Ledger"><h2>Ledger</h2>
    <div class="toolbar"><${Filters} label="Filter the ledger" of=${filters}>
      <${Filter} label="Kind" value=${kind} options=${KINDS} set=${set('kind')} />
      <${FilterText} label="Job id" value=${job_id} set=${set('job_id')} />
      <${FilterDays} of=${filters} /><//>
      <${Does} name="Download CSV" kind="" act=${save} /></div>
    <${Table} label="Ledger entries" columns=${entryColumns()} list=${list} empty=${filtered ? html`<${NoMatch} what="entry" />`
      : html`<${Empty} title="No entries yet">Each grant, and each job that costs something, is entered here.<//>`} /></section>`;
}
