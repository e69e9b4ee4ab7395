// Small parts that every page uses.

import { html, useEffect, useRef, useState } from '../lib/html.js';
import { address } from '../lib/place.js';
import * as format from '../lib/format.js';
import { Icon } from './icons.js';

/** A link to a page of the dashboard, in the project that is shown. */
export function Link({ to, query, children, ...rest }) {
  return html`<a href=${address(to, query)} ...${rest}>${children}</a>`;
}

/** The head of a page: its title, what it is for, what can be done. */
export function Head({ title, back, note, children }) {
  return html`<header class="head">
    <div>
      ${back && html`<p class="back"><${Link} to=${back.to} query=${back.query}>${back.name}<//></p>`}
      <h1>${title}</h1>
      ${note && html`<p class="note">${note}</p>`}
    </div>
    ${children && html`<div class="actions">${children}</div>`}
  </header>`;
}

/** A part of a page under a heading of its own. */
export function Card({ title, actions, children, flush }) {
  return html`<section class=${flush ? 'card flush' : 'card'} aria-label=${title}>
    ${title && html`<div class="card-head"><h2>${title}</h2>${actions && html`<div class="actions">${actions}</div>`}</div>`}
    ${children}
  </section>`;
}

/** A number with its name. */
export function Stat({ name, value, note, tone }) {
  return html`<div class="stat"><dt>${name}</dt><dd class=${tone}>${value}</dd>${note && html`<dd class="note">${note}</dd>`}</div>`;
}

const TONES = {
  succeeded: 'good', delivered: 'good', completed: 'good', active: 'good', closed: 'good', ok: 'good', live: 'good',
  failed: 'bad', expired: 'bad', open: 'bad', revoked: 'bad', disabled: 'bad', suspended: 'bad',
  running: 'busy', queued: 'busy', pending: 'busy', in_progress: 'busy', half_open: 'busy', judging: 'busy',
  paused: 'warn', invited: 'warn', test: 'warn', canceling: 'warn',
};

/** A status as a coloured word. */
export function Status({ value, text }) {
  return html`<span class="status ${TONES[value] ?? ''}">${text ?? String(value).replaceAll('_', ' ')}</span>`;
}

/** A time as how long ago, exact to the pointer and to a screen reader. */
export function Time({ at }) {
  if (!at) return '–';
  return html`<time datetime=${at} title=${format.time(at)}>${format.relative(at)}</time>`;
}

/** A text in code with a button that copies it. */
export function Copy({ text, label = 'Copy', shown = text }) {
  return html`<span class="copy"><code>${shown}</code><${CopyButton} text=${text} label=${label} /></span>`;
}

export function CopyButton({ text, label = 'Copy' }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const timer = setTimeout(() => setCopied(false), 2_000);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = async () => setCopied(await toClipboard(text));
  return html`<button type="button" class="quiet small" aria-label=${label} title=${label} onClick=${copy}>
    <${Icon} name=${copied ? 'check' : 'copy'} /><span class="unseen" role="status">${copied ? 'Copied' : ''}</span>
  </button>`;
}

/** Browsers lend the clipboard to secure pages only; elsewhere a selection is copied. */
async function toClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    (document.querySelector('dialog[open]') ?? document.body).append(area);
    area.select();
    const copied = document.execCommand('copy');
    area.remove();
    return copied;
  }
}

/** A command or a piece of code in a block, to be copied. */
export function Code({ text, label = 'Copy' }) {
  return html`<div class="code"><pre tabindex="0">${text}</pre><${CopyButton} text=${text} label=${label} /></div>`;
}

/** What to do where there is nothing yet. */
export function Empty({ title, children, command }) {
  return html`<div class="empty"><p class="strong">${title}</p>${children && html`<p>${children}</p>`}
    ${command && html`<${Code} text=${command} label="Copy the command" />`}</div>`;
}

/** Why something did not work, with the request's id. */
export function Problem({ error, retry }) {
  if (!error) return null;
  return html`<div class="problem" role="alert">
    <p>${error.message}</p>
    ${Array.isArray(error.details) && html`<ul>${error.details.slice(0, 10).map((one) => html`<li><code>${one.path || '/'}</code> ${one.message}</li>`)}</ul>`}
    ${error.requestId && html`<p class="note">Request <${Copy} text=${error.requestId} label="Copy the request id" /></p>`}
    ${retry && html`<button type="button" onClick=${retry}>Try again</button>`}
  </div>`;
}

/** Draws what was loaded, or why it was not, or that it is on its way. */
export function Loaded({ error, data, reload, children }) {
  if (data === null) return error ? html`<${Problem} error=${error} retry=${reload} />` : html`<${Loading} />`;
  return html`${error && html`<${Problem} error=${error} retry=${reload} />`}${children(data)}`;
}

export function Loading() {
  return html`<p class="loading" role="status">Loading…</p>`;
}

/** Names and values, one under the other. */
export function Facts({ of }) {
  const shown = of.filter(([, value]) => value !== undefined);
  return html`<dl class="facts">${shown.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value ?? '–'}</dd></div>`)}</dl>`;
}

/** Tabs whose choice is part of the address: `tabs` are `{ id, title }`. */
export function Tabs({ tabs, chosen, choose, label }) {
  const list = useRef(null);
  useEffect(() => list.current.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' }), [chosen]);
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const at = tabs.findIndex(({ id }) => id === chosen);
    const next = tabs[(at + step + tabs.length) % tabs.length];
    choose(next.id);
    event.currentTarget.querySelector(`[data-tab="${next.id}"]`).focus();
  };
  return html`<div class="tabs" ref=${list} role="tablist" aria-label=${label} onKeyDown=${move}>
    ${tabs.map(({ id, title }) => html`<button key=${id} type="button" role="tab" data-tab=${id} aria-selected=${String(id === chosen)}
      tabindex=${id === chosen ? 0 : -1} onClick=${() => choose(id)}>${title}</button>`)}
  </div>`;
}
