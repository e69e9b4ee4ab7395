// A page of several parts, one of which is shown: the address says which.

import { html } from '../lib/html.js';
import { useQuery } from '../lib/place.js';
import { Tabs } from './bits.js';

/** `tabs` are `{ id, title, view }`; the first is shown where the address names none. */
export function Tabbed({ label, tabs }) {
  const [query, change] = useQuery();
  const chosen = tabs.find(({ id }) => id === query.tab) ?? tabs[0];
  // What one tab filters by means nothing to another.
  const none = Object.fromEntries(Object.keys(query).map((name) => [name, undefined]));
  const choose = (tab) => change({ ...none, tab: tab === tabs[0].id ? undefined : tab });
  return html`<${Tabs} ...${{ label, tabs, choose }} chosen=${chosen.id} />
    <div class="stack" role="tabpanel" aria-label=${chosen.title} key=${chosen.id}><${chosen.view} /></div>`;
}

/** What a tab is for, and what can be done in it. */
export function Bar({ note, children }) {
  return html`<div class="bar"><p class="note">${note}</p>${children && html`<div class="actions">${children}</div>`}</div>`;
}
