/**
 * A code held up to a scanner: white ground, the screen kept awake, Escape or the button closes it, and the focus goes back to where
 * it was.
 */

/**
 * @param {HTMLDialogElement} dialog
 * @param {HTMLElement | null} behind what it lies over in its face, out of reach meanwhile; null: it lies over the whole page
 */
export function codeDialog(dialog, behind) {
  /** @type {WakeLockSentinel | null} */
  let wake = null;
  let opener = /** @type {HTMLElement | null} */ (null);

  async function keepAwake() {
    try {
      wake = (await navigator.wakeLock?.request("screen")) ?? null;
    } catch {
      /* A low battery refuses it; the code shows all the same. */
    }
  }

  function close() {
    if (dialog.open) dialog.close();
  }

  dialog.addEventListener("close", () => {
    if (behind) behind.inert = false;
    wake?.release();
    wake = null;
    if (opener?.isConnected) opener.focus();
  });
  dialog.querySelector("[data-code-close]")?.addEventListener("click", close);
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close();
  });
  /* The system lets go of the lock when the page is hidden. */
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && dialog.open) keepAwake();
  });

  return {
    /** @param {HTMLElement} by the focus goes back to it */
    open(by) {
      opener = by;
      if (behind) {
        dialog.show();
        behind.inert = true;
      } else dialog.showModal();
      keepAwake();
    },
    close,
  };
}
