// The dashboard: who is signed in decides what is drawn, the address decides which page.

import { Component, html, render, useEffect, useState } from './lib/html.js';
import { connect } from './lib/live.js';
import { address, followLinks, go, setHome, usePlace } from './lib/place.js';
import { Session, readSession } from './lib/session.js';
import { arrive, leave } from './lib/ready.js';
import { find } from './pages/index.js';
import { SignIn } from './pages/sign-in.js';
import { Welcome } from './pages/welcome.js';
import { Shell } from './ui/shell.js';
import { Problem } from './ui/bits.js';

function App() {
  const { path, query, page } = usePlace();
  const { session, error, enter, renew } = useEntered(query.project);
  // The server ends the stream of whoever may do more or less than before: what they may is asked for again.
  useEffect(() => (session?.signed_in ? connect(renew) : undefined), [session?.id, session?.project?.id]);

  if (path === '/dashboard/welcome') return html`<${Arrived}><${Welcome} entered=${enter} /><//>`;
  if (error) return html`<${Arrived}><${Refused} error=${error} retry=${enter} /><//>`;
  if (!session) return null;
  if (!session.signed_in) return html`<${Arrived}><${SignIn} session=${session} entered=${enter} /><//>`;
  return html`<${Session.Provider} value=${session}><${Page} ...${{ path, page }} key=${session.project.id} /><//>`;
}

/** Who is signed in, in the project of the address; null until the server said. */
function useEntered(shown) {
  const [state, setState] = useState({ shown, session: null, error: null });
  const enter = async (signal, isAgain) => {
    const result = await readSession(signal).then((session) => ({ session, error: null }), (error) => ({ session: null, error }));
    if (signal?.aborted) return;
    const { session } = result;
    if (session?.signed_in) setHome(session.home_project_id);
    // The server answers for the user's own project where they may not act in another.
    const isElsewhere = session?.signed_in && shown && session.project.id !== shown;
    const next = { shown, ...(isElsewhere ? { session: null, error: NOT_YOURS } : result) };
    // What was known holds where it cannot be asked for again, or somebody left or shows another project meanwhile.
    const holds = (known) => isAgain && (result.error || known.shown !== shown || !known.session?.signed_in);
    setState((known) => (holds(known) ? known : next));
  };
  useEffect(() => {
    const entering = new AbortController();
    enter(entering.signal);
    return () => {
      entering.abort();
      leave();
    };
  }, [shown]);
  useEffect(() => {
    const left = () => setState((known) => ({ ...known, session: known.session && { signed_in: false }, error: null }));
    window.addEventListener('signed-out', left);
    return () => window.removeEventListener('signed-out', left);
  }, []);
  const { session, error } = state.shown === shown ? state : {};
  return { session, error, enter: () => enter(), renew: () => enter(undefined, true) };
}

const NOT_YOURS = new Error('There is no such project, or you are no member of its account. Ask who sent you the address to invite you.');

/** Draws why a page could not be drawn, where one fails. */
class Guard extends Component {
  componentDidCatch(error) {
    this.setState({ error });
    arrive();
  }

  render({ children }, { error }) {
    return error ? html`<${Problem} error=${error} retry=${() => location.reload()} />` : children;
  }
}

function Page({ path, page }) {
  const { page: { title, view }, params } = find(path);
  useEffect(() => {
    document.title = `${title} · skai`;
    if (path === '/dashboard/sign-in') go(address('/dashboard'), { replace: true });
    arrive();
  }, [path]);
  return html`<${Shell} ...${{ path, page }}><${Guard} key=${path}><${view} ...${params} /><//><//>`;
}

/** What is drawn without a page of the table tells that it is there, as pages do. */
function Arrived({ children }) {
  useEffect(arrive, []);
  return children;
}

/** A page without navigation, for what keeps somebody from all pages. */
function Refused({ error, retry }) {
  return html`<main class="alone"><${Problem} error=${error} retry=${retry} />
    <p><a href="/dashboard">Go to your own project</a></p></main>`;
}

followLinks();
render(html`<${App} />`, document.getElementById('page'));
