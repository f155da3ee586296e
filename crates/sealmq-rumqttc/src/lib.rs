//! sealmq for rumqttc: publish and subscribe as before, sealed end to end.
