// Applies the kept colour theme before the first paint; the button is wired in live.js.
;(() => {
  try {
    const theme = localStorage.getItem("mlx-cluster.theme")
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme
  } catch {
    // Storage may be forbidden; the system's theme holds then.
  }
})()
