// Copies what is shown only once. Where the browser lets no page do so, there is no button.
(() => {
  "use strict";
  if (!navigator.clipboard) return;

  for (const copy of document.querySelectorAll("[data-copies]")) {
    const codes = document.querySelectorAll(`#${copy.dataset.copies} code`);
    const told = copy.querySelector("[role=status]");
    copy.querySelector("button").addEventListener("click", async () => {
      told.textContent = ""; // or it would not be said a second time
      try {
        await navigator.clipboard.writeText([...codes].map((code) => code.textContent).join("\n"));
        told.textContent = told.dataset.done;
      } catch {
        told.textContent = told.dataset.failed;
      }
    });
    copy.hidden = false;
  }
})();
