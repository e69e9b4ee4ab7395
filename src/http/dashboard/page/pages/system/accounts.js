// The tenants of the server.

import { html } from '../../lib/html.js';
import { patch, post } from '../../lib/api.js';
import { useList } from '../../lib/load.js';
import { useSession } from '../../lib/session.js';
import * as format from '../../lib/format.js';
import { Copy, Empty, Status, Time } from '../../ui/bits.js';
import { Confirms, Does, Opens } from '../../ui/dialog.js';
import { Form, Text, useFields } from '../../ui/form.js';
import { Table } from '../../ui/table.js';
import { Bar } from '../../ui/tabbed.js';
import { Grant } from '../credits/operator.js';
import { EditAccount } from './account-form.js';
import { switchTo } from './switch.js';

export function Accounts() {
  const { account } = useSession();
  const list = useList('/admin/v1/accounts', {}, ['server']);
  const done = (close) => () => {
    close();
    list.reload();
  };
  return html`<${Bar} note="Every account has its own projects, keys, members and credits. Nothing of one is seen in another.">
      <${Opens} name="Create account" kind="primary">${(close) => html`<${NewAccount} close=${close} done=${done(close)} />`}<//><//>
    <${Table} label="Accounts" columns=${columns({ account, reload: list.reload })} list=${list} empty=${html`<${Empty}
      title="No accounts yet"
      command="skai-server --config config.toml account create --name Main --json">Create one here, or on the server itself:<//>`} />`;
}

const columns = ({ account, reload }) => [
  { name: 'Name', of: ({ id, name }) => html`<span class="strong">${name}</span>${id === account.id && html` <span
    class="note">shown now</span>`}`, wide: true },
  { name: 'Account', of: ({ id }) => html`<${Copy} text=${id} shown=${`…${format.tail(id)}`} label="Copy the id" />` },
  { name: 'Status', of: ({ suspended, suspended_at }) => html`<${Status} value=${suspended ? 'suspended' : 'active'} />
    ${suspended && html` <span class="note"><${Time} at=${suspended_at} /></span>`}` },
  { name: 'Created', of: ({ created_at }) => html`<${Time} at=${created_at} />` },
  { name: 'Actions', unseen: true, of: (one) => html`<span class="actions">
    <${Does} name="Switch" disabled=${one.id === account.id} act=${() => switchTo(one.id)} />
    <${EditAccount} of=${one} done=${reload} />
    <${Grant} of=${one} />
    <${Suspension} of=${one} done=${reload} /></span>` },
];

function Suspension({ of: { id, name, suspended }, done }) {
  const set = (to) => () => patch(`/admin/v1/accounts/${id}`, { suspended: to });
  if (suspended) return html`<${Confirms} name="Resume" title=${`Resume ${name}?`} kind="small" act=${set(false)}
    done=${done}>Its keys work again, and what waits goes on.<//>`;
  return html`<${Confirms} name="Suspend" title=${`Suspend ${name}?`} act=${set(true)}
    done=${done}>All its keys are refused at once, until you resume it. Nothing is deleted.<//>`;
}

function NewAccount({ close, done }) {
  const [value, set] = useFields({ name: '' });
  return html`<${Form} ...${{ value, close, done }} submit="Create account"
    send=${(options, given) => post('/admin/v1/accounts', given, options)}>
    <${Text} label="Name" name="name" required maxlength="200" hint="It begins with a project “default” and no credits."
      value=${value.name} set=${set('name')} /><//>`;
}
