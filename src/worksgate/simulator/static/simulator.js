// Comfort only: a button that copies a demo name or password, and links that open the step
// they lead to. Every page is whole without it.
for (const button of document.querySelectorAll("[data-copy]")) {
  const label = button.textContent;
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = button.dataset.done;
    setTimeout(() => { button.textContent = label; }, 1600);
  });
}

function openTarget() {
  const step = document.getElementById(location.hash.slice(1));
  const details = step && step.querySelector("details");
  if (details) details.open = true;
}

addEventListener("hashchange", openTarget);
openTarget();
