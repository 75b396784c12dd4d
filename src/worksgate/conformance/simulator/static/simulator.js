// Comfort only: buttons that copy a demo name or password, codes that follow the clock, and links
// that open the step they lead to. Every page is whole without it.
const said = document.getElementById("said");
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.classList.add("is-done");
    said.textContent = button.dataset.done;
    setTimeout(() => {
      button.classList.remove("is-done");
      said.textContent = "";
    }, 1600);
  });
}

// What an authenticator app shows. The server says how long a code lasts, so no clock is compared.
const codes = [...document.querySelectorAll("[data-codes]")];
let overAt = 0;

function show(present, { digits, seconds_left: seconds }) {
  present.querySelector(".digits").textContent = digits.replace(/(?=(...)$)/, " ");
  present.querySelector("[data-copy]").dataset.copy = digits;
  present.dataset.seconds = seconds;
}

async function refresh() {
  try {
    const answer = await fetch(codes[0].dataset.codes, { cache: "no-store" });
    const now = await answer.json();
    for (const present of codes) show(present, now[present.dataset.person]);
    overAt = Date.now() + 1000 * codes[0].dataset.seconds;
  } catch {
    overAt = Date.now() + 5000; // the simulator is gone, or about to come back
  }
}

async function tick() {
  if (Date.now() >= overAt) await refresh();
  const seconds = Math.max(0, Math.ceil((overAt - Date.now()) / 1000));
  for (const present of codes) {
    present.querySelector(".left").textContent = present.dataset.left.replace("{n}", seconds);
  }
}

if (codes.length) {
  tick();
  setInterval(tick, 1000);
  addEventListener("pageshow", () => { overAt = 0; });
}

function openTarget() {
  const step = document.getElementById(location.hash.slice(1));
  const details = step && step.querySelector("details");
  if (details) details.open = true;
}

addEventListener("hashchange", openTarget);
openTarget();
