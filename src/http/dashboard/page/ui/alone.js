// A page for who is not signed in: one card below the name.

import { html } from '../lib/html.js';

export function Alone({ title, note, children }) {
  return html`<main class="alone"><p class="mark"><span aria-hidden="true">{ }</span> skai</p>
    <div class="card"><h1>${title}</h1>${note && html`<p class="note">${note}</p>`}${children}</div>
    <p class="note">Structured AI, delivered as JSON.</p></main>`;
}
