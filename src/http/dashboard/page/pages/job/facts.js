import { html } from '../../lib/html.js';
import * as format from '../../lib/format.js';
import { Copy, Facts, Link, Time } from '../../ui/bits.js';

export function JobFacts({ job }) {
  const { agent, model, user, usage, credits } = job;
  return html`<${Facts} of=${[
    ['Job', html`<${Copy} text=${job.id} label="Copy the job id" />`],
    ['Request', html`<${Copy} text=${job.request_id} label="Copy the request id" />`],
    ['Agent', agent ? html`<${Link} to=${`/dashboard/agents/${agent.name}`}>${agent.name}<//> version ${agent.version}` : undefined],
    ['Model', html`<${Link} to="/dashboard/jobs" query=${{ model }}>${model}<//>`],
    ['Provider', job.provider],
    ['User', user ? html`<${Link} to="/dashboard/jobs" query=${{ user }}>${user}<//>` : null],
    ['Attempts', `${job.attempts} of at most ${job.max_attempts}`],
    ['Latency', format.duration(job.latency_ms)],
    ['Tokens', usage && tokens(usage)],
    ['Credits reserved', format.credits(credits.reserved)],
    ['Credits charged', format.credits(credits.charged)],
    ['Created', html`<${Moment} at=${job.created_at} />`],
    ['Started', html`<${Moment} at=${job.started_at} />`],
    ['Ended', html`<${Moment} at=${job.finished_at} />`],
  ]} />`;
}

function Moment({ at }) {
  return at ? html`${format.time(at)} <span class="note">(<${Time} at=${at} />)</span>` : '–';
}

function tokens({ prompt_tokens, completion_tokens, cached_tokens, estimated }) {
  const cached = cached_tokens ? `, ${format.count(cached_tokens)} of them cached` : '';
  return `${format.count(prompt_tokens)} read${cached}, ${format.count(completion_tokens)} written${estimated ? ' (estimated)' : ''}`;
}
