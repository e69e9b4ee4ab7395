// What each role may do. The server holds every request to it; here it is in words.

import { html } from '../../lib/html.js';
import { Icon } from '../../ui/icons.js';

/** The strongest first. */
const ROLES = ['owner', 'admin', 'developer', 'viewer'];

const RIGHTS = [
  ['See everything', ROLES],
  ['Run jobs; change agents, webhooks, schedules', ['owner', 'admin', 'developer']],
  ['Manage keys, projects, members up to admin', ['owner', 'admin']],
  ['Manage owners', ['owner']],
];

/** Roles that somebody of this role may give and take: nobody gives what is not theirs. */
export const within = (role) => ROLES.slice(ROLES.indexOf(role));

export function RoleTable() {
  return html`<div class="table roles" tabindex="0" role="region" aria-label="Roles and their rights"><table>
    <thead><tr><th scope="col"><span class="unseen">Right</span></th>${ROLES.map((role) => html`<th key=${role}
      scope="col">${role}</th>`)}</tr></thead>
    <tbody>${RIGHTS.map(([right, roles]) => html`<tr key=${right}><th scope="row">${right}</th>${ROLES.map((role) => html`<td
      key=${role}>${roles.includes(role)
      ? html`<${Icon} name="check" /><span class="unseen">yes</span>` : html`<span class="note" aria-hidden="true">–</span><span
        class="unseen">no</span>`}</td>`)}</tr>`)}</tbody>
  </table></div>`;
}
