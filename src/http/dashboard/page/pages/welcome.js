// A link that was made for somebody: to set the server up, to join an account, or to choose a new password.

import { html, useEffect, useState } from '../lib/html.js';
import { post } from '../lib/api.js';
import { go } from '../lib/place.js';
import { useLoad } from '../lib/load.js';
import { Form, Text } from '../ui/form.js';
import { Loaded } from '../ui/bits.js';

/** In the fragment, which no server, proxy or log sees. */
const token = () => location.hash.slice(1);

const WORDS = {
  setup: { title: 'Set up this server', submit: 'Create the owner', note: 'You become the owner of its first account, and its operator.' },
  invite: { title: 'Join an account', submit: 'Join', note: 'Choose a password, and you are in.' },
  reset: { title: 'Choose a new password', submit: 'Save and sign in', note: 'All your other sessions end.' },
};

export function Welcome({ entered }) {
  const { data, error, reload } = useLoad(() => post('/dashboard/api/links/open', { token: token() }));
  useEffect(() => {
    document.title = 'Welcome · skai';
  }, []);
  const done = async () => {
    history.replaceState(null, '', '/dashboard/welcome');
    go('/dashboard', { replace: true });
    await entered();
  };
  return html`<main class="alone"><${Loaded} ...${{ data, error, reload }}>${(link) => html`<${Accept} ...${{ link, done }} />`}<//></main>`;
}

function Accept({ link, done }) {
  const [value, setValue] = useState({ email: link.email ?? '', password: '', account_name: '' });
  const set = (name) => (text) => setValue({ ...value, [name]: text });
  const words = WORDS[link.purpose];
  const knows = link.purpose === 'invite' && link.has_password;
  const send = (options, { email, password, account_name }) => post('/dashboard/api/links/accept', {
    token: token(),
    password,
    ...(link.purpose === 'setup' && { email, ...(account_name && { account_name }) }),
  }, options);
  return html`<h1><span class="mark" aria-hidden="true">{ }</span> ${words.title}</h1>
    <p class="note">${link.account && html`Account <b>${link.account.name}</b>. `}${knows ? 'Enter the password that you sign in with here.' : words.note}</p>
    <${Form} ...${{ value, send, done }} submit=${words.submit}>
      <${Text} label="E-mail" type="email" autocomplete="username" required value=${value.email} set=${set('email')} readonly=${link.purpose !== 'setup'} />
      <${Text} label="Password" type="password" required minlength=${knows ? undefined : 10} maxlength="200" autocomplete=${knows ? 'current-password' : 'new-password'}
        hint=${knows ? undefined : 'At least 10 characters.'} value=${value.password} set=${set('password')} />
      ${link.purpose === 'setup' && !link.account && html`<${Text} label="Name of the account" placeholder="Main" maxlength="200" value=${value.account_name} set=${set('account_name')} />`}
    <//>`;
}
