// Signing in, where there is no session or it ended.

import { html, useEffect } from '../lib/html.js';
import { post } from '../lib/api.js';
import { Alone } from '../ui/alone.js';
import { Form, Text, useFields } from '../ui/form.js';
import { Code } from '../ui/bits.js';

export function SignIn({ session, entered }) {
  useEffect(() => {
    document.title = 'Sign in · skai';
  }, []);
  return session.needs_setup ? html`<${NotSetUp} />` : html`<${Enter} entered=${entered} />`;
}

function Enter({ entered }) {
  const [value, set] = useFields({ email: '', password: '' });
  return html`<${Alone} title="Sign in">
    <${Form} value=${value} submit="Sign in" done=${entered} send=${(options, sent) => post('/dashboard/api/sign-in', sent, options)}>
      <${Text} label="E-mail" name="email" type="email" autocomplete="username" required value=${value.email} set=${set('email')} />
      <${Text} label="Password" name="password" type="password" autocomplete="current-password" required
        value=${value.password} set=${set('password')} />
    <//>
    <details class="help"><summary>Forgot the password?</summary>
      <p class="note">An owner or admin makes a new link on the page Members & audit log. Or, on the server itself:</p>
      <${Code} text="skai-server --config config.toml user link --email you@example.com" label="Copy the command" />
    </details><//>`;
}

function NotSetUp() {
  return html`<${Alone} title="Set up this server" note="Nobody has signed in here yet.">
    <p>When it started, the server printed a setup link in its terminal or log. Open it to become the owner:</p>
    <div class="code"><pre>setup: open …/dashboard/welcome#…</pre></div>
    <p class="note">The link is void when the server starts again, which prints a new one.</p><//>`;
}
