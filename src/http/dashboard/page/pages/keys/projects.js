// The projects of an account: parts with their own keys and limits.

import { html } from '../../lib/html.js';
import { get } from '../../lib/api.js';
import { choiceOf, isChosen, useSave } from '../../lib/fields.js';
import { useList, useLoad } from '../../lib/load.js';
import { address } from '../../lib/place.js';
import { useCan, useSession } from '../../lib/session.js';
import * as format from '../../lib/format.js';
import { Empty, Problem, Status, Time } from '../../ui/bits.js';
import { Opens } from '../../ui/dialog.js';
import { Form, Select, Text, useFields } from '../../ui/form.js';
import { Table } from '../../ui/table.js';
import { Bar } from '../../ui/tabbed.js';

const NEW = { name: '', environment: 'live', monthly_credit_limit: '', record_invocations: '' };
const RECORDING = [['', 'As the account says'], ['true', 'Yes'], ['false', 'No']];

export function ProjectList() {
  const can = useCan();
  const { project: shown } = useSession();
  const list = useList('/v1/projects', {}, ['projects']);
  const { spent, error } = useSpent(can('usage:read'));
  const write = can('keys:write');
  const close = (end) => () => {
    end();
    list.reload();
  };
  return html`<${Bar} note="Live and test projects share nothing but the account. Test keys run on the sandbox and spend test credits.">
      ${write && html`<${Opens} name="Create project" kind="primary">${(end) => html`<${NewProject} close=${end}
        done=${close(end)} />`}<//>`}<//>
    <${Problem} error=${error} />
    <${Table} label="Projects" columns=${columns({ write, spent, shown, close })} list=${list} empty=${html`<${Empty}
      title="No projects" />`} />`;
}

function columns({ write, spent, shown, close }) {
  return [
    { name: 'Name', of: ({ name, id }) => html`<span class="strong">${name}</span>${id === shown.id && html` <span
      class="note">shown now</span>`}`, wide: true },
    { name: 'Environment', of: ({ environment }) => html`<${Status} value=${environment} />` },
    { name: 'Spent this month', of: (one) => spentBy(one, spent, shown), number: true },
    { name: 'Monthly limit', of: ({ monthly_credit_limit: limit }) => (limit === null ? 'none' : format.credits(limit)), number: true },
    { name: 'Records invocations', of: ({ record_invocations: records }) => ({ true: 'yes', false: 'no' })[records] ?? 'as the account' },
    { name: 'Created', of: ({ created_at }) => html`<${Time} at=${created_at} />` },
    { name: 'Actions', unseen: true, of: (one) => html`<span class="actions">
      ${write && html`<${Opens} name="Edit" title=${`Edit “${one.name}”`} kind="small">${(end) => html`<${EditProject} of=${one}
        close=${end} done=${close(end)} />`}<//>`}
      ${one.id !== shown.id && html`<a href=${address('/dashboard', {}, one.id)}>Switch to it</a>`}</span>` },
  ];
}

/** Keys whose spending is added up; of more, a sum is the least that it may be. */
const KEYS_MAX = 100;

/** Credits are added as whole millionths: their decimals are none that a float has. */
const MILLION = 1_000_000;

/** What was spent this month by project, as of now: `{ of(project), isWhole }`; of the environment that is shown. */
function useSpent(may) {
  const { data, error } = useLoad(async (signal) => {
    if (!may) return null;
    const { data: rows, has_more: more } = await get('/v1/usage/spending', { limit: KEYS_MAX }, { signal });
    const sums = new Map();
    for (const { project_id: id, spent } of rows) sums.set(id, (sums.get(id) ?? 0) + Math.round(spent * MILLION));
    return { of: ({ id }) => (sums.get(id) ?? 0) / MILLION, isWhole: !more };
  }, [may]);
  return { spent: data, error };
}

function spentBy(one, spent, shown) {
  if (!spent || one.environment !== shown.environment) return '–';
  return `${spent.isWhole ? '' : 'at least '}${format.credits(spent.of(one))}`;
}

/** A form as the API wants it. */
const body = ({ monthly_credit_limit: limit, record_invocations: records, ...rest }) => (
  { ...rest, monthly_credit_limit: limit.trim() || null, record_invocations: isChosen(records) });

function NewProject({ close, done }) {
  const [value, set] = useFields(NEW);
  const send = useSave('/v1/projects', NEW, body);
  return html`<${Form} ...${{ value, send, close, done }} submit="Create project">
    <${Text} label="Name" name="name" required maxlength="200" value=${value.name} set=${set('name')} />
    <${Select} label="Environment" name="environment" value=${value.environment} set=${set('environment')}
      options=${[['live', 'Live'], ['test', 'Test']]} hint="For good. A test project has jobs, agents, webhooks and credits of its own." />
    <${Settings} ...${{ value, set }} /><//>`;
}

function EditProject({ of, close, done }) {
  const first = {
    name: of.name, monthly_credit_limit: String(of.monthly_credit_limit ?? ''), record_invocations: choiceOf(of.record_invocations),
  };
  const [value, set] = useFields(first);
  const send = useSave('/v1/projects', first, body, of.id);
  return html`<${Form} ...${{ value, send, close, done }} submit="Save">
    <${Text} label="Name" name="name" required maxlength="200" value=${value.name} set=${set('name')} readonly=${of.name === 'default'}
      hint=${of.name === 'default' ? 'The project “default” keeps its name.' : undefined} />
    <${Settings} ...${{ value, set }} /><//>`;
}

function Settings({ value, set }) {
  return html`<${Text} label="Monthly credit limit" name="monthly_credit_limit" inputmode="decimal" placeholder="No limit"
      value=${value.monthly_credit_limit} set=${set('monthly_credit_limit')}
      hint="What its jobs may be charged in a calendar month (UTC)." />
    <${Select} label="Record invocations" name="record_invocations" value=${value.record_invocations}
      set=${set('record_invocations')} options=${RECORDING}
      hint="Whether what its jobs were asked and answered is kept, to be looked at." />`;
}
