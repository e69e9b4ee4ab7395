import { html } from '../lib/html.js';
import { useReady } from '../lib/load.js';
import { Head } from '../ui/bits.js';

export function Schedules() {
  useReady();
  return html`<${Head} title="Schedules" />`;
}
