// A function to make or to replace.

import { html, useId, useState } from '../../lib/html.js';
import { get, put } from '../../lib/api.js';
import { useLoad } from '../../lib/load.js';
import { Form, Select, Text } from '../../ui/form.js';
import { JsonEditor } from '../../ui/json.js';
import { Opens } from '../../ui/dialog.js';
import { Secret } from '../webhooks/parts.js';
import { Headers, headersOf, headersSent } from './headers.js';
import { isBroken, payloadOf, payloadText, useFunctions } from './parts.js';

const KINDS = [
  ['http', 'A request to your own server'],
  ['agent', 'A run of an agent'],
  ['builtin', 'A duty of this server'],
];
const BUILTINS = ['daily-token-reset', 'batch-ai-processor', 'streak-updater', 'cleanup-expired-tokens'];
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];
const NEW = { name: '', kind: 'http', url: '', method: 'POST', headers: [], timeout_ms: 30_000, agent: '', input: '' };

function body(value) {
  if (value.kind === 'http') {
    const { kind, method, headers, timeout_ms: timeout } = value;
    return { kind, method, url: value.url.trim(), headers: headersSent(headers), timeout_ms: Number(timeout) };
  }
  return value.kind === 'agent' ? { kind: 'agent', agent: value.agent.trim(), input: payloadOf(value.input) } : { kind: 'builtin' };
}

/** "Create function". */
export function CreateFunction() {
  return html`<${Opens} name="Create function" kind="primary">${(close) => html`<${Saving} close=${close} first=${NEW}
    submit="Create function" isNew />`}<//>`;
}

/** "Edit": replaces the function, whose secret stays. */
export function EditFunction({ one, done }) {
  const first = { ...NEW, ...given(one), headers: headersOf(one.headers), input: payloadText(one.input) };
  return html`<${Opens} name="Edit" title=${`Edit ${one.name}`} kind="small">${(close) => html`<${Saving} ...${{ first, close, done }}
    submit="Save" />`}<//>`;
}

const given = (one) => Object.fromEntries(Object.keys(NEW).filter((name) => one[name] !== null).map((name) => [name, one[name]]));

function Saving({ first, submit, isNew, close, done }) {
  const [secret, setSecret] = useState(null);
  if (secret) return html`<${Secret} ...${{ secret, close }} note="Requests of this function are signed with it, as webhooks are." />`;
  const send = (_, value) => put(`/v1/functions/${encodeURIComponent(value.name.trim())}`, body(value));
  const saved = (made) => {
    done?.();
    if (made.secret) setSecret(made.secret);
    else close();
  };
  return html`<${Fields} ...${{ first, submit, isNew, send, close }} done=${saved} />`;
}

function Fields({ first, isNew, ...rest }) {
  const [value, setValue] = useState(first);
  const set = (name) => (to) => setValue({ ...value, [name]: to });
  const choose = (kind) => setValue({ ...value, kind, name: nameFor(kind, value) });
  return html`<${Form} ...${{ ...rest, value }} disabled=${isLacking(value)}>
    <${Select} label="Kind" value=${value.kind} set=${choose} options=${KINDS} />
    ${isNew && html`<${Name} ...${{ value }} set=${set('name')} />`}
    ${value.kind === 'http' && html`<${Request} ...${{ value, set }} />`}
    ${value.kind === 'agent' && html`<${AgentRun} ...${{ value, set }} />`}
  <//>`;
}

/** The server's own duties are named by it; what was named otherwise keeps its name. */
function nameFor(kind, value) {
  if (kind === 'builtin') return BUILTINS[0];
  return value.kind === 'builtin' ? '' : value.name;
}

function isLacking({ kind, name, url, agent, input }) {
  const target = { http: url, agent, builtin: name }[kind];
  return !name.trim() || !target.trim() || isBroken(input);
}

function Name({ value: { kind, name }, set }) {
  const { names } = useFunctions();
  if (kind === 'builtin') return html`<${Select} label="Name" value=${name} set=${set} options=${BUILTINS} />`;
  const taken = names.includes(name.trim());
  return html`<${Text} label="Name" class="mono" value=${name} set=${set} maxlength="64" placeholder="warm-cache"
    hint=${taken ? 'There is a function of this name: saving replaces it.' : 'Small letters, digits, hyphens, underscores.'} />`;
}

function Request({ value, set }) {
  return html`<div class="pair"><${Select} label="Method" value=${value.method} set=${set('method')} options=${METHODS} />
      <${Text} label="Timeout in milliseconds" type="number" min="1" max="600000" value=${value.timeout_ms}
        set=${set('timeout_ms')} /></div>
    <${Text} label="URL" type="url" inputmode="url" value=${value.url} set=${set('url')} maxlength="2048"
      placeholder="https://example.com/warm-cache" />
    <${Headers} value=${value.headers} set=${set('headers')} />`;
}

function AgentRun({ value, set }) {
  const list = useId();
  const { data } = useLoad((signal) => get('/v1/agents', { limit: 100 }, { signal }), [], ['agents']);
  return html`<${Text} label="Agent" value=${value.agent} set=${set('agent')} list=${list} hint="By name; its current version runs." />
    <datalist id=${list}>${(data?.data ?? []).map(({ name }) => html`<option key=${name} value=${name}></option>`)}</datalist>
    <${JsonEditor} label="Input" hint="JSON that the agent is given where a task has no payload." rows=${5} value=${value.input}
      set=${set('input')} />`;
}
