// What a job was asked, and what it answered.

import { html } from '../../lib/html.js';
import { isPlain } from '../../lib/exact.js';
import { isOver } from '../../lib/follow.js';
import { Code } from '../../ui/bits.js';
import { JsonTree } from '../../ui/json.js';

const WAITING = {
  queued: 'It waits for its turn. The output appears here.',
  running: 'The model is at work. The output appears here.',
};

export function Output({ job }) {
  if (!isOver(job)) return html`<p class="note" role="status">${WAITING[job.status]}</p>`;
  const { output, output_text: text, output_schema } = job;
  if (output !== null && (output_schema || !isPlain(output))) {
    return html`<${JsonTree} value=${output} label="Output" />
      ${text !== null && text !== undefined && html`<details><summary>What the model said, word for word</summary><${Code} text=${text}
        label="Copy the text" /></details>`}`;
  }
  if (text) return html`<${Code} text=${text} label="Copy Output" />`;
  return html`<p class="note">There is no output.</p>`;
}

export function Messages({ messages }) {
  if (!messages.length) return html`<p class="note">The messages are not kept.</p>`;
  return html`${messages.map((message, at) => html`<${Message} key=${at} message=${message} />`)}`;
}

function Message({ message }) {
  const { role, content, ...rest } = message;
  const others = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null));
  return html`<div class="message"><p class="note">${role}</p>
    ${typeof content === 'string' ? html`<${Code} text=${content} label=${`Copy the message of ${role}`} />` : content && html`<${JsonTree}
      value=${content} label=${`Parts of the message of ${role}`} />`}
    ${Object.keys(others).length > 0 && html`<${JsonTree} value=${others} label=${`More of the message of ${role}`} />`}</div>`;
}
