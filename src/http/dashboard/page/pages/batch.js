import { html } from '../lib/html.js';
import { useReady } from '../lib/load.js';
import { Head } from '../ui/bits.js';

export function Batch() {
  useReady();
  return html`<${Head} title="Batch" />`;
}
