// One endpoint: what it is, what can be done with it, its deliveries.

import { html } from '../lib/html.js';
import { get, patch, post, remove } from '../lib/api.js';
import { useList, useLoad } from '../lib/load.js';
import { address, go, useQuery } from '../lib/place.js';
import { useCan } from '../lib/session.js';
import * as format from '../lib/format.js';
import { Card, Copy, Empty, Facts, Head, Loaded, NoMatch, Time, curl } from '../ui/bits.js';
import { Confirms, Does } from '../ui/dialog.js';
import { Filter } from '../ui/form.js';
import { Table } from '../ui/table.js';
import { EditEndpoint } from './webhooks/endpoint-form.js';
import { RedriveFailed, RotateSecret } from './webhooks/endpoint-actions.js';
import { DELIVERY_STATUSES, EndpointStatus, POLICIES, Verify, deliveryColumns, deliveryPage, eventsOf } from './webhooks/parts.js';

const BACK = { to: '/dashboard/webhooks', name: 'Webhooks' };

export function Endpoint({ id }) {
  const { data, error, reload } = useLoad((signal) => get(`/v1/webhooks/endpoints/${id}`, {}, { signal }), [id], ['endpoints']);
  const may = useCan()('webhooks:write');
  return html`<${Head} title="Endpoint" tab=${`Endpoint ${data?.url ?? format.tail(id)}`}
    back=${BACK} note=${data && html`<code>${data.url}</code>`}>
      ${data && may && html`<${Actions} endpoint=${data} reload=${reload} />`}<//>
    <${Loaded} ...${{ data, error, reload }}>${(endpoint) => html`<${About} endpoint=${endpoint} />
      <${Signing} ...${{ endpoint, may }} />`}<//>
    ${(data || !error) && html`<${Sent} id=${id} may=${may} />`}`;
}

function Actions({ endpoint, reload }) {
  const path = `/v1/webhooks/endpoints/${endpoint.id}`;
  const turn = (active) => () => patch(path, { active });
  return html`<${Does} name="Send test event" kind="primary" act=${(options) => post(`${path}/test`, {}, options)}
    done=${(made) => go(address(deliveryPage(made)))} />
    <${EditEndpoint} endpoint=${endpoint} done=${reload} />
    ${endpoint.active
      ? html`<${Confirms} name="Deactivate" title="Deactivate this endpoint?" kind="" act=${turn(false)} done=${reload}>
          It is sent nothing until it is activated again. Events that happen meanwhile are not kept for it.<//>`
      : html`<${Does} name="Activate" kind="" act=${turn(true)} done=${reload} />`}
    <${Confirms} name="Delete" title="Delete this endpoint?" kind="danger" act=${() => remove(path)}
      done=${() => go(address('/dashboard/webhooks'))}>
      Deliveries that are on their way to <code>${endpoint.url}</code> fail at their next attempt. This cannot be undone.<//>`;
}

function About({ endpoint }) {
  const { disabled_reason: reason, failing_since: since } = endpoint;
  const policy = new Map(POLICIES).get(endpoint.retry_policy) ?? endpoint.retry_policy;
  return html`${!endpoint.active && reason && html`<div class="notice"><p><b>This endpoint is disabled.</b> ${reason}</p></div>`}
    <${Card} title="About"><${Facts} of=${[
      ['Status', html`<${EndpointStatus} endpoint=${endpoint} />`],
      ['URL', html`<${Copy} text=${endpoint.url} label="Copy the URL" />`],
      ['Events', eventsOf(endpoint)],
      ['Retry policy', policy],
      ['Description', endpoint.description],
      ['Failing since', since ? html`<${Time} at=${since} />` : undefined],
      ['Created', html`<${Time} at=${endpoint.created_at} />`],
      ['Id', html`<${Copy} text=${endpoint.id} label="Copy the id" />`],
    ]} /><//>`;
}

function Signing({ endpoint, may }) {
  return html`<${Card} title="Signing secret" actions=${may && html`<${RotateSecret} id=${endpoint.id} />`}>
    <p>Every delivery is signed with a secret that was shown when the endpoint was created or its secret was last rotated.</p>
    <details class="more-of"><summary>How to verify a delivery</summary><div class="stack"><${Verify} /></div></details><//>`;
}

function Sent({ id, may }) {
  const [{ status }, change] = useQuery();
  const list = useList('/v1/webhooks/deliveries', { endpoint_id: id, status }, ['deliveries']);
  return html`<${Card} title="Deliveries" flush actions=${html`
      <${Filter} label="Status" value=${status} options=${DELIVERY_STATUSES} set=${(to) => change({ status: to })} />
      ${may && html`<${RedriveFailed} id=${id} done=${list.reload} />`}`}>
    <${Table} label="Deliveries to this endpoint" columns=${deliveryColumns()} list=${list} to=${deliveryPage} empty=${status
      ? html`<${NoMatch} what="delivery" />`
      : html`<${Empty} title="Nothing was sent yet" command=${curl(`/v1/webhooks/endpoints/${id}/test`, {})}>“Send test event” sends a
        <code>ping</code> now; so does this, with an API key:<//>`} /><//>`;
}
