// One terminal and its connection. Either side sends at most WINDOW bytes that the other has not
// acknowledged: the shell waits while the screen is behind, a paste waits while the shell is.

import { admitStyles } from "./terminal_styles.js";
import { FitAddon } from "./vendor/addon-fit.mjs";
import { Terminal } from "./vendor/xterm.mjs";

const WINDOW = 128 * 1024; // bytes; the server takes twice as much
const PIECE = 16 * 1024;
const SCROLLBACK = 5_000; // lines
const REASONS = {
  1000: "closed",
  1001: "the service has ended",
  1006: "the connection was lost; you may be logged out",
};

const dark = matchMedia("(prefers-color-scheme: dark)");
const encoder = new TextEncoder();
admitStyles();
addStyles();

export class View {
  constructor(screen, leave) {
    this.screen = screen;
    this.socket = null;
    this.typed = []; // pieces not sent yet
    this.sent = 0; // bytes not acknowledged yet
    this.terminal = new Terminal({
      fontFamily: getComputedStyle(screen).fontFamily,
      fontSize: 13,
      minimumContrastRatio: 4.5,
      scrollback: SCROLLBACK,
      theme: theme(screen),
    });
    this.fit = new FitAddon();
    this.terminal.loadAddon(this.fit);
    this.terminal.open(screen);
    this.terminal.attachCustomKeyEventHandler((event) => {
      if (!(event.ctrlKey && event.key === "F6")) return true;
      if (event.type === "keydown") leave();
      return false;
    });
    this.terminal.onData((text) => this.type(encoder.encode(text)));
    this.terminal.onBinary((text) => this.type(Uint8Array.from(text, (c) => c.charCodeAt(0))));
    this.terminal.onResize(({ rows, cols }) => this.control({ resize: [rows, cols] }));
    this.sized = new ResizeObserver(() => requestAnimationFrame(() => this.resize()));
    this.sized.observe(screen);
    this.repaint = () => (this.terminal.options.theme = theme(screen));
    dark.addEventListener("change", this.repaint);
    this.resize();
  }

  connect(address, user, began, ended) {
    const { rows, cols } = this.terminal;
    const query = new URLSearchParams({ user, rows, columns: cols });
    const socket = new WebSocket(`${address}?${query}`);
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      // The address tells the size of then; a phone has settled on another one meanwhile.
      this.control({ resize: [this.terminal.rows, this.terminal.cols] });
      this.terminal.focus();
      began();
    };
    socket.onmessage = ({ data }) => this.heard(data);
    socket.onclose = ({ code, reason }) => {
      this.terminal.options.disableStdin = true;
      this.typed = [];
      ended(reason || (REASONS[code] ?? `closed with code ${code}`));
    };
  }

  heard(data) {
    if (typeof data === "string") {
      this.sent -= JSON.parse(data).ack;
      this.send();
    } else {
      const bytes = new Uint8Array(data);
      this.terminal.write(bytes, () => this.control({ ack: bytes.length }));
    }
  }

  type(bytes) {
    for (let at = 0; at < bytes.length; at += PIECE) {
      this.typed.push(bytes.subarray(at, at + PIECE));
    }
    this.send();
  }

  send() {
    while (this.isOpen && this.typed.length > 0 && this.sent < WINDOW) {
      const piece = this.typed.shift();
      this.sent += piece.length;
      this.socket.send(piece);
    }
  }

  control(what) {
    if (this.isOpen) this.socket.send(JSON.stringify(what));
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  resize() {
    if (this.screen.isConnected) this.fit.fit();
  }

  close() {
    this.socket?.close(1000, "closed");
  }

  remove() {
    dark.removeEventListener("change", this.repaint);
    this.sized.disconnect();
    this.close();
    this.terminal.dispose();
  }
}

// The page's own colours; those of programs are kept readable on them by the contrast ratio.
function theme(screen) {
  const style = getComputedStyle(screen);
  const colour = (name) => style.getPropertyValue(name).trim();
  return {
    background: colour("--card"),
    foreground: colour("--ink"),
    cursor: colour("--accent"),
    cursorAccent: colour("--on-accent"),
    selectionBackground: colour("--busy-back"),
    scrollbarSliderBackground: colour("--line"),
  };
}

function addStyles() {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = new URL("./vendor/xterm.css", import.meta.url);
  document.head.append(link);
}
