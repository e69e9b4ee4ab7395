// An endpoint to make or to change.

import { html } from '../../lib/html.js';
import { useSave } from '../../lib/fields.js';
import { go, address } from '../../lib/place.js';
import { Check, Checks, Form, Select, Text, useFields } from '../../ui/form.js';
import { Opens } from '../../ui/dialog.js';
import { Makes } from '../../ui/secret.js';
import { EVENTS, POLICIES, SigningSecret, endpointPage } from './parts.js';

const NEW = { url: '', all: true, events: [], description: '', retry_policy: 'standard' };

const body = ({ url, all, events, description, retry_policy: policy }) => ({
  url: url.trim(),
  events: all ? ['*'] : events,
  description: description.trim() || null,
  retry_policy: policy,
});

/** "Create endpoint": its secret is shown once, then its page. */
export function CreateEndpoint() {
  return html`<${Makes} name="Create endpoint" madeTitle="Endpoint created" kind="primary"
    form=${({ close, done }) => html`<${Fields} ...${{ close, done }} first=${NEW} submit="Create endpoint" />`}
    shown=${(made) => html`<${SigningSecret} of=${made} />`} left=${({ id }) => go(address(endpointPage(id)))} />`;
}

/** "Edit", filled with what the endpoint is. */
export function EditEndpoint({ endpoint, done }) {
  const all = endpoint.events.includes('*');
  const first = { ...endpoint, all, events: all ? [] : endpoint.events, description: endpoint.description ?? '' };
  return html`<${Opens} name="Edit" title="Edit endpoint">${(close) => html`<${Fields} ...${{ first, close }} submit="Save"
    id=${endpoint.id} done=${() => { close(); done(); }} />`}<//>`;
}

function Fields({ first, id, submit, done, close }) {
  const [value, set] = useFields(first);
  const send = useSave('/v1/webhooks/endpoints', first, body, id);
  return html`<${Form} ...${{ value, submit, send, done, close }} disabled=${!value.url.trim() || (!value.all && !value.events.length)}>
    <${Text} label="URL" name="url" type="url" inputmode="url" value=${value.url} set=${set('url')} required maxlength="2048"
      placeholder="https://example.com/webhooks"
      hint="Receives a POST for each event. An answer of 2xx within 15 seconds counts as received." />
    <${Text} label="Description" name="description" value=${value.description} set=${set('description')} maxlength="500"
      hint="A note for yourself." />
    <${Check} label="All events" value=${value.all} set=${set('all')} hint="Also those that later versions add." />
    ${!value.all && html`<${Checks} label="Events" name="events" value=${value.events} set=${set('events')} options=${EVENTS} />`}
    <${Select} label="Retry policy" name="retry_policy" value=${value.retry_policy} set=${set('retry_policy')} options=${POLICIES}
      hint="How long a delivery is tried before it is given up. The operator may have set other delays." />
  <//>`;
}
