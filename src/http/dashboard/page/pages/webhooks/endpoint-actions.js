// What an endpoint is asked for in a dialog of its own: a new secret, and another try for what failed.

import { html, useState } from '../../lib/html.js';
import { post } from '../../lib/api.js';
import * as format from '../../lib/format.js';
import { Form, Select, Text } from '../../ui/form.js';
import { Opens } from '../../ui/dialog.js';
import { Secret } from './parts.js';

const OVERLAPS = [
  ['', 'As the operator decided (a day by default)'],
  ['0', 'Not at all'],
  ['3600', 'One hour'],
  ['86400', 'One day'],
  ['604800', 'Seven days'],
];

/** "Rotate secret": of an endpoint, or of what else has the route. */
export function RotateSecret({ id, path = `/v1/webhooks/endpoints/${id}`, kind = 'small' }) {
  return html`<${Opens} name="Rotate secret" kind=${kind}>${(close) => html`<${Rotating} ...${{ path, close }} />`}<//>`;
}

function Rotating({ path, close }) {
  const [value, setValue] = useState({ overlap: '' });
  const [made, setMade] = useState(null);
  if (made) return html`<${Secret} secret=${made.secret} close=${close}
    note="Until the old secret ends, requests carry a signature of each." />`;
  const send = (options, { overlap }) => post(`${path}/rotate-secret`, overlap ? { overlap_seconds: Number(overlap) } : {}, options);
  return html`<${Form} ...${{ value, send, close }} submit="Rotate secret" done=${setMade}>
    <p>A new secret signs from now on.</p>
    <${Select} label="The old secret signs too for" value=${value.overlap} set=${(overlap) => setValue({ overlap })} options=${OVERLAPS} />
  <//>`;
}

/** "Redrive failed": all, or those since a time. */
export function RedriveFailed({ id, done }) {
  return html`<${Opens} name="Redrive failed" title="Redrive failed deliveries" kind="small">${(close) => html`<${Redriving}
    ...${{ id, close, done }} />`}<//>`;
}

function Redriving({ id, close, done }) {
  const [value, setValue] = useState({ since: '' });
  const [result, setResult] = useState(null);
  const path = `/v1/webhooks/endpoints/${id}/redrive`;
  const send = (options, { since }) => post(path, since ? { since: new Date(since).toISOString() } : {}, options);
  const finished = (answer) => {
    setResult(answer);
    done();
  };
  return html`<${Form} ...${{ value, send, close }} submit=${result?.has_more ? 'Redrive more' : 'Redrive failed'} done=${finished}>
    <p>Deliveries that were given up go back into the queue with all their retries, up to 1,000 at once.</p>
    <${Text} label="Since" type="datetime-local" value=${value.since} set=${(since) => setValue({ since })}
      hint="Those made at this time or later, in the time of this browser. Empty: all that failed." />
    <div role="status">${result && html`<p class="strong">${said(result)}</p>`}</div>
  <//>`;
}

function said({ count, has_more: more }) {
  if (!count) return 'No delivery of that time has failed.';
  return `${format.count(count)} ${count === 1 ? 'delivery is' : 'deliveries are'} back in the queue.${more ? ' There may be more.' : ''}`;
}
