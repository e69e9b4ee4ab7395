// A link that was made for somebody: to set the server up, to join an account, or to choose a new password.

import { html, useEffect, useState } from '../lib/html.js';
import { post } from '../lib/api.js';
import { go } from '../lib/place.js';
import { useLoad } from '../lib/load.js';
import { Alone } from '../ui/alone.js';
import { Form, Text } from '../ui/form.js';
import { Problem } from '../ui/bits.js';

/** In the fragment, which no server, proxy or log sees. Another link that is opened in the same place changes only that. */
function useToken() {
  const read = () => location.hash.slice(1);
  const [token, setToken] = useState(read);
  useEffect(() => {
    const heard = () => setToken(read());
    window.addEventListener('hashchange', heard);
    return () => window.removeEventListener('hashchange', heard);
  }, []);
  return token;
}

const WORDS = {
  setup: { title: 'Set up this server', submit: 'Create the owner', note: 'You become the owner of its first account, and its operator.' },
  invite: { title: 'Join an account', submit: 'Join', note: 'Choose a password, and you are in.' },
  reset: { title: 'Choose a new password', submit: 'Save and sign in', note: 'All your other sessions end.' },
};

export function Welcome({ entered }) {
  const token = useToken();
  const { data, error, reload } = useLoad(() => post('/dashboard/api/links/open', { token }), [token]);
  useEffect(() => {
    document.title = 'Welcome · skai';
  }, []);
  const done = async () => {
    history.replaceState(null, '', '/dashboard/welcome');
    go('/dashboard', { replace: true });
    await entered();
  };
  if (data) return html`<${Accept} key=${token} ...${{ link: data, token, done }} />`;
  if (error) return html`<${Refused} ...${{ error, reload }} />`;
  return null;
}

/** A link that is used up stays so; anything else may be tried again. */
function Refused({ error, reload }) {
  const isGone = error.status === 404;
  return html`<${Alone} title=${isGone ? 'This link does not work' : 'The link could not be opened'}>
    <${Problem} error=${error} retry=${isGone ? undefined : reload} />
    <p><a href="/dashboard">Sign in</a> if you have a password. Otherwise ask who sent the link for a new one.</p><//>`;
}

function Accept({ link, token, done }) {
  const [value, setValue] = useState({ email: link.email ?? '', password: '', account_name: '' });
  const set = (name) => (text) => setValue((last) => ({ ...last, [name]: text }));
  const words = WORDS[link.purpose];
  const knows = link.purpose === 'invite' && link.has_password;
  const send = (options, { email, password, account_name }) => post('/dashboard/api/links/accept', {
    token,
    password,
    ...(link.purpose === 'setup' && { email, ...(account_name && { account_name }) }),
  }, options);
  const said = knows ? 'Enter the password that you sign in with here.' : words.note;
  const note = html`${link.account && html`Account <b>${link.account.name}</b>. `}${said}`;
  return html`<${Alone} title=${words.title} note=${note}>
    <${Form} ...${{ value, send, done }} submit=${words.submit}>
      <${Text} label="E-mail" type="email" autocomplete="username" required value=${value.email} set=${set('email')}
        readonly=${link.purpose !== 'setup'} />
      <${Text} label="Password" type="password" required minlength=${knows ? undefined : 10} maxlength="200"
        autocomplete=${knows ? 'current-password' : 'new-password'}
        hint=${knows ? undefined : 'At least 10 characters.'} value=${value.password} set=${set('password')} />
      ${link.purpose === 'setup' && !link.account && html`<${Text} label="Name of the account" placeholder="Main" maxlength="200"
        value=${value.account_name} set=${set('account_name')} />`}
    <//><//>`;
}
