// What was used, and what was recorded of it: reports by day, executions, invocations, requests, spending.

import { html } from '../lib/html.js';
import { useQuery } from '../lib/place.js';
import { useCan } from '../lib/session.js';
import { Head, Tabs } from '../ui/bits.js';
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
  const [query, change] = useQuery();
  const can = useCan();
  const tabs = TABS.filter(({ scope }) => !scope || can(scope));
  const tab = tabs.find(({ id }) => id === query.tab) ?? tabs[0];
  // Filters belong to their tab.
  const choose = (id) => change({ ...Object.fromEntries(Object.keys(query).map((name) => [name, undefined])), tab: id });
  return html`<${Head} title="Usage & logs"
      note="Reports come from the books and are exact. Executions, invocations and requests are telemetry, which is kept for a while." />
    <${Tabs} label="Usage and logs" tabs=${tabs} chosen=${tab.id} choose=${choose} />
    <${tab.view} key=${tab.id} query=${query} change=${change} />`;
}
