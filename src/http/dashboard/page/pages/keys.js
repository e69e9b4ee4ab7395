// API keys, and the projects that they belong to.

import { html } from '../lib/html.js';
import { Head } from '../ui/bits.js';
import { Tabbed } from '../ui/tabbed.js';
import { KeyList } from './keys/list.js';
import { ProjectList } from './keys/projects.js';

const TABS = [
  { id: 'keys', title: 'Keys', view: KeyList },
  { id: 'projects', title: 'Projects', view: ProjectList },
];

export function Keys() {
  return html`<${Head} title="Keys & projects" note="A key belongs to a project, which says where it works and what it may spend." />
    <${Tabbed} label="Keys and projects" tabs=${TABS} />`;
}
