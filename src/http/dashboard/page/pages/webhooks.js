// Webhooks: endpoints, what was sent to them, and what was given up.

import { html } from '../lib/html.js';
import { address, go, useQuery } from '../lib/place.js';
import { useCan } from '../lib/session.js';
import { Head, Tabs } from '../ui/bits.js';
import { CreateEndpoint } from './webhooks/endpoint-form.js';
import { DeadLetters } from './webhooks/dead-letters.js';
import { Deliveries } from './webhooks/deliveries.js';
import { Endpoints } from './webhooks/endpoints.js';

const TABS = [
  { id: 'endpoints', title: 'Endpoints', view: Endpoints },
  { id: 'deliveries', title: 'Deliveries', view: Deliveries },
  { id: 'dead-letters', title: 'Dead letters', view: DeadLetters },
];

export function Webhooks() {
  const [{ tab }] = useQuery();
  const can = useCan();
  const { id, title, view } = TABS.find((one) => one.id === tab) ?? TABS[0];
  const choose = (to) => go(address('/dashboard/webhooks', to === TABS[0].id ? {} : { tab: to }));
  return html`<${Head} title="Webhooks" note="Tell your own servers what happens here.">
      ${id === 'endpoints' && can('webhooks:write') && html`<${CreateEndpoint} />`}<//>
    <${Tabs} label="Webhooks" tabs=${TABS} chosen=${id} choose=${choose} />
    <div class="stack" role="tabpanel" aria-label=${title} key=${id}><${view} /></div>`;
}
