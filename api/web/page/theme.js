// theme.js — dark or light: as the system has it, or as the reader chose.

const KEY = 'posthorn-theme';
const THEMES = ['system', 'light', 'dark'];

/** @returns {string} of THEMES */
export function currentTheme() {
  const chosen = localStorage.getItem(KEY) ?? 'system';
  return THEMES.includes(chosen) ? chosen : 'system';
}

/** @param {string} theme of THEMES */
export function useTheme(theme) {
  if (theme === 'system') localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, theme);
  startTheme();
}

export function startTheme() {
  const theme = currentTheme();
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/** @returns {string[]} */
export function allThemes() {
  return THEMES;
}
