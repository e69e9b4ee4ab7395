// What was used, and what was recorded of it: reports by day, executions, invocations, requests, spending.

import { html } from '../lib/html.js';
import { useCan } from '../lib/session.js';
import { Head } from '../ui/bits.js';
import { Tabbed } from '../ui/tabbed.js';
import { ByDay } from './usage/by-day.js';
import { Executions } from './usage/executions.js';
import { Invocations } from './usage/invocations.js';
import { Requests } from './usage/requests.js';
import { Spending } from './usage/spending.js';

const TABS = [
  { id: 'days', title: 'Usage by day', view: ByDay },
  { id: 'executions', title: 'Executions', view: Executions },
  { id: 'invocations', title: 'Invocations', view: Invocations, scope: 'logs:read' },
  { id: 'requests', title: 'Requests', view: Requests, scope: 'logs:read' },
  { id: 'spending', title: 'Spending', view: Spending },
];

export function Usage() {
  const can = useCan();
  return html`<${Head} title="Usage & logs"
      note="Reports come from the books and are exact. Executions, invocations and requests are telemetry, which is kept for a while." />
    <${Tabbed} label="Usage and logs" tabs=${TABS.filter(({ scope }) => !scope || can(scope))} />`;
}
