// The dashboard: who is signed in decides what is drawn, the address decides which page.

import { html, render, useEffect, useState } from './lib/html.js';
import { connect, disconnect } from './lib/live.js';
import { address, followLinks, go, setHome, usePlace } from './lib/place.js';
import { Session, readSession } from './lib/session.js';
import { settle } from './lib/ready.js';
import { find } from './pages/index.js';
import { SignIn } from './pages/sign-in.js';
import { Welcome } from './pages/welcome.js';
import { Shell } from './ui/shell.js';
import { Problem } from './ui/bits.js';

function App() {
  const { path, query } = usePlace();
  const [session, setSession] = useState(null);
  const [error, setError] = useState(null);
  const shown = query.project ?? null;

  const enter = async () => {
    try {
      const found = await readSession();
      if (found.signed_in) setHome(found.home_project_id);
      setSession(found);
      setError(null);
    } catch (cause) {
      setError(cause);
    }
  };
  useEffect(() => {
    enter();
    const left = () => setSession((known) => (known?.signed_in ? { signed_in: false } : known));
    window.addEventListener('signed-out', left);
    return () => window.removeEventListener('signed-out', left);
  }, [shown]);
  useEffect(() => {
    if (session?.signed_in) connect();
    return disconnect;
  }, [session?.id, session?.project?.id]);

  if (path === '/dashboard/welcome') return html`<${Welcome} entered=${enter} />`;
  if (error) return html`<main class="alone"><${Problem} error=${error} retry=${enter} /></main>`;
  if (!session) return null;
  if (!session.signed_in) return html`<${SignIn} session=${session} entered=${enter} />`;
  return html`<${Session.Provider} value=${session}><${Page} path=${path} key=${session.project.id} /><//>`;
}

function Page({ path }) {
  const { page, params } = find(path);
  useEffect(() => {
    document.title = `${page.title} · skai`;
    if (path === '/dashboard/sign-in') go(address('/dashboard'), { replace: true });
    settle();
  }, [path]);
  return html`<${Shell} path=${path}><${page.view} ...${params} key=${path} /><//>`;
}

followLinks();
render(html`<${App} />`, document.getElementById('page'));
