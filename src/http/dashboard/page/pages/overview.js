// How things stand: a few numbers of some days, then the same by day.

import { html } from '../lib/html.js';
import { get } from '../lib/api.js';
import { useLoad } from '../lib/load.js';
import { useQuery } from '../lib/place.js';
import * as format from '../lib/format.js';
import { Card, Head, Link, Loaded, Stat } from '../ui/bits.js';
import { Chart, everyDay } from '../ui/chart.js';
import { Range, before, daily, range } from '../ui/range.js';
import { FirstSteps } from './overview/first-steps.js';

const TOPICS = ['jobs', 'usage', 'ledger', 'deliveries'];

const OUTCOMES = [
  { key: 'succeeded', name: 'Succeeded', tone: 'two' },
  { key: 'failed', name: 'Failed', tone: 'four' },
  { key: 'canceled', name: 'Canceled', tone: 'five' },
];
const CREDITS = [{ key: 'credits_used', name: 'Credits', tone: 'one' }];
const LATENCY = [{ key: 'p50', name: 'p50', tone: 'two' }, { key: 'p95', name: 'p95', tone: 'one' }];
const ERRORS = [{ key: 'error_rate', name: 'Error rate', tone: 'four' }];
const TOKENS = [{ key: 'prompt_tokens', name: 'Prompt', tone: 'one' }, { key: 'completion_tokens', name: 'Completion', tone: 'two' }];

export function Overview() {
  const [query, change] = useQuery();
  const shown = range(query);
  const load = useLoad((signal) => ask(shown, signal), [shown.from, shown.to], TOPICS);
  return html`<${Head} title="Overview"><${Range} shown=${shown} change=${change} /><//>
    <${Loaded} ...${load}>${({ now, earlier, rows, any }) => html`
      ${any ? null : html`<${FirstSteps} />`}
      <${Numbers} ...${{ now, earlier, days: shown.days }} />
      ${any && html`<${Charts} now=${now} rows=${everyDay(rows, now.from, now.to, {})} />`}`}<//>`;
}

/** All at once: a page of numbers should not build up. */
async function ask(shown, signal) {
  const { from, to } = shown;
  const [now, earlier, rows, jobs] = await Promise.all([
    get('/v1/usage/summary', { from, to }, { signal }),
    get('/v1/usage/summary', before(shown), { signal }),
    daily(shown, signal),
    get('/v1/jobs', { limit: 1 }, { signal }),
  ]);
  return { now, earlier, rows, any: now.jobs > 0 || jobs.data.length > 0 };
}

function Numbers({ now, earlier, days }) {
  const then = (value) => (value === null ? null : `${value} in the ${days} days before`);
  const hadJobs = earlier.jobs > 0;
  return html`<dl class="stats numbers" aria-label="In numbers">
    <${Stat} name="Balance" value=${format.credits(now.balance)} note=${html`<${Link} to="/dashboard/credits">Credits and ledger<//>`} />
    <${Stat} name="Credits used" value=${format.credits(now.credits_used)} note=${then(format.credits(earlier.credits_used))} />
    <${Stat} name="Jobs" value=${format.count(now.jobs)} note=${then(format.count(earlier.jobs))} />
    <${Stat} name="Error rate" value=${format.percent(now.error_rate)} note=${hadJobs ? then(format.percent(earlier.error_rate)) : `${format.count(now.failed)} failed`} />
    <${Stat} name="Latency p50" value=${format.duration(now.latency_p50_ms)} note=${`p95 ${format.duration(now.latency_p95_ms)}`} />
    <${Stat} name="Tokens" value=${format.compact(now.tokens)} note=${`${format.compact(now.prompt_tokens)} prompt, ${format.compact(now.completion_tokens)} completion`} />
    <${Stat} name="Webhooks delivered" value=${format.percent(now.webhook_success_rate)} note=${now.webhook_success_rate === null ? 'None ended' : html`<${Link} to="/dashboard/webhooks">Deliveries<//>`} />
    <${Stat} name="Queue depth" value=${format.count(now.queue_depth)} note="Jobs that are not over now" />
  </dl>`;
}

function Charts({ now, rows }) {
  return html`
    <${Card}><${Chart} heading="h2" title="Jobs" tall rows=${rows} series=${OUTCOMES} sum=${format.count(now.jobs)} /><//>
    <div class="columns">
      <${Card}><${Chart} heading="h2" title="Credits used" rows=${rows} series=${CREDITS} show=${format.credits} sum=${format.credits(now.credits_used)} /><//>
      <${Card}><${Chart} heading="h2" title="Latency" kind="lines" rows=${rows} series=${LATENCY} show=${format.duration} sum=${`p95 ${format.duration(now.latency_p95_ms)}`} /><//>
      <${Card}><${Chart} heading="h2" title="Error rate" kind="lines" rows=${rows} series=${ERRORS} show=${format.percent} sum=${format.percent(now.error_rate)} /><//>
      <${Card}><${Chart} heading="h2" title="Tokens" rows=${rows} series=${TOKENS} sum=${format.count(now.tokens)} /><//>
    </div>`;
}
