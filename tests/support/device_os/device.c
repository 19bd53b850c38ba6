/* The network side of the device OS as a program: FOLDER ENDPOINT SERVER LIFETIME TELEMETRY ACK_MS [IDENTITY KEYHEX].
   SENSOR_PORT of the environment is where sensors give samples.

   SIGUSR1 gives it another port, as a NAT does. It ends when a reset is requested. */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/training.h"
#include "core_memory.h"
#include "federation/sensor.h"
#include "lwm2m/client.h"
#include "net/random.h"
#include "port/datagram.h"
#include "training_memory.h"

static volatile sig_atomic_t move;

static void on_signal(int number)
{
    (void)number;
    move = 1;
}

static int fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    return 2;
}

int main(int count, char **arguments)
{
    static struct client_settings settings;
    uint8_t seed[RANDOM_SEED_BYTES];
    if (count != 7 && count != 9) {
        return fail("usage: device FOLDER ENDPOINT SERVER LIFETIME TELEMETRY ACK_MS [IDENTITY KEYHEX]");
    }
    snprintf(settings.endpoint, sizeof settings.endpoint, "%s", arguments[2]);
    settings.lifetime_s = (uint32_t)atoi(arguments[4]);
    settings.telemetry_s = (uint32_t)atoi(arguments[5]);
    settings.ack_timeout_ms = (uint32_t)atoi(arguments[6]);
    if (count == 9) {
        snprintf(settings.link.identity, sizeof settings.link.identity, "%s", arguments[7]);
        const char *hex = arguments[8];
        while (settings.link.key_length < LINK_KEY_BYTES &&
               sscanf(hex + 2 * settings.link.key_length, "%2hhx", &settings.link.key[settings.link.key_length]) == 1) {
            settings.link.key_length++;
        }
    }
    FILE *entropy = fopen("/dev/urandom", "rb");
    if (entropy == NULL || fread(seed, sizeof seed, 1, entropy) != 1 || random_start(seed, 0) != OS_OK) {
        return fail("no random numbers");
    }
    fclose(entropy);
    if (client_server(arguments[3], &settings.link) != OS_OK) {
        return fail("the server is no coap:// or coaps:// URI");
    }
    sigaction(SIGUSR1, &(struct sigaction){.sa_handler = on_signal}, NULL);
    core_memory_start(arguments[1]);
    training_memory_clear();
    if (client_start(&settings) != OS_OK) {
        return fail("the client does not start");
    }
    const char *sensor_port = getenv("SENSOR_PORT");
    if (sensor_port != NULL && sensor_start((uint16_t)atoi(sensor_port)) != OS_OK) {
        return fail("the port for sensors is not to be had");
    }
    while (!core_memory_reset_requested()) {
        client_poll();
        sensor_poll();
        (void)training_poll();
        if (move) {
            move = 0;
            datagram_open();
        }
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    puts("reset");
    return 0;
}
