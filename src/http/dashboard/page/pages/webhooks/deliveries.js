// Deliveries to all endpoints, as they come.

import { html } from '../../lib/html.js';
import { useList } from '../../lib/load.js';
import { Empty, NoMatch, Problem, firstJob } from '../../ui/bits.js';
import { FilterDays, Filters, moments, useFilters } from '../../ui/filters.js';
import { Filter } from '../../ui/form.js';
import { Table } from '../../ui/table.js';
import { DELIVERY_STATUSES, EVENTS, deliveryColumns, deliveryPage, useEndpoints } from './parts.js';

export function Deliveries() {
  const filters = useFilters(['status', 'endpoint_id', 'event_type', 'from', 'to']);
  const { query: { from, to, ...query }, set, filtered } = filters;
  const { options, urlOf, error } = useEndpoints();
  const list = useList('/v1/webhooks/deliveries', { ...query, ...moments({ from, to }) }, ['deliveries']);
  return html`<${Problem} error=${list.error ? null : error} /><${Filters} label="Filter deliveries" of=${filters}>
      <${Filter} label="Status" value=${query.status} options=${DELIVERY_STATUSES} set=${set('status')} />
      <${Filter} label="Endpoint" value=${query.endpoint_id} options=${options} set=${set('endpoint_id')} />
      <${Filter} label="Event type" value=${query.event_type} options=${EVENTS} set=${set('event_type')} />
      <${FilterDays} of=${filters} /><//>
    <${Table} label="Deliveries" columns=${deliveryColumns(urlOf)} list=${list} to=${deliveryPage} empty=${filtered
      ? html`<${NoMatch} what="delivery" />`
      : html`<${Empty} title="No deliveries yet" command=${firstJob()}>They appear here when something happens that an endpoint wants
        to hear of. “Send test event” on the page of an endpoint makes one now; so does a job:<//>`} />`;
}
