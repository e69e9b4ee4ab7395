// Why a job failed, and what can be done about it.

import { html } from '../../lib/html.js';
import { Link } from '../../ui/bits.js';

const ADVICE = {
  RATE_LIMIT: 'The provider took no more requests. Retry the job later; if it happens often, name fallback models.',
  TIMEOUT: 'The provider did not answer in time. Retry the job, raise timeout_ms, or ask for fewer tokens.',
  SERVER_ERROR: 'The provider failed or could not be reached. Retry the job; if it happens often, name fallback models.',
  BAD_REQUEST: 'The provider refused the request as it is, so a retry ends the same way. Change the messages, the model or its settings.',
  OUTPUT_SCHEMA_MISMATCH: 'The answer did not satisfy the output schema, even after its repairs. Say in the messages what the output '
    + 'looks like, loosen the schema, or raise max_repairs.',
  EXPIRED: 'It waited longer in the queue than it may. Retry it; if it happens often, the queue needs more concurrency or a longer ttl.',
  CRASH_LOOP: 'The server stopped several times while this job ran. Read its log before you retry the job.',
};

export function Failure({ job }) {
  const { error, agent } = job;
  const canceled = error.code === 'CANCELED';
  return html`<section class=${canceled ? 'notice' : 'problem'} aria-label="Error">
    <p><b>${error.code}</b> ${error.message}</p>
    ${ADVICE[error.code] && html`<p>${ADVICE[error.code]}</p>`}
    <p class="note">A job that did not succeed is never charged.${agent && html` <${Link} to=${`/dashboard/agents/${agent.name}`}
      query=${{ tab: 'versions' }}>Change the agent<//>`}</p>
  </section>`;
}
