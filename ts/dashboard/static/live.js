// Keeps the panels fresh: takes each server-sent event of /events and swaps it into the panel of that name.

const main = document.getElementById("main")

for (const panel of document.querySelectorAll("[id^='panel-']")) {
  const id = panel.id.slice("panel-".length)
  main.addEventListener(id, (event) => {
    void htmx.swap({ target: panel, sourceElement: panel, text: event.detail.data, swap: "innerMorph" })
  })
}
