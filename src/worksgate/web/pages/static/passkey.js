// Passkeys: fetches or makes one when a button is pressed, and offers them where the user name is
// typed. Where the browser has none (many apps' own browsers) the hint stays and the buttons do not.
(() => {
  "use strict";
  if (!window.PublicKeyCredential || !navigator.credentials) return;

  const bytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer)))
      .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const known = (list) => (list || []).map((each) => ({ ...each, id: bytes(each.id) }));

  const read = (json) => {
    const options = JSON.parse(json);
    options.challenge = bytes(options.challenge);
    if (options.user) options.user.id = bytes(options.user.id);
    if (options.allowCredentials) options.allowCredentials = known(options.allowCredentials);
    if (options.excludeCredentials) options.excludeCredentials = known(options.excludeCredentials);
    return options;
  };

  const written = (credential) => {
    const response = credential.response;
    const parts = { clientDataJSON: text(response.clientDataJSON) };
    for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (response[name]) parts[name] = text(response[name]);
    }
    if (response.getTransports) parts.transports = response.getTransports();
    return JSON.stringify({
      id: credential.id,
      rawId: text(credential.rawId),
      type: credential.type,
      response: parts,
      clientExtensionResults: credential.getClientExtensionResults(),
      authenticatorAttachment: credential.authenticatorAttachment,
    });
  };

  const send = (button, credential) => {
    button.form.elements[button.dataset.field || "passkey"].value = written(credential);
    button.form.submit();
  };

  let waiting = null;
  const ask = async (ceremony, json, more) => {
    if (waiting) waiting.abort();
    waiting = new AbortController();
    const request = { publicKey: read(json), signal: waiting.signal, ...more };
    return ceremony === "create"
      ? navigator.credentials.create(request)
      : navigator.credentials.get(request);
  };

  for (const hint of document.querySelectorAll(".no-passkeys")) hint.hidden = true;
  for (const button of document.querySelectorAll("[data-passkey]")) {
    button.hidden = button.form.hidden = false;
    button.addEventListener("click", async () => {
      const failed = button.form.querySelector(".passkey-failed");
      if (failed) failed.hidden = true;
      try {
        send(button, await ask(button.dataset.passkey, button.dataset.options, {}));
      } catch {
        if (failed) failed.hidden = false;
      }
    });
  }

  const offered = document.querySelector("input[autocomplete~=webauthn]");
  const available = PublicKeyCredential.isConditionalMediationAvailable;
  if (!offered || !available) return;
  const button = document.querySelector("[data-passkey=get]");
  available.call(PublicKeyCredential).then(async (yes) => {
    if (!yes) return;
    try {
      send(button, await ask("get", button.dataset.options, { mediation: "conditional" }));
    } catch {
      // Nobody chose one, or the button was pressed.
    }
  });
})();
