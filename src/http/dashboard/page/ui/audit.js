// Entries of the audit log: who changed what, and what it was before.

import { html, useState } from '../lib/html.js';
import { useList } from '../lib/load.js';
import * as format from '../lib/format.js';
import { Copy, Empty, Facts, Loading, NoMatch, Problem, Time } from './bits.js';
import { Diff } from './diff.js';
import { FilterDays, Filters, moments, useFilters } from './filters.js';
import { Filter, FilterText } from './form.js';
import { JsonTree, pretty } from './json.js';

const TARGETS = [
  'account', 'agent', 'api_key', 'credit_grant', 'duty', 'end_user', 'eval', 'function', 'price',
  'project', 'queue', 'schedule', 'stripe_customer', 'user', 'webhook_endpoint',
];
const KINDS = { user: 'somebody', key: 'a key', operator: 'the operator', system: 'the server itself' };

/** The list at `path`, with its filters in the address; `all`: of all accounts. */
export function AuditLog({ path, topics, all }) {
  const filters = useFilters(['action', 'target', 'actor', 'from', 'to', ...(all ? ['account_id', 'environment'] : [])]);
  const { query, set } = filters;
  const { from, to, ...asked } = query;
  const list = useList(path, { ...asked, ...moments({ from, to }) }, topics);
  const text = (label, name, placeholder) => html`<${FilterText} ...${{ label, placeholder }} value=${query[name]} set=${set(name)} />`;
  return html`<${Filters} label="Filter the audit log" of=${filters}>
      ${text('Action', 'action', 'project.updated')}
      <${Filter} label="Target" value=${query.target} options=${TARGETS} set=${set('target')} />
      ${text('Actor id', 'actor', 'Of a user or key')}
      ${all && text('Account id', 'account_id')}
      ${query.account_id && html`<${Filter} label="Environment" none="live" options=${['test']} value=${query.environment}
        set=${set('environment')} />`}
      <${FilterDays} of=${filters} /><//>
    <${Entries} list=${list} filtered=${filters.filtered} />`;
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
  if (filtered) return html`<${NoMatch} what="change" />`;
  return html`<${Empty} title="No changes yet">Whatever somebody changes, on this page or with a key, is listed here.<//>`;
}

/** What changed is drawn once it is looked at. */
function Entry({ of }) {
  const [open, setOpen] = useState(false);
  const { actor, target, account_id: account } = of;
  return html`<details class="entry" onToggle=${(event) => setOpen(event.currentTarget.open)}><summary>
      <span class="what"><code>${of.action}</code> <span>${named(of)}</span>
        ${account !== undefined && html`<span class="note">${where(of)}</span>`}</span>
      <span class="by note">${byWhom(actor)}</span>
      <span class="note"><${Time} at=${of.created_at} /></span></summary>
    ${open && html`<div class="form"><${About} of=${of} /><${Change} before=${of.before} after=${of.after} /></div>`}</details>`;
}

function About({ of: { actor, target, address, account_id: account, environment, request_id: request, created_at: at } }) {
  const id = (text, label) => text && html` <${Copy} text=${text} label=${label} />`;
  return html`<${Facts} of=${[
    ['Who', html`${byWhom(actor)}${id(actor.id, 'Copy the actor’s id')}`],
    ['When', format.time(at)],
    ['From', address ?? (actor.kind === 'system' ? 'the server itself' : undefined)],
    ['Target', html`${words(target.object)}${id(target.id, 'Copy the id')}`],
    ['Account', account ? html`${environment}${id(account, 'Copy the account id')}` : account],
    ['Request', id(request, 'Copy the request id') ?? undefined],
  ]} />`;
}

/** What was changed, by its name; a grant has none but what it gave. */
function named({ target, after }) {
  if (target.object === 'credit_grant' && after) return `${format.credits(after.amount)} ${after.bucket}: ${after.reason}`;
  return target.name ?? target.id ?? words(target.object);
}

const words = (object) => object.replaceAll('_', ' ');

/** Which account a change is of, where those of all are listed. */
const where = ({ account_id: id, environment }) => (id ? `account …${format.tail(id)}, ${environment}` : 'the server itself');

function byWhom({ kind, name }) {
  if (!name) return KINDS[kind];
  return kind === 'key' ? `key “${name}”` : name;
}

function Change({ before, after }) {
  if (before && after) return html`<${Diff} before=${pretty(before)} after=${pretty(after)} label="Before and after" />`;
  if (after) return html`<div><p class="note">Now</p><${JsonTree} value=${after} label="what is there now" /></div>`;
  if (before) return html`<div><p class="note">Before</p><${JsonTree} value=${before} label="what was there" /></div>`;
  return html`<p class="note">Nothing to compare: what changed is a secret, or has no fields.</p>`;
}
