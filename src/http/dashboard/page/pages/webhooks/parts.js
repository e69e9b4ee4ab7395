// What the pages of webhooks share: the endpoints by name, how an endpoint stands, deliveries as a table.

import { html, Fragment } from '../../lib/html.js';
import { getAll } from '../../lib/api.js';
import { useLoad } from '../../lib/load.js';
import * as format from '../../lib/format.js';
import { Code, Status, Time } from '../../ui/bits.js';
import { Secret } from '../../ui/secret.js';

export const EVENTS = [
  'job.completed', 'job.failed', 'job.canceled', 'batch.completed', 'agent.drift', 'credits.granted', 'credits.low',
  'budget.threshold', 'task.failed', 'webhook.endpoint.disabled', 'ping',
];
export const DELIVERY_STATUSES = ['pending', 'delivered', 'failed'];

/** How long each policy tries, where the operator changed nothing. */
export const POLICIES = [
  ['standard', 'Standard: eight minutes'],
  ['extended', 'Extended: three days'],
];

/** The endpoints, to name them beside their deliveries: `{ options, urlOf, error }`. */
export function useEndpoints() {
  const { data, error } = useLoad((signal) => getAll('/v1/webhooks/endpoints', {}, { signal }), [], ['endpoints']);
  const urls = new Map((data ?? []).map(({ id, url }) => [id, url]));
  return { options: [...urls], urlOf: (id) => urls.get(id), error };
}

/** Whether an endpoint is sent anything, and why not. */
export function EndpointStatus({ endpoint: { active, disabled_reason: reason, failing_since: since } }) {
  if (!active) return html`<${Status} value=${reason ? 'disabled' : 'inactive'} />`;
  return since ? html`<${Status} value="paused" text="failing" />` : html`<${Status} value="active" />`;
}

export const eventsOf = ({ events }) => (events.includes('*') ? 'All events' : events.join(', '));

/** The columns of deliveries; those of one endpoint need not name it. */
export const deliveryColumns = (urlOf) => [
  { name: 'Event', of: ({ event_type: type }) => html`<code>${type}</code>` },
  { name: 'Status', of: ({ status }) => html`<${Status} value=${status} />` },
  ...(urlOf ? [{ name: 'Endpoint', of: ({ endpoint_id: id }) => html`<${Named} id=${id} url=${urlOf(id)} />` }] : []),
  { name: 'Attempts', of: ({ attempt_count: made }) => format.count(made), number: true },
  { name: 'Created', of: ({ created_at: at }) => html`<${Time} at=${at} />` },
  { name: 'Finished', of: ({ finished_at: at }) => html`<${Time} at=${at} />` },
];

/** An endpoint by its URL, on one line; by the end of its id once it is deleted. */
function Named({ id, url }) {
  return html`<code class="clip" title=${url}>${url ?? format.tail(id)}</code>`;
}

export const deliveryPage = ({ id }) => `/dashboard/webhooks/deliveries/${id}`;
export const endpointPage = (id) => `/dashboard/webhooks/endpoints/${id}`;

/** A secret that is shown this once, and how its owner checks a request with it. */
export function SigningSecret({ of: { secret }, note }) {
  return html`<${Secret} label="Signing secret" text=${secret} copy="Copy the secret"
      note="This is the only time that the secret is shown. Keep it where your server reads its secrets." />
    ${note && html`<p>${note}</p>`}<${Verify} />`;
}

const NODE = `const { Webhook } = require('standardwebhooks');

const secret = process.env.SKAI_WEBHOOK_SECRET;
const webhook = new Webhook(secret);

// body: as it came, before anything parsed it.
const event = webhook.verify(body, request.headers);`;

const PYTHON = `import os
from standardwebhooks import Webhook

webhook = Webhook(os.environ["SKAI_WEBHOOK_SECRET"])

# body: as it came, before anything parsed it.
event = webhook.verify(body, request.headers)`;

/** How a server checks that a delivery came from here and is recent. */
export function Verify() {
  const languages = [['Node.js', NODE], ['Python', PYTHON]];
  return html`<${Fragment}><p>Verify each request before you trust it. Deliveries are signed by the Standard Webhooks specification; its
    library checks the signature and the time.</p>
    ${languages.map(([name, text]) => html`<details key=${name} class="more-of" open=${name === 'Node.js'}><summary>${name}</summary>
      <${Code} text=${text} label=${`Copy the ${name} code`} /></details>`)}<//>`;
}
