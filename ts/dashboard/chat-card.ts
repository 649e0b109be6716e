// The chat's frame. static/chat.js fills it: messages and settings live in the browser, never on the server.

import { type Html, html } from "./html.ts"

export function chatCard(): Html {
  return html`
    <div class="chat" id="chat-app">
      <div class="chat-bar">
        <label class="field grow"><span class="visually-hidden">Conversation</span><select id="chat-list"></select></label>
        <button type="button" class="button" id="chat-new">New chat</button>
        <button type="button" class="button quiet" id="chat-delete">Delete</button>
      </div>
      <details class="chat-settings" id="chat-settings">
        <summary>Settings</summary>
        <form class="settings-grid" id="chat-settings-form">
          <label class="field span"><span>System prompt</span><textarea id="chat-system" rows="2" placeholder="You are a helpful assistant."></textarea></label>
          <label class="field"><span>Temperature <output id="chat-temperature-value" for="chat-temperature"></output></span><input id="chat-temperature" type="range" min="0" max="2" step="0.05" /></label>
          <label class="field"><span>Top-p <output id="chat-top-p-value" for="chat-top-p"></output></span><input id="chat-top-p" type="range" min="0.05" max="1" step="0.05" /></label>
          <label class="field"><span>Max tokens</span><input id="chat-max-tokens" type="number" min="1" max="131072" step="1" inputmode="numeric" placeholder="server default" /></label>
          <label class="field"><span>API key</span><input id="chat-key" type="password" autocomplete="off" placeholder="only if the server asks for one" /></label>
          <label class="field span"><span>Tools, as a JSON list of OpenAI function tools</span><textarea id="chat-tools" rows="2" spellcheck="false" class="mono" placeholder="[]"></textarea></label>
        </form>
      </details>
      <div class="chat-log" id="chat-log" role="log" aria-live="off" aria-label="Conversation" tabindex="0"></div>
      <p class="visually-hidden" id="chat-announce" role="status"></p>
      <form class="chat-form" id="chat-form">
        <label class="visually-hidden" for="chat-input">Message</label>
        <textarea id="chat-input" rows="1" placeholder="Ask the model…" enterkeyhint="send"></textarea>
        <button type="submit" class="button primary" id="chat-send">Send</button>
        <button type="button" class="button danger" id="chat-stop" hidden>Stop</button>
      </form>
      <p class="caption chat-hint">Enter sends, Shift+Enter breaks the line. Conversations stay in this browser.</p>
    </div>
  `
}
