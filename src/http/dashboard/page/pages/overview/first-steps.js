// What to do where nothing was asked yet: an agent, a key, a job.

import { html } from '../../lib/html.js';
import { get } from '../../lib/api.js';
import { useLoad } from '../../lib/load.js';
import { Card, Code, Link, firstJob } from '../../ui/bits.js';
import { Icon } from '../../ui/icons.js';

/** Which steps are done, as far as that is known: `{ agents, keys }`. */
export const useSteps = () => useLoad(has, [], ['agents', 'keys']).data;

export function FirstSteps({ done }) {
  return html`<${Card} title="First steps"><ol class="steps">
    <${Step} done=${done?.agents} title="Create an agent" link=${{ to: '/dashboard/agents', name: 'Go to Agents' }}>
      A prompt with a name and versions, tried out on the page. A job can also name a model alone.<//>
    <${Step} done=${done?.keys} title="Create a key" link=${{ to: '/dashboard/keys', name: 'Go to Keys & projects' }}>
      Programs sign in with it. It is shown once; keep it as <code>SKAI_KEY</code>.<//>
    <${Step} title="Send a job">The model <code>sandbox</code> costs nothing and needs no provider.
      This page shows the job as soon as it has ended.
      <${Code} text=${firstJob()} label="Copy the command" /><//>
  </ol><//>`;
}

/** Whoever may not read keys sees the step as open. */
async function has(signal) {
  const some = async (path) => (await get(path, { limit: 1 }, { signal })).data.length > 0;
  const [agents, keys] = await Promise.allSettled([some('/v1/agents'), some('/v1/api-keys')]);
  return { agents: agents.value, keys: keys.value };
}

function Step({ done, title, link, children }) {
  return html`<li class=${done ? 'done' : ''}>
      <h3>${title}${done && html` <span class="status good"><${Icon} name="check" />Done</span>`}</h3>
    <div>${children}</div>${link && html`<p><${Link} to=${link.to}>${link.name}<//></p>`}</li>`;
}
