// Events of Stripe's, above all those that are for nobody known here.

import { html } from '../../lib/html.js';
import { get, post } from '../../lib/api.js';
import { useList, useLoad } from '../../lib/load.js';
import { Copy, Empty, Facts, Loaded, NoMatch, Status, Time } from '../../ui/bits.js';
import { Opens } from '../../ui/dialog.js';
import { Filters, useFilters } from '../../ui/filters.js';
import { Filter, Form, Text, useFields } from '../../ui/form.js';
import { JsonTree } from '../../ui/json.js';
import { Table } from '../../ui/table.js';
import { Bar } from '../../ui/tabbed.js';

const STATUSES = ['unmatched', 'ignored', 'failed', 'pending', 'linked', 'processed', 'duplicate'];
const STUCK = ['unmatched', 'ignored', 'failed', 'linked'];
const TONES = { unmatched: 'paused', ignored: 'paused', failed: 'failed', pending: 'pending', processed: 'ok' };

export function StripeEvents() {
  const filters = useFilters(['status']);
  const { query: { status }, set } = filters;
  const list = useList('/admin/v1/stripe/events', { status }, ['server', 'ledger']);
  return html`<${Bar} note="Unmatched events name no account that is known here: say whose they are. Ignored and failed ones need you." />
    <${Filters} label="Filter events" of=${filters}><${Filter} label="Status" value=${status} options=${STATUSES}
      set=${set('status')} /><//>
    <${Table} label="Stripe events" called=${({ id }) => id}
      columns=${columns(list.reload)} list=${list} empty=${status ? html`<${NoMatch} what="event" />`
      : html`<${Empty} title="No events yet">Stripe has to send its events to <code>${location.origin}/internal/stripe/webhook</code>.
        Its signing secret belongs in the configuration.<//>`} />`;
}

const columns = (reload) => [
  { name: 'Type', of: ({ type }) => html`<code class="strong">${type}</code>`, wide: true },
  { name: 'Status', of: ({ status }) => html`<${Status} value=${TONES[status] ?? status} text=${status} />` },
  { name: 'Reason', of: ({ reason }) => html`<span class="note">${reason ?? '–'}</span>`, wide: true },
  { name: 'Customer', of: ({ stripe_customer_id: id }) => (id ? html`<code>${id}</code>` : '–') },
  { name: 'Created', of: ({ created_at }) => html`<${Time} at=${created_at} />` },
  { name: 'Actions', unseen: true, of: (event) => html`<span class="actions">
    <${Opens} name="Details" title="Event" kind="small" wide>${() => html`<${Details} id=${event.id} />`}<//>
    ${STUCK.includes(event.status) && html`<${Opens} name="Process" title="Process this event" kind="small">${(close) => html`<${Process}
      of=${event} close=${close}
      done=${() => { close(); reload(); }} />`}<//>`}</span>` },
];

function Details({ id }) {
  const loaded = useLoad((signal) => get(`/admin/v1/stripe/events/${encodeURIComponent(id)}`, {}, { signal }), [id]);
  return html`<${Loaded} ...${loaded}>${(event) => html`<div class="form"><${Facts} of=${[
    ['Event', html`<${Copy} text=${event.id} label="Copy the event id" />`],
    ['Account', event.account_id && html`<${Copy} text=${event.account_id} label="Copy the account id" />`],
    ['Grant', event.grant_id && html`<${Copy} text=${event.grant_id} label="Copy the grant id" />`],
    ['Processed', html`<${Time} at=${event.processed_at} />`],
  ]} />${event.payload ? html`<${JsonTree} value=${event.payload} label="the event" />` : html`<p
    class="note">The event itself was done long ago, and is not kept.</p>`}</div>`}<//>`;
}

function Process({ of, close, done }) {
  const [value, set] = useFields({ account_id: of.account_id ?? '' });
  const path = `/admin/v1/stripe/events/${encodeURIComponent(of.id)}/process`;
  const send = (options, { account_id: id }) => post(path, id ? { account_id: id.trim() } : {}, options);
  return html`<${Form} ...${{ value, send, close, done }} submit="Process">
    <p>Grants the payment to this account, if no other event did. The tab Accounts has the ids.</p>
    <${Text} label="Account id" name="account_id" class="mono" required=${!of.account_id} value=${value.account_id}
      set=${set('account_id')} /><//>`;
}
