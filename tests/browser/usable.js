// What is wrong on a page for somebody without a script, with a keyboard, on a phone, or on paper.
// Read by tests/browser/usability.py, which calls one function after the other in the page.
({
  seen: (element) => {
    const box = element.getBoundingClientRect();
    return element.checkVisibility({ visibilityProperty: true, opacityProperty: true }) &&
      box.width > 1 && box.height > 1;
  },
  told: (element) => element.outerHTML.replace(/\s+/g, " ").slice(0, 160),

  // Its content is there, every form can be sent, and nothing waits for a script.
  withoutScript() {
    const faults = [];
    const words = (document.querySelector("main") ?? document.body).innerText.trim();
    const title = document.querySelector("h1, [role=heading]");
    if (words.length < 20 || !title || !title.innerText.trim()) faults.push("there is no content");
    for (const each of document.querySelectorAll("button, [role=button], [data-with-script]")) {
      const works = each.matches("button") &&
        (each.type !== "button" || each.hasAttribute("popovertarget"));
      if (!works && this.seen(each)) faults.push(`needs a script: ${this.told(each)}`);
    }
    for (const form of document.forms) {
      const parts = [...form.elements].filter((each) => this.seen(each));
      const ticked = parts.every((each) => each.type === "checkbox"); // its button comes then
      const sends = [...form.elements].some(
        (each) => each.type === "submit" && !each.hidden && (ticked || this.seen(each)));
      const fields = parts.filter((each) => /^(text|search|email|password|number)$/.test(each.type));
      const inside = form.closest("details:not([open]), dialog:not([open])");
      if (parts.length && !sends && fields.length !== 1 && !inside)
        faults.push(`cannot be sent: ${this.told(form)}`);
    }
    for (const each of document.querySelectorAll("[style], [onclick], [onchange], [onsubmit]"))
      if (!each.closest("svg")) faults.push(`is not allowed by the policy: ${this.told(each)}`);
    return faults;
  },

  tooWide() {
    const pixels = document.documentElement.scrollWidth - innerWidth;
    return pixels > 0 ? [`is ${pixels} pixels too wide`] : [];
  },

  // Too wide once every text is 130 % as long, as it may be in another language.
  tooWideWhenLonger() {
    const texts = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode())
      if (walker.currentNode.data.trim() && !walker.currentNode.parentElement.closest("code, pre, style, script"))
        texts.push([walker.currentNode, walker.currentNode.data]);
    for (const [node, text] of texts) {
      const words = text.trim();
      node.data = text.replace(words, () => words + words.slice(0, Math.ceil(0.3 * words.length)));
    }
    const faults = this.tooWide();
    for (const [node, text] of texts) node.data = text;
    return faults.map((each) => `${each} when its texts are 130 % as long`);
  },

  light(color) {
    const [red, green, blue, alpha = 1] = (color.match(/[\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
    return { alpha, value: (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255 };
  },

  // To be called in the medium "print".
  onPaper() {
    const faults = [];
    const unwanted = ".side, .nav, nav, .languages, .skip, button, .button, [type=submit]";
    for (const each of document.querySelectorAll(unwanted))
      if (this.seen(each) && !each.closest(".visually-hidden"))
        faults.push(`is printed: ${this.told(each)}`);
    for (const each of document.querySelectorAll("h1, table:not(.typed), main p, main li, main dd")) {
      const text = each.textContent.trim();
      const hidden = each.closest("[hidden], .visually-hidden, form, .off-paper, .pager, .toolbar, .more, .acts, .span, .also, .bulk, details:not([open]), dialog, nav, .languages");
      if (text && !hidden && !this.seen(each) && !each.querySelector("button, .button, form") && !each.matches(".hint"))
        faults.push(`is not printed: ${this.told(each)}`);
    }
    for (const each of document.querySelectorAll("html, body, body *")) {
      if (each.closest("svg, progress, picture, iframe") || !this.seen(each)) continue;
      const style = getComputedStyle(each);
      const ground = this.light(style.backgroundColor);
      if (ground.alpha > 0.5 && ground.value < 0.5)
        faults.push(`is printed on a dark ground: ${this.told(each)}`);
      const hasText = [...each.childNodes].some((one) => one.nodeType === 3 && one.data.trim());
      if (hasText && this.light(style.color).value > 0.6)
        faults.push(`is printed in a light colour: ${this.told(each)}`);
    }
    return faults;
  },

  // The keyboard: what Tab must reach below an element, in this order.
  look: (element) => {
    const { outlineStyle, outlineWidth, outlineColor, boxShadow, borderColor } =
      getComputedStyle(element);
    const outline = outlineStyle === "none" || outlineWidth === "0px" ? "" : outlineColor;
    return [outline, boxShadow, borderColor].join();
  },
  prepare(within) {
    const faults = [];
    const begin = document.querySelector(within);
    begin.tabIndex = -1;
    begin.focus();
    const radios = new Set();
    const wanted = "a[href], button, input, select, textarea, summary, iframe, [tabindex]";
    let number = 0;
    for (const each of document.querySelectorAll(`${within} :is(${wanted})`)) {
      if (each.tabIndex > 0) faults.push(`has a tabindex: ${this.told(each)}`);
      const canBeReached = each.tabIndex === 0 && !each.disabled && each.type !== "hidden" &&
        each.checkVisibility({ visibilityProperty: true });
      if (!canBeReached) continue;
      if (each.type === "radio") {
        const group = [...document.getElementsByName(each.name)].filter((one) => one.form === each.form);
        const stop = group.find((one) => one.checked) ?? group[0];
        if (each !== stop || radios.has(stop)) continue;
        radios.add(stop);
      }
      each.dataset.stop = number++;
      each.dataset.look = this.look(each);
    }
    for (const each of document.querySelectorAll("main, main *")) {
      const style = getComputedStyle(each);
      if (style.order !== "0" || style.flexDirection.endsWith("reverse"))
        faults.push(`is shown in another order: ${this.told(each)}`);
    }
    return { stops: number, faults };
  },
  // Where the focus is, and whether that is seen.
  focus() {
    const each = document.activeElement;
    if (!each || each === document.body || each === document.documentElement) return null;
    const stop = each.dataset.stop;
    if (stop === undefined) {
      const scrolls = each.scrollHeight > each.clientHeight || each.scrollWidth > each.clientWidth;
      return { stop: null, scrolls, what: this.told(each) };
    }
    const box = each.getBoundingClientRect();
    const isVisible = box.width > 1 && box.height > 1;
    const around = [each.closest("label"), each.nextElementSibling].filter(Boolean);
    const changes = this.look(each) !== each.dataset.look ||
      (each.closest("tr") && this.look(each.closest("tr")).split(",")[0] !== "") ||
      (!isVisible && around.some((one) => this.look(one).split(",")[0] !== ""));
    const isInView = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
    return { stop: Number(stop), changes: changes || each.matches("iframe"), isInView, what: this.told(each) };
  },
})
