// Light, dark, or as the system has it; remembered in this browser.

import { html, useState } from '../lib/html.js';
import { Icon } from './icons.js';

const isDark = () => {
  const { theme } = document.documentElement.dataset;
  return theme ? theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
};

export function ThemeButton() {
  const [dark, setDark] = useState(isDark);
  const turn = () => {
    const theme = isDark() ? 'light' : 'dark';
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem('theme', theme);
    } catch {
      // Storage may be switched off; the choice then holds for this page.
    }
    setDark(theme === 'dark');
  };
  return html`<button type="button" class="quiet small" onClick=${turn}><${Icon} name=${dark ? 'sun' : 'moon'} />${dark ? 'Light' : 'Dark'}</button>`;
}
