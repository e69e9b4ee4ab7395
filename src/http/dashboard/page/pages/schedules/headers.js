// The headers of an `http` function. Values are never shown again: a header that is left as it is keeps its own.

import { html } from '../../lib/html.js';
import { Icon } from '../../ui/icons.js';

const MOST = 32;

/** Headers as the form holds them: those that the server keeps have a name and no value. */
export const headersOf = (headers) => Object.keys(headers ?? {}).map((name) => ({ name, value: '', kept: true }));

/** As they are sent: null stands for the value that is kept. */
export const headersSent = (rows) => Object.fromEntries(rows.filter(({ name }) => name.trim())
  .map(({ name, value, kept }) => [name.trim(), kept && !value ? null : value]));

export function Headers({ value: rows, set }) {
  const change = (at, some) => set(rows.map((row, own) => (own === at ? { ...row, ...some } : row)));
  const drop = (at) => set(rows.filter((_, own) => own !== at));
  const add = () => set([...rows, { name: '', value: '' }]);
  return html`<fieldset class="rows"><legend>Headers</legend>
    ${rows.map(({ name, value, kept }, at) => html`<div key=${at} class="row">
      <input type="text" class="mono" autocomplete="off" aria-label=${`Name of header ${at + 1}`} placeholder="X-Tenant" value=${name}
        readonly=${kept}
        onInput=${(event) => change(at, { name: event.target.value })} />
      <input type="text" class="mono" autocomplete="off" aria-label=${`Value of header ${at + 1}`}
        placeholder=${kept ? 'kept as it is' : 'value'} value=${value}
        onInput=${(event) => change(at, { value: event.target.value })} />
      <button type="button" class="quiet small" aria-label=${`Remove header ${at + 1}`} onClick=${() => drop(at)}><${Icon}
        name="close" /></button>
    </div>`)}
    <div><button type="button" class="small" disabled=${rows.length >= MOST} onClick=${add}>Add header</button></div>
    <p class="note">Values are kept sealed and never shown again.</p></fieldset>`;
}
