import { html } from '../lib/html.js';
import { Head, Link } from '../ui/bits.js';

export function Nothing() {
  return html`<${Head} title="There is no such page" note="The address may be mistyped, or what it showed was removed." />
    <p><${Link} to="/dashboard">Go to the overview<//></p>`;
}
