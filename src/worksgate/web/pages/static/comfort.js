// Comfort for the sign-in form, which works without it: show the password, tell of Caps Lock,
// and send a form once however often its button is pressed.
(() => {
  "use strict";
  const RESEND_AFTER_MS = 8000;

  for (const reveal of document.querySelectorAll(".reveal")) {
    const input = document.getElementById(reveal.getAttribute("aria-controls"));
    const show = (visible) => {
      input.type = visible ? "text" : "password";
      reveal.textContent = visible ? reveal.dataset.hide : reveal.dataset.show;
      reveal.setAttribute("aria-label", visible ? reveal.dataset.hideLabel : reveal.dataset.showLabel);
    };
    reveal.addEventListener("click", () => {
      show(input.type === "password");
      input.focus();
    });
    // A browser offers to keep what was in a password field, and may keep what was in a text field.
    input.form.addEventListener("submit", () => show(false));
    reveal.hidden = false;

    const capsLock = document.getElementById("caps-lock");
    const tell = (event) => {
      capsLock.hidden = !(event.getModifierState && event.getModifierState("CapsLock"));
    };
    input.addEventListener("keydown", tell);
    input.addEventListener("keyup", tell);
    input.addEventListener("blur", () => { capsLock.hidden = true; });
  }

  for (const form of document.forms) {
    let sentAt = -Infinity;
    const buttons = form.querySelectorAll("[type=submit]");
    const ready = () => {
      sentAt = -Infinity;
      for (const button of buttons) button.removeAttribute("aria-disabled");
    };
    form.addEventListener("submit", (event) => {
      if (performance.now() - sentAt < RESEND_AFTER_MS) {
        event.preventDefault();
        return;
      }
      sentAt = performance.now();
      for (const button of buttons) button.setAttribute("aria-disabled", "true");
      setTimeout(ready, RESEND_AFTER_MS);
    });
    addEventListener("pageshow", ready);
  }
})();
