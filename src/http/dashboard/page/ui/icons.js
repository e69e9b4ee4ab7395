// Outline icons, two units of stroke on a grid of 24.

import { html } from '../lib/html.js';

const PATHS = {
  overview: 'M4 13h6V4H4zM14 20h6v-9h-6zM14 4v3h6V4zM4 20h6v-3H4z',
  jobs: 'M4 6h16M4 12h16M4 18h10',
  agents: 'M12 3v3M7 6h10a3 3 0 0 1 3 3v7a3 3 0 0 1-3 3H7a3 3 0 0 1-3-3V9a3 3 0 0 1 3-3zM9 12h.01M15 12h.01M9 16h6',
  batches: 'M12 3 3 8l9 5 9-5zM3 13l9 5 9-5',
  schedules: 'M12 7v5l3 2M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z',
  webhooks: 'M10 8a3 3 0 1 1 4 2.800L17 16M9 17h6M7 11l-2.500 4.300A3 3 0 1 0 9 17M17 14a3 3 0 1 1-2 5',
  credits: 'M3 7h18v12H3zM3 11h18M7 15h4',
  usage: 'M4 20V10M10 20V4M16 20v-8M21 20H3',
  people: 'M9 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM2 21a7 7 0 0 1 14 0M16 3.500a4 4 0 0 1 0 7M18 14.500a7 7 0 0 1 4 6.500',
  keys: 'M8 20a5 5 0 1 0 0-10 5 5 0 0 0 0 10zM11.500 11.500 20 3M16 7l3 3',
  members: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 21a8 8 0 0 1 16 0',
  system: 'M4 4h16v6H4zM4 14h16v6H4zM8 7h.01M8 17h.01',
  menu: 'M4 6h16M4 12h16M4 18h16',
  close: 'M6 6l12 12M18 6 6 18',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  check: 'M5 12l5 5 9-10',
  sun: 'M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 2v2'
    + 'M12 20v2M4.900 4.900l1.400 1.400M17.700 17.700l1.400 1.400M2 12h2M20 12h2M4.900 19.100l1.400-1.400M17.700 6.300l1.400-1.400',
  moon: 'M20 14.500A8.500 8.500 0 0 1 9.500 4a8.500 8.500 0 1 0 10.500 10.500z',
  auto: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 3v18M12 8h8M12 12h9M12 16h8',
  down: 'M6 9l6 6 6-6',
  leave: 'M14 4h5v16h-5M10 8l-4 4 4 4M6 12h9',
};

export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d=${PATHS[name]} /></svg>`;
}
