// Deliveries to all endpoints, as they come.

import { html } from '../../lib/html.js';
import { useList } from '../../lib/load.js';
import { useQuery } from '../../lib/place.js';
import { Empty } from '../../ui/bits.js';
import { Filter } from '../../ui/form.js';
import { Table } from '../../ui/table.js';
import { DELIVERY_STATUSES, EVENTS, deliveryColumns, deliveryPage, useEndpoints } from './parts.js';

export function Deliveries() {
  const [{ status, endpoint_id: endpoint, event_type: event }, change] = useQuery();
  const { options, urlOf } = useEndpoints();
  const list = useList('/v1/webhooks/deliveries', { status, endpoint_id: endpoint, event_type: event }, ['deliveries']);
  const filtered = status || endpoint || event;
  return html`<div class="filters" role="search" aria-label="Filter deliveries">
      <${Filter} label="Status" value=${status} options=${DELIVERY_STATUSES} set=${(to) => change({ status: to })} />
      <${Filter} label="Endpoint" value=${endpoint} options=${options} set=${(to) => change({ endpoint_id: to })} />
      <${Filter} label="Event type" value=${event} options=${EVENTS} set=${(to) => change({ event_type: to })} />
    </div>
    <${Table} label="Deliveries" columns=${deliveryColumns(urlOf)} list=${list} to=${deliveryPage} empty=${filtered
      ? html`<${Empty} title="No delivery matches">Change or clear the filters.<//>`
      : html`<${Empty} title="No deliveries yet">They appear here when something happens that an endpoint wants to hear of.
        “Send test event” on the page of an endpoint makes one now.<//>`} />`;
}
