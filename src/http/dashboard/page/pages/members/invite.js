// Links that let somebody in: to join, or to choose a new password.

import { html } from '../../lib/html.js';
import { post } from '../../lib/api.js';
import { useAction } from '../../lib/load.js';
import { useSession } from '../../lib/session.js';
import { Problem } from '../../ui/bits.js';
import { Form, Select, Text, useFields } from '../../ui/form.js';
import { Makes, Secret } from '../../ui/secret.js';
import { RoleTable, within } from './roles.js';

export function Invite({ made }) {
  return html`<${Makes} name="Invite" title="Invite somebody" madeTitle="Invited" kind="primary" wide made=${made}
    form=${({ close, done }) => html`<${InviteForm} ...${{ close, done }} />`} shown=${(user) => html`<${Link} of=${user} />`} />`;
}

function InviteForm({ close, done }) {
  const { role } = useSession();
  const [value, set] = useFields({ email: '', role: 'developer' });
  return html`<${Form} ...${{ value, close, done }} submit="Invite" send=${(options, given) => post('/v1/users', given, options)}>
    <div class="pair"><${Text} label="E-mail" name="email" type="email" required maxlength="254"
        value=${value.email} set=${set('email')} />
      <${Select} label="Role" name="role" value=${value.role} set=${set('role')} options=${within(role)} /></div>
    <${RoleTable} /><//>`;
}

/** For who lost the link, or forgot the password. */
export function NewLink({ of, made }) {
  return html`<${Makes} name="New link" title=${`New link for ${of.email}`} madeTitle="New link" kind="small" made=${made}
    form=${({ close, done }) => html`<${LinkForm} ...${{ of, close, done }} />`} shown=${(user) => html`<${Link} of=${user} />`} />`;
}

function LinkForm({ of, close, done }) {
  const { run, busy, error } = useAction((options) => post(`/v1/users/${of.id}/invite`, {}, options), done);
  return html`<div class="form"><p>${of.status === 'invited'
      ? 'The link that they have stops working. The new one lets them join.'
      : 'With it they choose a new password. Their password works until they do.'}</p>
    <${Problem} error=${error} />
    <div class="form-end"><button type="button" onClick=${close}>Cancel</button>
      <button type="button" class="primary" aria-disabled=${String(busy)} onClick=${() => run()}>Make link</button></div></div>`;
}

function Link({ of }) {
  return html`<${Secret} label=${`Send this link to ${of.email}`} text=${new URL(of.invite_url, location.origin).href} copy="Copy the link"
    note="Whoever has the link can use it, once. It will not be shown again; no e-mail was sent." />`;
}
