// Texts that can be copied.

import { html, useEffect, useState } from '../lib/html.js';
import { Icon } from './icons.js';

const SAID_MS = 2_000;
const SAID = { done: 'Copied', failed: 'Not copied: select the text instead.' };

/** A text in code with a button that copies it. */
export function Copy({ text, label = 'Copy', shown = text }) {
  return html`<span class="copy"><code>${shown}</code><${CopyButton} text=${text} label=${label} /></span>`;
}

/** `text` may be a function that gives it, where it is costly to write. */
export function CopyButton({ text, label = 'Copy' }) {
  const [state, setState] = useState(null);
  useEffect(() => {
    if (!state) return undefined;
    const timer = setTimeout(() => setState(null), SAID_MS);
    return () => clearTimeout(timer);
  }, [state]);
  const copy = async () => setState((await toClipboard(typeof text === 'function' ? text() : text)) ? 'done' : 'failed');
  const icon = { done: 'check', failed: 'close' }[state] ?? 'copy';
  return html`<span class="copies"><button type="button" class="quiet small" aria-label=${label} title=${label} onClick=${copy}>
    <${Icon} name=${icon} /></button>
    <span class=${state === 'failed' ? 'copy-failed' : 'unseen'} role="status">${SAID[state]}</span></span>`;
}

/** Browsers lend the clipboard to secure pages only; elsewhere a selection is copied. */
async function toClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    const last = document.activeElement;
    area.value = text;
    (document.querySelector('dialog[open]') ?? document.body).append(area);
    area.select();
    const copied = document.execCommand('copy');
    area.remove();
    last?.focus();
    return copied;
  }
}

/** A command or a piece of code in a block, to be copied. */
export function Code({ text, label = 'Copy' }) {
  return html`<div class="code"><pre tabindex="0">${text}</pre><${CopyButton} text=${text} label=${label} /></div>`;
}

/** A request with an API key, as a command: `more` are options of curl that come before the body. */
export function curl(path, body, more = '') {
  const sent = body && ` \\\n  -H "Content-Type: application/json" \\\n  -d '${JSON.stringify(body).replaceAll("'", "'\\''")}'`;
  return `curl ${more}'${location.origin}${path}' \\\n  -H "Authorization: Bearer $SKAI_KEY"${sent ?? ''}`;
}

/** The first job that somebody may send: it costs nothing and needs no provider. */
export const firstJob = (more) => curl('/v1/jobs/generations', {
  model: 'sandbox', ...more, messages: [{ role: 'user', content: 'Hello' }],
});
