// What the operator alone does with credits: grants them, and corrects a balance.

import { html, useState } from '../../lib/html.js';
import { post } from '../../lib/api.js';
import { useSession } from '../../lib/session.js';
import { Opens } from '../../ui/dialog.js';
import { Form, Select, Text } from '../../ui/form.js';

const BUCKETS = [['paid', 'Paid'], ['free', 'Free']];

export function Grant({ done }) {
  return html`<${Opens} name="Grant credits" kind="primary">${(close) => html`<${GrantForm} ...${{ close, done }} />`}<//>`;
}

export function Adjust({ done }) {
  return html`<${Opens} name="Adjust balance">${(close) => html`<${AdjustForm} ...${{ close, done }} />`}<//>`;
}

/** A form of the account that is shown; a test project has credits of its own. */
function useCreditForm(path, first) {
  const { account, project } = useSession();
  const [value, setValue] = useState(first);
  const set = (name) => (to) => setValue((before) => ({ ...before, [name]: to }));
  const send = (options, { expires_on, reason, ...rest }) => post(`/admin/v1/accounts/${account.id}/credits/${path}`, {
    ...rest,
    environment: project.environment,
    // What is left out is as the server says.
    ...(reason && { reason }),
    ...(expires_on && { expires_at: `${expires_on}T00:00:00Z` }),
  }, options);
  const whose = html`<p class="note">${project.environment === 'test' ? 'Test credits' : 'Credits'} of the account ${account.name}.</p>`;
  return { value, set, send, whose };
}

function GrantForm({ close, done }) {
  const { value, set, send, whose } = useCreditForm('grants', { amount: '', bucket: 'paid', reason: '', expires_on: '' });
  const finish = () => { close(); return done(); };
  return html`<${Form} ...${{ value, send, close }} done=${finish} submit="Grant credits">${whose}
    <div class="pair">
      <${Text} label="Amount" value=${value.amount} set=${set('amount')} inputmode="decimal" required placeholder="100" />
      <${Select} label="Bucket" value=${value.bucket} set=${set('bucket')} options=${BUCKETS} /></div>
    <${Text} label="Reason" hint="Shown in the ledger." value=${value.reason} set=${set('reason')} maxlength="500" />
    <${Text} label="Expires on" type="date" hint="What is left expires when this day begins in UTC. Empty: never."
      value=${value.expires_on} set=${set('expires_on')} />
  <//>`;
}

function AdjustForm({ close, done }) {
  const { value, set, send, whose } = useCreditForm('adjust', { amount: '', bucket: 'paid', reason: '' });
  const finish = () => { close(); return done(); };
  return html`<${Form} ...${{ value, send, close }} done=${finish} submit="Adjust balance">${whose}
    <div class="pair">
      <${Text} label="Change" hint="Below zero takes credits away, also beyond the balance." value=${value.amount}
        set=${set('amount')} inputmode="decimal" required placeholder="-5" />
      <${Select} label="Bucket" value=${value.bucket} set=${set('bucket')} options=${BUCKETS} /></div>
    <${Text} label="Reason" hint="Shown in the ledger." value=${value.reason} set=${set('reason')} maxlength="500" required />
  <//>`;
}
