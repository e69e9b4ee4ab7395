// The keys of an account, those that ended included.

import { html } from '../../lib/html.js';
import { getAll, remove } from '../../lib/api.js';
import { useList, useLoad } from '../../lib/load.js';
import { useCan, useSession } from '../../lib/session.js';
import * as format from '../../lib/format.js';
import { Empty, Problem, Status, Time } from '../../ui/bits.js';
import { Confirms } from '../../ui/dialog.js';
import { Table } from '../../ui/table.js';
import { Bar } from '../../ui/tabbed.js';
import { CreateKey } from './create.js';
import { RotateKey } from './rotate.js';

const SCOPES_SHOWN = 3;

export function KeyList() {
  const can = useCan();
  const { account } = useSession();
  const list = useList('/v1/api-keys', {}, ['keys']);
  const { data: projects, error } = useLoad((signal) => getAll('/v1/projects', {}, { signal }), [], ['projects']);
  const named = new Map(projects?.map((one) => [one.id, one]));
  const create = can('keys:write') && html`<${CreateKey} projects=${projects ?? []} made=${list.reload} />`;
  return html`<${Bar} note="Keys let programs use the API. What people do on this page needs none.">${create}<//>
    <${Problem} error=${list.error ? null : error} />
    <${Table} label="API keys" columns=${columns({ named, write: can('keys:write'), reload: list.reload })} list=${list}
      empty=${html`<${Empty} title="No keys yet"
        command=${`skai-server --config config.toml key create --account ${account.id} --name ci --json`}>
        A key is what your program sends as <code>Authorization: Bearer …</code>. Create one here, or on the server itself:<//>`} />`;
}

function columns({ named, write, reload }) {
  return [
    { name: 'Name', of: (key) => html`<span class="strong">${key.name}</span><p class="note"><code>${key.prefix}…</code></p>${limits(key)
      && html`<p class="note">${limits(key)}</p>`}`, wide: true },
    { name: 'Project', of: ({ project_id }) => html`<${ProjectName} of=${named.get(project_id)} id=${project_id} />` },
    { name: 'Scopes', of: ({ scopes }) => html`<${Scopes} of=${scopes} />` },
    { name: 'Last used', of: ({ last_used_at }) => (last_used_at ? html`<${Time} at=${last_used_at} />` : 'never') },
    { name: 'Ends', of: ends },
    { name: 'Status', of: (key) => html`<${Status} value=${state(key)} />` },
    ...(write ? [{ name: 'Actions', unseen: true, of: (key) => state(key) === 'active' && html`<${Actions}
      ...${{ of: key, reload }} />` }] : []),
  ];
}

function ends({ expires_at, revoked_at }) {
  if (revoked_at) return '–';
  return expires_at ? html`<${Time} at=${expires_at} />` : 'never';
}

function state({ revoked_at, expires_at }) {
  if (revoked_at) return 'revoked';
  return expires_at && new Date(expires_at) <= Date.now() ? 'ended' : 'active';
}

function limits({ rate_limit, monthly_credit_limit, allowed_cidrs }) {
  const networks = allowed_cidrs?.length;
  return [
    rate_limit && `rate limit ${rate_limit}`,
    monthly_credit_limit !== null && `${format.credits(monthly_credit_limit)} credits a month`,
    networks && (networks === 1 ? `from ${allowed_cidrs[0]}` : `from ${networks} networks`),
  ].filter(Boolean).join(' · ');
}

function ProjectName({ of, id }) {
  if (!of) return html`<code>${format.tail(id)}</code>`;
  return html`${of.name}${of.environment === 'test' && html` <${Status} value="test" />`}`;
}

function Scopes({ of }) {
  if (of.includes('*')) return 'everything';
  const more = of.length - SCOPES_SHOWN;
  if (more <= 1) return html`<span class="lines">${of.map((scope) => html`<code>${scope}</code>`)}</span>`;
  return html`<details class="lines"><summary>${of.length} scopes</summary>${of.map((scope) => html`<code>${scope}</code>`)}</details>`;
}

function Actions({ of, reload }) {
  return html`<span class="actions"><${RotateKey} ...${{ of, reload }} />
    <${Confirms} name="Revoke" title=${`Revoke “${of.name}”?`} act=${() => remove(`/v1/api-keys/${of.id}`)} done=${reload}>
      Whatever sends <code>${of.prefix}…</code> is refused at once.
      A revoked key does not come back; to replace one without a gap, rotate it.<//></span>`;
}
