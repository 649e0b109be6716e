// The chat of the page.
import "./live.js"
