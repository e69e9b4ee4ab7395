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
  const test = project.environment === 'test' && html` <${Status} value="test" />`;
  const name = html`<span class="names"><span class="account">${account.name}</span>
    <span class="project">${project.name}${test}</span></span><${Icon} name="down" />`;
  return html`<div class="switcher"><${Opens} name=${name} title="Choose a project" kind="quiet">${(close) => html`<${Choice}
    close=${close} />`}<//></div>`;
}

function Choice({ close }) {
  const { rows, error, more, reload } = useList('/dashboard/api/accounts');
  const choose = (to) => {
    close();
    go(address('/dashboard', {}, to));
  };
  if (!rows) return error ? html`<${Problem} error=${error} retry=${reload} />` : html`<${Loading} />`;
  return html`<div class="form"><${Problem} error=${error} retry=${reload} />
    ${rows.map((account) => html`<section key=${account.id} class="choice">
      <h3>${account.name} <span class="note">${account.role}</span></h3>
      <ul>${account.projects.map((one) => html`<${Project} key=${one.id} ...${{ one, choose }} />`)}</ul></section>`)}
    ${more && html`<button type="button" onClick=${more}>Show more</button>`}</div>`;
}

function Project({ one: { id, name, environment }, choose }) {
  const { project } = useSession();
  return html`<li><button type="button" class="wide" aria-current=${id === project.id ? 'true' : undefined}
    onClick=${() => choose(id)}>${name}${id === project.id && html`<span class="note">shown now</span>`}
    <${Status} value=${environment} /></button></li>`;
}
