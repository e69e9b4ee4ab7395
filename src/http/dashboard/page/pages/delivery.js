// One event on its way to one endpoint: what was sent, and each attempt.

import { html, useState } from '../lib/html.js';
import { get, post } from '../lib/api.js';
import { useLoad } from '../lib/load.js';
import { useCan } from '../lib/session.js';
import * as format from '../lib/format.js';
import { Card, Code, Copy, Facts, Head, Link, Loaded, Problem, Status, Time } from '../ui/bits.js';
import { Does } from '../ui/dialog.js';
import { JsonTree } from '../ui/json.js';
import { endpointPage, useEndpoints } from './webhooks/parts.js';

const BACK = { to: '/dashboard/webhooks', query: { tab: 'deliveries' }, name: 'Deliveries' };
/** Of an answer, so much is shown at once. */
const ANSWER_SHOWN = 600;

export function Delivery({ id }) {
  const path = `/v1/webhooks/deliveries/${id}`;
  const { data, error, reload } = useLoad((signal) => get(path, {}, { signal }), [id], ['deliveries']);
  const { urlOf, error: unnamed } = useEndpoints();
  const may = useCan()('webhooks:write');
  return html`<${Head} title="Delivery" tab=${`Delivery ${format.tail(id)}`} back=${BACK} 
    note=${data && html`<code>${data.event_type}</code>`}>
      ${data?.status === 'failed' && may && html`<${Does} name="Redrive" kind="primary"
        act=${(options) => post(`${path}/redrive`, {}, options)} done=${reload} />`}<//>
    <${Problem} error=${unnamed} />
    <${Loaded} ...${{ data, error, reload }}>${(delivery) => html`<${About} ...${{ delivery, url: urlOf(delivery.endpoint_id) }} />
      <div class="columns"><${Card} title="Attempts"><${Attempts} delivery=${delivery} /><//>
        <${Card} title="Event"><${JsonTree} value=${delivery.payload} label="payload" /><//></div>`}<//>`;
}

/** What the event is about, where that has a page. */
const SUBJECTS = [
  ['Job', 'job_id', '/dashboard/jobs'],
  ['Batch', 'batch_id', '/dashboard/batches'],
  ['Task', 'task_id', '/dashboard/schedules/tasks'],
];

function subjects({ payload: { data } }) {
  return SUBJECTS.filter(([, key]) => data?.[key])
    .map(([name, key, page]) => [name, html`<${Link} to=${`${page}/${data[key]}`}><code>${format.tail(data[key])}</code><//>`]);
}

function About({ delivery, url }) {
  return html`<${Card} title="About"><${Facts} of=${[
    ['Status', html`<${Status} value=${delivery.status} />`],
    ['Endpoint', html`<${Link} to=${endpointPage(delivery.endpoint_id)}><code>${url ?? delivery.endpoint_id}</code><//>`],
    ...subjects(delivery),
    ['Created', html`<${Time} at=${delivery.created_at} />`],
    ['Finished', delivery.finished_at && html`<${Time} at=${delivery.finished_at} />`],
    ['Next attempt', delivery.next_attempt_at ? html`<${Time} at=${delivery.next_attempt_at} />` : undefined],
    ['Delivery id', html`<${Copy} text=${delivery.id} label="Copy the delivery id" />`],
    ['Event id', html`<${Copy} text=${delivery.event_id} label="Copy the event id" />`],
  ]} /><//>`;
}

function Attempts({ delivery: { attempts, status } }) {
  const none = status === 'pending' ? 'The first attempt is about to be made.' : 'No attempt was made.';
  if (!attempts.length) return html`<p class="note">${none}</p>`;
  return html`<ol class="timeline" aria-label="Attempts, newest first">${[...attempts].reverse().map((attempt) => html`<${Attempt}
    key=${attempt.number} attempt=${attempt} />`)}</ol>`;
}

function Attempt({ attempt: { number, status_code: code, error, response_body: body, duration_ms: took, created_at: at } }) {
  const good = code >= 200 && code < 300;
  return html`<li class="stack tight">
    <p class="actions"><b>Attempt ${number}</b> <${Status} value=${good ? 'ok' : 'failed'} text=${code ?? 'no answer'} />
      <span class="note"><${Time} at=${at} /> · ${format.duration(took)}</span></p>
    ${error && html`<p class="note">${error}</p>`}
    ${body && html`<${Answer} text=${body} />`}
  </li>`;
}

/** What the endpoint answered, as plain text: it is a stranger's. */
function Answer({ text }) {
  const [all, setAll] = useState(false);
  const long = text.length > ANSWER_SHOWN && !all;
  return html`<${Code} text=${long ? `${text.slice(0, ANSWER_SHOWN)}…` : text} label="Copy the answer" />
    ${long && html`<p><button type="button" class="small" onClick=${() => setAll(true)}>Show the whole answer</button></p>`}`;
}
