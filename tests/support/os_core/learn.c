/* The lines of a script, and what they do:
 *
 *   round NUMBER FILE        a head of this round: float32, little-endian
 *   sample LABEL HEX         a labelled input
 *   clear                    forgets the samples
 *   train ROUND EPOCHS RATE  the rate in millionths
 *   use 0|1                  whether the trained head answers
 *   input HEX                gives the output
 *   count                    how many samples the head that answers gets right
 *   interrupted COUNT        as many inputs, computed in a real interrupt, while their results are read
 *   show                     what the training says of itself, and the update
 *   at once LINE             the next line comes before anything is computed
 *
 * A refusal is a line of its own. */
#include "learn.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "core/crc32.h"
#include "core/inference.h"
#include "core/os.h"
#include "core/update_model.h"
#include "core/watchdog.h"
#include "host.h"
#include "training/training.h"

#define MAX_BYTES 65536u
#define INTERRUPT_US 50
#define AT_ONCE "at once "

static uint8_t bytes[MAX_BYTES];

static void print_hex(const uint8_t *from, uint32_t count)
{
    for (uint32_t at = 0; at < count; at++) {
        printf("%02x", from[at]);
    }
}

static uint32_t read_hex(const char *hex)
{
    uint32_t count = 0;
    while (count < MAX_BYTES && sscanf(hex + 2 * count, "%2hhx", &bytes[count]) == 1) {
        count++;
    }
    return count;
}

static uint32_t read_whole(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "%s cannot be read\n", path);
        exit(2);
    }
    uint32_t count = (uint32_t)fread(bytes, 1, MAX_BYTES, file);
    fclose(file);
    return count;
}

/* Until nothing is to be done, and what was submitted is computed. */
static void settle(void)
{
    do {
        watchdog_feed();
    } while (os_turn() || inference_waits());
    os_turn();
}

static void show(void)
{
    struct training_figures now = training_figures();
    struct training_update update;
    printf("state %d\nround %u\nsamples %u\ncapacity %u\nfeatures %u\noutputs %u\nsteps %u\npersists %u\n", (int)now.state,
           now.round, now.samples, now.capacity, now.features, now.outputs, now.steps, now.persists);
    printf("used %d\ncorrect %d\nloss ", now.used, now.correct);
    print_hex((const uint8_t *)&now.loss, sizeof now.loss);
    printf("\nerror %s\n", now.error);
    if (training_update(&update)) {
        printf("update %u %u ", update.round, update.samples);
        print_hex(update.base, MODEL_IMAGE_SHA256_BYTES);
        printf(" ");
        print_hex(update.kernel, update.kernel_bytes);
        print_hex(update.bias, update.bias_bytes);
        printf("\n");
    }
}

void learn_show_found(void)
{
    struct training_update update;
    if (training_update(&update)) {
        printf("found %u %08x\n", update.round, crc32(update.kernel, update.kernel_bytes + update.bias_bytes));
    } else {
        printf("found nothing\n");
    }
    fflush(stdout); /* power may be lost at any moment */
}

static void print_output(void)
{
    static struct inference_result result;
    settle();
    if (inference_result(&result) == OS_OK) {
        printf("output ");
        print_hex(result.output, result.length);
        printf("\n");
    }
}

static void on_interrupt(int number)
{
    (void)number;
    (void)inference_turn();
}

/* What the simulated model makes of the input that has the low byte of its number all over. */
static bool is_output(const struct inference_result *result)
{
    uint8_t expected = (uint8_t)(result->sequence ^ update_model_running()->sha256[0] ^ (FIRST_STATE + result->sequence - 1));
    for (uint32_t at = 0; at < result->length; at++) {
        if (result->output[at] != expected) {
            return false;
        }
    }
    return true;
}

static void be_interrupted(uint32_t inputs)
{
    static struct inference_result result;
    uint32_t size = inference_input_bytes(), torn = 0, reads = 0;
    struct sigaction action = {.sa_handler = on_interrupt};
    struct itimerval often = {{0, INTERRUPT_US}, {0, INTERRUPT_US}}, never = {{0, 0}, {0, 0}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    for (uint32_t number = 1; number <= inputs; number++) {
        memset(bytes, (int)number, size);
        if (inference_submit(bytes, size) != OS_OK) {
            fprintf(stderr, "an input is not taken\n");
            exit(2);
        }
        while (inference_waits()) {
            if (inference_result(&result) == OS_OK) {
                reads++;
                torn += !is_output(&result);
            }
        }
    }
    setitimer(ITIMER_REAL, &never, NULL);
    printf("reads %s\ntorn %u\n", reads > inputs ? "many" : "few", torn);
}

static int run(char *line, const char **why)
{
    const struct training_figures now = training_figures();
    uint32_t first, second, third;
    int at = 0;
    if (sscanf(line, "round %u %n", &first, &at) == 1) {
        uint32_t count = read_whole(line + at), bias = now.outputs * (uint32_t)sizeof(float);
        bias = bias > count ? count : bias;
        return training_take_head(first, bytes, count - bias, bytes + count - bias, bias, why);
    }
    if (sscanf(line, "sample %u %n", &first, &at) == 1) {
        return training_add_sample((uint16_t)first, bytes, read_hex(line + at), false, why);
    }
    if (sscanf(line, "train %u %u %u", &first, &second, &third) == 3) {
        return training_start(first, second, third, why);
    }
    if (sscanf(line, "use %u", &first) == 1) {
        return training_use_trained(first != 0, false, why);
    }
    if (strcmp(line, "clear") == 0) {
        return training_clear_samples(why);
    }
    if (strcmp(line, "count") == 0) {
        return training_evaluate(why);
    }
    if (sscanf(line, "interrupted %u", &first) == 1) {
        be_interrupted(first);
        return OS_OK;
    }
    if (strncmp(line, "input ", 6) == 0) {
        int status = inference_submit(bytes, read_hex(line + 6));
        print_output();
        return status;
    }
    if (strcmp(line, "show") != 0) {
        fprintf(stderr, "no line of a script: %s\n", line);
        exit(2);
    }
    show();
    return OS_OK;
}

void learn(const char *script)
{
    static char line[4 * MAX_BYTES];
    FILE *file = fopen(script, "r");
    if (file == NULL) {
        fprintf(stderr, "%s cannot be read\n", script);
        exit(2);
    }
    while (fgets(line, sizeof line, file) != NULL) {
        const char *why = "";
        line[strcspn(line, "\n")] = '\0';
        bool at_once = strncmp(line, AT_ONCE, strlen(AT_ONCE)) == 0;
        if (run(line + (at_once ? strlen(AT_ONCE) : 0), &why) != OS_OK) {
            printf("refused: %s\n", why);
        }
        if (!at_once) {
            settle();
        }
    }
    fclose(file);
}
