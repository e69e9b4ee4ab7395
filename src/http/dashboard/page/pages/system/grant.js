// Giving an account credits.

import { html, useState } from '../../lib/html.js';
import { get, post } from '../../lib/api.js';
import { useLoad } from '../../lib/load.js';
import * as format from '../../lib/format.js';
import { Facts } from '../../ui/bits.js';
import { Form, Select, Text } from '../../ui/form.js';

const EMPTY = { amount: '', bucket: 'paid', reason: '', expires: '', environment: 'live' };

export function GrantForm({ of, close }) {
  const { data } = useLoad((signal) => get(`/admin/v1/accounts/${of.id}`, {}, { signal }), [of.id], ['ledger']);
  const [value, setValue] = useState(EMPTY);
  const set = (name) => (to) => setValue((last) => ({ ...last, [name]: to }));
  const send = (options, given) => post(`/admin/v1/accounts/${of.id}/credits/grants`, asked(given), options);
  return html`<${Form} ...${{ value, send, close }} done=${close} submit="Grant credits">
    <${Facts} of=${[
      ['Has now', format.credits(data?.balance.available)],
      ['Test credits', data?.test_balance ? format.credits(data.test_balance.available) : undefined],
    ]} />
    <div class="pair"><${Text} label="Amount" inputmode="decimal" required value=${value.amount} set=${set('amount')} />
      <${Select} label="Bucket" value=${value.bucket} set=${set('bucket')} options=${[['paid', 'Paid'], ['free', 'Free']]} /></div>
    <div class="pair"><${Select} label="Environment" value=${value.environment} set=${set('environment')}
      options=${[['live', 'Live'], ['test', 'Test']]} />
      <${Text} label="Expires on" type="date" hint="At 00:00 UTC. Empty: never." value=${value.expires} set=${set('expires')} /></div>
    <${Text} label="Reason" maxlength="500" placeholder="by the operator" hint="The account sees it in its ledger." value=${value.reason}
      set=${set('reason')} /><//>`;
}

function asked({ amount, bucket, reason, expires, environment }) {
  return { amount: amount.trim(), bucket, environment, ...(reason && { reason }), ...(expires && { expires_at: `${expires}T00:00:00Z` }) };
}
