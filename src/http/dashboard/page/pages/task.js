// One task: what it runs, when, and what came of it.

import { html } from '../lib/html.js';
import { get, post } from '../lib/api.js';
import { useLoad } from '../lib/load.js';
import { useCan } from '../lib/session.js';
import * as format from '../lib/format.js';
import { Card, Copy, Facts, Head, JobLink, Link, Loaded, Status, Time } from '../ui/bits.js';
import { Confirms, Does } from '../ui/dialog.js';
import { Origin, Payload } from './schedules/parts.js';

const BACK = { to: '/dashboard/schedules', query: { tab: 'tasks' }, name: 'Tasks' };

export function Task({ id }) {
  const { data, error, reload } = useLoad((signal) => get(`/v1/scheduled-tasks/${id}`, {}, { signal }), [id], ['tasks']);
  const may = useCan()('schedules:write');
  return html`<${Head} title="Task" tab=${`Task ${format.tail(id)}`} back=${BACK} note=${data && html`<code>${data.function_name}</code>`}>
      ${data && may && html`<${Actions} task=${data} reload=${reload} />`}<//>
    <${Loaded} ...${{ data, error, reload }}>${(task) => html`<${About} task=${task} />
      ${task.error && html`<${Failure} task=${task} />`}
      <div class="columns"><${Payload} title="Payload" value=${task.payload} none="None: the function was given nothing of its own." />
        <${Payload} title="Result" value=${task.result} none=${task.finished_at ? 'None.' : 'It is not over yet.'} /></div>`}<//>`;
}

function Actions({ task: { id, status }, reload }) {
  const path = `/v1/scheduled-tasks/${id}`;
  const act = (verb) => (options) => post(`${path}/${verb}`, {}, options);
  if (status === 'pending' || status === 'running') {
    return html`<${Confirms} name="Cancel task" title="Cancel this task?" kind="danger" act=${act('cancel')} done=${reload}>
      ${status === 'running'
        ? 'The attempt that is being made is abandoned; what it has done already stays done.'
        : 'It will not run. “Retry task” lets it wait again.'}<//>`;
  }
  if (status === 'completed') return null;
  return html`<${Does} name="Retry task" kind="primary" act=${act('retry')} done=${reload} />`;
}

function About({ task }) {
  return html`<${Card} title="About"><${Facts} of=${[
    ['Status', html`<${Status} value=${task.status} />`],
    ['Function', html`<${Link} to="/dashboard/schedules" query=${{ tab: 'functions' }}><code>${task.function_name}</code><//>`],
    ['Made by', html`<${Origin} task=${task} />`],
    ['Job', task.job_id ? html`<${JobLink} id=${task.job_id} />` : undefined],
    ['Due', html`<${Time} at=${task.scheduled_time} />`],
    ['Attempts', format.count(task.attempts)],
    ['Last attempt began', html`<${Time} at=${task.started_at} />`],
    ['Finished', html`<${Time} at=${task.finished_at} />`],
    ['Duration', format.duration(task.duration_ms)],
    ['Created', html`<${Time} at=${task.created_at} />`],
    ['Task id', html`<${Copy} text=${task.id} label="Copy the task id" />`],
    ['Request', html`<${Copy} text=${task.request_id} label="Copy the request id" />`],
  ]} /><//>`;
}

/** Why the last attempt failed, also where a further one is to come. */
function Failure({ task: { error, status } }) {
  const title = status === 'failed' ? 'It failed' : 'The last attempt failed';
  return html`<section class=${status === 'failed' ? 'problem' : 'notice'} aria-label=${title}><h2>${title}</h2>
    <p><code>${error.code}</code> ${error.message}</p></section>`;
}
