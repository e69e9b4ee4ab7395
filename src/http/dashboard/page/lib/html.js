// What every module that draws something imports: templates, hooks.

import { h, render, Component, Fragment, createContext } from '../vendor/preact.js';
import htm from '../vendor/htm.js';

export const html = htm.bind(h);
export { render, Component, Fragment, createContext };
export {
  useCallback,
  useContext,
  useEffect,
  useId,
  useMemo,
  useRef,
  useState,
} from '../vendor/preact-hooks.js';
