// Entries of the audit log: who changed what, and what it was before.

import { html } from '../lib/html.js';
import { useList } from '../lib/load.js';
import { useQuery } from '../lib/place.js';
import { Copy, Empty, Loading, Problem, Time } from './bits.js';
import { Diff } from './diff.js';
import { Filter, FilterText } from './form.js';
import { JsonTree } from './json.js';

const TARGETS = [
  'account', 'agent', 'api_key', 'credit_grant', 'duty', 'end_user', 'eval', 'function', 'price',
  'project', 'queue', 'schedule', 'stripe_customer', 'user', 'webhook_endpoint',
];
const KINDS = { user: 'somebody', key: 'a key', operator: 'the operator', system: 'the server itself' };

/** The list at `path`, with its filters in the address. */
export function AuditLog({ path, topics }) {
  const [query, change] = useQuery();
  const { action, target, from, to } = query;
  const list = useList(path, { action, target, created_after: from && dayStart(from), created_before: to && dayStart(to, 1) }, topics);
  return html`<div class="filters" role="search" aria-label="Filter the audit log">
      <${FilterText} label="Action" placeholder="project.updated" value=${action} set=${(text) => change({ action: text.trim() })} />
      <${Filter} label="Target" value=${target} options=${TARGETS} set=${(one) => change({ target: one })} />
      <${FilterText} label="From" type="date" value=${from} set=${(day) => change({ from: day })} />
      <${FilterText} label="To" type="date" value=${to} set=${(day) => change({ to: day })} />
    </div>
    <${Entries} list=${list} filtered=${Boolean(action || target || from || to)} />`;
}

/** When a day begins here, or the day so many after it. */
function dayStart(day, later = 0) {
  const at = new Date(`${day}T00:00`);
  at.setDate(at.getDate() + later);
  return at.toISOString();
}

function Entries({ list: { rows, error, more, reload }, filtered }) {
  if (!rows) return error ? html`<${Problem} error=${error} retry=${reload} />` : html`<${Loading} />`;
  return html`${error && html`<${Problem} error=${error} retry=${reload} />`}
    ${rows.length > 0 && html`<ul class="entries" aria-label="Changes">${rows.map((entry) => html`<li key=${entry.id}><${Entry}
      of=${entry} /></li>`)}</ul>`}
    ${!rows.length && !error && html`<${None} ...${{ more, filtered }} />`}
    ${more && html`<p class="more"><button type="button"
      onClick=${more}>${rows.length ? 'Show more' : 'Search further back'}</button></p>`}`;
}

function None({ more, filtered }) {
  if (more) return html`<${Empty} title="None of the newest entries match">Older ones may.<//>`;
  if (filtered) return html`<${Empty} title="No change matches">Change or clear the filters.<//>`;
  return html`<${Empty} title="No changes yet">Whatever somebody changes, on this page or with a key, is listed here.<//>`;
}

function Entry({ of }) {
  const { actor, target } = of;
  return html`<details class="entry"><summary>
      <span class="what"><code>${of.action}</code> <span>${target.name ?? target.id ?? target.object.replaceAll('_', ' ')}</span></span>
      <span class="by note">${byWhom(actor)}</span>
      <span class="note"><${Time} at=${of.created_at} /></span></summary>
    <div class="form"><dl class="facts">
      <div><dt>Who</dt><dd>${byWhom(actor)}</dd></div>
      <div><dt>From</dt><dd>${of.address ?? 'the server itself'}</dd></div>
      <div><dt>Target</dt><dd>${target.object.replaceAll('_', ' ')}${target.id && html` <${Copy} text=${target.id}
        label="Copy the id" />`}</dd></div>
      ${of.request_id && html`<div><dt>Request</dt><dd><${Copy} text=${of.request_id} label="Copy the request id" /></dd></div>`}
    </dl><${Change} before=${of.before} after=${of.after} /></div></details>`;
}

function byWhom({ kind, name }) {
  if (!name) return KINDS[kind];
  return kind === 'key' ? `key “${name}”` : name;
}

function Change({ before, after }) {
  const text = (value) => JSON.stringify(value, null, 2);
  if (before && after) return html`<${Diff} before=${text(before)} after=${text(after)} label="Before and after" />`;
  if (after) return html`<div><p class="note">Now</p><${JsonTree} value=${after} label="what is there now" /></div>`;
  if (before) return html`<div><p class="note">Before</p><${JsonTree} value=${before} label="what was there" /></div>`;
  return html`<p class="note">Nothing to compare: what changed is a secret, or has no fields.</p>`;
}
