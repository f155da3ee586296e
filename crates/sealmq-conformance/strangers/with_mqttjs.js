// A client that knows nothing of sealmq: with_mqttjs.js PORT VERSION NAME
const mqtt = require("mqtt");

const [port, version, name] = process.argv.slice(2);
const client = mqtt.connect(`mqtt://127.0.0.1:${port}`, {
  protocolVersion: Number(version),
  clientId: name,
  reconnectPeriod: 0,
});
setTimeout(() => process.exit(1), 30000);
client.on("error", (error) => { console.error(error); process.exit(1); });
client.on("close", () => process.exit(1));
client.on("message", (topic, payload, packet) => {
  console.log(packet.retain ? "retained" : "live", payload.subarray(0, 1).toString("hex"));
  if (!packet.retain) process.exit(client.connected ? 0 : 1);
});
client.on("connect", async () => {
  await client.subscribeAsync("plant/mass", { qos: 1 });
  await client.publishAsync(`plant/valves/${name}`, "open all valves", { qos: 1 });
  console.log("published");
});
