// A shared worker: one connection for live updates, however many tabs are open. Browsers allow six per server.
"use strict";

const ports = new Set();
let latest = null;

function tell(state) {
  if (state !== "tick") latest = state;
  for (const port of ports) port.postMessage(state);
}

const events = new EventSource("/live");
events.addEventListener("changed", (event) => tell(event.data));

addEventListener("connect", (event) => {
  const port = event.ports[0];
  ports.add(port);
  port.onmessage = () => ports.delete(port);
  port.start();
  if (latest !== null) port.postMessage(latest);
});
