#ifndef SENSOR_H
#define SENSOR_H

/* Runs for ever; returns a sealmq_status if the device cannot start. */
int sensor_run(void);

#endif
