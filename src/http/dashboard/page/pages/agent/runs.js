// The jobs of an agent.

import { html } from '../../lib/html.js';
import { useList } from '../../lib/load.js';
import { useQuery } from '../../lib/place.js';
import { Empty } from '../../ui/bits.js';
import { Filter } from '../../ui/form.js';
import { Table } from '../../ui/table.js';
import { JOB_COLUMNS, STATUSES } from '../jobs.js';

const VERSION = { name: 'Version', of: ({ agent }) => agent?.version, number: true };
const COLUMNS = JOB_COLUMNS.map((column) => (column.name === 'Model or agent' ? VERSION : column));

export function Runs({ name }) {
  const [{ status }, change] = useQuery();
  const list = useList('/v1/jobs', { agent: name, status }, ['jobs']);
  return html`<div class="filters" role="search" aria-label="Filter runs"><${Filter} label="Status" value=${status} options=${STATUSES}
    set=${(to) => change({ status: to })} /></div>
    <${Table} label="Runs" columns=${COLUMNS} list=${list} to=${({ id }) => `/dashboard/jobs/${id}`} empty=${status
      ? html`<${Empty} title="No run matches">Choose another status.<//>`
      : html`<${Empty} title="No runs yet">Run the agent on the tab Try it out, or with an API key as the tab Overview shows.<//>`} />`;
}
