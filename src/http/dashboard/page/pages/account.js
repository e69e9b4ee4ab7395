// Oneself: where one is signed in, and the password.

import { html, useState } from '../lib/html.js';
import { post, remove } from '../lib/api.js';
import { useWhole } from '../lib/load.js';
import { useSession } from '../lib/session.js';
import { Card, Empty, Facts, Head, Status, Time } from '../ui/bits.js';
import { Confirms } from '../ui/dialog.js';
import { Form, Text, useFields } from '../ui/form.js';
import { Table } from '../ui/table.js';

export function Account() {
  const { user, account, role } = useSession();
  const list = useWhole('/dashboard/api/sessions');
  return html`<${Head} title="Your sign-in" note="Who you are here, and where you are signed in." />
    <${Card} title="You"><${Facts}
      of=${[
      ['E-mail', user.email], ['Account', account.name], ['Role', role], ['Operator of this server', user.is_operator ? 'yes' : 'no'],
    ]} /><//>
    <${Card} title="Sessions" flush><${Table} label="List of sessions" called=${called}
      columns=${columns(list.reload)} list=${list} empty=${html`<${Empty}
      title="No sessions" />`} /><//>
    <${Card} title="Change password"><${Password} email=${user.email} done=${list.reload} /><//>`;
}

const called = ({ user_agent, address }) => `${browser(user_agent)} at ${address ?? 'an unknown address'}`;

const columns = (reload) => [
  { name: 'Browser', of: ({ user_agent, current }) => html`<span class="strong"
    title=${user_agent}>${browser(user_agent)}</span>${current && html` <${Status} value="active" text="this one" />`}`, wide: true },
  { name: 'Address', of: ({ address }) => html`<code>${address ?? '–'}</code>` },
  { name: 'Signed in', of: ({ created_at }) => html`<${Time} at=${created_at} />` },
  { name: 'Last seen', of: ({ last_seen_at }) => html`<${Time} at=${last_seen_at} />` },
  { name: 'Ends', of: ({ expires_at }) => html`<${Time} at=${expires_at} />` },
  { name: 'Actions', unseen: true, of: (session) => !session.current && html`<span class="actions"><${Confirms} name="End session"
    title="End this session?"
    act=${() => remove(`/dashboard/api/sessions/${session.id}`)}
      done=${reload}>${called(session)} has to sign in again.<//></span>` },
];

const BROWSERS = [[/Edg\//, 'Edge'], [/OPR\//, 'Opera'], [/Firefox\//, 'Firefox'], [/Chrom(e|ium)\//, 'Chrome'], [/Safari\//, 'Safari']];
const SYSTEMS = [[/iPhone|iPad/, 'iOS'], [/Android/, 'Android'], [/Windows/, 'Windows'], [/Mac OS X/, 'macOS'], [/Linux/, 'Linux']];

/** The browser and system that a user agent names, else as it is written. */
function browser(agent) {
  const first = (of) => of.find(([pattern]) => pattern.test(agent ?? ''))?.[1];
  const [name, system] = [first(BROWSERS), first(SYSTEMS)];
  if (name) return system ? `${name} on ${system}` : name;
  return agent?.slice(0, 60) || 'unknown';
}

const UNTOUCHED = { current_password: '', new_password: '' };

function Password({ email, done }) {
  const [value, put, setValue] = useFields(UNTOUCHED);
  const [changed, setChanged] = useState(false);
  const set = (name) => (text) => {
    setChanged(false);
    put(name)(text);
  };
  const after = () => {
    setValue(UNTOUCHED);
    setChanged(true);
    done();
  };
  return html`<div class="narrow"><${Form} value=${value} submit="Change password" done=${after}
    send=${(options, given) => post('/dashboard/api/password', given, options)}>
      <input type="email" autocomplete="username" value=${email} readonly hidden />
      <${Text} label="Current password" name="current_password" type="password" required maxlength="200" autocomplete="current-password"
        value=${value.current_password} set=${set('current_password')} />
      <${Text} label="New password" name="new_password" type="password" required minlength="10" maxlength="200" autocomplete="new-password"
        hint="At least 10 characters. All your other sessions end."
        value=${value.new_password} set=${set('new_password')} /><//>
    <p class="said after" role="status">${changed ? 'The password is changed. Your other sessions have ended.' : ''}</p></div>`;
}
