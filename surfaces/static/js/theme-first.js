/* Before the first paint, so that a chosen theme does not flash: not a module, and nothing else. */
(() => {
  try {
    const theme = localStorage.getItem("chorus-theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    /* Storage may be forbidden; the system's theme stands. */
  }
})();
