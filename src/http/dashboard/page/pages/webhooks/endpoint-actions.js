// What an endpoint is asked for in a dialog of its own: a new secret, and another try for what failed.

import { html, useState } from '../../lib/html.js';
import { post } from '../../lib/api.js';
import { momentOf } from '../../lib/fields.js';
import * as format from '../../lib/format.js';
import { Form, Select, Text, useFields } from '../../ui/form.js';
import { Opens } from '../../ui/dialog.js';
import { Makes, Shown } from '../../ui/secret.js';
import { SigningSecret } from './parts.js';

const OVERLAPS = [
  ['', 'As the server has it'],
  ['0', 'Not at all'],
  ['3600', 'One hour'],
  ['86400', 'One day'],
  ['604800', 'Seven days'],
];

/** "Rotate secret": of an endpoint, or of what else has the route. */
export function RotateSecret({ id, path = `/v1/webhooks/endpoints/${id}` }) {
  return html`<${Makes} name="Rotate secret" madeTitle="Secret rotated" kind="small"
    form=${({ close, done }) => html`<${Rotating} ...${{ path, close, done }} />`}
    shown=${(made) => html`<${SigningSecret} of=${made} note="Until the old secret ends, requests carry a signature of each." />`} />`;
}

function Rotating({ path, close, done }) {
  const [value, set] = useFields({ overlap: '' });
  const send = (options, { overlap }) => post(`${path}/rotate-secret`, overlap ? { overlap_seconds: Number(overlap) } : {}, options);
  return html`<${Form} ...${{ value, send, close, done }} submit="Rotate secret">
    <p>A new secret signs from now on.</p>
    <${Select} label="The old secret signs too for" name="overlap_seconds" value=${value.overlap} set=${set('overlap')}
      options=${OVERLAPS} />
  <//>`;
}

/** "Redrive failed": all, or those since a time. */
export function RedriveFailed({ id, done }) {
  return html`<${Opens} name="Redrive failed" title="Redrive failed deliveries" kind="small">${(close) => html`<${Redriving}
    ...${{ id, close, done }} />`}<//>`;
}

function Redriving({ id, close, done }) {
  const [value, set] = useFields({ since: '' });
  const [result, setResult] = useState(null);
  const path = `/v1/webhooks/endpoints/${id}/redrive`;
  const send = (options, { since }) => post(path, { since: momentOf(since) }, options);
  const finished = (answer) => {
    setResult(answer);
    done();
  };
  if (result && !result.has_more) return html`<${Shown} close=${close}><p class="strong" role="status">${said(result)}</p><//>`;
  return html`<${Form} ...${{ value, send, close }} submit=${result?.has_more ? 'Redrive more' : 'Redrive failed'} done=${finished}>
    <p>Deliveries that were given up go back into the queue with all their retries, up to 1,000 at once.</p>
    <${Text} label="Since" name="since" type="datetime-local" value=${value.since} set=${set('since')}
      hint="Those made at this time or later, in the time of this browser. Empty: all that failed." />
    <div role="status">${result && html`<p class="strong">${said(result)}</p>`}</div>
  <//>`;
}

function said({ count, has_more: more }) {
  if (!count) return 'No delivery of that time has failed.';
  return `${format.count(count)} ${count === 1 ? 'delivery is' : 'deliveries are'} back in the queue.${more ? ' There may be more.' : ''}`;
}
