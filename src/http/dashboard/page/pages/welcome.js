// A link that was made for somebody: to set the server up, to join an account, or to choose a new password.

import { html, useEffect, useState } from '../lib/html.js';
import { post } from '../lib/api.js';
import { go } from '../lib/place.js';
import { useLoad } from '../lib/load.js';
import { Alone } from '../ui/alone.js';
import { Form, Text, useFields } from '../ui/form.js';
import { Problem } from '../ui/bits.js';

/** In the fragment, which no server, proxy or log sees, and from there in memory alone: no history keeps it. */
let taken = '';

function take() {
  const token = location.hash.slice(1);
  if (token) {
    taken = token;
    history.replaceState(null, '', location.pathname + location.search);
  }
  return taken;
}

/** Another link that is opened in the same place changes only the fragment. */
function useToken() {
  const [token, setToken] = useState(take);
  useEffect(() => {
    const heard = () => setToken(take());
    window.addEventListener('hashchange', heard);
    return () => window.removeEventListener('hashchange', heard);
  }, []);
  return token;
}

const NO_TOKEN = new Error('Its secret part is gone from the address, as after the page was loaded again. Open the link once more.');

const WORDS = {
  setup: { title: 'Set up this server', submit: 'Create the owner', note: 'You become the owner of its first account, and its operator.' },
  invite: { title: 'Join an account', submit: 'Join', note: 'Choose a password, and you are in.' },
  reset: { title: 'Choose a new password', submit: 'Save and sign in', note: 'All your other sessions end.' },
};

export function Welcome({ entered }) {
  const token = useToken();
  const { data, error, reload } = useLoad(() => open(token), [token]);
  useEffect(() => {
    document.title = 'Welcome · skai';
  }, []);
  const done = async () => {
    taken = '';
    go('/dashboard', { replace: true });
    await entered();
  };
  if (data) return html`<${Accept} key=${token} ...${{ link: data, token, done }} />`;
  if (error) return html`<${Refused} ...${{ error, reload }} />`;
  return null;
}

async function open(token) {
  if (!token) throw NO_TOKEN;
  return post('/dashboard/api/links/open', { token });
}

/** A link that is used up stays so; anything else may be tried again. */
function Refused({ error, reload }) {
  const isGone = error.status === 404 || error === NO_TOKEN;
  return html`<${Alone} title=${isGone ? 'This link does not work' : 'The link could not be opened'}>
    <${Problem} error=${error} retry=${isGone ? undefined : reload} />
    <p><a href="/dashboard">Sign in</a> if you have a password. Otherwise ask who sent the link for a new one.</p><//>`;
}

function Accept({ link, token, done }) {
  const [value, set] = useFields({ email: link.email ?? '', password: '', account_name: '' });
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
      <${Text} label="E-mail" name="email" type="email" autocomplete="username" required value=${value.email} set=${set('email')}
        readonly=${link.purpose !== 'setup'} />
      <${Text} label="Password" name="password" type="password" required minlength=${knows ? undefined : 10} maxlength="200"
        autocomplete=${knows ? 'current-password' : 'new-password'}
        hint=${knows ? undefined : 'At least 10 characters.'} value=${value.password} set=${set('password')} />
      ${link.purpose === 'setup' && !link.account && html`<${Text} label="Name of the account" name="account_name" placeholder="Main"
        maxlength="200" value=${value.account_name} set=${set('account_name')} />`}
    <//><//>`;
}
