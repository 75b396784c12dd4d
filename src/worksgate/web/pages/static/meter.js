// How strong a new password would be: asks our own server at each pause of the typing. Where it has
// no answer the meter stays empty, and the verdict comes with the form, as it does without a script.
(() => {
  "use strict";
  const PAUSE_MS = 300;
  const NOTHING = { score: -1, grade: "", advice: "" };

  for (const meter of document.querySelectorAll("[data-meter]")) {
    const input = document.getElementById(meter.dataset.meter);
    const grade = meter.querySelector("[data-said=grade]");
    const advice = meter.querySelector("[data-said=advice]");
    let pause = 0;
    let asked = new AbortController();

    const show = (answer) => {
      meter.dataset.score = answer.score;
      grade.textContent = answer.grade;
      advice.textContent = answer.advice;
    };

    const ask = async () => {
      const { signal } = asked;
      const fields = new URLSearchParams({ password: input.value });
      for (const name of ["csrf", "txn"]) {
        if (input.form.elements[name]) fields.set(name, input.form.elements[name].value);
      }
      let answer = NOTHING;
      try {
        const options = { method: "POST", body: fields, cache: "no-store", signal };
        const response = await fetch(meter.dataset.address, options);
        if (response.status === 200) answer = await response.json();
      } catch {
        // No answer is no verdict.
      }
      if (!signal.aborted) show(answer);
    };

    const stop = () => {
      clearTimeout(pause);
      asked.abort();
      asked = new AbortController();
    };

    input.addEventListener("input", () => {
      stop();
      if (input.value) pause = setTimeout(ask, PAUSE_MS);
      else show(NOTHING);
    });
    input.form.addEventListener("submit", stop);
    meter.hidden = false;
  }
})();
