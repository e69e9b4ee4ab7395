// The messages of an agent, as templates over its input.

import { html, useRef } from '../../lib/html.js';
import { Select, Text } from '../../ui/form.js';
import { inputFields } from './draft.js';

const ROLES = ['system', 'user', 'assistant'];
const MESSAGES_MAX = 100;

export function MessagesEditor({ messages, set, inputSchema }) {
  const last = useRef(null);
  const box = useRef(null);
  const change = (at, some) => set(messages.map((message, own) => (own === at ? { ...message, ...some } : message)));
  const add = () => set([...messages, { role: 'user', content: '' }]);
  const insert = (field) => {
    const target = last.current?.isConnected ? last.current : [...box.current.querySelectorAll('textarea')].at(-1);
    target?.focus();
    document.execCommand('insertText', false, `{{ ${field} }}`);
  };
  return html`<div class="form" ref=${box} onFocusIn=${({ target }) => { if (target.matches('textarea')) last.current = target; }}>
    ${messages.map((message, at) => html`<div class="prompt" key=${at}>
      <div class="spread"><${Select} label=${`Role of message ${at + 1}`} options=${ROLES} value=${message.role}
        set=${(role) => change(at, { role })} />
        ${messages.length > 1 && html`<button type="button" class="quiet small" aria-label=${`Remove message ${at + 1}`}
          onClick=${() => set(messages.filter((_, own) => own !== at))}>Remove</button>`}</div>
      <${Text} label=${`Message ${at + 1}`} name=${`messages/${at}`} rows=${rowsOf(message.content)} required
        class="mono" value=${message.content}
        set=${(content) => change(at, { content })} />
    </div>`)}
    <${Fields} fields=${inputFields(inputSchema)} insert=${insert} />
    ${messages.length < MESSAGES_MAX && html`<div><button type="button" class="small" onClick=${add}>Add a message</button></div>`}
  </div>`;
}

const rowsOf = (text) => Math.max(3, Math.min(16, text.split('\n').length + 1));

function Fields({ fields, insert }) {
  if (!fields.length) return html`<p class="note">A message shows a field of the input with <code>${'{{ input.name }}'}</code>.
    Fields that the input schema names are offered here.</p>`;
  return html`<div class="chips"><span class="note">Insert:</span>
    ${fields.map((field) => html`<button key=${field} type="button" class="small" aria-label=${`Insert ${field}`}
    onClick=${() => insert(field)}>${field}</button>`)}</div>`;
}
