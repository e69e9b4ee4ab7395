// One agent: what it is, its versions, trying it out, how it does.

import { html } from '../lib/html.js';
import { get, remove } from '../lib/api.js';
import { useLoad } from '../lib/load.js';
import { useCan } from '../lib/session.js';
import { Head, Loaded, Problem } from '../ui/bits.js';
import { Confirms } from '../ui/dialog.js';
import { Panel, Tabs, useTab } from '../ui/tabbed.js';
import { Evals } from './agent/evals.js';
import { Health } from './agent/health.js';
import { Overview } from './agent/overview.js';
import { Runs } from './agent/runs.js';
import { Try } from './agent/try.js';
import { Versions } from './agent/versions.js';

/** Those that are `early` ask for what they show beside the agent, not after it: they are drawn before it is there. */
const TABS = [
  { id: 'overview', title: 'Overview', view: Overview },
  { id: 'try', title: 'Try it out', view: Try, scope: 'jobs:write' },
  { id: 'versions', title: 'Versions', view: Versions, early: true },
  { id: 'evals', title: 'Evals', view: Evals, early: true },
  { id: 'health', title: 'Health', view: Health, early: true },
  { id: 'runs', title: 'Runs', view: Runs, scope: 'jobs:read', early: true },
];

export function Agent({ name }) {
  const path = `/v1/agents/${encodeURIComponent(name)}`;
  const agent = useLoad((signal) => get(path, {}, { signal }), [name], ['agents']);
  const can = useCan();
  const tabs = TABS.filter(({ scope }) => !scope || can(scope));
  const { chosen, choose } = useTab(tabs);
  const draw = (data) => html`<${chosen.view} agent=${data} ...${{ name, path }} reload=${agent.reload} />`;
  // What is drawn stays where it is when the agent cannot be asked for again: somebody may be writing in it.
  const isEarly = chosen.early && (agent.data || !agent.error);
  const isGone = !agent.data && agent.error?.status === 404;
  return html`<${Head} title=${name} back=${{ to: '/dashboard/agents', name: 'Agents' }} note=${agent.data?.description}>
      ${agent.data && !agent.data.archived_at && can('agents:write') && html`<${Archive} ...${{ name, path }} done=${agent.reload} />`}<//>
    ${agent.data?.archived_at && html`<p class="notice">This agent is archived: it takes no runs. Its history is kept.</p>`}
    ${isGone ? html`<${Loaded} ...${agent} />` : html`<${Tabs} label="Agent" ...${{ tabs, chosen, choose }} />
      <${Panel} chosen=${chosen}>${isEarly ? html`<${Problem} error=${agent.error} retry=${agent.reload} />${draw(agent.data)}`
        : html`<${Loaded} ...${agent}>${draw}<//>`}<//>`}`;
}

function Archive({ name, path, done }) {
  return html`<${Confirms} name="Archive" title=${`Archive ${name}?`} kind="danger" act=${() => remove(path)} done=${done}>
    It takes no runs from then on, and cannot be brought back; its name is never free again.
    Its versions, runs and evals stay to be seen.<//>`;
}
