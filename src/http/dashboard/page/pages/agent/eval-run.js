// One run of an eval: what became of each case, and how that compares with another run.

import { html, useEffect, useState } from '../../lib/html.js';
import { get } from '../../lib/api.js';
import { useList, useLoad } from '../../lib/load.js';
import { useQuery } from '../../lib/place.js';
import * as format from '../../lib/format.js';
import { Card, JobLink, Loaded, Stat, Status, Time } from '../../ui/bits.js';
import { Select } from '../../ui/form.js';
import { Table, whole } from '../../ui/table.js';

export function EvalRun({ path, evalId, id, other }) {
  const [, change] = useQuery();
  const own = `${path}/evals/${evalId}/runs`;
  const [over, setOver] = useState(false);
  const run = useLoad((signal) => get(`${own}/${id}`, {}, { signal }), [own, id], over ? [] : ['evals', 'batches', 'jobs']);
  useEffect(() => setOver(run.data?.status === 'completed'), [run.data]);
  return html`<p class="back"><button type="button" class="link" onClick=${() => change({ run: '', with: '' })}>The eval</button></p>
    <${Loaded} ...${run}>${(data) => html`<div class="stack">
      <${Summary} run=${data} />
      <${Card} title="Cases" flush><${Table} label="What became of each case" columns=${CASES}
        list=${whole(data.results.map((result) => ({ ...result, id: result.case })))} /><//>
      ${data.status === 'completed' && html`<${Compare} ...${{ own, id, other, change }} />`}
    </div>`}<//>`;
}

function verdict(passed) {
  if (passed === null) return html`<${Status} value="judging" />`;
  return html`<${Status} value=${passed ? 'ok' : 'failed'} text=${passed ? 'passed' : 'failed'} />`;
}

const CASES = [
  { name: 'Case', of: ({ case: number, name }) => name ?? `Case ${number}`, wide: true },
  { name: 'Result', of: ({ passed }) => verdict(passed) },
  { name: 'Why', of: ({ reasons }) => (reasons.length ? html`<ul>${reasons.map((one) => html`<li>${one}</li>`)}</ul>` : '–'), wide: true },
  { name: 'Latency', of: ({ latency_ms }) => format.duration(latency_ms), number: true },
  { name: 'Credits', of: ({ credits_charged }) => format.credits(credits_charged), number: true },
  { name: 'Job', of: ({ job_id }) => html`<${JobLink} id=${job_id} />` },
];

function Summary({ run }) {
  const { counts } = run;
  return html`<div class="spread"><h2>Run of version ${run.version}</h2><p role="status"><${Status} value=${run.status} /></p></div>
    <dl class="stats">
      <${Stat} name="Passed" value=${`${counts.passed} of ${counts.total}`} tone=${counts.passed === counts.total ? 'good' : ''} />
      <${Stat} name="Failed" value=${format.count(counts.failed)} tone=${counts.failed ? 'bad' : ''} />
      <${Stat} name="Still to judge" value=${format.count(counts.pending)} />
      <${Stat} name="Created" value=${html`<${Time} at=${run.created_at} />`} />
    </dl>`;
}

function Compare({ own, id, other, change }) {
  const { rows } = useList(own, {}, []);
  const others = (rows ?? []).filter((run) => run.id !== id && run.status === 'completed')
    .map((run) => [run.id, `Version ${run.version}, ${run.counts.passed} of ${run.counts.total}, ${format.time(run.created_at)}`]);
  if (!others.length) return html`<p class="note">Run the eval again, with another version perhaps, and both can be compared.</p>`;
  return html`<${Card} title="Compare">
    <${Select} label="With the run" value=${other ?? ''} options=${[['', 'None'], ...others]} set=${(run) => change({ with: run })} />
    ${other && html`<${Comparison} key=${other} ...${{ own, id, other }} />`}<//>`;
}

function Comparison({ own, id, other }) {
  const found = useLoad((signal) => get(`${own}/${id}/compare`, { with: other }, { signal }), [own, id, other]);
  const sum = ({ better, worse, stayed }) => `${better.length} better, ${worse.length} worse, ${stayed.length} stayed.`;
  return html`<${Loaded} ...${found}>${({ better, worse, stayed, run, with: before }) => html`
    <p>From version ${before.version} to version ${run.version}: ${sum({ better, worse, stayed })}</p>
    <${Cases} title="Better" cases=${better} /><${Cases} title="Worse" cases=${worse} /><${Cases} title="Stayed" cases=${stayed} />`}<//>`;
}

function Cases({ title, cases }) {
  if (!cases.length) return null;
  return html`<details open=${title !== 'Stayed'}><summary>${title} (${cases.length})</summary><ul>
    ${cases.map(({ case: number, name, passed }) => html`<li key=${number}>${verdict(passed)} ${name ?? `Case ${number}`}</li>`)}</ul>
    </details>`;
}
