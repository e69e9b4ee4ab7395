// The agents of the account, and the form for a new one.

import { html } from '../lib/html.js';
import { post } from '../lib/api.js';
import { useList } from '../lib/load.js';
import { address, go, useQuery } from '../lib/place.js';
import { useCan } from '../lib/session.js';
import { Empty, Head, Time, curl } from '../ui/bits.js';
import { Filter } from '../ui/form.js';
import { Table } from '../ui/table.js';
import { AgentForm } from './agent/form.js';
import { agentRequest, starter } from './agent/draft.js';

const FIRST_AGENT = curl('/v1/agents', {
  name: 'summary', model: 'sandbox', messages: [{ role: 'user', content: 'Summarize: {{ input.text }}' }],
});

const COLUMNS = [
  { name: 'Agent', of: ({ name }) => name, wide: true },
  { name: 'Description', of: ({ description }) => html`<span class="clamp" title=${description}>${description ?? '–'}</span>`, wide: true },
  { name: 'Model', of: ({ model }) => model },
  { name: 'Version', of: ({ version, latest_version: last }) => (version === last ? version : `${version} of ${last}`), number: true },
  { name: 'Contract', of: ({ input_schema, output_schema }) => contract(input_schema, output_schema) },
  { name: 'Tags', of: ({ tags }) => tags.join(', ') || '–', wide: true },
  { name: 'Changed', of: ({ updated_at }) => html`<${Time} at=${updated_at} />` },
];

function contract(input, output) {
  if (input && output) return 'Input and output';
  if (input) return 'Input';
  return output ? 'Output' : 'None';
}

export function Agents() {
  const [query] = useQuery();
  const write = useCan()('agents:write');
  return query.new && write ? html`<${NewAgent} />` : html`<${AgentList} ...${{ write }} />`;
}

function AgentList({ write }) {
  const [query, change] = useQuery();
  const archived = query.archived === 'archived';
  const list = useList('/v1/agents', { archived: archived ? 'true' : undefined }, ['agents']);
  return html`<${Head} title="Agents"
    note="Prompts with a contract: what goes in, what comes out, by which model. Each change is a version.">
      ${write && html`<button type="button" class="primary"
        onClick=${() => go(address('/dashboard/agents', { new: 1 }))}>Create agent</button>`}<//>
    <div class="filters" role="search" aria-label="Filter agents">
      <${Filter} label="State" value=${query.archived} options=${['archived']} none="In use" set=${(to) => change({ archived: to })} />
    </div>
    <${Table} label="Agents" columns=${COLUMNS} list=${list} to=${({ name }) => `/dashboard/agents/${name}`} empty=${archived
      ? html`<${Empty} title="No agent is archived">Archived agents take no runs; their history is kept.<//>`
      : html`<${Empty} title="No agents yet" command=${FIRST_AGENT}>
        ${write ? 'Create the first one here, or with an API key:' : 'Create the first one with an API key:'}<//>`} />`;
}

function NewAgent() {
  const made = ({ name }) => go(address(`/dashboard/agents/${name}`, { tab: 'try' }), { replace: true });
  return html`<${Head} title="New agent" back=${{ to: '/dashboard/agents', name: 'Agents' }}
    note="It begins with an example that works: change what you need. Afterwards you try it out." />
    <${AgentForm} draft=${starter()} named submit="Create agent" done=${made} close=${() => go(address('/dashboard/agents'))}
      send=${(options, draft) => post('/v1/agents', agentRequest(draft), options)} />`;
}
