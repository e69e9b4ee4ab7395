// How things stand: a few numbers of some days, then the same by day.

import { html } from '../lib/html.js';
import { get } from '../lib/api.js';
import { useLoad } from '../lib/load.js';
import { useQuery } from '../lib/place.js';
import * as format from '../lib/format.js';
import { Card, Head, Link, Loaded, Stat } from '../ui/bits.js';
import { Chart, everyDay } from '../ui/chart.js';
import { Range, before, daily, range } from '../ui/range.js';
import { FirstSteps, useSteps } from './overview/first-steps.js';

/** Jobs come and go with entries of the ledger, and end with usage. */
const TOPICS = ['usage', 'ledger', 'deliveries'];

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
  const days = [shown.from, shown.to];
  const load = useLoad((signal) => ask(shown, signal), days, TOPICS);
  // What is over does not change.
  const earlier = useLoad((signal) => get('/v1/usage/summary', before(shown), { signal }), days).data;
  const steps = useSteps();
  return html`<${Head} title="Overview"><${Range} shown=${shown} change=${change} /><//>
    <${Loaded} ...${load}>${({ now, rows, any }) => html`
      ${!any && html`<${FirstSteps} done=${steps} />`}
      <${Numbers} ...${{ now, earlier, days: shown.days }} />
      ${any && html`<${Charts} now=${now} rows=${everyDay(rows, now.from, now.to, {})} />`}`}<//>`;
}

/** All at once: a page of numbers should not build up. */
async function ask(shown, signal) {
  const { from, to } = shown;
  const [now, rows, jobs] = await Promise.all([
    get('/v1/usage/summary', { from, to }, { signal }),
    daily(shown, signal),
    get('/v1/jobs', { limit: 1 }, { signal }),
  ]);
  return { now, rows, any: now.jobs > 0 || jobs.data.length > 0 };
}

function Numbers({ now, earlier, days }) {
  return html`<dl class="stats numbers" aria-label="In numbers">${numbers(now, earlier, days).map(([name, value, note]) => html`
    <${Stat} key=${name} ...${{ name, value, note }} />`)}</dl>`;
}

/** Names, values and notes: where there is something to compare with, the same of the days before. */
function numbers(now, earlier, days) {
  const then = (write) => earlier && `${write(earlier)} in the ${days === 1 ? 'day' : `${days} days`} before`;
  const { credits, count, percent, duration, compact } = format;
  const hooks = now.webhook_success_rate;
  return [
    ['Balance', credits(now.balance), html`<${Link} to="/dashboard/credits">Credits and ledger<//>`],
    ['Credits used', credits(now.credits_used), then((old) => credits(old.credits_used))],
    ['Jobs', count(now.jobs), then((old) => count(old.jobs))],
    ['Error rate', percent(now.error_rate), earlier?.jobs > 0 ? then((old) => percent(old.error_rate)) : `${count(now.failed)} failed`],
    ['Latency p50', duration(now.latency_p50_ms), `p95 ${duration(now.latency_p95_ms)}`],
    ['Tokens', compact(now.tokens), `${compact(now.prompt_tokens)} prompt, ${compact(now.completion_tokens)} completion`],
    ['Webhooks delivered', percent(hooks), hooks === null ? 'No delivery ended' : html`<${Link} to="/dashboard/webhooks">Deliveries<//>`],
    ['Queue depth', count(now.queue_depth), 'Jobs that are not over now'],
  ];
}

function Charts({ now, rows }) {
  const p95 = `p95 ${format.duration(now.latency_p95_ms)}`;
  const chart = (title, series, rest) => html`<${Card}><${Chart} heading="h2" ...${{ title, series, rows, ...rest }} /><//>`;
  return html`
    ${chart('Jobs', OUTCOMES, { tall: true, sum: format.count(now.jobs) })}
    <div class="columns">
      ${chart('Credits used', CREDITS, { show: format.credits, sum: format.credits(now.credits_used) })}
      ${chart('Latency', LATENCY, { kind: 'lines', show: format.duration, sum: p95 })}
      ${chart('Error rate', ERRORS, { kind: 'lines', show: format.percent, sum: format.percent(now.error_rate) })}
      ${chart('Tokens', TOKENS, { sum: format.count(now.tokens) })}
    </div>`;
}
