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
    window.seawall.say(button.dataset.copied || document.body.dataset.copied);
  } catch {
    // Browsers copy on pages they trust only (https, localhost): select it, so that Ctrl+C does.
    window.getSelection().selectAllChildren(source);
  }
});

// A form that is on its way is not sent again by a second press: that would make two keys, or decide twice. What a
// script or htmx took over is theirs; after some seconds, when nothing came back, it may be sent again.
document.addEventListener("submit", (event) => {
  if (!event.target.dataset.sent) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, true);
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.getAttribute("method") !== "post") return;
  form.dataset.sent = "yes";
  setTimeout(() => { delete form.dataset.sent; }, 5000);
});

// What htmx could not do must not pass in silence.
for (const failure of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(failure, () => {
    window.seawall.say(document.body.dataset.failed);
  });
}

// A part that was swapped in and asks for it gets the focus, so that the keyboard goes on where the eye does.
document.addEventListener("htmx:afterSwap", (event) => {
  const wanted = event.target.matches?.("[data-focus]") ? event.target : event.target.querySelector?.("[data-focus]");
  wanted?.focus();
});
