"""A client that knows nothing of sealmq: with_paho.py PORT VERSION NAME"""

import sys
import threading

import paho.mqtt.client as mqtt

port, version, name = int(sys.argv[1]), sys.argv[2], sys.argv[3]
protocol = mqtt.MQTTv5 if version == "5" else mqtt.MQTTv311
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=protocol)
live = threading.Event()


def on_message(client, _, message):
    print("retained" if message.retain else "live", message.payload[:1].hex(), flush=True)
    if not message.retain:
        live.set()


client.on_message = on_message
client.connect("127.0.0.1", port)
client.loop_start()
client.subscribe("plant/mass", qos=1)
# A broker of MQTT 5 may refuse it; what matters is what readers do.
client.publish(f"plant/valves/{name}", "open all valves", qos=1).wait_for_publish(10)
print("published", flush=True)
sys.exit(0 if live.wait(30) and client.is_connected() else 1)
