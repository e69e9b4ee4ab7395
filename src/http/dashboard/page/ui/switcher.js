// Which account and project are shown, and the way to another.

import { html } from '../lib/html.js';
import { useList } from '../lib/load.js';
import { address, go } from '../lib/place.js';
import { useSession } from '../lib/session.js';
import { Loading, Problem, Status } from './bits.js';
import { Opens } from './dialog.js';
import { Icon } from './icons.js';

export function Switcher() {
  const { account, project } = useSession();
  const name = html`<span class="names"><span class="account">${account.name}</span>
    <span class="project">${project.name}${project.environment === 'test' && html` <${Status} value="test" />`}</span></span><${Icon} name="down" />`;
  return html`<div class="switcher"><${Opens} name=${name} title="Choose a project" kind="quiet">${(close) => html`<${Choice} close=${close} />`}<//></div>`;
}

function Choice({ close }) {
  const { project } = useSession();
  const { rows, error, more } = useList('/dashboard/api/accounts');
  const choose = (to) => {
    close();
    go(address('/dashboard', {}, to));
  };
  if (!rows) return error ? html`<${Problem} error=${error} />` : html`<${Loading} />`;
  return html`<div class="form">${rows.map((account) => html`<section key=${account.id} class="choice"><h3>${account.name} <span class="note">${account.role}</span></h3>
    <ul>${account.projects.map((one) => html`<li key=${one.id}><button type="button" class="wide" aria-current=${one.id === project.id ? 'true' : undefined} onClick=${() => choose(one.id)}>
      ${one.name}<${Status} value=${one.environment} /></button></li>`)}</ul></section>`)}
    ${more && html`<button type="button" onClick=${more}>Show more</button>`}</div>`;
}
