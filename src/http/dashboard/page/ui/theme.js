// As the system has it ("Auto"), light, or dark; remembered in this browser.

import { html, useState } from '../lib/html.js';
import { Icon } from './icons.js';

const THEMES = {
  system: { text: 'Auto', icon: 'auto', next: 'light' },
  light: { text: 'Light', icon: 'sun', next: 'dark' },
  dark: { text: 'Dark', icon: 'moon', next: 'system' },
};

export function ThemeButton() {
  const root = document.documentElement.dataset;
  const [theme, setTheme] = useState(root.theme ?? 'system');
  const { text, icon, next } = THEMES[theme];
  const turn = () => {
    if (next === 'system') delete root.theme;
    else root.theme = next;
    remember(next);
    setTheme(next);
  };
  return html`<button type="button" class="quiet small" title=${`Change to ${THEMES[next].text.toLowerCase()}`} onClick=${turn}>
    <${Icon} name=${icon} /><span class="unseen">Theme: </span>${text}</button>`;
}

function remember(theme) {
  try {
    if (theme === 'system') localStorage.removeItem('theme');
    else localStorage.setItem('theme', theme);
  } catch {
    // Storage may be switched off; the choice then holds for this page.
  }
}
