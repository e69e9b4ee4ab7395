// The members of an account.

import { html } from '../../lib/html.js';
import { patch, remove } from '../../lib/api.js';
import { useList } from '../../lib/load.js';
import { useCan, useSession } from '../../lib/session.js';
import { Card, Empty, Status, Time } from '../../ui/bits.js';
import { Confirms, Opens } from '../../ui/dialog.js';
import { Form, Select, useFields } from '../../ui/form.js';
import { Table } from '../../ui/table.js';
import { Bar } from '../../ui/tabbed.js';
import { Invite, NewLink } from './invite.js';
import { RoleTable, within } from './roles.js';

export function MemberList() {
  const can = useCan();
  const { user, role, account } = useSession();
  const list = useList('/v1/users', {}, ['members']);
  const write = can('keys:write');
  const command = `skai-server --config config.toml user create --account ${account.id} --email you@example.com --role developer`;
  return html`<${Bar} note="Members sign in with e-mail and password. Their role says what they may do.">
      ${write && html`<${Invite} made=${list.reload} />`}<//>
    <${Table} label="Members" called=${({ email }) => email}
      columns=${columns({ write, user, role, reload: list.reload })} list=${list} empty=${html`<${Empty}
      title="No members yet" command=${command}>${write
        ? 'Invite somebody: they get a link to choose a password with. Or, on the server itself:'
        : 'An owner or admin can invite somebody. Or, on the server itself:'}<//>`} />
    <${Card} title="What each role may do" flush><${RoleTable} /><//>`;
}

function columns({ write, user, role, reload }) {
  const mine = (member) => member.email === user.email;
  return [
    { name: 'E-mail', of: (member) => html`<span class="strong">${member.email}</span>${mine(member) && html` <span
      class="note">you</span>`}`, wide: true },
    { name: 'Role', of: (member) => member.role },
    { name: 'Status', of: ({ status }) => html`<${Status} value=${status} />` },
    { name: 'Last sign-in', of: ({ last_signed_in_at }) => (last_signed_in_at ? html`<${Time} at=${last_signed_in_at} />` : 'never') },
    { name: 'Added', of: ({ created_at }) => html`<${Time} at=${created_at} />` },
    ...(write ? [{ name: 'Actions', unseen: true, of: (member) => within(role).includes(member.role) && html`<${Actions}
      ...${{ of: member, role, reload }} />` }] : []),
  ];
}

function Actions({ of, role, reload }) {
  return html`<span class="actions">
    <${Opens} name="Change role" title=${`Role of ${of.email}`} kind="small">${(close) => html`<${RoleForm} ...${{ of, role, close }}
      done=${() => { close(); reload(); }} />`}<//>
    <${NewLink} of=${of} made=${reload} />
    <${Confirms} name="Remove" title=${`Remove ${of.email}?`} act=${() => remove(`/v1/users/${of.id}`)} done=${reload}>
      They can no longer act in this account, from now on. Keys that they made go on working: revoke those on the page
      Keys & projects.<//></span>`;
}

function RoleForm({ of, role, close, done }) {
  const [value, set] = useFields({ role: of.role });
  const send = (_, given) => patch(`/v1/users/${of.id}`, given);
  return html`<${Form} ...${{ value, send, close, done }} submit="Save" disabled=${value.role === of.role}>
    <${Select} label="Role" name="role" value=${value.role} set=${set('role')}
      options=${within(role)}
      hint="It holds from their next request." />
    <${RoleTable} /><//>`;
}
