// Tasks: each is one run of a function, at a time.

import { html } from '../../lib/html.js';
import { post } from '../../lib/api.js';
import { momentOf } from '../../lib/fields.js';
import { useList } from '../../lib/load.js';
import { address, go } from '../../lib/place.js';
import { Empty, NoMatch, Problem, curl } from '../../ui/bits.js';
import { Opens } from '../../ui/dialog.js';
import { Filters, useFilters } from '../../ui/filters.js';
import { Filter, Form, Select, Text, useFields } from '../../ui/form.js';
import { JsonEditor } from '../../ui/json.js';
import { Table } from '../../ui/table.js';
import { TASK_STATUSES, isBroken, payloadOf, taskColumns, taskPage, useFunctions } from './parts.js';

const FIRST = curl('/v1/scheduled-tasks', { function_name: 'batch-ai-processor' });

export function Tasks() {
  const filters = useFilters(['status', 'function_name']);
  const { query, set, filtered } = filters;
  const { names, error } = useFunctions();
  const list = useList('/v1/scheduled-tasks', query, ['tasks']);
  return html`<${Problem} error=${error} /><${Filters} label="Filter tasks" of=${filters}>
      <${Filter} label="Status" value=${query.status} options=${TASK_STATUSES} set=${set('status')} />
      <${Filter} label="Function" value=${query.function_name} options=${names} set=${set('function_name')} /><//>
    <${Table} label="Tasks" columns=${taskColumns(true)} list=${list} to=${taskPage} empty=${filtered ? html`<${NoMatch} what="task" />`
      : html`<${Empty} title="No tasks yet" command=${FIRST}>
        A task runs a function once, now or later. Choose “Create task”, or make one with an API key:<//>`} />`;
}

/** "Create task": then its page, where it can be followed. */
export function CreateTask() {
  return html`<${Opens} name="Create task" kind="primary">${(close) => html`<${Creating} close=${close} />`}<//>`;
}

function Creating({ close }) {
  const [value, set] = useFields({ function_name: '', at: '', payload: '' });
  const { names, error } = useFunctions();
  const send = (options, { function_name: name, at, payload }) =>
    post('/v1/scheduled-tasks', { function_name: name, scheduled_time: momentOf(at), payload: payloadOf(payload) }, options);
  return html`<${Form} ...${{ value, send, close }} submit="Create task" disabled=${!value.function_name || isBroken(value.payload)}
    done=${(task) => { close(); go(address(taskPage(task))); }}>
    <${Problem} error=${error} />
    <${Select} label="Function" name="function_name" value=${value.function_name} set=${set('function_name')}
      options=${[['', 'Choose a function'], ...names]} />
    <${Text} label="Not before" name="scheduled_time" type="datetime-local" value=${value.at} set=${set('at')}
      hint="In the time of this browser, at most a year ahead. Empty: now." />
    <${JsonEditor} label="Payload" name="payload" hint="JSON that the function is given; may be empty." rows=${5}
      value=${value.payload} set=${set('payload')} />
  <//>`;
}
