// What was used on each day, in all or by group, and as CSV.

import { html } from '../../lib/html.js';
import { downloadCsv } from '../../lib/api.js';
import { useList, useLoad } from '../../lib/load.js';
import { useQuery } from '../../lib/place.js';
import * as format from '../../lib/format.js';
import { Card, Empty, Link, Loaded, Problem, firstJob } from '../../ui/bits.js';
import { Chart, everyDay } from '../../ui/chart.js';
import { Does } from '../../ui/dialog.js';
import { Range, daily, range } from '../../ui/range.js';
import { Table, whole } from '../../ui/table.js';
import { Named, useNames } from './names.js';

const GROUPS = [
  ['', 'Nothing'], ['model', 'Model'], ['agent', 'Agent'],
  ['project', 'Project'], ['api_key', 'API key'], ['user', 'End user'],
];
const CREDITS = {
  heading: 'h2', title: 'Credits used', show: format.credits, series: [{ key: 'credits_used', name: 'Credits', tone: 'one' }],
};

const FIGURES = [
  { name: 'Jobs', of: ({ jobs_count }) => format.count(jobs_count), number: true },
  { name: 'Succeeded', of: ({ succeeded, jobs_count }) => format.count(succeeded ?? jobs_count), number: true },
  { name: 'Failed', of: ({ failed }) => format.count(failed), number: true },
  { name: 'Canceled', of: ({ canceled }) => format.count(canceled), number: true },
  { name: 'Error rate', of: ({ error_rate }) => format.percent(error_rate), number: true },
  { name: 'p50', of: ({ p50 }) => format.duration(p50), number: true },
  { name: 'p95', of: ({ p95 }) => format.duration(p95), number: true },
  { name: 'Tokens', of: ({ tokens }) => format.count(tokens), number: true },
  { name: 'Credits', of: ({ credits_used }) => format.credits(credits_used), number: true },
];

export function ByDay() {
  const [query, change] = useQuery();
  const shown = range(query);
  const { from, to } = shown;
  const group = GROUPS.some(([own]) => own === query.group_by) ? query.group_by : '';
  const days = useLoad((signal) => daily(shown, signal), [from, to], ['usage']);
  const save = () => downloadCsv('/v1/usage/daily', { from, to, group_by: group }, `usage-${from}-to-${to}.csv`);
  return html`<div class="toolbar"><${Range} shown=${shown} change=${change} />
      <label class="inline"><span>Group by</span><select value=${group} onChange=${(event) => change({ group_by: event.target.value })}>
        ${GROUPS.map(([own, text]) => html`<option key=${own} value=${own} selected=${own === group}>${text}</option>`)}</select></label>
      <${Does} name="Download CSV" kind="" act=${save} /></div>
    <${Loaded} ...${days}>${(rows) => html`<${Card}><${Chart} ...${CREDITS} rows=${everyDay(rows, from, to, {})} /><//>`}<//>
    ${group ? html`<${Grouped} key=${group} ...${{ from, to, group }} />`
      : days.data && html`<${Days} list=${whole(newestFirst(days.data))} columns=${columns()} />`}`;
}

/** The days come in parts. */
const newestFirst = (rows) => [...rows].sort((one, other) => (one.day < other.day ? 1 : -1));

/** The same days by what they are grouped by. */
function Grouped({ group, ...days }) {
  const list = useList('/v1/usage/daily', { ...days, group_by: group }, ['usage']);
  const names = useNames(list.rows, group === 'project' || group === 'api_key');
  return html`<${Problem} error=${names.error} /><${Days} list=${list} columns=${columns(group, names)} />`;
}

function Days({ list, columns: shown }) {
  return html`<${Table} label="Usage by day" columns=${shown} list=${list} empty=${html`<${Empty} title="Nothing was used on these days"
    command=${firstJob()}>Choose other days, or send a job with an API key:<//>`} />`;
}

/** A link to the page of what is named. */
function linked(list, name) {
  return name ? html`<${Link} to=${`/dashboard/${list}/${encodeURIComponent(name)}`}>${name}<//>` : '–';
}

function columns(group, names) {
  const day = { name: 'Day', of: (row) => html`<time datetime=${row.day}>${format.date(row.day)}</time>` };
  const grouped = {
    model: { name: 'Model', of: ({ model }) => model ?? '–' },
    agent: { name: 'Agent', of: ({ agent }) => linked('agents', agent) },
    project: { name: 'Project', of: ({ project_id }) => html`<${Named} id=${project_id} of=${names.projects} />` },
    api_key: { name: 'API key', of: ({ api_key_id }) => html`<${Named} id=${api_key_id} of=${names.keys} />` },
    user: { name: 'End user', of: ({ user }) => linked('end-users', user), wide: true },
  }[group];
  return [day, grouped, ...FIGURES].filter(Boolean);
}
