// The dashboard: who is signed in decides what is drawn, the address decides which page.

import { html, render, useEffect, useState } from './lib/html.js';
import { connect } from './lib/live.js';
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
  const { session, error, enter } = useEntered(query.project);
  useEffect(() => (session?.signed_in ? connect() : undefined), [session?.id, session?.project?.id]);

  if (path === '/dashboard/welcome') return html`<${Welcome} entered=${enter} />`;
  if (error) return html`<main class="alone"><${Problem} error=${error} retry=${enter} /><p><a href="/dashboard">Go to your own project</a></p></main>`;
  if (!session) return null;
  if (!session.signed_in) return html`<${SignIn} session=${session} entered=${enter} />`;
  return html`<${Session.Provider} value=${session}><${Page} path=${path} key=${session.project.id} /><//>`;
}

/** Who is signed in, in the project of the address; null until the server said. */
function useEntered(shown) {
  const [state, setState] = useState({ session: null, error: null });
  const enter = async () => {
    try {
      const session = await readSession();
      if (session.signed_in) setHome(session.home_project_id);
      setState({ session, error: null });
    } catch (error) {
      setState({ session: null, error });
    }
  };
  useEffect(() => {
    setState({ session: null, error: null });
    enter();
  }, [shown]);
  useEffect(() => {
    const left = () => setState(({ session }) => ({ session: session && { signed_in: false }, error: null }));
    window.addEventListener('signed-out', left);
    return () => window.removeEventListener('signed-out', left);
  }, []);
  return { ...state, enter };
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
