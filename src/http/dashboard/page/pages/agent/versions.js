// The versions of an agent: which is active, what changed from one to another, and the form for the next.

import { html } from '../../lib/html.js';
import { get, post } from '../../lib/api.js';
import { useList, useLoad } from '../../lib/load.js';
import { useQuery } from '../../lib/place.js';
import { useCan } from '../../lib/session.js';
import { Card, Loaded, Loading, Status, Time } from '../../ui/bits.js';
import { Confirms, OfRow } from '../../ui/dialog.js';
import { Diff } from '../../ui/diff.js';
import { Select } from '../../ui/form.js';
import { pretty } from '../../ui/json.js';
import { Table } from '../../ui/table.js';
import { fromVersion, versionRequest } from './draft.js';
import { AgentForm } from './form.js';

export function Versions({ agent, path, reload }) {
  const [query, change] = useQuery();
  const list = useList(`${path}/versions`, {}, ['agents']);
  const can = useCan();
  if (!agent) return html`<${Loading} />`;
  const write = can('agents:write') && !agent.archived_at;
  if (query.new && write) return html`<${NewVersion} ...${{ agent, path, reload }} base=${query.new} />`;
  return html`<${List} ...${{ agent, path, reload, write, list }} />
    ${agent.latest_version > 1 && html`<${Compare} ...${{ agent, path, query, change }} />`}`;
}

function List({ agent, path, reload, write, list }) {
  const [, change] = useQuery();
  const renew = () => {
    reload();
    list.reload();
  };
  const columns = [
    { name: 'Version', of: ({ version }) => version },
    { name: 'State', of: ({ version }) => (version === agent.version ? html`<${Status} value="active" />` : '–') },
    { name: 'Model', of: ({ model }) => model },
    { name: 'Messages', of: ({ messages }) => messages.length, number: true },
    { name: 'Created', of: ({ created_at }) => html`<${Time} at=${created_at} />` },
    { name: 'Actions', unseen: true, of: (version) => html`<${Actions} ...${{ agent, path, version, write, change }} done=${renew} />` },
  ];
  return html`<${Card} title="Versions" flush
    actions=${write && html`<button type="button" class="primary" onClick=${() => change({ new: agent.version })}>New version</button>`}>
    <${Table} label="All versions" columns=${columns} list=${list}
      called=${({ version }) => `version ${version}`} /><//>`;
}

function Actions({ agent, path, version, write, change, done }) {
  const { version: number } = version;
  const isActive = number === agent.version;
  const both = { from: Math.min(number, agent.version), to: Math.max(number, agent.version) };
  return html`<div class="actions">
    ${write && !isActive && html`<${Confirms} name="Activate" kind="small"
      title=${`Activate version ${number}?`} done=${done}
      act=${(options) => post(`${path}/activate`, { version: number }, options)}>
      Runs that name no version use version ${number} from then on, instead of version ${agent.version}.
      Jobs that were accepted before keep theirs.<//>`}
    ${!isActive && html`<button type="button" class="small" onClick=${() => change(both)}>Compare<${OfRow} /></button>`}
    ${write && html`<button type="button" class="small" onClick=${() => change({ new: number })}>Edit as new<span
      class="unseen"> version, from version ${number}</span></button>`}
  </div>`;
}

/** Versions that can be chosen to compare, newest first. */
const CHOICES_MAX = 200;

function Compare({ agent, path, query, change }) {
  const latest = agent.latest_version;
  const choices = Array.from({ length: Math.min(latest, CHOICES_MAX) }, (_, at) => String(latest - at));
  const known = (number, other) => (choices.includes(number) ? number : String(other));
  const to = known(query.to, latest);
  const from = known(query.from, latest - 1);
  const ask = (signal) => Promise.all([from, to].map((number) => get(`${path}/versions/${number}`, {}, { signal })));
  const both = useLoad(ask, [path, from, to]);
  return html`<${Card} title="What changed">
    <div class="pair narrow"><${Select} label="From version" options=${choices} value=${from}
      set=${(number) => change({ from: number, to })} />
      <${Select} label="To version" options=${choices} value=${to} set=${(number) => change({ from, to: number })} /></div>
    <${Loaded} ...${both}>${([before, after]) => html`<${Diff} before=${written(before)} after=${written(after)}
      label=${`From version ${from} to version ${to}`} />`}<//>
  <//>`;
}

/** What a version says, without what it is called and where it stands; messages by their lines. */
function written({ id, object, agent, version, active, warnings, created_at, messages, ...said }) {
  const spoken = messages.map(({ role, content }) => `${role}:\n${content}`).join('\n\n');
  return `${spoken}\n\n${pretty(said)}`;
}

function NewVersion({ agent, path, reload, base }) {
  const [, change] = useQuery();
  const leave = () => change({ new: '' });
  const version = useLoad((signal) => get(`${path}/versions/${encodeURIComponent(base)}`, {}, { signal }), [path, base]);
  const made = async ({ version: number, active }) => {
    await reload();
    change({ new: '', ...(active ? { tab: 'try' } : { from: agent.version, to: number }) }, { replace: true });
  };
  const send = (options, { activate, ...draft }) => post(`${path}/versions`, { ...versionRequest(draft), activate }, options);
  return html`<h2>New version, from version ${base}</h2>
    <${Loaded} ...${version}>${(data) => html`<${AgentForm} key=${base} activates submit="Create version" close=${leave} done=${made}
      send=${send} draft=${fromVersion({ ...data, description: agent.description, tags: agent.tags })} />`}<//>`;
}
