// What was used on each day, in all or by group, and as CSV.

import { html } from '../../lib/html.js';
import { downloadCsv } from '../../lib/api.js';
import { useList, useLoad } from '../../lib/load.js';
import * as format from '../../lib/format.js';
import { Card, Empty, Link, Loaded } from '../../ui/bits.js';
import { Chart, everyDay } from '../../ui/chart.js';
import { Does } from '../../ui/dialog.js';
import { Range, daily, range } from '../../ui/range.js';
import { Table } from '../../ui/table.js';
import { Named, useNames } from './names.js';

const GROUPS = [
  ['', 'Nothing'], ['model', 'Model'], ['agent', 'Agent'],
  ['project', 'Project'], ['api_key', 'API key'], ['user', 'End user'],
];
const SERIES = [{ key: 'credits_used', name: 'Credits', tone: 'one' }];

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

export function ByDay({ query, change }) {
  const shown = range(query);
  const group = GROUPS.some(([own]) => own === query.group_by) ? query.group_by : '';
  const asked = { from: shown.from, to: shown.to, group_by: group };
  const list = useList('/v1/usage/daily', asked, ['usage', 'jobs']);
  const names = useNames(list.rows);
  const save = () => downloadCsv('/v1/usage/daily', asked, `usage-${shown.from}-to-${shown.to}.csv`);
  return html`<div class="toolbar"><${Range} shown=${shown} change=${change} />
      <label class="inline"><span>Group by</span><select value=${group} onChange=${(event) => change({ group_by: event.target.value })}>
        ${GROUPS.map(([own, text]) => html`<option key=${own} value=${own} selected=${own === group}>${text}</option>`)}</select></label>
      <${Does} name="Download CSV" kind="" act=${save} /></div>
    <${Credits} shown=${shown} />
    <${Table} label="Usage by day" columns=${columns(group, names)} list=${list}
      empty=${html`<${Empty} title="Nothing was used on these days">
        Choose other days, or <${Link} to="/dashboard">send a job<//>.<//>`} />`;
}

function Credits({ shown }) {
  const load = useLoad((signal) => daily(shown, signal), [shown.from, shown.to], ['usage', 'jobs']);
  const chart = { heading: 'h2', title: 'Credits used', series: SERIES, show: format.credits };
  return html`<${Loaded} ...${load}>${(rows) => html`<${Card}>
    <${Chart} ...${chart} rows=${everyDay(rows, shown.from, shown.to, {})} /><//>`}<//>`;
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
