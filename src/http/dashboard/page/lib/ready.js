// Tells when a page shows its data: <html data-ready="/dashboard/jobs">. Tests and measurements wait for it.

let pending = 0;
let isArriving = true;

/** Another page is about to be drawn. */
export function leave() {
  isArriving = true;
  delete document.documentElement.dataset.ready;
}

/** It is drawn, and began to load what it needs. */
export function arrive() {
  isArriving = false;
  settle();
}

/** Something that the page needs is being loaded. */
export function begin() {
  pending += 1;
}

/** It is there, or failed, or nobody needs it any more. */
export function end() {
  pending -= 1;
  settle();
}

/** What was loaded is drawn in the next frame. */
function settle() {
  requestAnimationFrame(() => {
    if (!isArriving && pending === 0) document.documentElement.dataset.ready = location.pathname;
  });
}
