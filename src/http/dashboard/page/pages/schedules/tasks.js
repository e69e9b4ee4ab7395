// Tasks: each is one run of a function, at a time.

import { html, useState } from '../../lib/html.js';
import { post } from '../../lib/api.js';
import { useList } from '../../lib/load.js';
import { address, go, useQuery } from '../../lib/place.js';
import { Empty } from '../../ui/bits.js';
import { Opens } from '../../ui/dialog.js';
import { Filter, Form, Select, Text } from '../../ui/form.js';
import { JsonEditor } from '../../ui/json.js';
import { Table } from '../../ui/table.js';
import { TASK_STATUSES, isBroken, momentOf, payloadOf, taskColumns, taskPage, useFunctions } from './parts.js';

const FIRST = `curl ${location.origin}/v1/scheduled-tasks \\
  -H "Authorization: Bearer $SKAI_KEY" -H "Content-Type: application/json" \\
  -d '{"function_name": "batch-ai-processor"}'`;

export function Tasks() {
  const [{ status, function_name: name }, change] = useQuery();
  const { names } = useFunctions();
  const list = useList('/v1/scheduled-tasks', { status, function_name: name }, ['tasks']);
  return html`<div class="filters" role="search" aria-label="Filter tasks">
      <${Filter} label="Status" value=${status} options=${TASK_STATUSES} set=${(to) => change({ status: to })} />
      <${Filter} label="Function" value=${name} options=${names} set=${(to) => change({ function_name: to })} />
    </div>
    <${Table} label="Tasks" columns=${taskColumns(true)} list=${list} to=${taskPage} empty=${status || name
      ? html`<${Empty} title="No task matches">Change or clear the filters.<//>`
      : html`<${Empty} title="No tasks yet" command=${FIRST}>
        A task runs a function once, now or later. Choose “Create task”, or make one with an API key:<//>`} />`;
}

/** "Create task": then its page, where it can be followed. */
export function CreateTask() {
  return html`<${Opens} name="Create task" kind="primary">${(close) => html`<${Creating} close=${close} />`}<//>`;
}

function Creating({ close }) {
  const [value, setValue] = useState({ function_name: '', at: '', payload: '' });
  const set = (name) => (to) => setValue({ ...value, [name]: to });
  const { names } = useFunctions();
  const send = (options, { function_name: name, at, payload }) =>
    post('/v1/scheduled-tasks', { function_name: name, scheduled_time: momentOf(at), payload: payloadOf(payload) }, options);
  return html`<${Form} ...${{ value, send, close }} submit="Create task" disabled=${!value.function_name || isBroken(value.payload)}
    done=${(task) => { close(); go(address(taskPage(task))); }}>
    <${Select} label="Function" value=${value.function_name} set=${set('function_name')} options=${[['', 'Choose a function'], ...names]} />
    <${Text} label="Not before" type="datetime-local" value=${value.at} set=${set('at')}
      hint="In the time of this browser, at most a year ahead. Empty: now." />
    <${JsonEditor} label="Payload" hint="JSON that the function is given; may be empty." rows=${5} value=${value.payload}
      set=${set('payload')} />
  <//>`;
}
