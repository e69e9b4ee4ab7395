// A page of several parts, one of which is shown: the address says which.

import { html, useEffect, useRef } from '../lib/html.js';
import { useQuery } from '../lib/place.js';

const PANEL = 'tab-panel';
const idOf = (tab) => `tab-${tab}`;

/**
 * The tab that the address names, else the first, and how to choose another, which gives whether it was chosen: `tabs` are
 * `{ id, title, … }`.
 */
export function useTab(tabs) {
  const [query, change] = useQuery();
  const chosen = tabs.find(({ id }) => id === query.tab) ?? tabs[0];
  // What one tab filters by means nothing to another.
  const none = Object.fromEntries(Object.keys(query).map((name) => [name, undefined]));
  const choose = (tab) => change({ ...none, tab: tab === tabs[0].id ? undefined : tab });
  return { chosen, choose };
}

/** The tabs alone. A page has one row of them. */
export function Tabs({ label, tabs, chosen, choose }) {
  const list = useRef(null);
  const nearest = { block: 'nearest', inline: 'nearest' };
  useEffect(() => list.current.querySelector('[aria-selected="true"]')?.scrollIntoView(nearest), [chosen.id]);
  const move = (event) => {
    const [at, last] = [tabs.indexOf(chosen), tabs.length - 1];
    const to = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at ? at - 1 : last, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (choose(tabs[to].id)) list.current.querySelector(`#${idOf(tabs[to].id)}`).focus();
  };
  return html`<div class="tabs" ref=${list} role="tablist" aria-label=${label} onKeyDown=${move}>
    ${tabs.map(({ id, title }) => html`<button key=${id} type="button" role="tab" id=${idOf(id)} aria-controls=${PANEL}
      aria-selected=${String(id === chosen.id)} tabindex=${id === chosen.id ? 0 : -1} onClick=${() => choose(id)}>${title}</button>`)}
  </div>`;
}

/** What the chosen tab shows. */
export function Panel({ chosen, children }) {
  return html`<div class="stack" role="tabpanel" id=${PANEL} aria-labelledby=${idOf(chosen.id)} key=${chosen.id}>${children}</div>`;
}

/** Both, where each tab has its `view`. */
export function Tabbed({ label, tabs }) {
  const { chosen, choose } = useTab(tabs);
  return html`<${Tabs} ...${{ label, tabs, chosen, choose }} /><${Panel} chosen=${chosen}><${chosen.view} key=${chosen.id} /><//>`;
}

/** What a tab is for, and what can be done in it. */
export function Bar({ note, children }) {
  return html`<div class="bar"><p class="note">${note}</p>${children && html`<div class="actions">${children}</div>`}</div>`;
}
