// The evals of an agent: cases that it is judged by, and its runs of them.

import { html } from '../../lib/html.js';
import { post } from '../../lib/api.js';
import { useList } from '../../lib/load.js';
import { useQuery } from '../../lib/place.js';
import { useCan } from '../../lib/session.js';
import { sample } from '../../lib/sample.js';
import { Card, Empty, Time, curl } from '../../ui/bits.js';
import { Table } from '../../ui/table.js';
import { EvalForm } from './eval-form.js';
import { EvalRun } from './eval-run.js';
import { Eval } from './eval.js';

export function Evals({ agent, path }) {
  const [query, change] = useQuery();
  const can = useCan();
  const isInUse = agent !== null && !agent.archived_at;
  const write = can('agents:write') && isInUse;
  const runs = can('jobs:write') && isInUse;
  if (query.new && write) return html`<${NewEval} ...${{ agent, path }} />`;
  if (query.eval && query.run) return html`<${EvalRun} key=${query.run} ...${{ path }} evalId=${query.eval} id=${query.run}
    other=${query.with} />`;
  if (query.eval) return html`<${Eval} key=${query.eval} ...${{ agent, path, write, runs }} id=${query.eval} />`;
  return html`<${List} ...${{ path, write, change }} />`;
}

/** What a first eval may hold. */
const first = (path) => curl(`${path}/evals`, {
  name: 'First eval', cases: [{ name: 'First case', input: {}, expect: { status: 'succeeded' } }],
});

function List({ path, write, change }) {
  const list = useList(`${path}/evals`, {}, ['evals']);
  const columns = [
    { name: 'Eval', of: ({ id, name }) => html`<button type="button" class="link" onClick=${() => change({ eval: id })}>${name}
      </button>`, wide: true },
    { name: 'Cases', of: ({ cases }) => cases.length, number: true },
    { name: 'Created', of: ({ created_at }) => html`<${Time} at=${created_at} />` },
  ];
  return html`<${Card} title="Evals" flush
    actions=${write && html`<button type="button" class="primary" onClick=${() => change({ new: 1 })}>Create eval</button>`}>
    <${Table} label="Evals of this agent" columns=${columns} list=${list} empty=${html`<${Empty} title="No evals yet"
      command=${first(path)}>An eval holds inputs and what must hold of their outputs. Run it against a version before you activate that.
      Choose “Create eval”, or make one with an API key:<//>`} /><//>`;
}

function NewEval({ agent, path }) {
  const [, change] = useQuery();
  const input = agent.input_schema ? sample(agent.input_schema) : {};
  const field = Object.keys(agent.output_schema?.properties ?? {})[0];
  const expect = field ? { json_path: { path: `$['${field}']`, exists: true } } : { status: 'succeeded' };
  return html`<h2>New eval</h2><${EvalForm} name="" cases=${[{ name: 'First case', input, expect }]} judgeInput=${agent.input_schema}
    send=${(options, body) => post(`${path}/evals`, body, options)} done=${({ id }) => change({ new: '', eval: id }, { replace: true })}
      close=${() => change({ new: '' })} />`;
}
