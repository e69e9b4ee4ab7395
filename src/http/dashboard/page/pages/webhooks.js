// Webhooks: endpoints, what was sent to them, and what was given up.

import { html } from '../lib/html.js';
import { useCan } from '../lib/session.js';
import { Head } from '../ui/bits.js';
import { Panel, Tabs, useTab } from '../ui/tabbed.js';
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
  const can = useCan();
  const { chosen, choose } = useTab(TABS);
  return html`<${Head} title="Webhooks" note="Tell your own servers what happens here.">
      ${chosen === TABS[0] && can('webhooks:write') && html`<${CreateEndpoint} />`}<//>
    <${Tabs} label="Webhooks" tabs=${TABS} ...${{ chosen, choose }} /><${Panel} chosen=${chosen}><${chosen.view} /><//>`;
}
