// How an agent does: its latest hours beside as many before them.

import { html } from '../../lib/html.js';
import { get } from '../../lib/api.js';
import { useLoad } from '../../lib/load.js';
import { useQuery } from '../../lib/place.js';
import * as format from '../../lib/format.js';
import { Empty, Loaded, Stat } from '../../ui/bits.js';
import { Filter } from '../../ui/form.js';
import { Table, whole } from '../../ui/table.js';

const WINDOWS = [['7d', '7 days'], ['30d', '30 days']];

const FIGURES = [
  { key: 'success_rate', name: 'Succeeded', show: format.percent },
  { key: 'schema_failure_rate', name: 'Broke the output schema', show: format.percent },
  { key: 'latency_ms_mean', name: 'Mean latency', show: format.duration },
  { key: 'tokens_mean', name: 'Mean tokens', show: format.compact },
  { key: 'credits_mean', name: 'Mean credits', show: format.credits },
];

const COLUMNS = [
  { name: 'Figure', of: ({ name, drifts }) => html`${name}${drifts && html` <span class="status bad">drifting</span>`}` },
  { name: 'Now', of: ({ now }) => now, number: true },
  { name: 'Before', of: ({ before }) => before, number: true },
  { name: 'Change', of: ({ change }) => change, number: true },
];

export function Health({ path }) {
  const [{ window: hours }, change] = useQuery();
  const health = useLoad((signal) => get(`${path}/health`, { window: hours }, { signal }), [path, hours], ['jobs', 'agents']);
  return html`<div class="filters"><${Filter} label="Time" none="24 hours" value=${hours} options=${WINDOWS}
    set=${(to) => change({ window: to })} /></div>
    <${Loaded} ...${health}>${(data) => html`<${Figures} data=${data} />`}<//>`;
}

function Figures({ data }) {
  const { current, previous, change, drifting } = data;
  if (!current.jobs && !previous.jobs) return html`<${Empty}
    title="No runs ended in this time">Run the agent, or look at a longer time.<//>`;
  const rows = FIGURES.map(({ key, name, show }) => ({
    id: key,
    name,
    now: show(current[key]),
    before: show(previous[key]),
    change: difference(change[key]),
    drifts: drifting.includes(key),
  }));
  const bad = current.schema_failure_rate > 0;
  const worse = rows.filter(({ drifts }) => drifts).map(({ name }) => name.toLowerCase()).join(', ');
  return html`${worse && html`<p class="notice">It does much worse than before: ${worse}. Compare its versions, or roll back.</p>`}
    <dl class="stats">
      <${Stat} name="Runs that ended" value=${format.count(current.jobs)} note=${`${format.count(previous.jobs)} before`} />
      <${Stat} name="Succeeded" value=${format.percent(current.success_rate)} tone=${current.success_rate === 1 ? 'good' : ''} />
      <${Stat} name="Broke the output schema" value=${format.percent(current.schema_failure_rate)} tone=${bad ? 'bad' : ''} />
      <${Stat} name="Repairs" value=${format.count(current.repairs)}
        note=${current.jobs ? `${format.percent(current.repairs / current.jobs)} of the runs` : undefined} />
    </dl>
    <${Table} label="Figures" columns=${COLUMNS} list=${whole(rows)} />
    <p class="note">Now: ${format.time(current.from)} to ${format.time(current.to)}. Before: the same length of time until then.
      Jobs that a client canceled do not count.</p>`;
}

/** How many times as large, as a difference: 1.25 is "+25%". */
function difference(times) {
  if (times === null) return '–';
  return `${times >= 1 ? '+' : '−'}${format.percent(Math.abs(times - 1))}`;
}
