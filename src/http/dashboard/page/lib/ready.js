// Tells when a page shows its data: <html data-ready="/dashboard/jobs">. Tests and measurements wait for it.

let pending = 0;

/** Something that the page needs is being loaded. */
export function begin() {
  pending += 1;
}

/** It is there, or failed. */
export function end() {
  pending -= 1;
  settle();
}

/** Marks the page as ready once nothing is being loaded and what was loaded is drawn. */
export function settle() {
  requestAnimationFrame(() => {
    if (pending === 0) document.documentElement.dataset.ready = location.pathname;
  });
}
