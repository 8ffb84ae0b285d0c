/* A page in Chinese on a machine that has no such letters. Ours are fetched, and are of another width than the boxes that would
   stand in for them: what is on the page is shown once they have come, or after a while without them. Then the letters of
   everything else that the page may come to say are fetched too, so that nothing moves when it does.

   Not a module: it runs before the first paint, when all is laid out and the browser has asked for what it misses. */
(() => {
  const LONGEST_MS = 3_000;
  const { letters } = /** @type {HTMLElement} */ (document.currentScript).dataset;
  const root = document.documentElement;
  document.body.getBoundingClientRect();
  const missing = [...document.fonts].filter(
    (font) => font.family.includes("Noto Sans") && font.status !== "unloaded",
  );
  if (!missing.length) return;
  const { fontFamily } = getComputedStyle(document.body);
  const late = new Promise((resolve) => setTimeout(resolve, LONGEST_MS));
  root.classList.add("unlettered");
  Promise.race([Promise.allSettled(missing.map((font) => font.loaded)), late]).then(() => {
    root.classList.remove("unlettered");
    if (letters) document.fonts.load(`1em ${fontFamily}`, letters).catch(() => null);
  });
})();
