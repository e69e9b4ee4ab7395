// Trying an agent out: an input beside what comes of it.

import { html, useEffect, useRef, useState } from '../../lib/html.js';
import { get, post } from '../../lib/api.js';
import { useJob } from '../../lib/follow.js';
import { useLoad } from '../../lib/load.js';
import { project } from '../../lib/place.js';
import * as format from '../../lib/format.js';
import { sample } from '../../lib/sample.js';
import { Card, Facts, Link, Loaded, Problem, Status } from '../../ui/bits.js';
import { Form, Select, Text } from '../../ui/form.js';
import { JsonEditor, judgeBy, pretty, valueOf } from '../../ui/json.js';
import { Messages, Output } from '../job/content.js';
import { Failure } from '../job/failure.js';
import { Timeline } from '../job/timeline.js';

/** What was typed and run, by project and agent, until the page is loaded again: another tab of the agent loses nothing. */
const kept = new Map();
// What somebody typed is not for who signs in next.
window.addEventListener('signed-out', () => kept.clear());

export function Try({ agent, path }) {
  const own = `${project()} ${agent.name}`;
  const [state, setState] = useState(kept.get(own) ?? { version: '', input: null, user: '', job: null });
  const set = (some) => setState((known) => {
    const next = { ...known, ...some };
    kept.set(own, next);
    return next;
  });
  if (agent.archived_at) return html`<p class="note">An archived agent takes no runs.</p>`;
  return html`<div class="side-by-side">
    <${Card} title="Input"><${Input} ...${{ agent, path, state, set }} /><//>
    <${Card} title="Result">${state.job ? html`<${Result} key=${state.job} id=${state.job} />` : html`<p
      class="note">Run it, and what comes of it appears here step by step.</p>`}<//>
  </div>`;
}

function Input({ agent, path, state, set }) {
  const { version, error, reload } = useVersion(agent, path, state.version);
  const schema = version?.input_schema ?? null;
  const begin = () => pretty(schema ? sample(schema) : {});
  useEffect(() => {
    if (version && state.input === null) set({ input: begin() });
  }, [version]);
  const send = (options, { input, user, version: number }) => post(`${path}/runs`, {
    input: valueOf('Input', input ?? ''),
    ...(number && { version: Number(number) }),
    ...(user && { user }),
  }, options);
  const hurry = (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && !event.repeat) event.currentTarget.querySelector('form').requestSubmit();
  };
  const run = { value: state, submit: 'Run', send, done: ({ id }) => set({ job: id }) };
  return html`<div onKeyDown=${hurry}><${Problem} error=${error} retry=${reload} /><${Form} ...${run}>
    <${JsonEditor} label="Input" name="input" rows=${10} value=${state.input ?? ''} set=${(input) => set({ input })}
      judge=${judgeBy(schema)}
      needs=${[JSON.stringify(schema)]} good=${schema ? 'Satisfies the input schema' : 'Valid JSON'}
      hint="Any JSON value that satisfies the input schema." />
    <div><button type="button" class="small" onClick=${() => set({ input: begin() })}>Start from the schema</button></div>
    <div class="pair">
      <${Select} label="Version" name="version" value=${state.version} set=${(to) => set({ version: to })} options=${versions(agent)} />
      <${Text} label="User" name="user" maxlength="256" value=${state.user} set=${(user) => set({ user })}
        hint="Your own id of an end user. May be empty." />
    </div>
    <p class="note">Ctrl+Enter runs it. A run is a job like any other and is charged like one.</p>
  <//></div>`;
}

function versions({ version, latest_version }) {
  const others = Array.from({ length: latest_version }, (_, at) => latest_version - at).filter((number) => number !== version);
  return [['', `${version}, active`], ...others.slice(0, 50).map((number) => [String(number), String(number)])];
}

/** The version that is tried: the active one is known already. */
function useVersion(agent, path, number) {
  const ask = async (signal) => (number ? get(`${path}/versions/${number}`, {}, { signal }) : null);
  const { data, ...rest } = useLoad(ask, [number]);
  return { version: number ? data : agent, ...rest };
}

function Result({ id }) {
  const { job, steps, error, reload } = useJob(id);
  const top = useRef(null);
  // On a narrow screen the result is below the form.
  useEffect(() => top.current?.scrollIntoView({ block: 'nearest' }), []);
  return html`<div ref=${top} class="form"><${Loaded} ...${{ data: job, error, reload }}>${() => html`
    <div class="spread"><p role="status"><${Status} value=${job.status} /></p>
      <${Link} to=${`/dashboard/jobs/${job.id}`}>Open the job<//></div>
    ${job.error && html`<${Failure} job=${job} />`}
    <${Output} job=${job} />
    <${Facts} of=${[
      ['Latency', format.duration(job.latency_ms)],
      ['Credits charged', format.credits(job.credits.charged)],
      ['Tokens', job.usage && format.count(job.usage.total_tokens)],
      ['Version', job.agent?.version],
    ]} />
    <${Timeline} steps=${steps} />
    <details><summary>The messages as they were sent</summary><${Messages} messages=${job.messages} /></details>`}<//></div>`;
}
