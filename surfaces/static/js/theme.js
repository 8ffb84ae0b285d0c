/** The theme switch: starts from the system's theme, remembers a choice, forgets it when it is the system's again. */

const system = matchMedia("(prefers-color-scheme: dark)");
const root = document.documentElement;

/** @param {(key: string) => string} say */
export function themeSwitch(say) {
  const current = () => root.dataset.theme ?? (system.matches ? "dark" : "light");
  const buttons = document.querySelectorAll("[data-theme-toggle]");
  const label = () => {
    const text = say(current() === "dark" ? "theme_light" : "theme_dark");
    for (const button of buttons) button.setAttribute("aria-label", text);
  };
  for (const button of buttons)
    button.addEventListener("click", () => {
      const chosen = current() === "dark" ? "light" : "dark";
      const asSystem = (chosen === "dark") === system.matches;
      if (asSystem) delete root.dataset.theme;
      else root.dataset.theme = chosen;
      try {
        if (asSystem) localStorage.removeItem("chorus-theme");
        else localStorage.setItem("chorus-theme", chosen);
      } catch {
        /* Storage may be forbidden; the choice lasts as long as the page. */
      }
      label();
    });
  system.addEventListener("change", label);
  label();
}
