import { html } from '../lib/html.js';
import { useReady } from '../lib/load.js';
import { Head } from '../ui/bits.js';

export function Keys() {
  useReady();
  return html`<${Head} title="Keys" />`;
}
