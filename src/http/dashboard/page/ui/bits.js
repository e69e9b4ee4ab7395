// Small parts that every page uses.

import { html, useEffect } from '../lib/html.js';
import { address } from '../lib/place.js';
import * as format from '../lib/format.js';
import { Code, Copy } from './copy.js';

export { Code, Copy, curl, firstJob } from './copy.js';
export { Time } from './time.js';

/** A link to a page of the dashboard, in the project that is shown. */
export function Link({ to, query, children, ...rest }) {
  return html`<a href=${address(to, query)} ...${rest}>${children}</a>`;
}

/** A link to a job, by the end of its id. */
export function JobLink({ id }) {
  return id ? html`<${Link} to=${`/dashboard/jobs/${id}`}><code>${format.tail(id)}</code><//>` : '–';
}

/** The head of a page: its title, what it is for, what can be done. `tab` is what the browser's tab says, where that is more. */
export function Head({ title, tab = title, back, note, children }) {
  useEffect(() => {
    // After the name of the kind of page, which is said first.
    queueMicrotask(() => { document.title = `${tab} · skai`; });
  }, [tab]);
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
  return html`<div class="stat"><dt>${name}</dt><dd class=${tone}>${value}</dd>
    ${note && html`<dd class="note">${note}</dd>`}</div>`;
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
    ${Array.isArray(error.details) && html`<ul>${error.details.slice(0, 10).map(({ path, message }) => html`<li>
      <code>${path || '/'}</code> ${message}</li>`)}</ul>`}
    ${error.requestId && html`<p class="note">Request <${Copy} text=${error.requestId} label="Copy the request id" /></p>`}
    ${retry && html`<button type="button" onClick=${retry}>Try again</button>`}
  </div>`;
}

/** Draws what was loaded, or why it was not, or that it is on its way. */
export function Loaded({ error, data, reload, children }) {
  if (data === null && error?.status === 404) return html`<${Problem} error=${{ ...error, message: GONE }} />`;
  if (data === null) return error ? html`<${Problem} error=${error} retry=${reload} />` : html`<${Loading} />`;
  return html`${error && html`<${Problem} error=${error} retry=${reload} />`}${children(data)}`;
}

const GONE = 'There is nothing here: it was removed, or it belongs to another project or account.';

export function Loading() {
  return html`<p class="loading" role="status">Loading…</p>`;
}

/** Names and values, one under the other. */
export function Facts({ of }) {
  const shown = of.filter(([, value]) => value !== undefined);
  return html`<dl class="facts">${shown.map(([name, value]) => html`<div key=${name}><dt>${name}</dt>
    <dd>${value ?? '–'}</dd></div>`)}</dl>`;
}

/** Where nothing matches the filters. */
export function NoMatch({ what }) {
  return html`<${Empty} title=${`No ${what} matches`}>Change or clear the filters.<//>`;
}
