// A key that was just made: the only time that it is seen.

import { html } from '../../lib/html.js';
import { Code, firstJob } from '../../ui/bits.js';
import { Secret } from '../../ui/secret.js';

export function NewKey({ of, children }) {
  const runs = of.scopes.includes('*') || of.scopes.includes('jobs:write');
  return html`<${Secret} label=${of.name} text=${of.key} copy="Copy the key"
      note="Copy the key now and keep it where secrets are kept. It will not be shown again: the server stores only what proves it." />
    ${children}
    ${runs && html`<div class="field"><p class="strong">Send a job with it</p><${Code} text=${firstJob().replace('$SKAI_KEY', of.key)}
      label="Copy the command" /></div>`}`;
}
