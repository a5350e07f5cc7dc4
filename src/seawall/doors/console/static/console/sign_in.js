// A passkey that was cancelled, or that this device does not have, must not pass in silence.
"use strict";
document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  const place = document.getElementById("passkey-failed");
  if (place) place.hidden = false;
});
