// The jobs of an agent.

import { html } from '../../lib/html.js';
import { useList } from '../../lib/load.js';
import { Empty, NoMatch } from '../../ui/bits.js';
import { Filters, useFilters } from '../../ui/filters.js';
import { Filter } from '../../ui/form.js';
import { Table } from '../../ui/table.js';
import { JOB_COLUMNS, STATUSES, jobPage } from '../jobs.js';
import { runCommand } from './overview.js';

const VERSION = { name: 'Version', of: ({ agent }) => agent?.version, number: true };
const COLUMNS = JOB_COLUMNS.map((column) => (column.name === 'Model or agent' ? VERSION : column));

export function Runs({ agent, name }) {
  const filters = useFilters(['status']);
  const { query: { status }, set } = filters;
  const list = useList('/v1/jobs', { agent: name, status }, ['jobs']);
  const command = agent ? runCommand(agent) : undefined;
  return html`<${Filters} label="Filter runs" of=${filters}><${Filter} label="Status" value=${status} options=${STATUSES}
    set=${set('status')} /><//>
    <${Table} label="Runs" columns=${COLUMNS} list=${list} to=${jobPage} empty=${status
      ? html`<${NoMatch} what="run" />`
      : html`<${Empty} title="No runs yet" command=${command}>Run the agent on the tab Try it out, or with an API key:<//>`} />`;
}
