// Comfort for the console: keyboard shortcuts and copy buttons. Every page works without it; what
// needs it is shown by the style sheet once this has run. The server is told the time zone of the
// browser, and says all times in it from the next page on.
(() => {
  "use strict";
  const root = document.documentElement;
  root.dataset.scripted = "";
  if (navigator.clipboard) root.dataset.copies = "";
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) {
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `wg_console_zone=${zone}; Path=/; SameSite=Strict${secure}`;
  }

  // Copying. It is said in one place, so that it is also said a second time.
  const said = document.getElementById("said");
  const say = (text) => {
    said.textContent = "";
    requestAnimationFrame(() => (said.textContent = text));
  };
  const copy = async (button) => {
    const label = button.firstElementChild;
    const before = label.textContent;
    const { copy, done, failed } = button.dataset;
    if (before === done) return;
    try {
      await navigator.clipboard.writeText(document.getElementById(copy).innerText.trim());
    } catch {
      say(failed);
      return;
    }
    say(done);
    label.textContent = done;
    setTimeout(() => (label.textContent = before), 2000);
  };

  // A page that comes again by itself keeps its numbers while the server does not answer, and says
  // of when they are; with the next answer that is gone again.
  for (const failed of ["htmx:error", "htmx:response:error"]) {
    document.addEventListener(failed, () => {
      const stale = document.getElementById("stale");
      if (stale) stale.hidden = false;
    });
  }

  const dialog = document.getElementById("keys");
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy], [data-shows-keys]");
    if (button && button.dataset.copy) copy(button);
    else if (button) dialog.showModal();
  });
  if (!dialog) return;

  // Shortcuts. They can be switched off: speech input types whole words (WCAG 2.1.4).
  const NAME = "worksgate-shortcuts";
  const kept = {
    get isOff() {
      try {
        return localStorage.getItem(NAME) === "off";
      } catch {
        return false;
      }
    },
    set isOff(off) {
      try {
        if (off) localStorage.setItem(NAME, "off");
        else localStorage.removeItem(NAME);
      } catch {
        // A browser that keeps nothing: they are on, on each page.
      }
    },
  };
  const onOff = dialog.querySelector("[name=shortcuts]");
  onOff.checked = !kept.isOff;
  onOff.addEventListener("change", () => (kept.isOff = !onOff.checked));

  const TYPED = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";
  const rowOf = (element) => element.closest("main tbody tr");
  const move = (step) => {
    const rows = [...document.querySelectorAll("main tbody tr")];
    const links = rows.map((row) => row.querySelector("a[href]")).filter(Boolean);
    const here = rowOf(document.activeElement);
    const at = here ? links.findIndex((link) => rowOf(link) === here) : step > 0 ? -1 : links.length;
    const next = links[at + step];
    if (next) next.focus();
  };
  const tick = () => {
    const row = rowOf(document.activeElement);
    const box = row && row.querySelector("input[type=checkbox]");
    if (box) box.click();
  };
  const deeds = {
    "/": () => document.getElementById("find").focus(),
    "?": () => dialog.showModal(),
    j: () => move(1),
    k: () => move(-1),
    x: tick,
  };

  let wentAt = -Infinity; // when "g" was pressed, which waits for the key of a page
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.defaultPrevented || event.target.closest(TYPED) || kept.isOff) return;
    if (document.querySelector("dialog[open]")) return;
    const isGoing = event.timeStamp - wentAt < 1500;
    wentAt = event.key === "g" && !isGoing ? event.timeStamp : -Infinity;
    const page = isGoing && document.querySelector(`.nav a[data-key="${CSS.escape(event.key)}"]`);
    if (page) page.click();
    else if (!isGoing && Object.hasOwn(deeds, event.key)) deeds[event.key]();
    else return;
    event.preventDefault();
  });
})();
