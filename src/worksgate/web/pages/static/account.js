// Comfort for the account pages, which work without it: exact times by the reader's own clock, and how
// far a new password is from being long enough.
(() => {
  "use strict";
  const clock = new Intl.DateTimeFormat(document.documentElement.lang, {
    dateStyle: "medium",
    timeStyle: "short",
  });
  for (const time of document.querySelectorAll("time[datetime]")) {
    const exact = clock.format(new Date(time.dateTime));
    if ("distance" in time.dataset) {
      time.title = `${exact} (${time.title})`;
    } else {
      time.title = time.textContent;
      time.textContent = exact;
    }
  }

  for (const count of document.querySelectorAll("[data-counts]")) {
    const input = document.getElementById(count.dataset.counts);
    input.addEventListener("input", () => {
      const length = [...input.value].length;
      const enough = length >= Number(count.dataset.enough);
      count.textContent = enough ? `${length} ✓` : `${length} / ${count.dataset.enough}`;
    });
  }
})();
