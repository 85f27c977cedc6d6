// Connecting in JavaScript, with a key (CURVE) where there is one: bus/PROTOCOL.md section 14.
import { readFileSync } from "node:fs";

// Connects a socket: with a key if HULAK_KEY names its file and the address is TCP.
export function connect(socket, address) {
  const path = process.env.HULAK_KEY;
  if (!path || !address.startsWith("tcp:")) return socket.connect(address);
  const lines = readFileSync(path, "utf8").matchAll(/^(\w+) = "(.*)"$/gm);
  const key = Object.fromEntries([...lines].map(([, name, value]) => [name, value]));
  socket.immediate = true; // nothing is queued for a connection that is not made
  [socket.curvePublicKey, socket.curveSecretKey, socket.curveServerKey] = [key.public, key.secret, key.server];
  socket.connect(address);
  if (!key.server_next) return;
  socket.curveServerKey = key.server_next; // the broker's key is being replaced: of these two connections only one is made
  socket.connect(address.replace("tcp://", "tcp://0.0.0.0:0;")); // libzmq connects to one text of an address only once
}
