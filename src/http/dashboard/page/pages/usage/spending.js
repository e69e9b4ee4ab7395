// What each key spent in a month, beside the budgets.

import { html } from '../../lib/html.js';
import { downloadCsv } from '../../lib/api.js';
import { useList } from '../../lib/load.js';
import { useQuery } from '../../lib/place.js';
import * as format from '../../lib/format.js';
import { Empty, Problem, firstJob } from '../../ui/bits.js';
import { Meter } from '../../ui/chart.js';
import { Does } from '../../ui/dialog.js';
import { Table } from '../../ui/table.js';
import { Named, useNames } from './names.js';

export function Spending() {
  const [query, change] = useQuery();
  const month = /^\d{4}-\d\d$/.test(query.month ?? '') ? query.month : format.daysAgo(0).slice(0, 7);
  const list = useList('/v1/usage/spending', { month }, ['usage']);
  const names = useNames(list.rows);
  const save = () => downloadCsv('/v1/usage/spending', { month }, `spending-${month}.csv`);
  return html`<div class="toolbar"><div class="filters"><label class="filter"><span>Month</span>
        <input type="month" value=${month} placeholder="2026-11"
        onChange=${(event) => change({ month: event.target.value })} /></label></div>
      <${Does} name="Download CSV" kind="" act=${save} /></div>
    <${Problem} error=${names.error} />
    <${Table} label="Spending by key" columns=${columns(names)} list=${list} empty=${html`<${Empty} title="Nothing was spent in this month"
      command=${firstJob()}>A key is listed here once it pays for a job. A job counts in the month in which it was accepted.<//>`} />`;
}

function columns({ projects, keys }) {
  const limit = ({ api_key_id }) => keys[api_key_id]?.monthly_credit_limit;
  return [
    { name: 'API key', of: ({ api_key_id }) => html`<${Named} id=${api_key_id} of=${keys} />` },
    { name: 'Project', of: ({ project_id }) => html`<${Named} id=${project_id} of=${projects} />` },
    { name: 'Spent', of: ({ spent }) => format.credits(spent), number: true },
    { name: 'Set aside', of: ({ reserved }) => format.credits(reserved), number: true },
    { name: 'Budget of the key', of: (row) => html`<${Budget} spent=${row.spent + row.reserved} limit=${limit(row)} />` },
  ];
}

/** The limit is undefined where the key is not known. */
function Budget({ spent, limit }) {
  if (limit === null) return 'No limit';
  if (limit === undefined) return '–';
  return html`<${Meter} value=${spent} of=${limit} label="Used" /> of ${format.credits(limit)}`;
}
