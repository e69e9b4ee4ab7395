// Who may sign in to the account, and who changed what in it.

import { html } from '../lib/html.js';
import { useCan } from '../lib/session.js';
import { Head } from '../ui/bits.js';
import { AuditLog } from '../ui/audit.js';
import { Bar, Tabbed } from '../ui/tabbed.js';
import { MemberList } from './members/list.js';

const MEMBERS = { id: 'members', title: 'Members', view: MemberList };
const AUDIT = { id: 'audit', title: 'Audit log', view: Audit };

export function Members() {
  const can = useCan();
  return html`<${Head} title="Members & audit log" note="Who may sign in to this account, and who changed what in it." />
    <${Tabbed} label="Members and audit log" tabs=${can('logs:read') ? [MEMBERS, AUDIT] : [MEMBERS]} />`;
}

function Audit() {
  return html`<${Bar} note="Every change of what is configured: by whom, from where, and what it was before." />
    <${AuditLog} path="/v1/audit-log" topics=${['audit']} />`;
}
