// A held upload: seconds that are left to undo, and hiding what was revealed when nobody looks any more.
"use strict";

const pending = document.querySelector("[data-pending]");
if (pending) {
  let left = Number(pending.dataset.pending);
  const shown = pending.querySelector("[data-left]");
  const tick = () => {
    shown.textContent = left > 0 ? `(${left} s)` : "";
    // Not a reload: where a form led here, that would send it again, and decide anew what a colleague has just undone.
    if (left < -1) window.location.replace(pending.dataset.page);
    else { left -= 1; setTimeout(tick, 1000); }
  };
  tick();
}

const hide = () => { for (const button of document.querySelectorAll("[data-hide]")) button.click(); };
document.addEventListener("visibilitychange", () => { if (document.hidden) hide(); });
document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
