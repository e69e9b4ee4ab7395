// The log of requests.

import { html, useState } from '../../lib/html.js';
import { useList } from '../../lib/load.js';
import * as format from '../../lib/format.js';
import { Copy, Empty, Facts, NoMatch, Status, Time, curl } from '../../ui/bits.js';
import { Dialog } from '../../ui/dialog.js';
import { FilterDays, Filters, moments, useFilters } from '../../ui/filters.js';
import { FilterText } from '../../ui/form.js';
import { Table } from '../../ui/table.js';

const tone = (status) => (status < 400 ? 'succeeded' : status < 500 ? 'paused' : 'failed');
const Answer = ({ status }) => html`<${Status} value=${tone(status)} text=${status} />`;

const COLUMNS = [
  { name: 'Request', of: ({ method, path }) => html`<code><b>${method}</b> ${path}</code>`, wide: true },
  { name: 'Status', of: ({ status }) => html`<${Answer} status=${status} />` },
  { name: 'Error', of: ({ error_code }) => (error_code ? html`<code>${error_code}</code>` : '–') },
  { name: 'Duration', of: ({ duration_ms }) => took(duration_ms), number: true },
  { name: 'Key', of: ({ api_key_prefix: prefix }) => keyName(prefix) },
  { name: 'Answered', of: ({ created_at }) => html`<${Time} at=${created_at} />` },
];

/** People use the key of the page, whose prefix is an id. */
function keyName(prefix) {
  if (!prefix) return '–';
  return prefix.startsWith('dashboard-') ? html`<span title=${prefix}>the dashboard</span>` : html`<code>${prefix}</code>`;
}

/** Requests are short: below ten milliseconds, tenths matter. */
const took = (ms) => (ms < 10 ? `${ms.toFixed(1)} ms` : format.duration(ms));

/** Those with a key of the account that is shown. */
export function Requests() {
  return html`<${RequestLog} path="/v1/logs" topics=${['logs']} empty=${html`<${Empty} title="No requests yet" command=${curl('/v1/me')}>Each request
    with a key of this account is listed here:<//>`} />`;
}

/** The log at `path`, loaded again when `topics` change; `empty` is drawn where there is nothing in it. */
export function RequestLog({ path, topics, empty }) {
  const filters = useFilters(['status', 'route', 'request_id', 'from', 'to']);
  const { query: { from, to, ...asked }, set, filtered } = filters;
  const [open, setOpen] = useState(null);
  const list = useList(path, { ...asked, ...moments({ from, to }) }, topics);
  const text = (label, name, more) => html`<${FilterText} label=${label} value=${asked[name]} set=${set(name)} ...${more} />`;
  return html`<div class="toolbar"><${Filters} label="Filter requests" of=${filters}>
      ${text('Status', 'status', { inputmode: 'numeric', placeholder: '404' })}
      ${text('Route', 'route', { placeholder: '/v1/jobs/{id}' })}
      ${text('Request id', 'request_id')}
      <${FilterDays} of=${filters} /><//>
      <button type="button" onClick=${list.reload}>Refresh</button></div>
    <${Table} label="Requests" called=${({ method, path }) => `${method} ${path}`} columns=${COLUMNS} list=${list} open=${setOpen}
      empty=${filtered ? html`<${NoMatch} what="request" />` : empty} />
    ${open && html`<${Detail} request=${open} close=${() => setOpen(null)} />`}`;
}

function Detail({ request, close }) {
  const { server } = request;
  return html`<${Dialog} title="Request" wide close=${close}><div class="stack">
    <p><code><b>${request.method}</b> ${request.path}</code></p>
    <${Facts} of=${[
      ['Status', html`<${Answer} status=${request.status} />`],
      ['Error', request.error_code && html`<code>${request.error_code}</code>`],
      ['Answered', format.time(request.created_at)],
      ['Duration', took(request.duration_ms)],
      ['Route', request.route && html`<code>${request.route}</code>`],
      ['Request id', html`<${Copy} text=${request.request_id} label="Copy the request id" />`],
      ['Key', keyName(request.api_key_prefix)],
      ['Client', html`<code>${request.client_address}</code>`],
      ['User agent', request.user_agent],
      ['Body read', format.bytes(request.bytes_in)],
      ['Body sent', format.bytes(request.bytes_out)],
      ['Server', `${server.host}: ${server.cpu_percent} % of a core, ${format.bytes(server.memory_bytes)}`],
    ]} />
  </div><//>`;
}
