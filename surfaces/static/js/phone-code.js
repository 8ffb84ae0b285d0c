/** The member's code on the phone: white ground, the screen kept awake, Escape or the button closes it. */

/** @param {HTMLElement} root the phone's face */
export function codeView(root) {
  const dialog = /** @type {HTMLDialogElement} */ (root.querySelector("[data-code]"));
  const opener = /** @type {HTMLElement} */ (root.querySelector("[data-code-open]"));
  const body = /** @type {HTMLElement} */ (root.querySelector("[data-body]"));
  /** @type {WakeLockSentinel | null} */
  let wake = null;

  async function keepAwake() {
    try {
      wake = (await navigator.wakeLock?.request("screen")) ?? null;
    } catch {
      /* A low battery refuses it; the code shows all the same. */
    }
  }

  function close() {
    if (!dialog.open) return;
    dialog.close();
    body.inert = false;
    wake?.release();
    wake = null;
    opener.focus();
  }

  opener.addEventListener("click", () => {
    dialog.show();
    body.inert = true;
    keepAwake();
  });
  dialog.querySelector("[data-code-close]")?.addEventListener("click", close);
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
  });
  /* The system lets go of the lock when the page is hidden. */
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && dialog.open) keepAwake();
  });
}
