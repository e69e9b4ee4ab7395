// A function to make or to replace.

import { html, useId, useState } from '../../lib/html.js';
import { get, getAll, put } from '../../lib/api.js';
import { useLoad } from '../../lib/load.js';
import { Problem } from '../../ui/bits.js';
import { Check, Form, Select, Text, useFields } from '../../ui/form.js';
import { JsonEditor, pretty } from '../../ui/json.js';
import { Makes } from '../../ui/secret.js';
import { SigningSecret } from '../webhooks/parts.js';
import { Headers, headersOf, headersSent } from './headers.js';
import { isBroken, payloadOf } from './parts.js';

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
  return html`<${Saves} name="Create function" kind="primary" first=${NEW} submit="Create function" isNew />`;
}

/** "Edit": replaces the function, whose secret stays. */
export function EditFunction({ one, done }) {
  const first = { ...NEW, ...given(one), headers: headersOf(one.headers), input: pretty(one.input) };
  return html`<${Saves} name="Edit" title=${`Edit ${one.name}`} kind="small" submit="Save" ...${{ first, done }} />`;
}

const given = (one) => Object.fromEntries(Object.keys(NEW).filter((name) => one[name] ?? false).map((name) => [name, one[name]]));

/** Only a function that gets its first secret has something to show. */
function Saves({ name, title, kind, done: saved, ...rest }) {
  const form = ({ close, done }) => html`<${Fields} ...${rest} close=${close} done=${(made) => {
    saved?.();
    if (made.secret) done(made);
    else close();
  }} />`;
  const shown = (made) => html`<${SigningSecret} of=${made} note="Requests of this function are signed with it, as webhooks are." />`;
  return html`<${Makes} ...${{ name, title, kind, form, shown }} madeTitle="Function saved" />`;
}

const pathOf = ({ name }) => `/v1/functions/${encodeURIComponent(name.trim())}`;

const isThere = (path) => get(path).then(() => true, (error) => {
  if (error.status === 404) return false;
  throw error;
});

/** A new function replaces one of its name only where somebody who knows of it says so: `taken` is that name. */
function Fields({ first, isNew, ...rest }) {
  const [value, set, setValue] = useFields(first);
  const [taken, setTaken] = useState(null);
  const [replaced, replace] = useState(null);
  const name = value.name.trim();
  const send = async (_, given) => {
    if (isNew && replaced !== name && await isThere(pathOf(given))) {
      setTaken(name);
      const message = `There is a function ${name}. Choose another name, or tick that it is to be replaced.`;
      throw Object.assign(new Error(message), { param: 'name' });
    }
    return put(pathOf(given), body(given));
  };
  const choose = (kind) => setValue((last) => ({ ...last, kind, name: nameFor(kind, last) }));
  return html`<${Form} ...${{ ...rest, value, send }} disabled=${isLacking(value)}>
    <${Select} label="Kind" name="kind" value=${value.kind} set=${choose} options=${KINDS} />
    ${isNew && html`<${Name} ...${{ value }} set=${set('name')} />`}
    ${taken === name && html`<${Check} label="Replace the function of this name" value=${replaced === name}
      set=${(on) => replace(on ? name : null)} hint="Schedules and tasks that name it run this one from then on." />`}
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
  if (kind === 'builtin') return html`<${Select} label="Name" name="name" value=${name} set=${set} options=${BUILTINS} />`;
  return html`<${Text} label="Name" name="name" class="mono" value=${name} set=${set} maxlength="64" placeholder="warm-cache"
    hint="Small letters, digits, hyphens, underscores." />`;
}

function Request({ value, set }) {
  return html`<div class="pair"><${Select} label="Method" name="method" value=${value.method} set=${set('method')} options=${METHODS} />
      <${Text} label="Timeout in milliseconds" name="timeout_ms" type="number" min="1" max="600000" value=${value.timeout_ms}
        set=${set('timeout_ms')} /></div>
    <${Text} label="URL" name="url" type="url" inputmode="url" value=${value.url} set=${set('url')} maxlength="2048"
      placeholder="https://example.com/warm-cache" />
    <${Headers} value=${value.headers} set=${set('headers')} />`;
}

function AgentRun({ value, set }) {
  const list = useId();
  const { data, error } = useLoad((signal) => getAll('/v1/agents', {}, { signal }), [], ['agents']);
  return html`<${Problem} error=${error} /><${Text} label="Agent" name="agent" value=${value.agent} set=${set('agent')} list=${list}
      hint="By name; its current version runs." />
    <datalist id=${list}>${(data ?? []).map(({ name }) => html`<option key=${name} value=${name}></option>`)}</datalist>
    <${JsonEditor} label="Input" name="input" hint="JSON that the agent is given where a task has no payload." rows=${5}
      value=${value.input} set=${set('input')} />`;
}
