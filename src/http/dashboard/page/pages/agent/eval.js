// One eval: its runs, and its cases, which never change.

import { html } from '../../lib/html.js';
import { get, post } from '../../lib/api.js';
import { useList, useLoad } from '../../lib/load.js';
import { useQuery } from '../../lib/place.js';
import * as format from '../../lib/format.js';
import { Card, Empty, Loaded, Status, Time, curl } from '../../ui/bits.js';
import { Form, Select, useFields } from '../../ui/form.js';
import { Opens } from '../../ui/dialog.js';
import { JsonTree } from '../../ui/json.js';
import { Table } from '../../ui/table.js';
import { EvalForm } from './eval-form.js';

export function Eval({ agent, path, id, write, runs }) {
  const [, change] = useQuery();
  const loaded = useLoad((signal) => get(`${path}/evals/${id}`, {}, { signal }), [path, id]);
  const list = useList(`${path}/evals/${id}/runs`, {}, ['evals']);
  return html`<p class="back"><button type="button" class="link" onClick=${() => change({ eval: '' })}>All evals</button></p>
    <${Loaded} ...${loaded}>${(found) => html`<div class="stack">
      <div class="spread"><h2>${found.name}</h2><div class="actions">
        ${write && html`<${Opens} name="Edit as new eval" wide>
          ${(close) => html`<${EvalForm} name=${found.name} cases=${found.cases.map(named)} judgeInput=${agent.input_schema} close=${close}
          send=${(options, body) => post(`${path}/evals`, body, options)} done=${(made) => { close(); change({ eval: made.id }); }} />`}
            <//>`}
        ${runs && html`<${Opens} name="Run eval" kind="primary">
          ${(close) => html`<${RunForm} ...${{ agent, close }} path=${`${path}/evals/${id}/runs`}
          done=${(run) => { close(); change({ run: run.id }); }} />`}<//>`}
      </div></div>
      <${Runs} ...${{ list, change }} path=${`${path}/evals/${id}/runs`} />
      <${Card} title=${`Cases (${found.cases.length})`}><${JsonTree} value=${found.cases} label="All cases" /><//>
    </div>`}<//>`;
}

/** A case as it is written: without a name where it has none. */
function named({ name, ...rest }) {
  return name === null ? rest : { name, ...rest };
}

function Runs({ list, change, path }) {
  const columns = [
    { name: 'Run', of: ({ id }) => html`<button type="button" class="link" onClick=${() => change({ run: id })}>
      <code>${format.tail(id)}</code></button>` },
    { name: 'Version', of: ({ version }) => version, number: true },
    { name: 'Status', of: ({ status }) => html`<${Status} value=${status} />` },
    { name: 'Passed', of: ({ counts }) => `${counts.passed} of ${counts.total}`, number: true },
    { name: 'Pass rate', of: ({ pass_rate }) => format.percent(pass_rate), number: true },
    { name: 'Created', of: ({ created_at }) => html`<${Time} at=${created_at} />` },
  ];
  return html`<${Card} title="Runs" flush><${Table} label="Runs of this eval" columns=${columns} list=${list}
    empty=${html`<${Empty} title="No runs yet" command=${curl(path, {})}>Run the eval, here or with an API key: its cases run as a batch
      and are judged once all have ended.<//>`} /><//>`;
}

function RunForm({ agent, path, done, close }) {
  const [value, set] = useFields({ version: String(agent.version) });
  const options = Array.from({ length: Math.min(50, agent.latest_version) }, (_, at) => String(agent.latest_version - at))
    .map((number) => [number, number === String(agent.version) ? `${number}, active` : number]);
  return html`<${Form} value=${value} submit="Run eval" close=${close} done=${done}
    send=${(sent, { version }) => post(path, { version: Number(version) }, sent)}>
    <${Select} label="Version" name="version" value=${value.version} options=${options} set=${set('version')} />
    <p class="note">Each case is a job, and is charged like one.</p><//>`;
}
