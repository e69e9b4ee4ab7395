// Signing in, where there is no session or it ended.

import { html, useEffect, useState } from '../lib/html.js';
import { post } from '../lib/api.js';
import { settle } from '../lib/ready.js';
import { Form, Text } from '../ui/form.js';
import { Code } from '../ui/bits.js';

export function SignIn({ session, entered }) {
  const [value, setValue] = useState({ email: '', password: '' });
  const set = (name) => (text) => setValue({ ...value, [name]: text });
  useEffect(() => {
    document.title = 'Sign in · skai';
    settle();
  }, []);
  return html`<main class="alone">
    <h1><span class="mark" aria-hidden="true">{ }</span> Sign in</h1>
    ${session.needs_setup ? html`<${NotSetUp} />` : html`<${Form} value=${value} submit="Sign in" done=${entered}
      send=${(options, sent) => post('/dashboard/api/sign-in', sent, options)}>
      <${Text} label="E-mail" type="email" autocomplete="username" required value=${value.email} set=${set('email')} />
      <${Text} label="Password" type="password" autocomplete="current-password" required value=${value.password} set=${set('password')} />
    <//>
    <details><summary>Forgot the password?</summary>
      <p>An owner or admin makes a new link on the page Members. On the server itself:</p>
      <${Code} text="skai-server --config config.toml user link --email you@example.com" />
    </details>`}
  </main>`;
}

function NotSetUp() {
  return html`<p>Nobody has signed in to this server yet. When it started it printed a setup link, <code>setup: open …/dashboard/welcome#…</code>: open that.</p>
    <p>The link is void when the server starts again, which prints a new one.</p>`;
}
