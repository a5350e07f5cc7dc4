// What every page of the console shares. Pages work without it; it saves steps for those who have it.
"use strict";

// Say something to everybody, those who listen to the page included.
window.seawall = {
  say(text) {
    const place = document.getElementById("said");
    place.textContent = text;
    clearTimeout(window.seawall.silence);
    window.seawall.silence = setTimeout(() => { place.textContent = ""; }, 8000);
  },
};

// <button data-copy="#id">: copies what the element holds.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.querySelector(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.value ?? source.textContent);
    window.seawall.say(button.dataset.copied || "Copied");
  } catch {
    // Browsers copy on pages they trust only (https, localhost): select it, so that Ctrl+C does.
    window.getSelection().selectAllChildren(source);
  }
});

// What htmx could not do must not pass in silence.
for (const failure of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(failure, () => {
    window.seawall.say(document.body.dataset.failed || "That did not work. Reload the page and try again.");
  });
}

// A part that was swapped in and asks for it gets the focus, so that the keyboard goes on where the eye does.
document.addEventListener("htmx:afterSwap", (event) => {
  const wanted = event.target.matches?.("[data-focus]") ? event.target : event.target.querySelector?.("[data-focus]");
  wanted?.focus();
});
