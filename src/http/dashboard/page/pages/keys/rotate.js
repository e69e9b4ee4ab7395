// Replacing a key by another with the same settings.

import { html } from '../../lib/html.js';
import { post } from '../../lib/api.js';
import { Time } from '../../ui/bits.js';
import { Form, Select, useFields } from '../../ui/form.js';
import { Makes } from '../../ui/secret.js';
import { NewKey } from './new-key.js';

const OVERLAPS = [
  ['0', 'No longer: it ends at once'], ['3600', '1 hour more'], ['86400', '1 day more'],
  ['604800', '7 days more'], ['2592000', '30 days more'],
];

export function RotateKey({ of, reload }) {
  return html`<${Makes} name="Rotate" title=${`Rotate “${of.name}”`} madeTitle="Key rotated" kind="small" made=${reload}
    form=${({ close, done }) => html`<${RotateForm} ...${{ of, close, done }} />`}
    shown=${({ key, overlap }) => html`<${NewKey} of=${key}><p>${overlap
      ? html`Both keys work until the old one ends: <${Time} at=${new Date(Date.now() + overlap * 1_000).toISOString()} />`
      : 'The old key has ended.'}</p><//>`} />`;
}

function RotateForm({ of, close, done }) {
  const [value, set] = useFields({ overlap: '86400' });
  const send = async (options, { overlap }) => {
    const overlap_seconds = Number(overlap);
    return { key: await post(`/v1/api-keys/${of.id}/rotate`, { overlap_seconds }, options), overlap: overlap_seconds };
  };
  return html`<${Form} ...${{ value, send, close, done }} submit="Rotate">
    <p>Makes a new key with the same name, project, scopes and limits. Both share one monthly credit limit.</p>
    <${Select} label="The old key works" name="overlap_seconds" value=${value.overlap} set=${set('overlap')} options=${OVERLAPS} />
  <//>`;
}
