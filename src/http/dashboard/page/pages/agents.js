import { html } from '../lib/html.js';
import { useReady } from '../lib/load.js';
import { Head } from '../ui/bits.js';

export function Agents() {
  useReady();
  return html`<${Head} title="Agents" />`;
}
