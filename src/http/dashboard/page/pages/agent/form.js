// The form for an agent or a version of it.

import { html, useEffect, useMemo } from '../../lib/html.js';
import { useLoad } from '../../lib/load.js';
import { get } from '../../lib/api.js';
import { Card, Problem } from '../../ui/bits.js';
import { Check, Form, Select, Text, useFields } from '../../ui/form.js';
import { JsonEditor, judgeSchema } from '../../ui/json.js';
import { MessagesEditor } from './messages.js';

/** A free model of every new server: it answers without a provider. */
const SANDBOX = 'sandbox';

/** `named`: the agent gets its name here. `activates`: whether runs use the version can be chosen. */
export function AgentForm({ draft, named, activates, submit, send, done, close }) {
  const [value, set] = useFields({ activate: true, ...draft });
  const { models, error, reload } = useModels();
  useEffect(() => {
    if (!value.model && models.length) set('model')(models.includes(SANDBOX) ? SANDBOX : models[0]);
  }, [models]);
  return html`<${Problem} error=${error} retry=${reload} /><${Form} ...${{ value, send, done, submit, close }} long>
    <div class="side-by-side">
      <div class="stack">
        <${Card} title=${named ? 'Agent' : 'Version'}><${Basics} ...${{ value, set, models, named }} /><//>
        <${Card} title="Messages"><${MessagesEditor} messages=${value.messages} set=${set('messages')}
          inputSchema=${value.input_schema} /><//>
      </div>
      <div class="stack"><${Card} title="Contract">
        <${JsonEditor} label="Input schema" name="input_schema" value=${value.input_schema} set=${set('input_schema')}
          judge=${judgeSchema} rows=${8} good="Valid JSON Schema"
          hint="JSON Schema that the input of a run has to satisfy. Empty: any input." />
        <${JsonEditor} label="Output schema" name="output_schema" value=${value.output_schema} set=${set('output_schema')}
          judge=${judgeSchema} rows=${8} good="Valid JSON Schema"
          hint="JSON Schema that the output has to satisfy. Empty: the answer is text." /><//>
        <${Card} title="Limits"><${Limits} ...${{ value, set }} /><//></div>
    </div>
    ${activates && html`<${Check} label="Activate" hint="Runs that name no version use it from now on." value=${value.activate}
      set=${set('activate')} />`}
  <//>`;
}

/** The names of the models that an agent can use. */
function useModels() {
  const { data, ...rest } = useLoad((signal) => get('/v1/models', {}, { signal }));
  const models = useMemo(() => (data?.data ?? []).filter(({ owned_by }) => owned_by !== 'agent').map(({ id }) => id), [data]);
  return { models, ...rest };
}

function Basics({ value, set, models, named }) {
  const options = models.includes(value.model) || !value.model ? models : [value.model, ...models];
  return html`<div class="form">
    ${named && html`<${Text} label="Name" name="name" required maxlength="64" pattern="[a-z0-9][a-z0-9_\\-]*" autofocus value=${value.name}
      set=${set('name')}
      hint="Names it in addresses: a-z, 0-9, - and _. A name that was taken once is never free again." />`}
    <${Text} label="Description" name="description" maxlength="2000" value=${value.description} set=${set('description')} />
    <div class="pair">
      <${Select} label="Model" name="model" required options=${options} value=${value.model} set=${set('model')}
        hint=${value.model === SANDBOX ? 'Free, needs no provider: its answers are made up.' : undefined} />
      <${Text} label="Fallback models" name="fallback_models" value=${value.fallback_models} set=${set('fallback_models')}
        hint="Tried in this order, separated by commas." />
    </div>
    <${Text} label="Tags" name="tags" value=${value.tags} set=${set('tags')} hint="Separated by commas." />
  </div>`;
}

function Limits({ value, set }) {
  const number = (name, label, hint) => html`<${Text} ...${{ label, hint, name }} inputmode="decimal" value=${value[name]}
    set=${set(name)} />`;
  return html`<div class="form"><p class="note">What is left empty is as the provider, or this server, has it.</p>
    <div class="pair">${number('max_tokens', 'Most tokens to write')}
      ${number('max_repairs', 'Repairs', 'Calls after an answer that breaks the output schema.')}</div>
    <div class="pair">${number('temperature', 'Temperature', '0 to 2')}${number('timeout_ms', 'Timeout in milliseconds')}</div>
    <details><summary>More</summary><div class="form">
      <div class="pair">${number('top_p', 'Top p', '0 to 1')}${number('seed', 'Seed')}</div>
      <${Text} label="Stop texts" name="stop" rows=${2} value=${value.stop} set=${set('stop')} hint="One on each line, at most 4." />
    </div></details></div>`;
}
