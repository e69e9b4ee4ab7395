// The server itself, for who operates it.

import { html } from '../lib/html.js';
import { useSession } from '../lib/session.js';
import { AuditLog } from '../ui/audit.js';
import { Empty, Head } from '../ui/bits.js';
import { Bar, Tabbed } from '../ui/tabbed.js';
import { Accounts } from './system/accounts.js';
import { Duties } from './system/duties.js';
import { Providers } from './system/providers.js';
import { Queues } from './system/queues.js';
import { Server } from './system/server.js';
import { Settings } from './system/settings.js';
import { StripeEvents } from './system/stripe.js';
import { RequestLog } from './usage/requests.js';

const TABS = [
  { id: 'server', title: 'Server', view: Server },
  { id: 'queues', title: 'Queues', view: Queues },
  { id: 'providers', title: 'Providers', view: Providers },
  { id: 'backups', title: 'Backups & duties', view: Duties },
  { id: 'accounts', title: 'Accounts', view: Accounts },
  { id: 'settings', title: 'Settings', view: Settings },
  { id: 'audit', title: 'Audit log', view: Audit },
  { id: 'requests', title: 'Requests', view: Requests },
  { id: 'stripe', title: 'Stripe events', view: StripeEvents },
];

export function System() {
  const { user } = useSession();
  if (!user.is_operator) return html`<${Head} title="System" /><${Empty}
    title="For operators">Only operators of this server see how it is doing.<//>`;
  return html`<${Head} title="System" note="The server and all its accounts. Operators alone see this page." /><${Tabbed} label="System"
    tabs=${TABS} />`;
}

function Audit() {
  return html`<${Bar} note="Changes of all accounts, and of the server itself." /><${AuditLog} path="/admin/v1/audit-log"
    topics=${['audit', 'server']} all />`;
}

function Requests() {
  return html`<${Bar} note="Requests that no API key was verified for, and the operator’s. Those of an account are under Usage & logs." />
    <${RequestLog} path="/admin/v1/logs" empty=${html`<${Empty} title="No requests yet">Requests without a valid key, and the
      operator’s, are listed here.<//>`} />`;
}
